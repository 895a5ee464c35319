#include "compute/targets.hpp"

#include <cstdint>

// One function for each instruction set: the list of what was built comes from its table.
#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "compute/targets.cc"
#include <hwy/foreach_target.h>
#include <hwy/highway.h>

HWY_BEFORE_NAMESPACE();
namespace initlab::compute::HWY_NAMESPACE {
std::int64_t own_target() { return HWY_TARGET; }
}  // namespace initlab::compute::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace initlab::compute {
namespace {

HWY_EXPORT(own_target);

// What the CPU has, whatever use_target() said.
std::int64_t supported() {
  static const std::int64_t found = hwy::SupportedTargets();
  return found;
}

}  // namespace

std::vector<Target> targets() {
  std::vector<Target> all;
  for (std::int64_t bits = HWY_TARGETS; bits != 0; bits &= bits - 1) {  // a lower bit is a better target
    const std::int64_t one = bits & -bits;
    all.push_back({hwy::TargetName(one), (supported() & one) != 0});
  }
  return all;
}

std::string target() { return hwy::TargetName(HWY_DYNAMIC_DISPATCH(own_target)()); }

bool use_target(const std::string& name) {
  std::int64_t wanted = name.empty() ? supported() : 0;
  for (std::int64_t bits = HWY_TARGETS; bits != 0; bits &= bits - 1) {
    const std::int64_t one = bits & -bits;
    if (name == hwy::TargetName(one)) wanted = one & supported();
  }
  if (wanted == 0) return false;
  hwy::SetSupportedTargetsForTest(wanted);  // 1.0.3 has no other way back up
  hwy::GetChosenTarget().Update(hwy::SupportedTargets());
  return true;
}

void use_vector_kernels(bool vector) { use_target(vector ? "" : targets().back().name); }

}  // namespace initlab::compute
#endif
