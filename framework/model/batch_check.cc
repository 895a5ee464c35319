#include "model/batch_check.hpp"

#include <string>
#include <vector>

#include "base/error.hpp"

namespace initlab::model {
namespace {

[[noreturn]] void refuse(const std::string& subject, const std::string& expected, std::int64_t got) {
  throw base::Error({.place = "batch",
                     .subject = subject,
                     .expected = expected,
                     .got = std::to_string(got),
                     .hint = "the data and the model of this run do not fit each other"});
}

void check_size(const char* subject, std::size_t size, std::int64_t expected) {
  if (static_cast<std::int64_t>(size) != expected)
    refuse(subject, std::to_string(expected) + " values", static_cast<std::int64_t>(size));
}

void check_most(const char* subject, std::int64_t value, std::int64_t most) {
  if (value > most) refuse(subject, "at most " + std::to_string(most), value);
}

void check_indices(const char* subject, const std::vector<std::int32_t>& values, std::int64_t bound) {
  for (const std::int32_t value : values)
    if (value < 0 || value >= bound) refuse(subject, "0 to " + std::to_string(bound - 1), value);
}

void check_offsets(const batch::Batch& batch, const Capacity& capacity) {
  if (batch.sequences() == 0 || batch.offsets.front() != 0) refuse("offsets", "a first sequence at row 0", 0);
  for (std::size_t b = 1; b < batch.offsets.size(); ++b) {
    const std::int64_t length = batch.offsets[b] - batch.offsets[b - 1];
    if (length < 1 || length > capacity.longest)
      refuse("length of a sequence", "1 to " + std::to_string(capacity.longest) + " tokens", length);
  }
  if (batch.offsets.back() != batch.tokens())
    refuse("offsets", "an end at row " + std::to_string(batch.tokens()), batch.offsets.back());
}

}  // namespace

void check_batch(const batch::Batch& batch, const config::ModelConfig& model, config::HeadKind head,
                 std::int64_t num_labels, const Capacity& capacity) {
  check_most("tokens", batch.tokens(), capacity.tokens);
  check_most("sequences", batch.sequences(), capacity.sequences);
  check_offsets(batch, capacity);
  check_size("types", batch.types.size(), batch.tokens());
  check_size("positions", batch.positions.size(), batch.tokens());
  check_size("slots", batch.slots.size(), batch.sequences());
  check_indices("token ids", batch.ids, model.vocabulary);
  check_indices("segment ids", batch.types, model.type_vocabulary);
  check_indices("positions", batch.positions, model.max_positions);
  check_indices("slots", batch.slots, std::int64_t{1} << 20);
  if (head == config::HeadKind::classifier) {
    check_size("classes", batch.classes.size(), batch.sequences());
    check_indices("classes", batch.classes, num_labels);
  } else if (head == config::HeadKind::regressor) {
    check_size("targets", batch.targets.size(), batch.sequences());
  } else {
    check_most("predicted rows", static_cast<std::int64_t>(batch.masked_rows.size()), capacity.predictions);
    check_size("masked labels", batch.masked_labels.size(), static_cast<std::int64_t>(batch.masked_rows.size()));
    check_indices("masked rows", batch.masked_rows, batch.tokens());
    check_indices("masked labels", batch.masked_labels, model.vocabulary);
  }
}

}  // namespace initlab::model
