// A valid spec with a few random bytes changed either reads or throws Error. It never crashes, hangs, or throws
// anything else; and what reads can be written and read again.
#include <gtest/gtest.h>

#include "base/random.hpp"
#include "spec/support.hpp"

namespace initlab::spec {
namespace {

const char kText[] =
    "# A spec with a bit of everything.\n"
    "experiment: everything\n"
    "model: {checkpoint: \"${MODELS}/minilm\", pooling: mean}\n"
    "task: &task {name: mrpc, data: \"${DATA}/MRPC\", train_size: 1000}\n"
    "training:\n"
    "  epochs: 3\n"
    "  batch: 32\n"
    "  optimizer: {name: adamw, learning_rate: 5e-5}\n"
    "arms:\n"
    "  pretrained: [{use: pretrained}]\n"
    "  top:\n"
    "    - {layers: top(2), use: 'truncated_normal', stddev: 0.02}\n"
    "    - use: pretrained\n"
    "  hot: {init: {use: zero}, training: {optimizer: {learning_rate: 3e-4}}}\n"
    "seeds: {replicates: 2, base: 2025}\n"
    "grid: {training.dropout: [0, 0.1], \"arms.top[0].stddev\": [0.02, 0.05]}\n"
    "compare: {baseline: pretrained, threshold: 0.85, at: step:5}\n";

std::string mutate(const base::Stream& stream, std::uint64_t& draw, std::string text) {
  constexpr std::string_view kMarks = "{}[]:,-?&*!|>'\"%#@`~ \n\t$\\<=.";
  const std::uint64_t changes = 1 + stream.below(draw++, 4);
  for (std::uint64_t i = 0; i < changes && !text.empty(); ++i) {
    const std::size_t at = stream.below(draw++, text.size());
    const std::uint64_t bits = stream.bits(draw++);
    switch (bits % 5) {
      case 0:
        text[at] = static_cast<char>(bits >> 8);
        break;
      case 1:
        text[at] = kMarks[(bits >> 8) % kMarks.size()];
        break;
      case 2:
        text.insert(at, 1, kMarks[(bits >> 8) % kMarks.size()]);
        break;
      case 3:
        text.erase(at, 1 + (bits >> 8) % 8);
        break;
      default:
        text.insert(at, std::string(text, (bits >> 8) % text.size(), 40));
        break;
    }
  }
  return text;
}

TEST(Mutation, ReadsOrThrowsError) {
  const std::map<std::string, std::string> variables = {{"MODELS", "/models"}, {"DATA", "/data"}};
  const base::Stream stream(1, "spec mutation");
  std::uint64_t draw = 0;
  int good = 0, bad = 0;
  for (int i = 0; i < 4000; ++i) {
    const std::string text = mutate(stream, draw, kText);
    std::string again;
    try {
      again = from(text, {}, variables).text;
      ++good;
    } catch (const base::Error& error) {
      ++bad;
      EXPECT_EQ(std::string(error.what()).rfind("s.yaml:", 0), 0u) << error.what() << "\n" << text;
      continue;
    }
    EXPECT_EQ(from(again).text, again) << text;
  }
  EXPECT_GT(good, 100);  // the loop reaches both sides
  EXPECT_GT(bad, 100);
}

}  // namespace
}  // namespace initlab::spec
