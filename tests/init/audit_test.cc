// The audit finds each planted fault, names it, and is silent where nothing is wrong.
#include "init/audit.hpp"

#include <cmath>

#include "base/text.hpp"
#include "fixture.hpp"
#include "paths.hpp"
#include "sdk/plugin.hpp"

namespace initlab::init {
namespace {

const char* const kQuery = "bert.encoder.layer.1.attention.self.query.weight";

class Audit : public InitTest {
 protected:
  void SetUp() override { write_checkpoint(folder_.path(), model_, table_); }
  // Rules -> records, as a run that nothing disturbs has them at its first step.
  std::vector<record::InitRecord> run(const Catalog& catalog = built_catalog(), bool with_checkpoint = true) {
    if (with_checkpoint) source_ = checkpoint::Checkpoint::open(folder_.path());
    const std::optional<SourceShapes> shapes = source_ ? std::optional(shapes_of(*source_)) : std::nullopt;
    values_.assign(static_cast<std::size_t>(table_.size()), -7.0f);
    auto records = apply(catalog, assign(catalog, plan_, table_, shapes ? &*shapes : nullptr, model_), plan_, model_,
                         source_ ? &*source_ : nullptr, values_);
    note_first_step(table_, values_, records);
    return records;
  }
  std::vector<record::UnusedTensor> unused(const std::vector<record::InitRecord>& records) const {
    return unused_tensors(*source_, table_, records);
  }
  void use(const std::string& strategy) {
    plan_.init = {rule(strategy)};
    plan_.head = {rule(strategy)};
  }
  // Another name of the same length for a tensor of the checkpoint.
  void rename_key(const std::string& from, const std::string& to) {
    const auto file = folder_.path() / "model.safetensors";
    std::string bytes = base::read_file(file);
    ASSERT_EQ(from.size(), to.size());
    bytes.replace(bytes.find('"' + from + '"') + 1, from.size(), to);
    base::write_file(file, bytes);
  }

  TemporaryFolder folder_;
  std::optional<checkpoint::Checkpoint> source_;
  std::vector<float> values_;
};

// "error TENSOR: TEXT", a line each.
std::string text_of(const std::vector<Finding>& findings) {
  std::string text;
  for (const Finding& f : findings) text += std::string(to_text(f.severity)) + " " + f.tensor + ": " + f.text + "\n";
  return text;
}
std::size_t errors(const std::vector<Finding>& findings) {
  return static_cast<std::size_t>(std::ranges::count(findings, Severity::error, &Finding::severity));
}
std::string explained(const std::vector<record::InitRecord>& records, const std::vector<record::UnusedTensor>& unused,
                      const std::string& checkpoint) {
  return base::join(explain(records, unused, checkpoint), "\n");
}

TEST_F(Audit, SilentWhereEverythingIsAsAsked) {
  use("pretrained");
  auto records = run();
  EXPECT_EQ(text_of(audit(records, unused(records))), "");
  EXPECT_EQ(unused(records).size(), 0u);
  plan_.init = {rule("truncated_normal")};
  plan_.head = {};
  records = run();
  EXPECT_EQ(text_of(audit(records, unused(records))), "");
  EXPECT_EQ(unused(records).size(), table_.all().size());
}

TEST_F(Audit, RecordsSayWhereValuesComeFrom) {
  plan_.init = {rule("normal", {{"stddev", "0.5"}}), rule("pretrained")};
  plan_.init[0].match = "*.weight";
  const auto records = run();
  for (const record::InitRecord& r : records) {
    const bool weight = r.role == "matrix" || r.role == "embedding";
    const bool head = r.name.starts_with("classifier");
    EXPECT_EQ(r.stream, weight ? (head ? "head/" : "init/") + r.name : "") << r.name;
    EXPECT_EQ(r.place, head ? "" : "x.yaml:7:5") << r.name;
    EXPECT_EQ(r.source_sha256, r.source_key.empty() ? "" : r.sha256) << r.name;
    EXPECT_EQ(r.source_key.empty(), weight || head) << r.name;
    EXPECT_EQ(r.sha256_first_step, r.sha256) << r.name;
    EXPECT_EQ(std::isnan(r.requested_stddev), !r.source_key.empty()) << r.name << ": pretrained declares nothing";
    if (weight && !head) {
      EXPECT_EQ(r.requested_mean, 0) << r.name;
      EXPECT_EQ(r.requested_stddev, 0.5) << r.name;
    }
    EXPECT_EQ(std::isfinite(r.effective_rank), r.shape.size() == 2) << r.name;
  }
}

TEST_F(Audit, FindsATensorThatIsDrawnAgainAfterLoading) {
  use("pretrained");
  auto records = run();
  values_[static_cast<std::size_t>(table_.at(kQuery).offset) + 5] += 1e-3f;  // one element is enough
  note_first_step(table_, values_, records);
  const auto findings = audit(records, unused(records));
  EXPECT_EQ(text_of(findings), std::string("error ") + kQuery +
                                   ": its bits changed between initialization (pretrained/1) and the first step\n");
  EXPECT_NE(explained(records, {}, "models/x").find("1 tensor CHANGED: " + std::string(kQuery)), std::string::npos);
}

TEST_F(Audit, FindsANormThatWasDrawn) {
  plan_.init = {rule("normal"), rule("normal"), rule("truncated_normal")};
  plan_.init[0].roles = {"norm_scale"};
  plan_.init[1].roles = {"norm_shift"};
  const auto findings = audit(run(), {});
  std::size_t norms = 0;
  for (const params::Parameter& p : table_.all()) {
    if (p.role != params::Role::norm_scale && p.role != params::Role::norm_shift) continue;
    ++norms;
    const std::string start = std::string("a LayerNorm ") +
                              (p.role == params::Role::norm_scale ? "scale starts at 1" : "shift starts at 0") +
                              "; normal/1 drew it: mean ";
    EXPECT_TRUE(std::ranges::any_of(findings, [&](const Finding& f) {
      return f.severity == Severity::error && f.tensor == p.name && f.text.starts_with(start);
    })) << p.name;
  }
  EXPECT_EQ(findings.size(), norms);
  plan_.init[0] = rule("constant", {{"value", "2"}});
  plan_.init[0].roles = {"norm_scale"};
  EXPECT_NE(text_of(audit(run(), {}))
                .find("warning bert.embeddings.LayerNorm.weight: a LayerNorm scale starts at 1; "
                      "constant/1 set it to 2\n"),
            std::string::npos);
}

TEST_F(Audit, FindsATensorOfTheCheckpointThatNothingUsed) {
  rename_key("classifier.weight", "classifier.w8ight");
  use("pretrained");
  plan_.head = {};
  const auto records = run();
  const auto left = unused(records);
  ASSERT_EQ(left.size(), 2u);
  EXPECT_EQ(text_of(audit(records, left)),
            "warning classifier.w8ight: the checkpoint has it, but the model has no place for it: nothing read "
            "it\n");
}

TEST_F(Audit, FindsAWrongKey) {
  std::string wrong = kQuery;
  wrong.replace(wrong.find("query"), 5, "quary");
  rename_key(kQuery, wrong);
  use("pretrained");
  plan_.init[0].missing = "bert_default";
  const auto records = run();
  const auto findings = audit(records, unused(records));
  EXPECT_EQ(text_of(findings),
            std::string("error ") + kQuery + ": the checkpoint has no such tensor: bert_default/1 filled it; but " +
                "nothing read \"" + wrong + "\": is this the same tensor under a wrong key?\nwarning " + wrong +
                ": the checkpoint has it, but the model has no place for it: nothing read it\n");
}

TEST_F(Audit, WarnsOfWhatTheCheckpointLacks) {
  write_checkpoint(folder_.path(), model_, table_, "bert.pooler.dense.weight");
  use("pretrained");
  plan_.init[0].missing = "bert_default";
  const auto records = run();
  EXPECT_EQ(text_of(audit(records, unused(records))),
            "warning bert.pooler.dense.weight: the checkpoint has no such tensor: bert_default/1 filled it\n");
  EXPECT_NE(explained(records, {}, "x")
                .find("Not in the checkpoint, so filled anew: bert.pooler.dense.weight, by "
                      "bert_default/1 (1 tensor)."),
            std::string::npos);
}

TEST_F(Audit, WarnsOfWhatNoRuleCovers) {
  plan_.init = {rule("normal")};
  plan_.init[0].match = "bert.embeddings.*";
  const auto findings = audit(run(), {});
  EXPECT_EQ(findings.size(), 2u * 6u + 1u) << text_of(findings);  // the layers' matrices and the pooler's
  EXPECT_NE(text_of(findings).find("warning bert.pooler.dense.weight: no rule covers it: the default filled it, "
                                   "bert_default/1\n"),
            std::string::npos);
  plan_.init = {rule("pretrained"), rule("normal")};
  plan_.init[0].roles = {"matrix"};
  EXPECT_NE(text_of(audit(run(), {}))
                .find("warning bert.pooler.dense.bias: no rule covers it: the default filled it, "
                      "bert_default/1, while bert.pooler.dense.weight is from the checkpoint\n"),
            std::string::npos);
}

// Says pretrained, and moves one element by one bit.
struct Almost {
  static constexpr sdk::Facts kFacts{.id = "pretrained/1", .summary = "s", .source = "s", .natural_roles = IL_ROLE_ALL};
  static constexpr bool kNeedsSource = true;
  using Options = sdk::NoOptions;
  explicit Almost(const Options&) {}
  void fill(const il_param& param, const sdk::Host& host, std::span<float> values) const {
    std::ranges::copy(host.source_like(param).values, values.begin());
    if (std::string_view(param.name) == kQuery) values[3] = std::nextafter(values[3], 100.0f);
  }
};

// Declares 0.02 and draws 0.06.
struct Wide {
  static constexpr sdk::Facts kFacts{
      .id = "wide/1", .summary = "s", .source = "s", .natural_roles = IL_ROLE_EMBEDDING | IL_ROLE_MATRIX};
  using Options = sdk::NoOptions;
  explicit Wide(const Options&) {}
  void fill(const il_param& param, const sdk::Host& host, std::span<float> values) const {
    host.normal(param.name, 0, values);
    for (float& x : values) x *= 0.06f;
  }
  sdk::Moments moments(const il_param&) const { return {.mean = 0, .stddev = 0.02}; }
};

TEST_F(Audit, FindsStrategiesThatLie) {
  Catalog catalog;
  catalog.load(initlab::paths::binary_dir() + "/plugins/normal.so");
  catalog.add(sdk::plugin<Almost, Wide>("liars", "1"), "liars.so");
  use("pretrained");
  const auto records = run(catalog);
  EXPECT_EQ(text_of(audit(records, {})), std::string("error ") + kQuery +
                                             ": its strategy is pretrained/1, but its bits are not those of " + kQuery +
                                             " in " + source_->weights_file().string() + "\n");
  plan_.init = {rule("wide")};
  plan_.head = {};
  const auto findings = audit(run(catalog), {});
  std::size_t wide = 0;
  for (const Finding& f : findings) wide += f.text.starts_with("standard deviation 0.0") ? 1 : 0;
  ASSERT_EQ(wide, 2u + 12u + 1u) << text_of(findings);  // embeddings (16 segment numbers say nothing), layers, pooler
  EXPECT_NE(findings.front().text.find("but wide/1 declares 0.02 (+- "), std::string::npos) << findings.front().text;
}

// The bound is computed, so honest strategies stay inside it whatever the seed: 60 seeds of all of them.
TEST_F(Audit, NoFalseAlarmOverStrategiesAndSeeds) {
  std::size_t strategies = 0, judged = 0;
  for (const CatalogEntry& entry : built_catalog().entries()) {
    const il_strategy& s = *entry.strategy;
    if (s.extension == nullptr || s.extension(IL_EXT_MOMENTS) == nullptr) continue;
    bool complete = true;
    for (std::uint32_t i = 0; i < s.num_options; ++i) complete = complete && s.options[i].default_value != nullptr;
    if (!complete) continue;
    ++strategies;
    plan_.init = {rule(entry.strategy->id)};
    for (std::uint64_t seed = 0; seed < 60; ++seed) {
      plan_.seeds.init = seed;
      std::vector<record::InitRecord> records;
      try {
        records = run();
      } catch (const base::Error&) {
        continue;  // a shape that it cannot serve
      }
      for (const record::InitRecord& r : records) judged += std::isfinite(r.requested_stddev) ? 1 : 0;
      EXPECT_EQ(errors(audit(records, {})), 0u) << entry.strategy->id << ": " << text_of(audit(records, {}));
    }
  }
  EXPECT_GE(strategies, 5u);
  EXPECT_GT(judged, 5000u);
}

TEST_F(Audit, ExplainsWhatBecameOfTheWeights) {
  use("pretrained");
  plan_.head = {};
  auto records = run();
  const std::string file = source_->weights_file().string();
  std::string text = explained(records, unused(records), "x");
  EXPECT_EQ(text.substr(0, text.find('\n')),
            "No: all 39 encoder tensors are the checkpoint's, bit for bit, from " + file + ".");
  EXPECT_NE(text.find("Only the head is new: classifier.weight, classifier.bias, by bert_default/1 (2 tensors)."),
            std::string::npos)
      << text;
  EXPECT_NE(text.find("Nothing was written in between"), std::string::npos);

  plan_.init = {rule("xavier_uniform"), rule("pretrained")};
  plan_.init[0].layers = config::parse_layer_range("top(1)");
  records = run();
  text = explained(records, unused(records), "x");
  EXPECT_TRUE(text.starts_with("In part: 33 of 39 encoder tensors (")) << text;
  EXPECT_NE(text.find("Filled anew because the rules say so: xavier_uniform/1 (6 tensors)."), std::string::npos);
  EXPECT_NE(text.find("Read by nothing: 8 tensors of the checkpoint, "), std::string::npos) << text;

  plan_.init = {rule("truncated_normal")};
  records = run();
  text = explained(records, unused(records), "models/x");
  EXPECT_TRUE(text.starts_with("Yes: none of the 39 encoder tensors has a value from the checkpoint models/x."))
      << text;
  EXPECT_NE(text.find("Filled anew because the rules say so: truncated_normal/1 (16 tensors).\n"), std::string::npos)
      << text;
  EXPECT_NE(text.find("Filled anew because no rule covers them: bert_default/1 (23 tensors).\n"), std::string::npos)
      << text;

  plan_.head = {rule("xavier_uniform")};
  records = run();
  text = explained(records, unused(records), "models/x");
  EXPECT_NE(text.find("The head is new: classifier.weight (xavier_uniform/1), classifier.bias (bert_default/1)."),
            std::string::npos)
      << text;

  for (record::InitRecord& r : records) r.sha256_first_step.clear();
  text = explained(records, {}, "");
  EXPECT_TRUE(text.starts_with("There are no pre-trained weights here: the spec names no checkpoint.")) << text;
  EXPECT_NE(text.find("is not recorded here"), std::string::npos);
}

}  // namespace
}  // namespace initlab::init
