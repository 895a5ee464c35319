#include "app/workloads.hpp"

#include <algorithm>
#include <iterator>

namespace initlab::app {
namespace {

constexpr const char* kMiniLm = R"({checkpoint: "${INITLAB_MODELS}/minilm"})";
constexpr const char* kTiny = R"({shape: tiny, vocabulary: "${INITLAB_DATA}/vocab/bert-base-uncased/vocab.txt"})";
constexpr const char* kMini = R"({shape: mini, vocabulary: "${INITLAB_DATA}/vocab/bert-base-uncased/vocab.txt"})";

constexpr const char* kCola = R"({name: cola, data: "${INITLAB_DATA}/CoLA"})";
constexpr const char* kMrpc = R"({name: mrpc, data: "${INITLAB_DATA}/MRPC"})";
constexpr const char* kSst2 = R"({name: sst2, data: "${INITLAB_DATA}/SST-2", train_size: 16000})";
constexpr const char* kWikitext = R"({name: mlm, data: "${INITLAB_DATA}/wikitext-2-raw/wiki.valid.raw"})";
constexpr const char* kTwoClasses = "{name: sst2}";

constexpr const char* kPretrained = "{use: pretrained}";
constexpr const char* kDrawn = "{use: truncated_normal, stddev: 0.02}";

constexpr Workload kWorkloads[] = {
    {"minilm_cola", "MiniLM-L6 on CoLA, short sentences", kMiniLm, kCola, kPretrained, false, 30, 5},
    {"minilm_mrpc", "MiniLM-L6 on MRPC, pairs of sentences", kMiniLm, kMrpc, kPretrained, false, 30, 5},
    {"tiny_sst2", "tiny classifier on SST-2", kTiny, kSst2, kDrawn, false, 200, 20},
    {"mini_sst2", "mini classifier on SST-2", kMini, kSst2, kDrawn, false, 100, 10},
    {"mini_mlm", "mini masked language model, 128 tokens, 15 % masked, wikitext", kMini, kWikitext, kDrawn, false, 30,
     5},
    {"tiny_128", "tiny classifier, 128 random tokens", "{shape: tiny}", kTwoClasses, kDrawn, true, 60, 5},
    {"mini_128", "mini classifier, 128 random tokens", "{shape: mini}", kTwoClasses, kDrawn, true, 30, 5},
    {"small_128", "small classifier, 128 random tokens", "{shape: small}", kTwoClasses, kDrawn, true, 10, 2},
    {"medium_128", "medium classifier, 128 random tokens", "{shape: medium}", kTwoClasses, kDrawn, true, 5, 1},
    {"base", "base classifier, 128 random tokens", "{shape: base}", kTwoClasses, kDrawn, true, 2, 1},
};

}  // namespace

std::span<const Workload> workloads() { return kWorkloads; }

std::vector<std::string> workload_names() {
  std::vector<std::string> names;
  for (const Workload& workload : kWorkloads) names.emplace_back(workload.name);
  return names;
}

const Workload* find_workload(const std::string& name) {
  const auto* found = std::ranges::find_if(kWorkloads, [&](const Workload& workload) { return name == workload.name; });
  return found == std::end(kWorkloads) ? nullptr : found;
}

std::string spec_text(const Workload& workload) {
  return std::string("experiment: ") + workload.name + "\nmodel: " + workload.model + "\ntask: " + workload.task + R"(
training:
  epochs: 3
  batch: 32
  max_length: 128
  optimizer: {name: adamw, learning_rate: 5e-5, weight_decay: 0.01}
  schedule: {name: constant}
  dropout: 0.1
  clip: 1.0
arms:
  bench: [)" +
         workload.rule + R"(]
head: {use: truncated_normal, stddev: 0.02}
seeds: {replicates: 1, base: 2025}
)";
}

}  // namespace initlab::app
