// Filling: what the records say is what the values are; a faulty strategy is named and nothing of it reaches the model.
#include <cmath>

#include "base/hash.hpp"
#include "base/random.hpp"
#include "fixture.hpp"
#include "paths.hpp"
#include "sdk/plugin.hpp"

namespace initlab::init {
namespace {

class Apply : public InitTest {};

TEST_F(Apply, RecordsDescribeTheValues) {
  plan_.init = {rule("truncated_normal", {{"stddev", "5e-2"}})};
  std::vector<float> values;
  const auto records = filled(values);
  ASSERT_EQ(records.size(), table_.all().size());
  for (std::size_t t = 0; t < records.size(); ++t) {
    const record::InitRecord& r = records[t];
    const auto x = slice(values, r.name);
    EXPECT_EQ(r.name, table_.all()[t].name);
    EXPECT_EQ(r.role, params::to_text(table_.all()[t].role));
    EXPECT_EQ(r.shape, table_.all()[t].shape);
    EXPECT_EQ(r.sha256, base::sha256_hex({reinterpret_cast<const char*>(x.data()), x.size_bytes()}));
    long double sum = 0, squares = 0;
    for (const float v : x) sum += v;
    const long double mean = sum / static_cast<long double>(x.size());
    for (const float v : x) squares += (v - mean) * (v - mean);
    EXPECT_NEAR(r.mean, static_cast<double>(mean), 1e-15);
    EXPECT_NEAR(r.stddev, static_cast<double>(std::sqrt(squares / static_cast<long double>(x.size()))), 1e-15);
    EXPECT_EQ(r.min, *std::ranges::min_element(x));
    EXPECT_EQ(r.max, *std::ranges::max_element(x));
    EXPECT_EQ(r.source_file, "");
  }
  EXPECT_EQ(records[0].strategy, "truncated_normal/1");
  EXPECT_EQ(records[0].options, R"({"mean":0.0,"stddev":0.05,"cut_sigmas":2.0})");
  EXPECT_EQ(records[0].rule, "{use: truncated_normal} (x.yaml:7:5)");
  EXPECT_EQ(records[3].strategy, "bert_default/1");
  EXPECT_EQ(records[3].rule, "default");
}

TEST_F(Apply, BertsDefaultHasNormsOneAndBiasesZero) {
  std::vector<float> values;
  for (const auto& r : filled(values)) {
    const bool weight = r.role == "matrix" || r.role == "embedding";
    const double value = r.role == "norm_scale" ? 1 : 0;
    EXPECT_GE(r.min, weight ? static_cast<double>(-0.04f) : value) << r.name;
    EXPECT_LE(r.max, weight ? static_cast<double>(0.04f) : value) << r.name;
    EXPECT_EQ(r.stddev > 0.01, weight) << r.name;
  }
}

TEST_F(Apply, PretrainedValuesAreTheCheckpointsBits) {
  const TemporaryFolder folder;
  write_checkpoint(folder.path(), model_, table_, "bert.pooler.dense.bias");
  const auto source = checkpoint::Checkpoint::open(folder.path());
  plan_.init = {rule("pretrained")};
  plan_.init[0].missing = "bert_default";
  plan_.head = {rule("pretrained")};
  std::vector<float> values;
  const auto records = filled(values, &source);
  for (std::size_t t = 0; t < records.size(); ++t) {
    const auto x = slice(values, records[t].name);
    if (records[t].name == "bert.pooler.dense.bias") {
      EXPECT_EQ(records[t].strategy, "bert_default/1");
      EXPECT_EQ(records[t].source_file, "");
      continue;
    }
    for (std::size_t i = 0; i < x.size(); ++i) ASSERT_EQ(x[i], source_value(t, i)) << records[t].name << " " << i;
    EXPECT_EQ(records[t].source_file, source.weights_file().string());
    EXPECT_EQ(records[t].source_key, records[t].name);
  }
}

TEST_F(Apply, StreamsAreKeyedByNameAndSide) {
  plan_.seeds.init = 11;
  plan_.seeds.head = 12;
  plan_.init = {rule("normal", {{"stddev", "1"}})};
  plan_.head = {rule("normal", {{"stddev", "1"}})};
  std::vector<float> values;
  filled(values);
  const auto expect_stream = [&](const std::string& name, std::uint64_t seed, const std::string& side) {
    const base::Stream stream(seed, side + name);
    const auto x = slice(values, name);
    for (std::size_t i = 0; i < x.size(); ++i) ASSERT_EQ(x[i], static_cast<float>(stream.normal(i))) << name;
  };
  expect_stream("bert.pooler.dense.weight", 11, "init/");
  expect_stream("classifier.weight", 12, "head/");
}

TEST_F(Apply, AddingTensorsShiftsNoOther) {
  plan_.init = {rule("truncated_normal")};
  std::vector<float> before, after;
  const auto small = filled(before);
  model_.layers = 5;
  table_ = params::bert_parameters(model_, config::HeadKind::classifier, 2);
  const auto large = filled(after);
  std::size_t same = 0;
  for (const auto& a : small)
    for (const auto& b : large)
      if (a.name == b.name) {
        EXPECT_EQ(a.sha256, b.sha256) << a.name;
        ++same;
      }
  EXPECT_EQ(same, small.size());
}

TEST_F(Apply, TheSeedDecidesTheBits) {
  plan_.init = {rule("normal")};
  std::vector<float> a, b;
  filled(a);
  filled(b);
  EXPECT_EQ(a, b);
  plan_.seeds.init = 1;
  filled(b);
  EXPECT_NE(a, b);
}

// Strategies that break a promise while the program runs.
struct Faulty {
  static constexpr sdk::Facts kFacts{.id = "faulty/1", .summary = "s", .source = "s", .natural_roles = IL_ROLE_MATRIX};
  struct Options {
    std::string how = "nothing";
    template <class Self, class Visitor>
    static void fields(Self& self, Visitor&& visit) {
      visit("how", self.how, "the fault");
    }
  };
  explicit Faulty(const Options& options) : how(options.how) {}
  void fill(const il_param&, const sdk::Host&, std::span<float> values) const {
    std::ranges::fill(values, 1.0f);
    if (how == "late") values.data()[values.size()] = 1;
    if (how == "early") *(values.data() - 1) = 1;
    if (how == "inf") values[3] = std::numeric_limits<float>::infinity();
    if (how == "short") values.back() = std::bit_cast<float>(0x7fe5c3e1);
    if (how == "refuse") throw sdk::Refusal("no such tensor for me");
  }
  std::string how;
};

TEST_F(Apply, AFaultNamesPluginStrategyTensorAndRuleAndTouchesNothing) {
  Catalog catalog;
  catalog.load(initlab::paths::binary_dir() + "/plugins/normal.so");
  catalog.add(sdk::plugin<Faulty>("faulty", "1"), "faulty.so");
  const std::string start = "x.yaml:7:5: strategy faulty/1 of faulty.so: tensor bert.pooler.dense.weight: ";
  const std::vector<std::pair<std::string, std::string>> cases = {
      {"late", "expected nothing written outside the buffer, got a write beyond its end"},
      {"early", "expected nothing written outside the buffer, got a write beyond its end"},
      {"inf", "expected finite values, got inf at element 3 of 64"},
      {"short", "expected every element written, got nothing at element 63 of 64"},
      {"refuse", "no such tensor for me"}};
  for (const auto& [how, text] : cases) {
    plan_.init = {rule("faulty", {{"how", how}})};
    plan_.init[0].match = "bert.pooler.*";
    const auto assignments = assign(catalog, plan_, table_, nullptr, model_);
    std::vector<float> values(static_cast<std::size_t>(table_.size()), -7.0f);
    try {
      apply(catalog, assignments, plan_, model_, nullptr, values);
      ADD_FAILURE() << how;
    } catch (const base::Error& error) {
      EXPECT_EQ(std::string(error.what()).substr(0, start.size() + text.size()), start + text);
    }
    for (const float x : slice(values, "bert.pooler.dense.weight")) ASSERT_EQ(x, -7.0f) << how;
  }
}

// Asks for uniform draws in pieces.
struct Pieces {
  static constexpr sdk::Facts kFacts{
      .id = "pieces/1", .summary = "s", .source = "s", .natural_roles = IL_ROLE_EMBEDDING};
  using Options = sdk::NoOptions;
  explicit Pieces(const Options&) {}
  void fill(const il_param& param, const sdk::Host& host, std::span<float> values) const {
    for (std::size_t i = values.size(); i-- > 0;) host.uniform(param.name, i, values.subspan(i, 1));
  }
};

TEST_F(Apply, UniformDrawsAreBelowOneAndTheSameInAnyPieces) {
  model_.vocabulary = 60000;
  table_ = params::bert_parameters(model_, config::HeadKind::classifier, 2);
  Catalog catalog;
  catalog.load(initlab::paths::binary_dir() + "/plugins/normal.so");
  catalog.add(sdk::plugin<Pieces>("pieces", "1"), "pieces.so");
  plan_.init = {rule("pieces")};
  std::vector<float> values(static_cast<std::size_t>(table_.size()));
  apply(catalog, assign(catalog, plan_, table_, nullptr, model_), plan_, model_, nullptr, values);
  const std::string name = "bert.embeddings.word_embeddings.weight";
  const base::Stream stream(plan_.seeds.init, "init/" + name);
  const auto x = slice(values, name);
  for (std::size_t i = 0; i < x.size(); ++i) {
    ASSERT_LT(x[i], 1.0f);
    ASSERT_LE(std::fabs(stream.uniform(i) - static_cast<double>(x[i])), 0x1p-24);
  }
}

}  // namespace
}  // namespace initlab::init
