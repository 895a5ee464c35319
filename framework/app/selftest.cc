// `initlab selftest`: facts that theory knows, checked against this program and the plugins beside it: losses,
// gradients, symmetries, moments, fans. Not for: speed, files of results, or what tests/ holds against other programs.
#include <unistd.h>

#include <algorithm>
#include <cmath>
#include <filesystem>
#include <iostream>
#include <set>

#include "app/common.hpp"
#include "base/error.hpp"
#include "base/text.hpp"
#include "checkpoint/checkpoint.hpp"
#include "compute/threads.hpp"
#include "model/bert.hpp"

namespace initlab::app {
namespace {

namespace fs = std::filesystem;
using config::HeadKind;
using Rules = std::vector<config::InitRule>;
using Options = std::vector<std::pair<std::string, std::string>>;

constexpr std::int64_t kClasses = 3;

config::ModelConfig small_shape() {
  config::ModelConfig model;
  model.layers = 2;
  model.hidden = 32;
  model.heads = 4;
  model.intermediate = 64;
  model.vocabulary = 200;
  model.max_positions = 16;
  return model;
}

config::InitRule rule(const std::string& use, const Options& options = {},
                      const std::optional<std::string>& match = std::nullopt) {
  config::InitRule r;
  r.use = use;
  r.options = options;
  r.match = match;
  r.place = "selftest";
  r.text = "{use: " + use + "}";
  return r;
}

// Six sequences of several lengths; labels and masked positions of every kind.
batch::Batch sample_batch(HeadKind head, std::int64_t vocabulary) {
  batch::Batch b;
  b.offsets = {0};
  for (std::int32_t s = 0; s < 6; ++s) {
    const std::int32_t first = b.offsets.back(), length = 4 + s;
    for (std::int32_t t = 0; t < length; ++t) {
      b.ids.push_back((17 * s + 5 * t + 3) % static_cast<std::int32_t>(vocabulary));
      b.types.push_back(t > 2 ? 1 : 0);
      b.positions.push_back(t);
    }
    b.offsets.push_back(first + length);
    b.slots.push_back(s);
    b.examples.push_back(s);
    if (head == HeadKind::classifier) b.classes.push_back(s % 2);  // unequal classes: their gradients do not cancel
    if (head != HeadKind::mlm) continue;
    b.masked_rows.push_back(first + 1 + s % 3);
    b.masked_labels.push_back((7 * s + 1) % static_cast<std::int32_t>(vocabulary));
  }
  return b;
}

// A small BERT that rules have filled, and one batch for it.
class Bench {
 public:
  Bench(const init::Catalog& catalog, HeadKind head, const Rules& encoder_rules, const Rules& head_rules)
      : bert_(small_shape(), head, kClasses, {.tokens = 64, .sequences = 8, .predictions = 8, .longest = 16}),
        batch_(sample_batch(head, small_shape().vocabulary)) {
    fill(catalog, encoder_rules, head_rules);
  }
  void fill(const init::Catalog& catalog, const Rules& encoder_rules, const Rules& head_rules,
            const checkpoint::Checkpoint* source = nullptr);

  double loss() { return bert_.forward(batch_, {}) / count(); }
  // Gradient of the mean loss, from zero.
  void differentiate() {
    std::ranges::fill(bert_.gradients(), 0.0f);
    bert_.forward(batch_, {});
    bert_.backward(static_cast<float>(1 / count()));
  }
  void descend(float rate) {
    differentiate();
    for (std::size_t i = 0; i < bert_.values().size(); ++i) bert_.values()[i] -= rate * bert_.gradients()[i];
  }
  const params::ParameterTable& table() const { return bert_.parameters(); }
  std::span<const float> all() const { return std::as_const(bert_).values(); }
  std::span<const float> values(const std::string& name) const { return slice(all(), name); }
  std::span<const float> gradient(const std::string& name) { return slice(bert_.gradients(), name); }

 private:
  double count() const {
    return static_cast<double>(batch_.masked_rows.empty() ? static_cast<std::size_t>(batch_.sequences())
                                                          : batch_.masked_rows.size());
  }
  std::span<const float> slice(std::span<const float> block, const std::string& name) const {
    const params::Parameter& p = table().at(name);
    return block.subspan(static_cast<std::size_t>(p.offset), static_cast<std::size_t>(p.size));
  }

  model::Bert bert_;
  batch::Batch batch_;
};

// Rules -> values, as a run does it.
std::vector<record::InitRecord> initialize(const init::Catalog& catalog, const config::ModelConfig& model,
                                           const params::ParameterTable& table, const Rules& encoder_rules,
                                           const Rules& head_rules, const checkpoint::Checkpoint* source,
                                           std::span<float> values) {
  config::RunPlan plan;
  plan.init = encoder_rules;
  plan.head = head_rules;
  plan.seeds.init = plan.seeds.head = 2025;
  const std::optional<init::SourceShapes> shapes =
      source == nullptr ? std::nullopt : std::optional(init::shapes_of(*source));
  const auto assignments = init::assign(catalog, plan, table, shapes ? &*shapes : nullptr, model);
  return init::apply(catalog, assignments, plan, model, source, values);
}

void Bench::fill(const init::Catalog& catalog, const Rules& encoder_rules, const Rules& head_rules,
                 const checkpoint::Checkpoint* source) {
  initialize(catalog, small_shape(), table(), encoder_rules, head_rules, source, bert_.values());
}

bool all_zero(std::span<const float> x) {
  return std::ranges::all_of(x, [](float v) { return v == 0; });
}

double largest(std::span<const float> x) {
  double most = 0;
  for (const float v : x) most = std::max(most, std::fabs(static_cast<double>(v)));
  return most;
}

std::string digits(double value) {
  char text[32];
  std::snprintf(text, sizeof text, "%.7g", value);
  return text;
}

// Prints a line a fact and counts.
class Selftest {
 public:
  explicit Selftest(const init::Catalog& catalog) : catalog_(catalog) {}

  int run() {
    fact("losses of a model of zeros", [this] { zero_losses(); });
    fact("gradients of a model of zeros", [this] { zero_gradients(); });
    fact("gradients of an encoder of zeros", [this] { zero_encoder(); });
    fact("heads of equal weights", [this] { equal_heads(); });
    fact("moments of truncated_normal", [this] { truncated_moments(); });
    fact("fans", [this] { fans(); });
    fact("checkpoint", [this] { pretrained(); });
    fact("shuffle", [this] { shuffle(); });
    std::cout << facts_ - failures_ << " of " << facts_ << " facts hold\n";
    return failures_ == 0 ? kDone : kRunFailed;
  }

 private:
  template <class Check>
  void fact(const char* name, Check&& check) {
    try {
      check();
    } catch (const std::exception& error) {
      line(name, false, error.what());
    }
  }
  void line(const std::string& name, bool holds, const std::string& detail) {
    ++facts_;
    failures_ += holds ? 0 : 1;
    std::cout << (holds ? "ok      " : "FAILED  ") << name << ": " << detail << "\n";
  }
  void near(const std::string& name, double got, double expected, double tolerance) {
    line(name, std::fabs(got - expected) <= tolerance,
         digits(got) + ", expected " + digits(expected) + " +- " + digits(tolerance));
  }

  // All logits are equal, so every class has probability 1 / C.
  void zero_losses() {
    const auto c = static_cast<double>(kClasses), v = static_cast<double>(small_shape().vocabulary);
    near("loss of a model of zeros is ln C, C = " + std::to_string(kClasses),
         Bench(catalog_, HeadKind::classifier, {rule("zero")}, {rule("zero")}).loss(), std::log(c), 1e-5);
    near("loss of a model of zeros is ln V, V = " + std::to_string(small_shape().vocabulary),
         Bench(catalog_, HeadKind::mlm, {rule("zero")}, {rule("zero")}).loss(), std::log(v), 1e-5);
  }

  // Hidden states are 0 and every path back leads through a matrix of zeros: the last bias alone can learn.
  void zero_gradients() {
    for (const auto& [head, bias] :
         {std::pair(HeadKind::classifier, "classifier.bias"), std::pair(HeadKind::mlm, "cls.predictions.bias")}) {
      Bench bench(catalog_, head, {rule("zero")}, {rule("zero")});
      bench.differentiate();
      std::vector<std::string> moving;
      for (const params::Parameter& p : bench.table().all())
        if (!all_zero(bench.gradient(p.name))) moving.push_back(p.name);
      line(std::string("of a model of zeros (") + config::to_text(head) + ") only " + bias + " has a gradient",
           moving == std::vector<std::string>{bias}, "with a gradient: " + base::join(moving, ", "));
    }
  }

  // Query waits for key, value for output, and each for the other; feed-forward likewise. Only biases move.
  void zero_encoder() {
    Bench bench(catalog_, HeadKind::classifier,
                {rule("normal", {{"stddev", "0.5"}}, "bert.embeddings.*"), rule("zero", {}, "bert.encoder.*"),
                 rule("normal", {{"stddev", "0.2"}})},
                {rule("normal", {{"stddev", "0.2"}})});
    bench.differentiate();
    std::size_t matrices = 0, moving = 0;
    for (const params::Parameter& p : bench.table().all()) {
      if (p.layer < 0 || p.role != params::Role::matrix) continue;
      ++matrices;
      moving += all_zero(bench.gradient(p.name)) ? 0 : 1;
    }
    const double bias = largest(bench.gradient("bert.encoder.layer.1.output.dense.bias"));
    line("an encoder of zeros over drawn embeddings gets no gradient but at biases", moving == 0 && bias > 0,
         std::to_string(moving) + " of " + std::to_string(matrices) + " matrices have one; largest at a bias " +
             digits(bias));
  }

  // Largest difference between a head's block and head 0's, over query, key, value (rows) and output (columns).
  static double head_difference(const Bench& bench) {
    const config::ModelConfig m = small_shape();
    const auto h = static_cast<std::size_t>(m.hidden), d = h / static_cast<std::size_t>(m.heads);
    const std::string attention = "bert.encoder.layer.0.attention.";
    double most = 0;
    for (const char* name : {"self.query.weight", "self.key.weight", "self.value.weight", "output.dense.weight"}) {
      const std::span<const float> w = bench.values(attention + name);
      const bool rows = std::string_view(name).starts_with("self");
      for (std::size_t i = 0; i < h; ++i)
        for (std::size_t j = 0; j < h; ++j) {
          const float same = rows ? w[i % d * h + j] : w[i * h + j % d];
          most = std::max(most, std::fabs(static_cast<double>(w[i * h + j]) - static_cast<double>(same)));
        }
    }
    return most;
  }

  // Equal heads compute the same and get the same gradient, for ever; drawn ones differ.
  void equal_heads() {
    const Rules head = {rule("normal", {{"stddev", "0.5"}})};
    const Rules rest = {rule("normal", {{"stddev", "0.5"}})};
    const auto trained = [&](const config::InitRule& attention) {
      Bench bench(catalog_, HeadKind::classifier, {attention, rest[0]}, head);
      const std::string output = "bert.encoder.layer.0.attention.output.dense.weight";
      const std::vector<float> before(bench.values(output).begin(), bench.values(output).end());
      for (int step = 0; step < 10; ++step) bench.descend(1.0f);
      double moved = 0;
      for (std::size_t i = 0; i < before.size(); ++i)
        moved = std::max(moved, std::fabs(static_cast<double>(bench.values(output)[i] - before[i])));
      return std::pair(head_difference(bench), moved);
    };
    const auto [constant, moved] = trained(rule("constant", {{"value", "0.05"}}, "bert.encoder.*.attention.*"));
    line("attention heads of equal weights stay equal in training", constant < 1e-3 * moved && moved > 1e-3,
         "differ by " + digits(constant) + " after moving by " + digits(moved));
    const auto [drawn, ignored] = trained(rule("normal", {{"stddev", "0.05"}}, "bert.encoder.*.attention.*"));
    line("attention heads that were drawn differ", drawn > 0.05, "differ by " + digits(drawn));
  }

  // A table large enough for statistics; nothing is computed with it.
  static config::ModelConfig large_shape() {
    config::ModelConfig model = small_shape();
    model.layers = 1;
    model.hidden = 256;
    model.intermediate = 1024;
    model.vocabulary = 4000;
    return model;
  }

  // Standard deviation of a normal cut at 2 sigmas: sqrt(1 - 4 phi(2) / (2 Phi(2) - 1)) = 0.8796; kurtosis 2.3655.
  void truncated_moments() {
    const config::ModelConfig model = large_shape();
    const params::ParameterTable table = params::bert_parameters(model, HeadKind::classifier, kClasses);
    std::vector<float> values(static_cast<std::size_t>(table.size()));
    for (const auto& [use, expected, kurtosis] :
         {std::tuple("truncated_normal", 0.8796257, 2.3655), std::tuple("bert_default", 0.8796257, 2.3655),
          std::tuple("normal", 1.0, 3.0)}) {
      const auto records = initialize(catalog_, model, table, {rule(use, {{"stddev", "0.02"}})}, {}, nullptr, values);
      const record::InitRecord& words = records.front();  // the word embeddings
      const auto n = static_cast<double>(words.shape[0] * words.shape[1]);
      near(std::string("standard deviation of ") + use + " in units of the nominal one", words.stddev / 0.02, expected,
           5 * expected * std::sqrt((kurtosis - 1) / (4 * n)));
    }
  }

  // xavier_uniform's bound is sqrt(6 / (fan_in + fan_out)): of n draws the largest misses it by 1 in 10^4 at most where
  // n > 10^5.
  void fans() {
    const config::ModelConfig model = large_shape();
    const params::ParameterTable table = params::bert_parameters(model, HeadKind::classifier, kClasses);
    std::vector<float> values(static_cast<std::size_t>(table.size()));
    const auto records = initialize(catalog_, model, table, {rule("xavier_uniform")}, {}, nullptr, values);
    const std::string layer = "bert.encoder.layer.0.";
    const auto h = static_cast<double>(model.hidden), i = static_cast<double>(model.intermediate);
    for (const auto& [name, sum] :
         {std::pair(layer + "intermediate.dense.weight", h + i), std::pair(layer + "output.dense.weight", i + h),
          std::pair(std::string("bert.embeddings.word_embeddings.weight"),
                    static_cast<double>(model.vocabulary) + h)}) {
      const auto found = std::ranges::find(records, name, &record::InitRecord::name);
      const double bound = std::sqrt(6 / sum);
      near("bound of xavier_uniform for " + name, std::max(found->max, -found->min), bound, 1e-4 * bound);
    }
    for (const params::Parameter& p : table.all()) {
      if (p.role != params::Role::matrix || (p.fan_in == p.shape[1] && p.fan_out == p.shape[0])) continue;
      line("fans of " + p.name, false, std::to_string(p.fan_in) + " in, " + std::to_string(p.fan_out) + " out");
    }
  }

  // Drawn weights, saved as a checkpoint and opened again; the folder goes away.
  class Saved {
   public:
    explicit Saved(const Bench& bench)
        : folder_(fs::temp_directory_path() / ("initlab_selftest_" + std::to_string(::getpid()))) {
      std::vector<checkpoint::NamedTensor> tensors;
      for (const params::Parameter& p : bench.table().all()) tensors.push_back({p.name, p.shape, bench.values(p.name)});
      std::vector<std::string> vocabulary;
      for (std::int64_t i = 0; i < small_shape().vocabulary; ++i) vocabulary.push_back("t" + std::to_string(i));
      checkpoint::save(folder_, small_shape(), HeadKind::classifier, kClasses, false, vocabulary, tensors);
    }
    ~Saved() {
      std::error_code ignored;
      fs::remove_all(folder_, ignored);
    }
    Saved(const Saved&) = delete;
    Saved& operator=(const Saved&) = delete;
    checkpoint::Checkpoint open() const { return checkpoint::Checkpoint::open(folder_); }

   private:
    fs::path folder_;
  };

  Bench drawn() const {
    const Rules all = {rule("normal", {{"stddev", "0.3"}})};
    return {catalog_, HeadKind::classifier, all, all};
  }

  void pretrained() {
    const Bench original = drawn();
    const Saved saved(original);
    const checkpoint::Checkpoint source = saved.open();
    const Rules load = {rule("pretrained")};
    Bench loaded(catalog_, HeadKind::classifier, {rule("zero")}, {rule("zero")});
    loaded.fill(catalog_, load, load, &source);
    line("pretrained is the checkpoint bit for bit", std::ranges::equal(loaded.all(), original.all()),
         std::to_string(original.all().size()) + " numbers compared");
    for (const std::int64_t top : {0, 1}) {
      config::InitRule again = rule("truncated_normal");
      again.layers = config::parse_layer_range("top(" + std::to_string(top) + ")");
      Bench partly(catalog_, HeadKind::classifier, {rule("zero")}, {rule("zero")});
      partly.fill(catalog_, {again, load[0]}, load, &source);
      std::set<std::int64_t> changed;  // layers; -1 is outside the stack
      for (const params::Parameter& p : original.table().all())
        if (!std::ranges::equal(partly.values(p.name), original.values(p.name))) changed.insert(p.layer);
      const std::set<std::int64_t> expected =
          top == 0 ? std::set<std::int64_t>{} : std::set<std::int64_t>{small_shape().layers - 1};
      line(top == 0 ? "drawing the top 0 layers again is pretrained bit for bit"
                    : "drawing the top layer again changes that layer and nothing else",
           changed == expected, "layers changed: " + std::to_string(changed.size()));
    }
  }

  void shuffle() {
    const auto known = std::ranges::find(catalog_.entries(), "shuffle", &init::CatalogEntry::name);
    if (known == catalog_.entries().end()) return;
    const Bench original = drawn();
    const Saved saved(original);
    const checkpoint::Checkpoint source = saved.open();
    Bench mixed(catalog_, HeadKind::classifier, {rule("zero")}, {rule("zero")});
    mixed.fill(catalog_, {rule("shuffle")}, {rule("zero")}, &source);
    std::size_t tensors = 0, same_values = 0, moved = 0;
    for (const params::Parameter& p : original.table().all()) {
      if (p.head || !p.decays()) continue;
      ++tensors;
      std::vector<float> a(original.values(p.name).begin(), original.values(p.name).end());
      std::vector<float> b(mixed.values(p.name).begin(), mixed.values(p.name).end());
      moved += a != b ? 1 : 0;
      std::ranges::sort(a);
      std::ranges::sort(b);
      same_values += a == b ? 1 : 0;
    }
    line("shuffle moves values and keeps their bits", same_values == tensors && moved == tensors,
         std::to_string(tensors) + " tensors: " + std::to_string(same_values) + " with the same sorted bits, " +
             std::to_string(moved) + " in another order");
  }

  const init::Catalog& catalog_;
  int facts_ = 0, failures_ = 0;
};

void declare(po::options_description&, po::positional_options_description&) {}

int run(const po::variables_map&, const Context& context) {
  compute::set_threads(1);
  const auto catalog = open_catalog({}, context);
  return Selftest(*catalog).run();
}

}  // namespace

const Verb kSelftest = {
    "selftest",
    "",
    "facts that theory knows, checked against this program and its plugins, a line each",
    "Losses of a model of zeros (ln C, ln V), gradients under zero and constant initialization, moments and fans of\n"
    "the strategies, bits of a checkpoint that is loaded again. Takes seconds, needs no data. Exit code 1: one does "
    "not\n"
    "hold.",
    declare,
    run};

}  // namespace initlab::app
