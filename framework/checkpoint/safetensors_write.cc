// Writing one safetensors file.
#include <fcntl.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>

#include "base/error.hpp"
#include "base/json.hpp"
#include "checkpoint/checkpoint.hpp"

namespace initlab::checkpoint {
namespace {

using base::Error;
using base::Json;
namespace fs = std::filesystem;

// A new file whose bytes are on the disk when finish() returns.
class Writer {
 public:
  explicit Writer(const fs::path& path) : path_(path) {
    fd_ = ::open(path.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0644);
    if (fd_ < 0) fail();
  }
  Writer(const Writer&) = delete;
  Writer& operator=(const Writer&) = delete;
  ~Writer() {
    if (fd_ >= 0) ::close(fd_);
  }
  void write(const void* bytes, std::size_t n) {
    const char* from = static_cast<const char*>(bytes);
    while (n > 0) {
      const ssize_t done = ::write(fd_, from, n);
      if (done < 0 && errno == EINTR) continue;
      if (done < 0) fail();
      from += done;
      n -= static_cast<std::size_t>(done);
    }
  }
  void finish() {
    if (::fsync(fd_) != 0) fail();
  }

 private:
  [[noreturn]] void fail() const {
    throw Error({path_.string(), "cannot be written", "", std::strerror(errno),
                 "check the folder's permissions and free space"});
  }
  fs::path path_;
  int fd_ = -1;
};

}  // namespace

// The header is padded: data begins at a multiple of 8.
void write_safetensors(const fs::path& path, std::span<const NamedTensor> tensors, const Metadata& metadata) {
  std::vector<const NamedTensor*> sorted;
  for (const NamedTensor& tensor : tensors) sorted.push_back(&tensor);
  std::sort(sorted.begin(), sorted.end(), [](const NamedTensor* a, const NamedTensor* b) { return a->name < b->name; });
  Json header = Json::object();
  if (!metadata.empty()) header["__metadata__"] = metadata;
  std::uint64_t position = 0;
  for (const NamedTensor* tensor : sorted) {
    const std::uint64_t end = position + tensor->values.size_bytes();
    header[tensor->name] =
        Json{{"dtype", "F32"}, {"shape", tensor->shape}, {"data_offsets", Json::array({position, end})}};
    position = end;
  }
  std::string text = base::json_text(header);
  text.resize((text.size() + 7) / 8 * 8, ' ');
  const std::uint64_t length = text.size();
  Writer file(path);
  file.write(&length, sizeof length);
  file.write(text.data(), text.size());
  for (const NamedTensor* tensor : sorted) file.write(tensor->values.data(), tensor->values.size_bytes());
  file.finish();
}

}  // namespace initlab::checkpoint
