// Text for pre-training: generated stories, text files, and the microworld written as files and read again.
#include <gtest/gtest.h>

#include <algorithm>
#include <map>

#include "data/data.hpp"
#include "data/microworld.hpp"
#include "scratch.hpp"

namespace initlab::data {
namespace {

text::WordPiece world_words(std::int64_t world = 1) {
  return text::WordPiece::from_tokens(microworld_vocabulary(world), text::Casing::uncased, "microworld");
}

text::WordPiece letters() {
  std::vector<std::string> tokens = {"[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"};
  for (char c = 'a'; c <= 'z'; ++c) tokens.emplace_back(1, c);
  return text::WordPiece::from_tokens(tokens, text::Casing::uncased, "test");
}

config::TaskConfig mlm(const std::optional<std::string>& data = {}) {
  config::TaskConfig task;
  task.name = "mlm";
  task.data = data;
  task.tokens = 30'000;
  task.place = "spec.yaml:4:9";
  return task;
}

// The tokens of a list of sequences, without [CLS] and [SEP].
std::vector<std::int32_t> inside(const std::vector<Example>& examples) {
  std::vector<std::int32_t> tokens;
  for (const Example& example : examples) tokens.insert(tokens.end(), example.ids.begin() + 1, example.ids.end() - 1);
  return tokens;
}

TEST(Stories, AreSequencesOfOneOrTwoSentences) {
  const TaskData data = load(mlm(), world_words(), 64, 1);
  std::int64_t tokens = 0, pairs = 0;
  for (const Example& example : data.train) {
    tokens += std::ssize(example.ids);
    ASSERT_LE(example.ids.size(), 64U);
    ASSERT_EQ(std::count(example.ids.begin(), example.ids.end(), data.special.unk), 0);
    pairs += example.types.back() == 1;
  }
  EXPECT_GE(tokens, 30'000);
  EXPECT_LE(tokens, 30'100);
  EXPECT_GT(pairs, 0);
  std::int64_t eval_tokens = 0;
  for (const Example& example : data.eval) eval_tokens += std::ssize(example.ids);
  EXPECT_NEAR(static_cast<double>(eval_tokens), 20'000, 100);
  EXPECT_EQ(data.sha256, content_hash(mlm()));
}

TEST(Stories, TheHashFollowsWorldAndLength) {
  config::TaskConfig other_world = mlm(), longer = mlm();
  other_world.world = 2;
  longer.tokens = 40'000;
  EXPECT_NE(content_hash(other_world), content_hash(mlm()));
  EXPECT_NE(content_hash(longer), content_hash(mlm()));
}

// The constant prediction, counted again from the batches themselves.
TEST(Stories, TheConstantTokenIsScoredOnTheEvaluationsMasks) {
  const auto data = std::make_shared<TaskData>(load(mlm(), world_words(), 64, 1));
  std::map<std::int32_t, std::int64_t> counts;
  for (const std::int32_t id : inside(data->train))
    if (id != data->special.sep) ++counts[id];
  const auto top = std::max_element(counts.begin(), counts.end(), [](auto& a, auto& b) { return a.second < b.second; });
  const BatchStream stream(data, 32, mlm(), {});
  std::int64_t right = 0, all = 0;
  for (std::int64_t i = 0; i < stream.eval_batches(); ++i)
    for (const std::int32_t label : stream.eval(i).masked_labels) {
      right += label == top->first;
      ++all;
    }
  ASSERT_EQ(data->constant_class.size(), 1U);
  EXPECT_DOUBLE_EQ(data->constant_class[0], static_cast<double>(right) / static_cast<double>(all));
  EXPECT_GT(right, 0);
}

TEST(TextFiles, AreJoinedAndCutWithoutLoss) {
  const Scratch scratch;
  std::string text;
  std::vector<std::int32_t> expected;
  for (int i = 0; i < 1003; ++i) {
    text += static_cast<char>('a' + i * 7 % 26);
    text += i % 50 == 49 ? "\n\n" : i % 9 == 8 ? "\r\n" : " ";
    expected.push_back(5 + i * 7 % 26);
  }
  const TaskData data = load(mlm(scratch.write("corpus", text)), letters(), 12, 1);
  ASSERT_EQ(data.train.size() + data.eval.size(), 101U);  // 1003 tokens, 10 a sequence
  EXPECT_EQ(data.eval.size(), 5U);                        // the last 5 %
  for (const Example& example : data.train) ASSERT_EQ(example.ids.size(), 12U);
  EXPECT_EQ(data.eval.back().ids.size(), 5U);
  std::vector<std::int32_t> joined = inside(data.train);
  const std::vector<std::int32_t> tail = inside(data.eval);
  joined.insert(joined.end(), tail.begin(), tail.end());
  EXPECT_EQ(joined, expected);
}

TEST(TextFiles, OfAFolderAreReadInTheOrderOfTheirNames) {
  const Scratch scratch;
  scratch.write("b.md", "c d");
  scratch.write("a.txt", "a b");
  scratch.write("c.raw", "e f");
  scratch.write("notes.tsv", "z z z");
  const TaskData data = load(mlm(scratch.path()), letters(), 4, 1);
  EXPECT_EQ(inside(data.train), (std::vector<std::int32_t>{5, 6, 7, 8}));
  EXPECT_EQ(inside(data.eval), (std::vector<std::int32_t>{9, 10}));
  const std::string before = content_hash(mlm(scratch.path()));
  scratch.write("notes.tsv", "y");
  EXPECT_EQ(content_hash(mlm(scratch.path())), before);
  scratch.write("c.raw", "e g");
  EXPECT_NE(content_hash(mlm(scratch.path())), before);
}

TEST(TextFiles, SequencesOfUnknownWordsAloneAreLeftOut) {
  const Scratch scratch;
  const TaskData data = load(mlm(scratch.write("t.txt", "a b 1 2 c 3 4 5 d e")), letters(), 4, 1);
  EXPECT_EQ(inside(data.train), (std::vector<std::int32_t>{5, 6, 7, 1}));  // "1 2" and "4 5" are gone
  EXPECT_EQ(inside(data.eval), (std::vector<std::int32_t>{8, 9}));
}

TEST(TextFiles, ErrorsSayWhatIsMissing) {
  const Scratch scratch;
  const std::string path = scratch.write("one.txt", "a b");
  EXPECT_EQ(error_of([&] { load(mlm(path), letters(), 16, 1); }),
            path +
                ": text: expected at least two sequences of 16 tokens, got 1\n"
                "  hint: give more text, or a smaller training.max_length");
  EXPECT_NE(error_of([&] { load(mlm(scratch.write("none.txt", "")), letters(), 16, 1); }).find("got 0"),
            std::string::npos);
  EXPECT_EQ(error_of([&] { content_hash(mlm(scratch.path("gone.txt"))); }),
            scratch.path("gone.txt") + ": cannot be read: got No such file or directory");
  EXPECT_EQ(error_of([&] { load(mlm(scratch.write("alien.txt", "1 2 3 4 5 6")), letters(), 4, 1); }),
            "spec.yaml:4:9: task.data: expected text with words of the vocabulary, got [UNK] alone\n"
            "  hint: does the vocabulary fit the text?");
  const std::string empty = scratch.path("folder");
  std::filesystem::create_directories(empty);
  EXPECT_NE(error_of([&] { content_hash(mlm(empty)); }).find("expected a folder with text files (*.txt, *.raw, *.md)"),
            std::string::npos);
}

TEST(TextFiles, HostileBytesAreRead) {
  const Scratch scratch;
  std::string bytes =
      "a b c d \xFF\xFE" + std::string(100000, '\0') + " e f g h\n" + std::string(1 << 20, 'x') + " a b c d";
  const TaskData data = load(mlm(scratch.write("t.txt", bytes)), letters(), 6, 1);
  EXPECT_EQ(inside(data.train), (std::vector<std::int32_t>{5, 6, 7, 8, 9, 10, 11, 12, 1, 5, 6, 7}));
  EXPECT_EQ(inside(data.eval), std::vector<std::int32_t>{8});
}

TEST(MicroworldFiles, ReadBackAsWhatIsGenerated) {
  const Scratch scratch;
  write_microworld(scratch.path(), 3, 5000);
  const auto words = text::WordPiece::load(scratch.path("vocab.txt"), text::Casing::uncased);
  EXPECT_EQ(words.tokens(), microworld_vocabulary(3));
  for (const char* name : {"sentiment", "acceptability", "paraphrase", "entailment"}) {
    config::TaskConfig generated;
    generated.name = name;
    generated.world = 3;
    config::TaskConfig read = generated;
    read.data = scratch.path(name);
    const TaskData a = load(generated, words, 64, 1), b = load(read, words, 64, 1);
    ASSERT_EQ(a.train.size(), b.train.size());
    ASSERT_EQ(a.eval.size(), b.eval.size());
    for (std::size_t i = 0; i < a.train.size(); ++i) {
      ASSERT_EQ(a.train[i].ids, b.train[i].ids);
      ASSERT_EQ(a.train[i].label, b.train[i].label);
    }
    EXPECT_EQ(a.sha256, b.sha256);
  }
  // The stories file holds every generated sentence, in order.
  std::vector<std::int32_t> expected;
  for (const StoryPiece& piece : Microworld(3).stories("train", 5000))
    for (const std::string& sentence : {piece.first, piece.second}) {
      const auto ids = words.tokenize(sentence);
      expected.insert(expected.end(), ids.begin(), ids.end());
    }
  EXPECT_EQ(words.tokenize(base::read_file(scratch.path("stories.txt"))), expected);
  EXPECT_GT(load(mlm(scratch.path("stories.txt")), words, 64, 1).train.size(), 50U);
}

TEST(MicroworldFiles, AFolderThatCannotBeWritten) {
  const Scratch scratch;
  const std::string file = scratch.write("file", "x");
  EXPECT_NE(
      error_of([&] { write_microworld(file, 1, 1000); }).find("expected a folder that can be created and written"),
      std::string::npos);
}

}  // namespace
}  // namespace initlab::data
