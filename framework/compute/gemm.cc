#include "compute/gemm.hpp"

#include <array>
#include <cassert>
#include <chrono>
#include <map>
#include <oneapi/dnnl/dnnl.hpp>
#include <utility>

namespace initlab::compute {
namespace {

using dnnl::memory;

// Laying a weight out costs as much as its size, and gains a few percent of a product, which grows with the rows.
constexpr std::int64_t kRowsThatPay = 512;

memory::data_type type_of(Element element) {
  return element == Element::f32 ? memory::data_type::f32 : memory::data_type::bf16;
}

memory::desc matrix(std::int64_t rows, std::int64_t columns, Stored stored, Element element) {
  const memory::dims strides = stored == Stored::plain ? memory::dims{columns, 1} : memory::dims{1, rows};
  return {{rows, columns}, type_of(element), strides};
}

memory::desc any_matrix(std::int64_t rows, std::int64_t columns, Element element) {
  return {{rows, columns}, type_of(element), memory::format_tag::any};
}

dnnl::matmul::primitive_desc describe(const Product& p, const memory::desc& b, const dnnl::engine& engine) {
  const memory::desc a = matrix(p.m, p.k, p.a, p.operands);
  const memory::desc c = matrix(p.m, p.n, Stored::plain, p.result);
  const memory::desc bias = matrix(1, p.n, Stored::plain, Element::f32);
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

// A primitive, with memory objects whose data pointers are set before each execution.
struct Planned {
  dnnl::matmul primitive;
  dnnl::reorder pack;  // empty: B is read where it stands
  memory weight;       // what `pack` reads
  memory a, b, c, bias, scratchpad;
};

// By oneDNN's C interface: the C++ one copies its arguments into containers, call by call.
template <std::size_t kCount>
void execute(const dnnl::primitive& primitive, const dnnl::stream& stream,
             const std::array<dnnl_exec_arg_t, kCount>& arguments) {
  dnnl::error::wrap_c_api(dnnl_primitive_execute(primitive.get(), stream.get(), kCount, arguments.data()),
                          "oneDNN could not execute a primitive");
}

// Memory that grows while products are planned.
struct Buffer {
  memory block;
  std::size_t bytes = 0;

  void reserve(std::size_t wish, const dnnl::engine& engine) {
    if (wish <= bytes) return;
    block = memory({{static_cast<memory::dim>(wish)}, memory::data_type::u8, memory::format_tag::x}, engine);
    bytes = wish;
  }
  void* data() const { return bytes > 0 ? block.get_data_handle() : nullptr; }
};

}  // namespace

struct Gemm::Impl {
  explicit Impl(bool packs) : packs_weights(packs) {}

  dnnl::engine engine{dnnl::engine::kind::cpu, 0};
  dnnl::stream stream{engine};
  bool packs_weights;
  std::map<Product, Planned> planned;
  Buffer scratchpad, packed;  // products run one after another and share them
  double packing_seconds = 0;

  bool may_pack(const Product& p) const {
    return p.weight && packs_weights && (p.operands == Element::bf16 || p.m >= kRowsThatPay);
  }

  Planned& find(const Product& product) {
    const auto found = planned.find(product);
    if (found != planned.end()) return found->second;
    const memory::desc plain = matrix(product.k, product.n, product.b, product.operands);
    const memory::desc wished = may_pack(product) ? any_matrix(product.k, product.n, product.operands) : plain;
    const dnnl::matmul::primitive_desc description = describe(product, wished, engine);
    const memory::desc weight = matrix(product.k, product.n, product.b, Element::f32);
    Planned plan;
    plan.primitive = dnnl::matmul(description);
    plan.a = memory(description.src_desc(), engine, nullptr);
    plan.b = memory(description.weights_desc(), engine, nullptr);
    plan.c = memory(description.dst_desc(), engine, nullptr);
    plan.scratchpad = memory(description.scratchpad_desc(), engine, nullptr);
    if (product.bias) plan.bias = memory(matrix(1, product.n, Stored::plain, Element::f32), engine, nullptr);
    if (product.weight && description.weights_desc() != weight) {
      plan.weight = memory(weight, engine, nullptr);
      plan.pack = dnnl::reorder(dnnl::reorder::primitive_desc(engine, weight, engine, description.weights_desc()));
      packed.reserve(description.weights_desc().get_size(), engine);
    }
    scratchpad.reserve(description.scratchpad_desc().get_size(), engine);
    return planned.emplace(product, std::move(plan)).first->second;
  }

  void pack(Planned& plan, const float* b) {
    const auto start = std::chrono::steady_clock::now();
    plan.weight.set_data_handle(const_cast<float*>(b));
    plan.b.set_data_handle(packed.data());
    execute<2>(plan.pack, stream, {{{DNNL_ARG_FROM, plan.weight.get()}, {DNNL_ARG_TO, plan.b.get()}}});
    packing_seconds += std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
  }
};

Gemm::Gemm(bool packs_weights) : impl_(std::make_unique<Impl>(packs_weights)) {}
Gemm::~Gemm() = default;

void Gemm::plan(const Product& product) { impl_->find(product); }

std::int64_t Gemm::primitives() const { return static_cast<std::int64_t>(impl_->planned.size()); }
double Gemm::packing_seconds() const { return impl_->packing_seconds; }

void Gemm::operator()(const Product& product, ConstCells a, ConstCells b, Cells c, const float* bias) {
  assert(product.bias == (bias != nullptr));
  assert(a.element() == product.operands && c.element() == product.result);
  assert(b.element() == (product.weight ? Element::f32 : product.operands));
  Planned& plan = impl_->find(product);
  if (plan.pack) {
    impl_->pack(plan, b.f32());
  } else {
    plan.b.set_data_handle(const_cast<void*>(b.data()));
  }
  plan.a.set_data_handle(const_cast<void*>(a.data()));  // oneDNN only reads it
  plan.c.set_data_handle(c.data());
  if (impl_->scratchpad.bytes > 0) plan.scratchpad.set_data_handle(impl_->scratchpad.data());
  const dnnl_exec_arg_t source{DNNL_ARG_SRC, plan.a.get()}, weights{DNNL_ARG_WEIGHTS, plan.b.get()},
      result{DNNL_ARG_DST, plan.c.get()}, scratchpad{DNNL_ARG_SCRATCHPAD, plan.scratchpad.get()};
  if (bias == nullptr) return execute<4>(plan.primitive, impl_->stream, {{source, weights, result, scratchpad}});
  plan.bias.set_data_handle(const_cast<float*>(bias));
  execute<5>(plan.primitive, impl_->stream, {{source, weights, result, scratchpad, {DNNL_ARG_BIAS, plan.bias.get()}}});
}

bool has_bf16_products() {
  const auto has = static_cast<unsigned>(dnnl::get_effective_cpu_isa());
  const auto needed = static_cast<unsigned>(dnnl::cpu_isa::avx512_core_bf16);
  return (has & needed) == needed;
}

std::string onednn_version() {
  const dnnl_version_t* version = dnnl_version();
  return std::to_string(version->major) + "." + std::to_string(version->minor) + "." + std::to_string(version->patch);
}

}  // namespace initlab::compute
