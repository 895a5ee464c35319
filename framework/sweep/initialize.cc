#include "sweep/initialize.hpp"

#include <algorithm>
#include <optional>
#include <string_view>

#include "compute/targets.hpp"
#include "model/moments.hpp"
#include "model/observe.hpp"

namespace initlab::sweep {
namespace {

// The residual stream between two branches: what the next branch's product is added to.
bool is_stream(std::string_view site) {
  return site == "embeddings" || site == "attention.output" || site == "ffn.output";
}
bool is_branch(std::string_view site) { return site == "attention.branch" || site == "ffn.branch"; }

// Statistics of all products of one or more passes.
class Statistics {
 public:
  void add(const model::Activation& a) {
    if (is_stream(a.site)) stream_ = model::Moments(a.values);
    if (a.weight.empty()) return;
    auto found = std::ranges::find(products_, a.weight, &Product::weight);
    if (found == products_.end()) found = products_.insert(found, Product{std::string(a.weight), {}, {}});
    found->output.add(model::Moments(a.values));
    if (is_branch(a.site)) found->residual.add(stream_);
  }

  std::vector<init::Output> outputs() const {
    std::vector<init::Output> outputs;
    for (const Product& p : products_) {
      init::Output& o = outputs.emplace_back();
      o.weight = p.weight;
      o.count = static_cast<std::uint64_t>(p.output.count());
      o.mean = p.output.mean();
      o.stddev = p.output.stddev();
      if (p.residual.count() == 0) continue;
      o.residual_mean = p.residual.mean();
      o.residual_stddev = p.residual.stddev();
    }
    return outputs;
  }

 private:
  struct Product {
    std::string weight;
    model::Moments output, residual;
  };
  std::vector<Product> products_;  // in the order of the pass
  model::Moments stream_;
};

}  // namespace

std::vector<record::InitRecord> initialize(const Prepared& p, const init::Catalog& catalog, std::span<float> values) {
  compute::use_vector_kernels(p.plan.training.uses("vector_kernels"));
  std::optional<data::BatchStream> stream;  // made where a strategy calibrates
  const init::ForwardPass forward = [&](std::span<const float> present, std::int64_t batches) {
    if (!stream) stream.emplace(p.batches());
    Statistics statistics;
    for (std::int64_t step = 0; step < batches; ++step) {
      const batch::Batch whole = stream->train(step);
      // In the pieces that training sees, which bound the memory.
      const std::int64_t piece = data::piece_size(whole.sequences(), p.plan.training.accumulate);
      for (std::int64_t first = 0; first < whole.sequences(); first += piece)
        model::observe(p.model, p.data->info.head, p.num_labels, *p.table, present,
                       data::slice(whole, first, std::min(first + piece, whole.sequences())),
                       [&](const model::Activation& a) { statistics.add(a); });
    }
    return statistics.outputs();
  };
  const std::vector<init::Assignment> assignments = p.assignments(catalog);
  return init::apply(catalog, assignments, p.plan, p.model, p.checkpoint.get(), values, forward);
}

}  // namespace initlab::sweep
