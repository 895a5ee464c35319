#include "init/host.hpp"

#include <algorithm>
#include <cstddef>
#include <cstring>
#include <limits>

#include "init/measure.hpp"
#include "init/strategy.hpp"

namespace initlab::init {
namespace {

std::string stream_name(bool head, std::string_view tensor) { return (head ? "head/" : "init/") + std::string(tensor); }

base::Stream stream_of(const config::Seeds& seeds, bool head, std::string_view tensor) {
  return {head ? seeds.head : seeds.init, stream_name(head, tensor)};
}

}  // namespace

Host::Host(const config::Seeds& seeds, const std::vector<const params::Parameter*>& table,
           const config::ModelConfig& model, const checkpoint::Checkpoint* checkpoint, const params::Parameter& filled)
    : seeds_(seeds),
      table_(table),
      model_(model),
      checkpoint_(checkpoint),
      filled_(filled),
      own_(stream_of(seeds, filled.head, filled.name)) {}

void Host::rethrow() const {
  if (fault_) std::rethrow_exception(fault_);
}

const params::Parameter* Host::find(std::string_view name) const {
  for (const params::Parameter* p : table_)
    if (p->name == name) return p;
  return nullptr;
}

base::Stream Host::stream(const char* tensor) const {
  if (filled_.name == tensor) return own_;
  const params::Parameter* p = find(tensor);
  return stream_of(seeds_, p == nullptr ? filled_.head : p->head, tensor);
}

void Host::note_stream(const char* tensor) const {
  const params::Parameter* p = filled_.name == tensor ? &filled_ : find(tensor);
  const std::string name = stream_name(p == nullptr ? filled_.head : p->head, tensor);
  const std::lock_guard lock(mutex_);
  if (std::ranges::find(streams_, name) == streams_.end()) streams_.push_back(name);
}

// Runs `draw(stream, i)` for each element; on a fault the values are NaN, so that they cannot pass for drawn ones.
template <class Draw>
void Host::draw(const void* self, const char* tensor, std::uint64_t first, float* dst, std::uint64_t n, Draw draw) {
  const Host& host = *static_cast<const Host*>(self);
  try {
    const base::Stream stream = host.stream(tensor);
    host.note_stream(tensor);
    for (std::uint64_t i = 0; i < n; ++i) dst[i] = draw(stream, first + i);
  } catch (...) {
    const std::lock_guard lock(host.mutex_);
    host.fault_ = std::current_exception();
    for (std::uint64_t i = 0; i < n; ++i) dst[i] = std::numeric_limits<float>::quiet_NaN();
  }
}

void Host::uniform(const void* self, const char* tensor, std::uint64_t first, float* dst, std::uint64_t n) {
  // The upper 24 bits: exact in float. A double just below 1 would round to 1.
  draw(self, tensor, first, dst, n,
       [](const base::Stream& stream, std::uint64_t i) { return static_cast<float>(stream.bits(i) >> 40) * 0x1p-24f; });
}

void Host::normal(const void* self, const char* tensor, std::uint64_t first, float* dst, std::uint64_t n) {
  draw(self, tensor, first, dst, n,
       [](const base::Stream& stream, std::uint64_t i) { return static_cast<float>(stream.normal(i)); });
}

int Host::source(const void* self, const char* tensor, il_view* view) {
  const Host& host = *static_cast<const Host*>(self);
  const std::lock_guard lock(host.mutex_);
  try {
    return host.find_source(tensor, view);
  } catch (...) {
    host.fault_ = std::current_exception();
    return 1;
  }
}

int Host::source_shape(const void* self, const char* tensor, il_view* view) {
  const Host& host = *static_cast<const Host*>(self);
  if (host.checkpoint_ == nullptr || view->size < sizeof(il_view)) return 1;
  const checkpoint::TensorInfo* info = host.checkpoint_->find(tensor);
  if (info == nullptr) return 1;
  view->rank = static_cast<std::uint32_t>(info->shape.size());
  view->dims = info->shape.data();
  view->data = nullptr;
  return 0;
}

int Host::parameter(const void* self, std::uint64_t i, il_param* param) {
  const Host& host = *static_cast<const Host*>(self);
  constexpr std::size_t kLeast = offsetof(il_param, residual_scale);  // what minor 1, which began to ask, knows
  if (i >= host.table_.size() || param->size < kLeast) return 1;
  const std::uint32_t size = std::min<std::uint32_t>(param->size, sizeof(il_param));
  il_param described = describe_parameter(*host.table_[i], host.model_);
  described.size = size;
  std::memcpy(param, &described, size);
  return 0;
}

int Host::find_source(const char* tensor, il_view* view) const {
  if (checkpoint_ == nullptr || view->size < sizeof(il_view)) return 1;
  const auto show = [view](const Lent& lent) {
    view->rank = static_cast<std::uint32_t>(lent.shape.size());
    view->dims = lent.shape.data();
    view->data = lent.values.data();
    return 0;
  };
  for (const Lent& lent : lent_)
    if (lent.name == tensor) return show(lent);
  const checkpoint::TensorInfo* info = checkpoint_->find(tensor);
  if (info == nullptr) return 1;
  const Lent& lent = lent_.emplace_back(Lent{tensor, info->shape, checkpoint_->read(tensor, info->shape)});
  keys_.push_back(info->key);
  source_hashes_.push_back(bits_sha256(lent.values));
  return show(lent);
}

}  // namespace initlab::init
