#include "base/hash.hpp"

#include <openssl/evp.h>

#include <cstdio>
#include <fstream>
#include <vector>

#include "base/error.hpp"

namespace initlab::base {

struct Sha256::Context {
  EVP_MD_CTX* handle = EVP_MD_CTX_new();
  ~Context() { EVP_MD_CTX_free(handle); }
};

Sha256::Sha256() : context_(std::make_unique<Context>()) { EVP_DigestInit_ex(context_->handle, EVP_sha256(), nullptr); }
Sha256::~Sha256() = default;

void Sha256::add(const void* bytes, std::size_t n) { EVP_DigestUpdate(context_->handle, bytes, n); }

std::array<std::uint8_t, 32> Sha256::finish() {
  std::array<std::uint8_t, 32> digest{};
  EVP_DigestFinal_ex(context_->handle, digest.data(), nullptr);
  return digest;
}

std::string Sha256::finish_hex() {
  static constexpr char kDigits[] = "0123456789abcdef";
  std::string text;
  for (const std::uint8_t byte : finish()) {
    text += kDigits[byte >> 4];
    text += kDigits[byte & 15];
  }
  return text;
}

std::string sha256_hex(std::string_view bytes) {
  Sha256 hash;
  hash.add(bytes);
  return hash.finish_hex();
}

std::string sha256_base64(std::string_view bytes) {
  Sha256 hash;
  hash.add(bytes);
  const std::array<std::uint8_t, 32> digest = hash.finish();
  std::array<unsigned char, 45> text{};  // 4 characters for each 3 bytes begun, and a NUL
  const int n = EVP_EncodeBlock(text.data(), digest.data(), static_cast<int>(digest.size()));
  return {text.begin(), text.begin() + n};
}

std::string sha256_hex_of_file(const std::filesystem::path& path) {
  std::ifstream file(path, std::ios::binary);
  if (!file || std::filesystem::is_directory(path)) throw Error({path.string(), "", "a readable file", "none", ""});
  Sha256 hash;
  std::vector<char> buffer(1 << 20);
  while (file) {
    file.read(buffer.data(), static_cast<std::streamsize>(buffer.size()));
    hash.add(buffer.data(), static_cast<std::size_t>(file.gcount()));
  }
  return hash.finish_hex();
}

}  // namespace initlab::base
