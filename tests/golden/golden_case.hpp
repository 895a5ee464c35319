// Reads a golden case of scripts/golden_bert.py and turns its sequences into batches.
#pragma once

#include <string>
#include <vector>

#include "base/json.hpp"
#include "batch/batch.hpp"
#include "checkpoint/checkpoint.hpp"
#include "config/config.hpp"
#include "model/bert.hpp"

namespace initlab::golden {

struct Case {
  explicit Case(const std::string& name);

  // Sequences of the i-th batch, one after another, without padding.
  batch::Batch batch(std::size_t i) const;
  std::size_t batches() const { return json["batches"].size(); }
  // How many losses the sum of a batch is made of: Hugging Face reports their mean.
  double count(const batch::Batch& batch) const;
  // A model of this shape, large enough for all batches, with the golden weights.
  std::unique_ptr<model::Bert> bert(const model::Options& options = {}) const;
  // The golden gradient of one parameter.
  std::vector<float> gradient(const std::string& parameter) const;

  base::Json json;
  config::ModelConfig model;
  config::HeadKind head = config::HeadKind::classifier;
  std::int64_t labels = 0;
  checkpoint::SafetensorsFile tensors;
};

}  // namespace initlab::golden
