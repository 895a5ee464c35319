// The checkpoint's tensors, in other layers, and for transplant in another depth or width. Maps read MODEL:CHECKPOINT:
// "0:1" fills the model's layer 0 from the checkpoint's layer 1. What lies outside the stack comes from its own name.
//
//   permute_layers: W'_l = W_map(l); the map is a permutation of the layers that it names, other layers keep their own
//   transplant:     W'_l = fit(W_map(l)); map is pairs, or
//                     own     l
//                     stack   l mod n             (n: layers of the checkpoint; grows by repetition)
//                     spread  floor(l n / L)      (L: layers of the model; grows or selects evenly)
//                   in pairs, layers that are not named take their own; two may take the same
//                   fit exact: the shape must be the same. fit tile: of another width,
//                     w'[i, j] = w[i mod R, j mod C] / c_j    for a matrix (R, C) of the checkpoint,
//                   c_j the number of the model's columns that copy column j mod C; embeddings the same without c_j,
//                   vectors w'[i] = w[i mod R]. Narrower: the leading rows and columns, c_j = 1. Wider by a whole
//                   factor, with heads of the same width: every hidden state is the checkpoint's, repeated (the
//                   division is Net2Net's), and only a decoder that is tied to the word embedding sees larger logits.
//
// Vectors go with their layer. Sources: Neyshabur, Sedghi, Zhang 2020, "What is being transferred in transfer
// learning?" (layers exchanged); Gong et al. 2019, "Efficient training of BERT by progressively stacking" (stack); Xu
// et al. 2023, "Initializing models with larger ones" (selection); Chen, Goodfellow, Shlens 2015, "Net2Net", eq. 2
// (width). Options: map (must be given for permute_layers); fit.
#include <algorithm>
#include <set>
#include <string>
#include <vector>

#include "layer_map.hpp"
#include "sdk/plugin.hpp"

namespace {

namespace sdk = initlab::sdk;
using initlab::plugins::LayerMap;
using initlab::plugins::name_in_layer;

void require_model_layers(const LayerMap& map, const il_param& param) {
  const std::int32_t most = initlab::plugins::largest_model_layer(map);
  if (most >= param.num_layers)
    throw sdk::Refusal("map names layer " + std::to_string(most) + "; the model has " +
                       std::to_string(param.num_layers) + ", counted from 0");
}

sdk::SourceTensor require_source(const sdk::Host& host, const std::string& name) {
  const auto tensor = host.source(name.c_str());
  if (!tensor) throw sdk::Refusal("there is no checkpoint, or it has no tensor " + name);
  return *tensor;
}

void require_shape(std::span<const std::int64_t> got, const il_param& param, const std::string& name,
                   const std::string& hint) {
  if (!std::ranges::equal(got, sdk::shape_of(param)))
    throw sdk::Refusal("expected shape " + sdk::shape_text(sdk::shape_of(param)) + ", got " + sdk::shape_text(got) +
                       " of " + name + " in the checkpoint" + hint);
}

class PermuteLayers {
 public:
  static constexpr sdk::Facts kFacts{.id = "permute_layers/1",
                                     .summary = "the checkpoint with its layers in another order",
                                     .source = "Neyshabur, Sedghi, Zhang 2020, What is being transferred",
                                     .natural_roles = IL_ROLE_ALL};
  static constexpr bool kNeedsSource = true;
  struct Options {
    std::optional<std::string> map;
    template <class Self, class Visitor>
    static void fields(Self& self, Visitor&& visit) {
      visit("map", self.map, "pairs MODEL_LAYER:CHECKPOINT_LAYER, as in 0:1,1:0; a permutation");
    }
  };
  explicit PermuteLayers(const Options& o) : map_(initlab::plugins::parse_layer_map(*o.map)) {
    std::set<std::int32_t> model, checkpoint;
    for (const auto& [to, from] : map_) {
      model.insert(to);
      checkpoint.insert(from);
    }
    if (model != checkpoint)
      throw sdk::Refusal("option \"map\": expected a permutation: the same layers on both sides, got " +
                         sdk::detail::in_quotes(*o.map) + "; `transplant` takes any map");
  }

  void check(const il_param& param, const sdk::Sources& sources) const {
    require_model_layers(map_, param);
    const std::string name = source_name(param);
    require_shape(sources.shape_or_missing(name.c_str()), param, name, "");
  }
  void fill(const il_param& param, const sdk::Host& host, std::span<float> values) const {
    require_model_layers(map_, param);
    const std::string name = source_name(param);
    const sdk::SourceTensor source = require_source(host, name);
    require_shape(source.shape, param, name, "");
    std::ranges::copy(source.values, values.begin());
  }

 private:
  std::string source_name(const il_param& param) const {
    const auto found = map_.find(param.layer);
    return found == map_.end() ? param.name : name_in_layer(param, found->second);
  }

  LayerMap map_;
};

class Transplant {
 public:
  static constexpr sdk::Facts kFacts{.id = "transplant/1",
                                     .summary = "layers of a checkpoint that may have another depth or width",
                                     .source = "Gong et al. 2019 (stacking); Xu et al. 2023 (selection); Net2Net 2015",
                                     .natural_roles = IL_ROLE_ALL};
  static constexpr bool kNeedsSource = true;
  struct Options {
    std::string map = "own";
    std::string fit = "exact";
    template <class Self, class Visitor>
    static void fields(Self& self, Visitor&& visit) {
      visit("map", self.map, "own, stack, spread, or pairs MODEL_LAYER:CHECKPOINT_LAYER, as in 0:0,1:0");
      visit("fit", self.fit, "exact (the same shape) or tile (leading rows and columns, or repeated ones)");
    }
  };
  explicit Transplant(const Options& o) : tile_(sdk::one_of("fit", o.fit, {"exact", "tile"}) == 1) {
    if (o.map == "stack") way_ = Way::stack;
    if (o.map == "spread") way_ = Way::spread;
    if (o.map != "own" && way_ == Way::pairs) map_ = initlab::plugins::parse_layer_map(o.map);
  }

  void check(const il_param& param, const sdk::Sources& sources) const {
    const auto has = [&](const std::string& name) { return sources.shape(name.c_str()).has_value(); };
    const std::string name = source_name(param, has);
    if (map_.contains(param.layer) && !has(name))  // a slip in the map, nothing for the rule's `missing`
      throw sdk::Refusal("map names layer " + std::to_string(map_.at(param.layer)) + "; the checkpoint has no " + name);
    require_fit(sources.shape_or_missing(name.c_str()), param, name);
  }
  void fill(const il_param& param, const sdk::Host& host, std::span<float> values) const {
    const auto has = [&](const std::string& name) { return host.source_shape(name.c_str()).has_value(); };
    const std::string name = source_name(param, has);
    const sdk::SourceTensor source = require_source(host, name);
    require_fit(source.shape, param, name);
    if (std::ranges::equal(source.shape, sdk::shape_of(param))) {
      std::ranges::copy(source.values, values.begin());
    } else {
      tile(source, param, values);
    }
  }

 private:
  enum class Way { pairs, stack, spread };

  template <class Has>
  std::string source_name(const il_param& param, const Has& has) const {
    require_model_layers(map_, param);
    if (param.layer < 0) return param.name;
    if (way_ == Way::pairs) {
      const auto found = map_.find(param.layer);
      return found == map_.end() ? param.name : name_in_layer(param, found->second);
    }
    std::int64_t layers = 0;  // of the checkpoint
    while (has(name_in_layer(param, static_cast<std::int32_t>(layers)))) ++layers;
    if (layers == 0) return name_in_layer(param, 0);  // which is missing
    const std::int64_t l = way_ == Way::stack ? param.layer % layers : param.layer * layers / param.num_layers;
    return name_in_layer(param, static_cast<std::int32_t>(l));
  }

  void require_fit(std::span<const std::int64_t> shape, const il_param& param, const std::string& name) const {
    if (tile_ && shape.size() == param.rank && sdk::elements(shape) > 0) return;
    require_shape(shape, param, name, tile_ ? "" : "; `fit: tile` takes another width");
  }

  static void tile(const sdk::SourceTensor& source, const il_param& param, std::span<float> values) {
    const bool vector = param.rank == 1;
    const auto size = [vector](std::span<const std::int64_t> shape, std::size_t which) {
      return vector && which == 0 ? std::size_t{1} : static_cast<std::size_t>(shape[shape.size() - 2 + which]);
    };
    const auto dims = sdk::shape_of(param);
    const std::size_t rows = size(dims, 0), columns = size(dims, 1);
    const std::size_t source_rows = size(source.shape, 0), source_columns = size(source.shape, 1);
    const bool divides = param.role == IL_ROLE_MATRIX;
    for (std::size_t j = 0; j < columns; ++j) {
      const std::size_t from = j % source_columns;
      const std::size_t copies = divides ? (columns - from - 1) / source_columns + 1 : 1;
      for (std::size_t i = 0; i < rows; ++i)
        values[i * columns + j] = static_cast<float>(
            static_cast<double>(source.values[i % source_rows * source_columns + from]) / static_cast<double>(copies));
    }
  }

  Way way_ = Way::pairs;
  LayerMap map_;
  bool tile_;
};

}  // namespace

const il_plugin* initlab_plugin() { return initlab::sdk::plugin<PermuteLayers, Transplant>("layers", "1.0.0"); }
