// Builds small checkpoints byte by byte, independently of save().
#pragma once

#include <unistd.h>

#include <cstdint>
#include <cstdlib>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <string>
#include <utility>
#include <vector>

#include "error_of.hpp"

namespace initlab::checkpoint_test {

// A folder that is gone at the end of the test.
class TemporaryFolder {
 public:
  TemporaryFolder() {
    std::string pattern = (std::filesystem::temp_directory_path() / "initlab-checkpoint-XXXXXX").string();
    if (::mkdtemp(pattern.data()) == nullptr) std::abort();
    path_ = pattern;
  }
  TemporaryFolder(const TemporaryFolder&) = delete;
  TemporaryFolder& operator=(const TemporaryFolder&) = delete;
  ~TemporaryFolder() { std::filesystem::remove_all(path_); }
  const std::filesystem::path& path() const { return path_; }

 private:
  std::filesystem::path path_;
};

inline void write_bytes(const std::filesystem::path& path, const std::string& bytes) {
  std::filesystem::remove(path);  // overwriting in place makes some file systems flush to the disk
  std::ofstream(path, std::ios::binary) << bytes;
}

// Length, header, data: whatever they are.
inline std::string safetensors(const std::string& header, const std::string& data) {
  const std::uint64_t length = header.size();
  std::string bytes(sizeof length, '\0');
  std::memcpy(bytes.data(), &length, sizeof length);
  return bytes + header + data;
}

template <class T>
std::string bytes_of(const std::vector<T>& values) {
  std::string bytes(values.size() * sizeof(T), '\0');
  std::memcpy(bytes.data(), values.data(), bytes.size());
  return bytes;
}

struct Entry {
  std::string key, dtype, shape, data;  // shape as JSON: "[2,3]"
};

// A valid file with these tensors, one after another.
inline std::string safetensors(const std::vector<Entry>& entries) {
  std::string header = "{", data;
  for (const Entry& entry : entries) {
    if (header.size() > 1) header += ",";
    header += "\"" + entry.key + "\":{\"dtype\":\"" + entry.dtype + "\",\"shape\":" + entry.shape +
              ",\"data_offsets\":[" + std::to_string(data.size()) + "," +
              std::to_string(data.size() + entry.data.size()) + "]}";
    data += entry.data;
  }
  return safetensors(header + "}", data);
}

// n floats that begin at `first` and rise by 1.
inline std::string f32(std::size_t n, float first = 0) {
  std::vector<float> values(n);
  for (std::size_t i = 0; i < n; ++i) values[i] = first + static_cast<float>(i);
  return bytes_of(values);
}

// hidden 4, 1 layer, 2 heads, intermediate 8, vocabulary 6, 3 positions, 2 segments.
inline constexpr const char* kConfig =
    R"({"model_type":"bert","vocab_size":6,"hidden_size":4,"num_hidden_layers":1,"num_attention_heads":2,)"
    R"("intermediate_size":8,"max_position_embeddings":3,"type_vocab_size":2})";

inline void write_checkpoint(const std::filesystem::path& folder, const std::vector<Entry>& entries,
                             const std::string& config = kConfig) {
  write_bytes(folder / "config.json", config);
  write_bytes(folder / "vocab.txt", "[PAD]\n[UNK]\n[CLS]\n[SEP]\n[MASK]\na\n");
  write_bytes(folder / "model.safetensors", safetensors(entries));
}

// What an Error says, with the folder's path left out; "no error" where nothing was thrown.
template <class Function>
std::string error_of(const std::filesystem::path& folder, const Function& function) {
  std::string text = initlab::error_of(function);
  const std::string prefix = folder.string() + "/";
  for (std::size_t at = text.find(prefix); at != std::string::npos; at = text.find(prefix))
    text.erase(at, prefix.size());
  return text;
}

}  // namespace initlab::checkpoint_test
