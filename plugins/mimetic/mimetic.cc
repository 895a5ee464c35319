// mimetic: attention that looks like a pre-trained one, without any data.
//
//   head h:  W_Q W_K^T ~ qk_alpha Z_h + qk_beta I    (rank H / heads: the best approximation of that rank)
//   layer:   W_V W_O   = vo_alpha Z   + vo_beta I    (exact)
//   Z (H, H), elements N(0, 1 / H);  M = U S V^T is split evenly: W_Q = U sqrt(S), W_K = V sqrt(S), W_V, W_O^T likewise
//
// The paper writes x W_Q; our tensors are (out, in), so the query's is W_Q^T. Defaults: 0.7, 0.7, 0.4, -0.4, which
// draws W_Q W_K^T towards +I and W_V W_O towards -I, as in the vision transformers that the paper looks at; for
// language models it shows other signs, so try them. Matrices that are no attention, and embeddings, are truncated
// normals as in bert_default: an arm {use: mimetic} is a whole model.
//
// Query and key of a layer must fit together though each is filled alone: both take Z from the stream of the query's
// name, value and output from that of the value's. So a rule must cover both of a pair. U are the eigenvectors of
// M M^T in descending order, each with its largest element positive; then S and V follow from U^T M = S V^T.
// Cost: heads + 1 decompositions a layer, of the order of 10 H^3 operations each: three seconds for MiniLM (6 layers,
// H = 384) on one core, about a minute for base.
//
// Source: Trockman, Kolter 2023, "Mimetic Initialization of Self-Attention Layers", ICML. Options: qk_alpha,
// qk_beta, vo_alpha, vo_beta, stddev.
#include <algorithm>
#include <array>
#include <cmath>
#include <memory>
#include <mutex>
#include <string>
#include <string_view>
#include <vector>

#include "sdk/distributions.hpp"
#include "sdk/plugin.hpp"
#include "sdk/shape.hpp"
#include "symmetric_eigen.hpp"

namespace {

namespace sdk = initlab::sdk;
using initlab::plugins::dot;
using initlab::plugins::Square;

// alpha Z + beta I.
struct Target {
  double alpha, beta;

  // Z from the draws first, first + 1, ... of the tensor's stream.
  Square draw(const sdk::Host& host, const std::string& tensor, std::uint64_t first, std::size_t n) const {
    std::vector<float> z(n * n);
    host.normal(tensor.c_str(), first, z);
    const double scale = alpha / std::sqrt(static_cast<double>(n));
    Square m(n);
    for (std::size_t i = 0; i < z.size(); ++i) m.values[i] = scale * static_cast<double>(z[i]);
    for (std::size_t i = 0; i < n; ++i) m.row(i)[i] += beta;
    return m;
  }
};

// The largest `rank` singular triples of M, split evenly: rows i of left and right are sqrt(s_i) u_i and sqrt(s_i) v_i.
void split(const Square& m, std::size_t rank, float* left, float* right) {
  const std::size_t n = m.n;
  Square gram(n);  // M M^T
  for (std::size_t i = 0; i < n; ++i)
    for (std::size_t j = 0; j <= i; ++j) gram.row(i)[j] = gram.row(j)[i] = dot(m.row(i), m.row(j), n);
  const auto eigen = initlab::plugins::SymmetricEigen::solve(gram);
  std::vector<double> v(n);
  for (std::size_t k = 0; k < rank; ++k) {
    const double* u = eigen.vectors.row(k);
    std::ranges::fill(v, 0.0);  // s v = M^T u
    for (std::size_t i = 0; i < n; ++i)
      for (std::size_t j = 0; j < n; ++j) v[j] += u[i] * m.row(i)[j];
    const double s = std::sqrt(dot(v.data(), v.data(), n));
    const double root = std::sqrt(s);
    for (std::size_t j = 0; j < n; ++j) {
      left[k * n + j] = static_cast<float>(root * u[j]);
      right[k * n + j] = s > 0 ? static_cast<float>(v[j] / root) : 0.0f;
    }
  }
}

// Two tensors of a layer that belong together, by the name of the one whose stream both use.
struct Pair {
  std::array<float, 8> probe{};  // the first draws of that stream: they tell the seed
  std::string name;
  std::vector<float> left, right;  // query and key, or value and the transposed output; (H, H)
};

// Where a tensor stands in the attention.
struct Place {
  enum Kind { query, key, value, output, elsewhere } kind = elsewhere;
  std::string stream;  // the name whose stream Z comes from
};

Place place_of(const il_param& param) {
  static constexpr std::array<std::pair<std::string_view, std::string_view>, 4> kNames = {{
      {".attention.self.query.weight", ".attention.self.query.weight"},
      {".attention.self.key.weight", ".attention.self.query.weight"},
      {".attention.self.value.weight", ".attention.self.value.weight"},
      {".attention.output.dense.weight", ".attention.self.value.weight"},
  }};
  const std::string_view name(param.name);
  for (std::size_t i = 0; i < kNames.size(); ++i)
    if (param.layer >= 0 && name.ends_with(kNames[i].first))
      return {static_cast<Place::Kind>(i),
              std::string(name.substr(0, name.size() - kNames[i].first.size())) + std::string(kNames[i].second)};
  return {};
}

class Mimetic {
 public:
  static constexpr sdk::Facts kFacts{
      .id = "mimetic/1",
      .summary = "attention whose products of weights lie near the identity; the rest truncated normal",
      .source = "Trockman & Kolter 2023, Mimetic Initialization of Self-Attention Layers",
      .natural_roles = IL_ROLE_MATRIX | IL_ROLE_EMBEDDING};
  struct Options {
    double qk_alpha = 0.7;
    double qk_beta = 0.7;
    double vo_alpha = 0.4;
    double vo_beta = -0.4;
    double stddev = 0.02;
    template <class Self, class Visitor>
    static void fields(Self& self, Visitor&& visit) {
      visit("qk_alpha", self.qk_alpha, "share of noise in W_Q W_K^T", sdk::between(-1e6, 1e6));
      visit("qk_beta", self.qk_beta, "share of the identity in W_Q W_K^T", sdk::between(-1e6, 1e6));
      visit("vo_alpha", self.vo_alpha, "share of noise in W_V W_O", sdk::between(-1e6, 1e6));
      visit("vo_beta", self.vo_beta, "share of the identity in W_V W_O", sdk::between(-1e6, 1e6));
      visit("stddev", self.stddev, "of all other weights, before the cut at two of them", sdk::at_least(0));
    }
  };
  explicit Mimetic(const Options& o)
      : query_key_{o.qk_alpha, o.qk_beta}, value_output_{o.vo_alpha, o.vo_beta}, rest_{0, o.stddev, 2} {}

  void check(const il_param& param, const sdk::Sources&) const {
    const sdk::MatrixShape shape = sdk::matrix_shape(param);
    if (place_of(param).kind == Place::elsewhere) return;
    if (shape.rows != shape.columns) throw sdk::Refusal("the matrices of an attention must be square");
    if (param.heads < 1 || shape.rows % param.heads != 0) throw sdk::Refusal("the heads do not divide the hidden size");
  }
  void fill(const il_param& param, const sdk::Host& host, std::span<float> values) const {
    const Place place = place_of(param);
    if (place.kind == Place::elsewhere) return rest_.fill(param.name, host, values);
    const sdk::MatrixShape shape = sdk::matrix_shape(param);
    const std::size_t n = static_cast<std::size_t>(shape.rows);
    const bool scores = place.kind == Place::query || place.kind == Place::key;
    const auto pair = pair_of(host, place.stream, n, scores ? static_cast<std::size_t>(param.heads) : 1,
                              scores ? query_key_ : value_output_);
    if (place.kind == Place::output) {
      for (std::size_t i = 0; i < n; ++i)
        for (std::size_t j = 0; j < n; ++j) values[i * n + j] = pair->right[j * n + i];
    } else {
      std::ranges::copy(place.kind == Place::key ? pair->right : pair->left, values.begin());
    }
  }
  sdk::Moments moments(const il_param& param) const {
    if (place_of(param).kind != Place::elsewhere) throw sdk::Refusal("not of the attention's matrices");
    return rest_.moments();
  }

 private:
  // Made once for both tensors, and kept until another is asked for. `blocks`: heads, or 1.
  std::shared_ptr<const Pair> pair_of(const sdk::Host& host, const std::string& name, std::size_t n, std::size_t blocks,
                                      const Target& target) const {
    auto pair = std::make_shared<Pair>();
    pair->name = name;
    host.normal(name.c_str(), 0, pair->probe);
    {
      const std::lock_guard lock(mutex_);
      if (last_ && last_->name == name && last_->probe == pair->probe && last_->left.size() == n * n) return last_;
    }
    pair->left.resize(n * n);
    pair->right.resize(n * n);
    const std::size_t rank = n / blocks;
    for (std::size_t block = 0; block < blocks; ++block) {
      const std::size_t offset = block * rank * n;
      split(target.draw(host, name, block * n * n, n), rank, pair->left.data() + offset, pair->right.data() + offset);
    }
    const std::lock_guard lock(mutex_);
    last_ = pair;
    return pair;
  }

  Target query_key_, value_output_;
  sdk::TruncatedNormal rest_;
  mutable std::mutex mutex_;
  mutable std::shared_ptr<const Pair> last_;
};

}  // namespace

const il_plugin* initlab_plugin() { return initlab::sdk::plugin<Mimetic>("mimetic", "1.0.0"); }
