// SHA-256, the only hash in the project: run identities, files, tensors, stream keys.
#pragma once

#include <array>
#include <cstdint>
#include <filesystem>
#include <memory>
#include <string>
#include <string_view>

namespace initlab::base {

class Sha256 {
 public:
  Sha256();
  ~Sha256();
  Sha256(const Sha256&) = delete;
  Sha256& operator=(const Sha256&) = delete;
  void add(const void* bytes, std::size_t n);
  void add(std::string_view text) { add(text.data(), text.size()); }
  std::array<std::uint8_t, 32> finish();
  std::string finish_hex();  // 64 lower-case digits

 private:
  struct Context;
  std::unique_ptr<Context> context_;
};

std::string sha256_hex(std::string_view bytes);
std::string sha256_base64(std::string_view bytes);                  // as content-security policies write it
std::string sha256_hex_of_file(const std::filesystem::path& path);  // streams; throws Error

}  // namespace initlab::base
