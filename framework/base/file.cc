#include "base/file.hpp"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstdlib>
#include <cstring>
#include <string>

#include "base/error.hpp"

namespace initlab::base {
namespace {

[[noreturn]] void fail(const std::filesystem::path& path, const std::string& what, const std::string& hint = {}) {
  throw Error({path.string(), what, "", std::strerror(errno), hint});
}

struct Descriptor {
  int fd;
  ~Descriptor() {
    if (fd >= 0) ::close(fd);
  }
};

}  // namespace

std::string read_file(const std::filesystem::path& path, std::uint64_t most_bytes) {
  const Descriptor file{::open(path.c_str(), O_RDONLY | O_CLOEXEC)};
  if (file.fd < 0) fail(path, "cannot be read");
  struct stat status {};
  if (::fstat(file.fd, &status) != 0) fail(path, "cannot be read");
  if (!S_ISREG(status.st_mode)) throw Error({path.string(), "", "a file", "something else (a folder or device)", ""});
  const auto size = static_cast<std::uint64_t>(status.st_size);
  if (size > most_bytes)
    throw Error({path.string(), "size", "at most " + std::to_string(most_bytes) + " bytes", std::to_string(size), ""});
  std::string bytes(size, '\0');
  std::uint64_t done = 0;
  while (done < size) {
    const ssize_t n = ::read(file.fd, bytes.data() + done, size - done);
    if (n < 0 && errno == EINTR) continue;
    if (n < 0) fail(path, "cannot be read");
    if (n == 0) break;
    done += static_cast<std::uint64_t>(n);
  }
  bytes.resize(done);
  return bytes;
}

void write_file(const std::filesystem::path& path, std::string_view bytes) {
  const std::filesystem::path beside = path.string() + ".new-" + std::to_string(::getpid());
  {
    const Descriptor file{::open(beside.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644)};
    if (file.fd < 0) fail(path, "cannot be written", "check the folder's permissions and free space");
    std::size_t done = 0;
    while (done < bytes.size()) {
      const ssize_t n = ::write(file.fd, bytes.data() + done, bytes.size() - done);
      if (n < 0 && errno == EINTR) continue;
      if (n < 0) {
        ::unlink(beside.c_str());
        fail(path, "cannot be written", "check free space");
      }
      done += static_cast<std::size_t>(n);
    }
    ::fsync(file.fd);
  }
  if (::rename(beside.c_str(), path.c_str()) != 0) {
    ::unlink(beside.c_str());
    fail(path, "cannot be written");
  }
}

void make_folder(const std::filesystem::path& path) {
  std::error_code error;
  std::filesystem::create_directories(path, error);
  if (error || !std::filesystem::is_directory(path))
    throw Error({path.string(), "", "a folder that can be created and written",
                 error ? error.message() : "a file of that name", "choose another folder"});
  if (::access(path.c_str(), W_OK) != 0)
    throw Error({path.string(), "", "a folder that can be written", std::strerror(errno), "choose another folder"});
}

std::string environment(const char* name, std::string_view fallback) {
  const char* value = std::getenv(name);
  return value != nullptr && *value != '\0' ? std::string(value) : std::string(fallback);
}

}  // namespace initlab::base
