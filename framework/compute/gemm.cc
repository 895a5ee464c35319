#include "compute/gemm.hpp"

#include <cassert>
#include <map>
#include <oneapi/dnnl/dnnl.hpp>
#include <unordered_map>
#include <utility>

namespace initlab::compute {
namespace {

using dnnl::memory;

memory::desc matrix(std::int64_t rows, std::int64_t columns, Stored stored) {
  const memory::dims strides = stored == Stored::plain ? memory::dims{columns, 1} : memory::dims{1, rows};
  return {{rows, columns}, memory::data_type::f32, strides};
}

dnnl::matmul::primitive_desc describe(const Product& p, const dnnl::engine& engine) {
  const memory::desc a = matrix(p.m, p.k, p.a);
  const memory::desc b = matrix(p.k, p.n, p.b);
  const memory::desc c = matrix(p.m, p.n, Stored::plain);
  const memory::desc bias = matrix(1, p.n, Stored::plain);
  dnnl::primitive_attr attributes;
  attributes.set_scratchpad_mode(dnnl::scratchpad_mode::user);
  if (p.accumulate) {
    dnnl::post_ops sum;
    sum.append_sum(1.0f);
    attributes.set_post_ops(sum);
  }
#if DNNL_VERSION_MAJOR >= 3
  return p.bias ? dnnl::matmul::primitive_desc(engine, a, b, bias, c, attributes)
                : dnnl::matmul::primitive_desc(engine, a, b, c, attributes);
#else
  const dnnl::matmul::desc operation = p.bias ? dnnl::matmul::desc(a, b, bias, c) : dnnl::matmul::desc(a, b, c);
  return {operation, attributes, engine};
#endif
}

// A primitive with memory objects whose data pointers are set before each execution.
struct Planned {
  dnnl::matmul primitive;
  memory a, b, c, bias, scratchpad;
  std::unordered_map<int, memory> arguments;
};

}  // namespace

struct Gemm::Impl {
  dnnl::engine engine{dnnl::engine::kind::cpu, 0};
  dnnl::stream stream{engine};
  std::map<Product, Planned> planned;
  memory scratchpad;  // as large as the largest wish so far; products run one after another
  std::size_t scratchpad_bytes = 0;

  Planned& find(const Product& product) {
    const auto found = planned.find(product);
    if (found != planned.end()) return found->second;
    const dnnl::matmul::primitive_desc description = describe(product, engine);
    Planned plan;
    plan.primitive = dnnl::matmul(description);
    plan.a = memory(description.src_desc(), engine, nullptr);
    plan.b = memory(description.weights_desc(), engine, nullptr);
    plan.c = memory(description.dst_desc(), engine, nullptr);
    plan.scratchpad = memory(description.scratchpad_desc(), engine, nullptr);
    // Memory objects are shared handles: setting plan.a's pointer changes the argument.
    plan.arguments = {{DNNL_ARG_SRC, plan.a},
                      {DNNL_ARG_WEIGHTS, plan.b},
                      {DNNL_ARG_DST, plan.c},
                      {DNNL_ARG_SCRATCHPAD, plan.scratchpad}};
    if (product.bias) {
      plan.bias = memory(matrix(1, product.n, Stored::plain), engine, nullptr);
      plan.arguments.emplace(DNNL_ARG_BIAS, plan.bias);
    }
    const std::size_t wish = description.scratchpad_desc().get_size();
    if (wish > scratchpad_bytes) {
      scratchpad = memory({{static_cast<memory::dim>(wish)}, memory::data_type::u8, memory::format_tag::x}, engine);
      scratchpad_bytes = wish;
    }
    return planned.emplace(product, std::move(plan)).first->second;
  }
};

Gemm::Gemm() : impl_(std::make_unique<Impl>()) {}
Gemm::~Gemm() = default;

void Gemm::plan(const Product& product) { impl_->find(product); }

std::int64_t Gemm::primitives() const { return static_cast<std::int64_t>(impl_->planned.size()); }

void Gemm::operator()(const Product& product, const float* a, const float* b, float* c, const float* bias) {
  assert(product.bias == (bias != nullptr));
  Planned& plan = impl_->find(product);
  plan.a.set_data_handle(const_cast<float*>(a));  // oneDNN only reads it
  plan.b.set_data_handle(const_cast<float*>(b));
  plan.c.set_data_handle(c);
  if (bias != nullptr) plan.bias.set_data_handle(const_cast<float*>(bias));
  if (impl_->scratchpad_bytes > 0) plan.scratchpad.set_data_handle(impl_->scratchpad.get_data_handle());
  plan.primitive.execute(impl_->stream, plan.arguments);
  impl_->stream.wait();
}

std::string onednn_version() {
  const dnnl_version_t* version = dnnl_version();
  return std::to_string(version->major) + "." + std::to_string(version->minor) + "." + std::to_string(version->patch);
}

}  // namespace initlab::compute
