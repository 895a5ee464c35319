#include "compute/small_gemm.hpp"

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "compute/small_gemm.cc"
#include <hwy/foreach_target.h>
#include <hwy/highway.h>

#include "compute/small_gemm-inl.h"

HWY_BEFORE_NAMESPACE();
namespace initlab::compute::HWY_NAMESPACE {
void multiply_small(const SmallProduct& product) { multiply(product); }
}  // namespace initlab::compute::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace initlab::compute {

HWY_EXPORT(multiply_small);

void small_gemm(const SmallProduct& product) { HWY_DYNAMIC_DISPATCH(multiply_small)(product); }

}  // namespace initlab::compute
#endif
