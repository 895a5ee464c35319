// What a strategy gets to see while it fills one tensor: random streams and the checkpoint. Internal to init/.
#pragma once

#include <cstdint>
#include <exception>
#include <list>
#include <mutex>
#include <string>
#include <vector>

#include "abi/initlab_plugin.h"
#include "base/random.hpp"
#include "checkpoint/checkpoint.hpp"
#include "config/config.hpp"
#include "params/params.hpp"

namespace initlab::init {

// Streams: Stream(seeds.init, "init/" + tensor) for the encoder, Stream(seeds.head, "head/" + tensor) for the task
// head. A name outside the table belongs to the side of the tensor that is being filled.
class Host {
 public:
  // Borrows everything while it lives. checkpoint may be null.
  Host(const config::Seeds& seeds, const std::vector<const params::Parameter*>& table, const config::ModelConfig& model,
       const checkpoint::Checkpoint* checkpoint, const params::Parameter& filled);

  il_host lend() const { return {sizeof(il_host), this, &uniform, &normal, &source, &parameter, &source_shape}; }

  // Keys of the checkpoint's tensors that the strategy got, in the order of its first asking.
  const std::vector<std::string>& keys() const { return keys_; }
  // SHA-256 of the values that it got, by keys(), taken before it got them.
  const std::vector<std::string>& source_hashes() const { return source_hashes_; }
  // Names of the random streams that it drew from, in the order of their first use.
  const std::vector<std::string>& streams() const { return streams_; }
  // Throws what went wrong behind the C boundary while the strategy asked, if anything did.
  void rethrow() const;

 private:
  struct Lent {
    std::string name;
    std::vector<std::int64_t> shape;
    std::vector<float> values;
  };

  base::Stream stream(const char* tensor) const;
  void note_stream(const char* tensor) const;
  int find_source(const char* tensor, il_view* view) const;
  const params::Parameter* find(std::string_view name) const;

  template <class Draw>
  static void draw(const void* self, const char* tensor, std::uint64_t first, float* dst, std::uint64_t n, Draw draw);
  static void uniform(const void* self, const char* tensor, std::uint64_t first, float* dst, std::uint64_t n);
  static void normal(const void* self, const char* tensor, std::uint64_t first, float* dst, std::uint64_t n);
  static int source(const void* self, const char* tensor, il_view* view);
  static int source_shape(const void* self, const char* tensor, il_view* view);
  static int parameter(const void* self, std::uint64_t i, il_param* param);

  const config::Seeds& seeds_;
  const std::vector<const params::Parameter*>& table_;
  const config::ModelConfig& model_;
  const checkpoint::Checkpoint* checkpoint_;
  const params::Parameter& filled_;
  base::Stream own_;  // of the tensor that is being filled: asked for most, made once
  // The boundary's functions are const for the strategy; what they remember is the host's business.
  mutable std::mutex mutex_;
  mutable std::list<Lent> lent_;
  mutable std::vector<std::string> keys_, source_hashes_, streams_;
  mutable std::exception_ptr fault_;
};

}  // namespace initlab::init
