// Batches: pure functions of the step, every example once an epoch, bounds that hold, slices that fit together again.
#include <gtest/gtest.h>

#include <algorithm>
#include <numeric>

#include "data/data.hpp"

namespace initlab::data {
namespace {

// Examples of 3 to 9 tokens whose second id tells which one it is.
std::shared_ptr<const TaskData> make_data(config::HeadKind head, int train, int eval) {
  auto data = std::make_shared<TaskData>();
  data->info = {"made", head, {"a", "b"}, {"accuracy"}, false, ""};
  data->special = {.pad = 0, .unk = 1, .cls = 2, .sep = 3, .mask = 4};
  data->vocabulary = 2000;
  const auto fill = [](std::vector<Example>& examples, int n, int first_id) {
    for (int i = 0; i < n; ++i) {
      Example example;
      example.ids = {2, first_id + i};
      for (int k = 0; k < i * 5 % 7; ++k) example.ids.push_back(first_id + k);
      example.ids.push_back(3);
      example.types.resize(example.ids.size(), 0);
      example.types.back() = 1;
      example.label = i % 2;
      example.target = static_cast<float>(i) / 2;
      examples.push_back(example);
    }
  };
  fill(data->train, train, 5);
  fill(data->eval, eval, 1005);
  return data;
}

BatchStream stream_of(std::shared_ptr<const TaskData> data, std::int64_t batch, std::uint64_t order = 1,
                      std::uint64_t mask = 2, std::int64_t world = 1) {
  config::TaskConfig task;
  task.world = world;
  config::Seeds seeds;
  seeds.order = order;
  seeds.mask = mask;
  return {std::move(data), batch, task, seeds};
}

void expect_equal(const batch::Batch& a, const batch::Batch& b) {
  EXPECT_EQ(a.ids, b.ids);
  EXPECT_EQ(a.types, b.types);
  EXPECT_EQ(a.positions, b.positions);
  EXPECT_EQ(a.offsets, b.offsets);
  EXPECT_EQ(a.slots, b.slots);
  EXPECT_EQ(a.examples, b.examples);
  EXPECT_EQ(a.classes, b.classes);
  EXPECT_EQ(a.targets, b.targets);
  EXPECT_EQ(a.masked_rows, b.masked_rows);
  EXPECT_EQ(a.masked_labels, b.masked_labels);
}

std::vector<std::int64_t> rows_of_epoch(const BatchStream& stream, std::int64_t epoch) {
  std::vector<std::int64_t> rows;
  for (std::int64_t i = 0; i < stream.steps_per_epoch(); ++i) {
    const batch::Batch batch = stream.train(epoch * stream.steps_per_epoch() + i);
    rows.insert(rows.end(), batch.examples.begin(), batch.examples.end());
  }
  return rows;
}

TEST(BatchStream, EveryExampleOnceAnEpochInAFreshOrder) {
  const BatchStream stream = stream_of(make_data(config::HeadKind::classifier, 50, 10), 8);
  EXPECT_EQ(stream.steps_per_epoch(), 7);
  EXPECT_EQ(stream.train(6).sequences(), 2);  // the epoch's last batch is short
  EXPECT_EQ(stream.train(7).sequences(), 8);
  std::vector<std::int64_t> all(50);
  std::iota(all.begin(), all.end(), 0);
  std::vector<std::vector<std::int64_t>> orders;
  for (std::int64_t epoch = 0; epoch < 4; ++epoch) {
    std::vector<std::int64_t> rows = rows_of_epoch(stream, epoch);
    orders.push_back(rows);
    EXPECT_NE(rows, all);
    std::sort(rows.begin(), rows.end());
    EXPECT_EQ(rows, all);
  }
  EXPECT_NE(orders[0], orders[1]);
  EXPECT_NE(orders[1], orders[2]);
}

TEST(BatchStream, ABatchIsAFunctionOfItsStep) {
  for (const auto head : {config::HeadKind::classifier, config::HeadKind::regressor, config::HeadKind::mlm}) {
    const auto data = make_data(head, 50, 10);
    const BatchStream forward = stream_of(data, 8), backward = stream_of(data, 8);
    std::vector<batch::Batch> batches;
    for (std::int64_t step = 0; step < 20; ++step) batches.push_back(forward.train(step));
    for (std::int64_t step = 19; step >= 0; --step) {
      expect_equal(backward.train(step), batches[static_cast<std::size_t>(step)]);
      expect_equal(forward.train(step), batches[static_cast<std::size_t>(step)]);
    }
  }
}

TEST(BatchStream, ARefilledBatchIsAFreshOneInTheSameMemory) {
  for (const auto head : {config::HeadKind::classifier, config::HeadKind::regressor, config::HeadKind::mlm}) {
    const BatchStream stream = stream_of(make_data(head, 50, 10), 8);
    batch::Batch batch, part;
    for (batch::Batch* booked : {&batch, &part}) stream.reserve(*booked);
    const auto memory = [](const batch::Batch& b) {
      return std::vector<const void*>{b.ids.data(),         b.types.data(),        b.positions.data(), b.offsets.data(),
                                      b.slots.data(),       b.examples.data(),     b.classes.data(),   b.targets.data(),
                                      b.masked_rows.data(), b.masked_labels.data()};
    };
    const auto of_batch = memory(batch), of_part = memory(part);
    for (const std::int64_t step : {3, 6, 0, 19, 7}) {  // 6: the epoch's short one
      stream.train(step, batch);
      expect_equal(batch, stream.train(step));
      slice(batch, 1, 2, part);
      expect_equal(part, slice(batch, 1, 2));
      EXPECT_EQ(memory(batch), of_batch);
      EXPECT_EQ(memory(part), of_part);
    }
  }
}

TEST(BatchStream, OrderFollowsTheOrderSeedAndMasksTheMaskSeed) {
  const auto data = make_data(config::HeadKind::mlm, 50, 10);
  const batch::Batch base = stream_of(data, 8, 1, 2).train(3);
  const batch::Batch other_order = stream_of(data, 8, 9, 2).train(3);
  const batch::Batch other_mask = stream_of(data, 8, 1, 9).train(3);
  EXPECT_NE(other_order.examples, base.examples);
  EXPECT_EQ(other_mask.examples, base.examples);
  EXPECT_NE(other_mask.ids, base.ids);
}

TEST(BatchStream, RowsAreTheExamplesTokens) {
  const auto data = make_data(config::HeadKind::classifier, 50, 10);
  const batch::Batch batch = stream_of(data, 8).train(2);
  ASSERT_EQ(batch.offsets.front(), 0);
  ASSERT_EQ(batch.offsets.back(), batch.tokens());
  for (std::size_t b = 0; b < 8; ++b) {
    const Example& example = data->train[static_cast<std::size_t>(batch.examples[b])];
    const auto begin = batch.offsets[b], end = batch.offsets[b + 1];
    EXPECT_EQ(std::vector<std::int32_t>(batch.ids.begin() + begin, batch.ids.begin() + end), example.ids);
    EXPECT_EQ(std::vector<std::int32_t>(batch.types.begin() + begin, batch.types.begin() + end), example.types);
    for (std::int32_t i = begin; i < end; ++i) EXPECT_EQ(batch.positions[static_cast<std::size_t>(i)], i - begin);
    EXPECT_EQ(batch.classes[b], example.label);
    EXPECT_EQ(batch.slots[b], static_cast<std::int32_t>(b));
  }
  EXPECT_TRUE(batch.targets.empty());
  EXPECT_TRUE(batch.masked_rows.empty());
}

TEST(BatchStream, RegressionCarriesTargets) {
  const auto data = make_data(config::HeadKind::regressor, 20, 10);
  const batch::Batch batch = stream_of(data, 8).train(0);
  ASSERT_EQ(batch.targets.size(), 8U);
  EXPECT_TRUE(batch.classes.empty());
  for (std::size_t b = 0; b < 8; ++b)
    EXPECT_EQ(batch.targets[b], data->train[static_cast<std::size_t>(batch.examples[b])].target);
}

TEST(BatchStream, MasksAreFreshEachEpochAndRestoreTheOriginal) {
  const auto data = make_data(config::HeadKind::mlm, 40, 10);
  const BatchStream stream = stream_of(data, 40);
  std::vector<std::vector<std::int32_t>> shown_by_epoch;
  for (std::int64_t epoch = 0; epoch < 3; ++epoch) {
    batch::Batch batch = stream.train(epoch);
    EXPECT_TRUE(std::is_sorted(batch.masked_rows.begin(), batch.masked_rows.end()));
    std::vector<std::int32_t> shown(batch.ids);
    for (std::size_t i = 0; i < batch.masked_rows.size(); ++i)
      batch.ids[static_cast<std::size_t>(batch.masked_rows[i])] = batch.masked_labels[i];
    std::vector<std::int32_t> by_row;  // what is shown of example 0, 1, ..., whatever the order
    for (std::int64_t row = 0; row < 40; ++row) {
      const auto b = static_cast<std::size_t>(std::find(batch.examples.begin(), batch.examples.end(), row) -
                                              batch.examples.begin());
      const auto begin = batch.offsets[b], end = batch.offsets[b + 1];
      EXPECT_EQ(std::vector<std::int32_t>(batch.ids.begin() + begin, batch.ids.begin() + end),
                data->train[static_cast<std::size_t>(row)].ids);
      EXPECT_TRUE(std::any_of(batch.masked_rows.begin(), batch.masked_rows.end(),
                              [&](auto r) { return r >= begin && r < end; }))
          << "nothing to predict in " << row;
      by_row.insert(by_row.end(), shown.begin() + begin, shown.begin() + end);
    }
    shown_by_epoch.push_back(by_row);
  }
  EXPECT_NE(shown_by_epoch[0], shown_by_epoch[1]);
  EXPECT_NE(shown_by_epoch[1], shown_by_epoch[2]);
}

TEST(BatchStream, EvaluationIsInOrderAndTheSameForAllRuns) {
  for (const auto head : {config::HeadKind::classifier, config::HeadKind::mlm}) {
    const auto data = make_data(head, 20, 150);
    const BatchStream a = stream_of(data, 8, 1, 2), b = stream_of(data, 4, 3, 4),
                      other_world = stream_of(data, 8, 1, 2, 5);
    ASSERT_EQ(a.eval_batches(), 3);
    std::int64_t next = 0;
    bool world_shows = false;
    for (std::int64_t i = 0; i < 3; ++i) {
      const batch::Batch batch = a.eval(i);
      EXPECT_EQ(batch.sequences(), i < 2 ? 64 : 22);
      for (const std::int64_t row : batch.examples) EXPECT_EQ(row, next++);
      expect_equal(batch, b.eval(i));
      world_shows |= batch.ids != other_world.eval(i).ids;
    }
    EXPECT_EQ(next, 150);
    EXPECT_EQ(world_shows, head == config::HeadKind::mlm);
  }
}

TEST(BatchStream, BoundsHoldOverManyEpochs) {
  for (const auto head : {config::HeadKind::classifier, config::HeadKind::mlm}) {
    for (const std::int64_t batch_size : {1, 7, 64, 1000}) {
      const BatchStream stream = stream_of(make_data(head, 45, 70), batch_size);
      std::int64_t tokens = 0, sequences = 0, predictions = 0, longest = 0;
      const auto see = [&](const batch::Batch& batch) {
        tokens = std::max(tokens, batch.tokens());
        sequences = std::max(sequences, batch.sequences());
        predictions = std::max(predictions, static_cast<std::int64_t>(batch.masked_rows.size()));
        for (const std::int32_t position : batch.positions) longest = std::max<std::int64_t>(longest, position + 1);
      };
      for (std::int64_t step = 0; step < 20 * stream.steps_per_epoch(); ++step) see(stream.train(step));
      for (std::int64_t i = 0; i < stream.eval_batches(); ++i) see(stream.eval(i));
      EXPECT_LE(tokens, stream.most_tokens());
      EXPECT_LE(predictions, stream.most_predictions());
      EXPECT_EQ(sequences, stream.most_sequences());
      EXPECT_EQ(longest, stream.longest());
      EXPECT_EQ(stream.most_predictions() == 0, head != config::HeadKind::mlm);
    }
  }
}

// What a model sees at once, looked up: the bound is reached, and is less than that of any order.
TEST(BatchStream, BoundsOfKnownStepsAreReached) {
  const auto data = make_data(config::HeadKind::classifier, 200, 1);
  for (const std::int64_t accumulate : {1, 2, 5}) {
    const std::int64_t steps = 40, batch_size = 16;  // 12 full batches and one of 8 an epoch
    const config::Seeds seeds;
    const BatchStream any(data, batch_size, {}, seeds, {.accumulate = accumulate});
    const BatchStream known(data, batch_size, {}, seeds, {.steps = steps, .accumulate = accumulate});
    std::int64_t most = 0, sequences = 0;
    for (std::int64_t step = 0; step < steps; ++step) {
      const batch::Batch batch = known.train(step);
      const std::int64_t piece = piece_size(batch.sequences(), accumulate);
      for (std::int64_t begin = 0; begin < batch.sequences(); begin += piece) {
        const batch::Batch part = slice(batch, begin, std::min(begin + piece, batch.sequences()));
        most = std::max(most, part.tokens());
        sequences = std::max(sequences, part.sequences());
      }
    }
    EXPECT_EQ(known.most_tokens(), most);
    EXPECT_EQ(known.most_sequences(), sequences);
    EXPECT_LT(known.most_tokens(), any.most_tokens());
    EXPECT_EQ(any.most_sequences(), sequences);
  }
}

TEST(BatchStream, PiecesAreAsManyAsAskedOrFewer) {
  EXPECT_EQ(piece_size(8, 1), 8);
  EXPECT_EQ(piece_size(8, 3), 3);  // 3 + 3 + 2
  EXPECT_EQ(piece_size(3, 8), 1);
}

// 64 sequences of 100 tokens would be 6400 tokens: training's batches are smaller, so evaluation's are.
TEST(BatchStream, EvaluationIsCutToTrainingsTokens) {
  auto data = std::make_shared<TaskData>(*make_data(config::HeadKind::classifier, 32, 200));
  for (auto* split : {&data->train, &data->eval})
    for (Example& example : *split) {
      example.ids.resize(100, 7);
      example.types.resize(100, 0);
    }
  data->eval[50].ids.resize(900, 7);  // alone in its batch
  data->eval[50].types.resize(900, 0);
  for (const auto& [batch_size, tokens] : {std::pair<std::int64_t, std::int64_t>{8, 900}, {2, 900}, {16, 1600}}) {
    const BatchStream stream(data, batch_size, {}, config::Seeds(), {.steps = 3});
    std::int64_t next = 0, most = 0;
    for (std::int64_t i = 0; i < stream.eval_batches(); ++i) {
      const batch::Batch batch = stream.eval(i);
      most = std::max(most, batch.tokens());
      for (const std::int64_t row : batch.examples) EXPECT_EQ(row, next++);
    }
    EXPECT_EQ(next, 200);
    EXPECT_EQ(most, tokens);
    EXPECT_EQ(stream.most_tokens(), tokens);
  }
  data->eval.erase(data->eval.begin() + 50);
  const BatchStream small(data, 2, {}, config::Seeds(), {.steps = 3});
  EXPECT_EQ(small.most_tokens(), 500);  // 5 sequences: as many as the least bound of 512 tokens takes
}

TEST(BatchStream, SlicesFitTogetherAgain) {
  for (const auto head : {config::HeadKind::classifier, config::HeadKind::regressor, config::HeadKind::mlm}) {
    const batch::Batch whole = stream_of(make_data(head, 50, 10), 11).train(1);
    batch::Batch joined;
    joined.offsets = {0};
    for (const auto& [begin, end] : {std::pair<std::int64_t, std::int64_t>{0, 4}, {4, 4}, {4, 5}, {5, 11}}) {
      const batch::Batch part = slice(whole, begin, end);
      ASSERT_EQ(part.sequences(), end - begin);
      ASSERT_EQ(part.offsets.front(), 0);
      ASSERT_EQ(part.offsets.back(), part.tokens());
      const auto base = static_cast<std::int32_t>(joined.tokens());
      const auto append = [](auto& to, const auto& from) { to.insert(to.end(), from.begin(), from.end()); };
      for (std::size_t i = 1; i < part.offsets.size(); ++i) joined.offsets.push_back(part.offsets[i] + base);
      for (const std::int32_t row : part.masked_rows) {
        EXPECT_GE(row, 0);
        EXPECT_LT(row, part.tokens());
        joined.masked_rows.push_back(row + base);
      }
      append(joined.ids, part.ids);
      append(joined.types, part.types);
      append(joined.positions, part.positions);
      append(joined.slots, part.slots);
      append(joined.examples, part.examples);
      append(joined.classes, part.classes);
      append(joined.targets, part.targets);
      append(joined.masked_labels, part.masked_labels);
    }
    expect_equal(joined, whole);
  }
}

}  // namespace
}  // namespace initlab::data
