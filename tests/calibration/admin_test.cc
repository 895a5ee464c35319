// admin on a model: its scales follow the recursion, measured here again through model::observe.
#include <cmath>
#include <map>

#include "calibration/fixture.hpp"

namespace initlab::calibration {
namespace {

constexpr const char* kTrained = "max_positions: 64, residual_scale: trained";

class Admin : public CalibrationTest {};

TEST_F(Admin, ScalesFollowTheBranchesBeforeThem) {
  const auto run = prepared("{use: admin}, {use: xavier_uniform}", {{"max_positions: 64", kTrained}});
  std::vector<record::InitRecord> records;
  const auto values = values_of(*run, &records);
  // Later scales do not change what earlier branches see, so the recursion holds on the values as they ended.
  const auto measured = measure(*run, values, 1);
  double square = 1;
  std::size_t sums = 0;
  for (std::int64_t layer = 0; layer < run->model.layers; ++layer)
    for (const std::string block : {"attention.output", "output"}) {
      const std::string stem = "bert.encoder.layer." + std::to_string(layer) + "." + block;
      const auto omega = slice(values, run->table->at(stem + ".residual_scale"));
      ASSERT_EQ(omega.size(), 32u);
      for (const float x : omega) {
        ASSERT_NEAR(static_cast<double>(x), std::sqrt(square), 1e-5 * std::sqrt(square)) << stem;
        if (sums == 0) {
          ASSERT_EQ(x, 1.0f);
        }
      }
      const Measured branch = measured.at(stem + ".dense.weight");
      EXPECT_NEAR(branch.residual_variance, 1, 1e-3) << stem << ": after a LayerNorm";
      EXPECT_GT(branch.variance, 0.01) << stem << ": the branches count";
      square = square * branch.residual_variance + branch.variance;
      ++sums;
    }
  EXPECT_EQ(sums, 6u);
  for (const record::InitRecord& r : records)
    if (r.name.starts_with("bert.")) {
      EXPECT_EQ(r.calibration_rounds, r.role == "residual_scale" ? 1 : 0) << r.name;
    }
  EXPECT_EQ(values, values_of(*run));
}

TEST_F(Admin, AModelWithoutTrainedScalesIsRefused) {
  for (const std::string model : {"max_positions: 64", "max_positions: 64, residual_scale: deepnorm"}) {
    const Said said = initlab({"audit", spec("{use: admin}, {use: xavier_uniform}", {{"max_positions: 64", model}})});
    EXPECT_EQ(said.code, 2) << model;
    EXPECT_NE(said.err.find("this model has no tensor that scales a residual sum: model: {residual_scale: trained}"),
              std::string::npos)
        << said.err;
  }
  const Said none = initlab({"audit", spec("{use: admin}", {{"max_positions: 64", "max_positions: 64, norm: none"}})});
  EXPECT_EQ(none.code, 2);
  EXPECT_NE(none.err.find("it fills the scales of residual sums before a LayerNorm"), std::string::npos) << none.err;
}

}  // namespace
}  // namespace initlab::calibration
