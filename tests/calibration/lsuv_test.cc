// lsuv on a model: what it claims is measured here again, not read from what it recorded.
#include <algorithm>
#include <cmath>

#include "base/error.hpp"
#include "base/json.hpp"
#include "calibration/fixture.hpp"

namespace initlab::calibration {
namespace {

class Lsuv : public CalibrationTest {};

TEST_F(Lsuv, EveryOutputHasVarianceOneWithinTheTolerance) {
  const auto run =
      prepared("{use: lsuv, tolerance: 1e-3}", {{"head: {use: lsuv}", "head: {use: lsuv, tolerance: 1e-3}"}});
  std::vector<record::InitRecord> records;
  const std::vector<float> values = values_of(*run, &records);
  const auto measured = measure(*run, values, 1);
  std::size_t covered = 0;
  for (const record::InitRecord& r : records) {
    if (r.role != "matrix") {
      EXPECT_EQ(r.calibration_rounds, 0) << r.name;
      continue;
    }
    ++covered;
    ASSERT_TRUE(measured.contains(r.name)) << r.name;
    EXPECT_NEAR(measured.at(r.name).variance, 1, 1e-3 + 1e-6) << r.name;
    EXPECT_NEAR(r.calibrated_stddev * r.calibrated_stddev, measured.at(r.name).variance, 1e-6) << r.name;
    EXPECT_GE(r.calibration_rounds, 1) << r.name;
  }
  EXPECT_EQ(covered, 3u * 6 + 2);  // the layers' matrices, pooler and classifier
  // It needed calibration: only what reads a LayerNorm through a square matrix starts near variance 1.
  const auto uncalibrated = prepared("{use: orthogonal, role: matrix}");
  const auto before = measure(*uncalibrated, values_of(*uncalibrated), 1);
  EXPECT_GT(std::ranges::count_if(before, [](const auto& v) { return std::fabs(v.second.variance - 1) > 0.1; }), 8);
}

// The paper's tolerance: a layer that is within it from the start is left alone.
TEST_F(Lsuv, ALayerWithinTheToleranceIsLeftAlone) {
  const auto run = prepared("{use: lsuv, tolerance: 1e6}"), start = prepared("{use: orthogonal, role: matrix}");
  std::vector<record::InitRecord> records;
  const auto values = values_of(*run, &records), orthonormal = values_of(*start);
  for (std::size_t i = 0; i < records.size(); ++i) {
    const params::Parameter& p = run->table->all()[i];
    if (p.head) continue;
    EXPECT_EQ(records[i].calibration_rounds, p.role == params::Role::matrix ? 1 : 0) << p.name;
    EXPECT_TRUE(std::ranges::equal(slice(values, p), slice(orthonormal, p))) << p.name;
  }
}

TEST_F(Lsuv, MoreBatchesAreMoreTokens) {
  const auto run = prepared("{use: lsuv, batches: 3, tolerance: 1e-3}");
  const auto values = values_of(*run);
  for (const auto& [weight, output] : measure(*run, values, 3)) {
    if (weight != "classifier.weight") {
      EXPECT_NEAR(output.variance, 1, 1e-3 + 1e-6) << weight;
    }
  }
  const auto on_one = measure(*run, values, 1);
  EXPECT_TRUE(std::ranges::any_of(on_one, [](const auto& v) { return std::fabs(v.second.variance - 1) > 2e-3; }));
}

// The host goes by the parameter table; that is the order of the forward pass.
TEST_F(Lsuv, TheTablesOrderIsThePasss) {
  for (const Changes& changes :
       {Changes{}, Changes{{"name: sentiment", "name: mlm"}, {"train_size: 64", "tokens: 20000"}}}) {
    const auto run = prepared("{use: lsuv}", changes);
    std::vector<std::string> table, pass;
    for (const params::Parameter& p : run->table->all())
      if (p.role == params::Role::matrix) table.push_back(p.name);
    const std::vector<float> values(static_cast<std::size_t>(run->table->size()), 0.01f);
    model::observe(run->model, run->data->info.head, run->num_labels, *run->table, values, run->batches().train(0),
                   [&](const model::Activation& a) {
                     if (!a.weight.empty() && !a.weight.starts_with("bert.embeddings")) pass.emplace_back(a.weight);
                   });
    EXPECT_EQ(table, pass);
  }
}

TEST_F(Lsuv, WeightsStayOrthogonalUpToAScale) {
  const auto run = prepared("{use: lsuv}");
  const auto values = values_of(*run);
  for (const params::Parameter& p : run->table->all()) {
    if (p.role != params::Role::matrix) continue;
    const auto w = slice(values, p);
    const auto rows = static_cast<std::size_t>(p.shape[0]), columns = static_cast<std::size_t>(p.shape[1]);
    const bool tall = rows >= columns;
    const std::size_t n = std::min(rows, columns), length = std::max(rows, columns);
    const auto at = [&](std::size_t j, std::size_t k) {
      return static_cast<double>(tall ? w[k * columns + j] : w[j * columns + k]);
    };
    const auto product = [&](std::size_t i, std::size_t j) {
      double sum = 0;
      for (std::size_t k = 0; k < length; ++k) sum += at(i, k) * at(j, k);
      return sum;
    };
    const double scale = product(0, 0);
    for (std::size_t i = 0; i < n; ++i)
      for (std::size_t j = 0; j <= i; ++j)
        ASSERT_NEAR(product(i, j), i == j ? scale : 0, 1e-5 * scale) << p.name << " " << i << ", " << j;
  }
}

TEST_F(Lsuv, TheSameRunHasTheSameBitsAndTheAuditTheSame) {
  const auto run = prepared("{use: lsuv}");
  std::vector<record::InitRecord> first;
  EXPECT_EQ(values_of(*run, &first), values_of(*run));
  const std::string file = spec("{use: lsuv}");
  const Said trained = initlab({"run", file, "--results", (folder_ / "results").string(), "--threads", "1"});
  ASSERT_EQ(trained.code, 0) << trained.err;
  const auto files = run_files(folder_ / "results");
  ASSERT_EQ(files.size(), 1u);
  for (const std::string& what : {file, files[0].string()}) {
    const Said said = initlab({"audit", what, "--json", "--threads", "1"});
    ASSERT_EQ(said.code, 0) << said.out << said.err;
    const auto json = base::parse_json(said.out, "audit");
    const auto& tensors = json["arms"][0]["tensors"];
    ASSERT_EQ(tensors.size(), first.size());
    for (std::size_t i = 0; i < first.size(); ++i) {
      EXPECT_EQ(tensors[i]["sha256"], first[i].sha256) << what << " " << first[i].name;
      EXPECT_EQ(tensors[i]["calibration_rounds"], first[i].calibration_rounds) << what << " " << first[i].name;
    }
  }
  const Said explained = initlab({"audit", files[0].string(), "--explain"});
  EXPECT_NE(explained.out.find("Rescaled by what the first training batches showed: lsuv/1 (20 tensors)"),
            std::string::npos)
      << explained.out;
}

TEST_F(Lsuv, AMaskedLanguageModelIsCalibratedOnItsMaskedBatches) {
  const auto run =
      prepared("{use: lsuv, tolerance: 1e-3}", {{"name: sentiment", "name: mlm"},
                                                {"train_size: 64", "tokens: 20000"},
                                                {"batch: 16", "batch: 16, accumulate: 3"},
                                                {"head: {use: lsuv}", "head: {use: lsuv, tolerance: 1e-3}"}});
  const auto measured = measure(*run, values_of(*run), 1);
  std::size_t covered = 0;
  for (const params::Parameter& p : run->table->all())
    if (p.role == params::Role::matrix) {
      EXPECT_NEAR(measured.at(p.name).variance, 1, 1e-3 + 1e-5) << p.name;
      ++covered;
    }
  EXPECT_EQ(covered, 3u * 6 + 1);
}

TEST_F(Lsuv, WhatItCannotDoIsRefused) {
  const auto refused = [&](const std::string& arm) {
    const Said said = initlab({"run", spec(arm), "--results", (folder_ / "results").string()});
    EXPECT_FALSE(fs::exists(folder_ / "results" / "calibration")) << arm;
    return said;
  };
  for (const auto& [arm, text] : std::vector<std::pair<std::string, std::string>>{
           {"{use: lsuv, tolerance: 0}", "option \"tolerance\": expected a number above 0, got \"0\""},
           {"{use: lsuv, rounds: 0}", "option \"rounds\": expected an integer from 1 to 99, got \"0\""},
           {"{use: lsuv, rounds: 100}", "option \"rounds\": expected an integer from 1 to 99, got \"100\""},
           {"{use: lsuv, batches: 101}", "option \"batches\": expected an integer from 1 to 100, got \"101\""},
           {"{use: lsuv, role: embedding}", "it scales the weights of dense layers, and this is none"},
           {"{use: lsuv, role: [matrix, bias]}", "it scales the weights of dense layers, and this is none"}}) {
    const Said said = refused(arm);
    EXPECT_EQ(said.code, 2) << arm;
    EXPECT_NE(said.err.find(text), std::string::npos) << said.err;
  }
}

// A bias that no scaling of the weights outweighs: named, with tensor and rule.
TEST_F(Lsuv, AVarianceThatNoScaleReachesIsAnError) {
  const auto run = prepared("{use: lsuv, match: \"*query.weight\"}, {use: normal, role: bias, stddev: 3}");
  try {
    values_of(*run);
    FAIL() << "accepted";
  } catch (const base::Error& error) {
    const std::string what = error.what();
    EXPECT_NE(what.find("tensor bert.encoder.layer.0.attention.self.query.weight: after 10 divisions its output has "
                        "variance "),
              std::string::npos)
        << what;
  }
}

}  // namespace
}  // namespace initlab::calibration
