// Reading one safetensors file. Every number in its header is somebody else's claim and is checked before it is used.
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <bit>
#include <cerrno>
#include <cstring>
#include <limits>
#include <utility>

#include "base/error.hpp"
#include "base/text.hpp"
#include "checkpoint/checkpoint.hpp"

namespace initlab::checkpoint {

static_assert(std::endian::native == std::endian::little, "safetensors data is little-endian and read as it is");

struct SafetensorsFile::Handle {
  int fd;
  explicit Handle(int descriptor) : fd(descriptor) {}
  Handle(const Handle&) = delete;
  Handle& operator=(const Handle&) = delete;
  ~Handle() { ::close(fd); }
};

namespace {

constexpr std::uint64_t kMostHeaderBytes = 100'000'000;  // the reference reader's limit
constexpr std::ptrdiff_t kMostTensors = 16'384;          // a BERT of 1000 layers has 16 000
constexpr std::size_t kMostDimensions = 32;
constexpr const char* kDamaged =
    "the file is damaged or was not written by a safetensors writer; fetch or save it again";
constexpr const char* kTruncated = "the file is truncated; fetch or copy it again";

struct DataType {
  const char* name;
  std::uint64_t bytes;
};
constexpr DataType kDataTypes[] = {
    {"BOOL", 1}, {"U8", 1},  {"I8", 1},  {"F8_E5M2", 1}, {"F8_E4M3", 1}, {"F8_E8M0", 1},
    {"I16", 2},  {"U16", 2}, {"F16", 2}, {"BF16", 2},    {"I32", 4},     {"U32", 4},
    {"F32", 4},  {"F64", 8}, {"I64", 8}, {"U64", 8},     {"C64", 8},
};

std::uint64_t bytes_of(std::string_view dtype) {  // 0: unknown
  for (const DataType& type : kDataTypes)
    if (dtype == type.name) return type.bytes;
  return 0;
}

std::string bytes_text(std::uint64_t n) { return std::to_string(n) + (n == 1 ? " byte" : " bytes"); }

// Reads exactly n bytes at `offset`; false where the file ends before.
bool read_at(int fd, std::uint64_t offset, void* dst, std::size_t n) {
  char* out = static_cast<char*>(dst);
  while (n > 0) {
    const ssize_t got = ::pread(fd, out, n, static_cast<off_t>(offset));
    if (got < 0 && errno == EINTR) continue;
    if (got <= 0) return false;
    out += got;
    offset += static_cast<std::uint64_t>(got);
    n -= static_cast<std::size_t>(got);
  }
  return true;
}

// The header's text, once its length is believable.
std::string read_header(int fd, std::uint64_t file_bytes, const std::string& place) {
  if (file_bytes < 8)
    throw base::Error({place, "", "8 bytes with the header's length", bytes_text(file_bytes), kTruncated});
  std::uint64_t length = 0;
  if (!read_at(fd, 0, &length, sizeof length))
    throw base::Error({place, "cannot be read", "", std::strerror(errno), ""});
  if (length > kMostHeaderBytes)
    throw base::Error({place, "header", "at most " + bytes_text(kMostHeaderBytes), bytes_text(length),
                       "this is probably no safetensors file"});
  if (length > file_bytes - 8)
    throw base::Error(
        {place, "header", bytes_text(length) + ", as its length says", bytes_text(file_bytes - 8), kTruncated});
  std::string text(length, '\0');
  if (!read_at(fd, 8, text.data(), text.size()))
    throw base::Error({place, "header", "a readable file", "none", kTruncated});
  if (text.empty() || text.front() != '{')
    throw base::Error({place, "header", "JSON that begins with {", base::quote(text.substr(0, 16)), kDamaged});
  if (!base::is_valid_utf8(text)) throw base::Error({place, "header", "UTF-8", "other bytes", kDamaged});
  return text;
}

// Bounds what parsing may cost: a tensor's entry has four colons, and values are counted by the characters between
// them.
void check_header_size(const std::string& text, const std::string& place) {
  if (std::count(text.begin(), text.end(), ':') > 4 * kMostTensors)
    throw base::Error({place, "header", "at most " + std::to_string(kMostTensors) + " tensors", "more", kDamaged});
  const auto opens = [](char c) { return c == ',' || c == '[' || c == '{'; };
  if (std::count_if(text.begin(), text.end(), opens) > 64 * kMostTensors)
    throw base::Error({place, "header", "at most " + std::to_string(64 * kMostTensors) + " values", "more", kDamaged});
}

Metadata read_metadata(const base::Json& metadata, const std::string& place) {
  if (!metadata.is_object())
    throw base::Error({place, "__metadata__", "an object", base::quote(base::json_text(metadata)), kDamaged});
  for (const auto& [key, value] : metadata.items())
    if (!value.is_string())
      throw base::Error(
          {place, "__metadata__ " + base::quote(key), "text", base::quote(base::json_text(value)), kDamaged});
  return metadata.get<Metadata>();
}

// A non-negative integer that a file may state; nothing otherwise.
std::optional<std::uint64_t> to_count(const base::Json& value) {
  if (!value.is_number_integer()) return std::nullopt;
  if (!value.is_number_unsigned() && value.get<std::int64_t>() < 0) return std::nullopt;
  const std::uint64_t n = value.get<std::uint64_t>();
  if (n > static_cast<std::uint64_t>(std::numeric_limits<std::int64_t>::max())) return std::nullopt;
  return n;
}

TensorInfo read_entry(const std::string& key, const base::Json& entry, const std::string& place) {
  const auto fail = [&](const std::string& what, const std::string& expected, const base::Json& got) -> base::Error {
    return base::Error({place, "tensor " + base::quote(key) + (what.empty() ? "" : ": " + what), expected,
                        base::quote(base::json_text(got)), kDamaged});
  };
  if (!entry.is_object() || entry.size() != 3 || !entry.contains("dtype") || !entry.contains("shape") ||
      !entry.contains("data_offsets"))
    throw fail("", "an object with dtype, shape and data_offsets", entry);
  TensorInfo tensor;
  tensor.key = key;

  const base::Json& dtype = entry["dtype"];
  if (!dtype.is_string() || bytes_of(dtype.get<std::string>()) == 0)
    throw fail("dtype", "F32, F16, BF16 or another type of whole bytes", dtype);
  tensor.dtype = dtype.get<std::string>();

  const base::Json& shape = entry["shape"];
  if (!shape.is_array() || shape.size() > kMostDimensions)
    throw fail("shape", "a list of at most " + std::to_string(kMostDimensions) + " integers", shape);
  std::uint64_t bytes = bytes_of(tensor.dtype);
  for (const base::Json& dimension : shape) {
    const auto n = to_count(dimension);
    if (!n) throw fail("shape", "non-negative integers", shape);
    if (__builtin_mul_overflow(bytes, *n, &bytes)) throw fail("shape", "less than 2^64 bytes", shape);
    tensor.shape.push_back(static_cast<std::int64_t>(*n));
  }

  const base::Json& offsets = entry["data_offsets"];
  const bool pair = offsets.is_array() && offsets.size() == 2;
  const auto begin = pair ? to_count(offsets[0]) : std::nullopt;
  const auto end = pair ? to_count(offsets[1]) : std::nullopt;
  if (!begin || !end || *begin > *end) throw fail("data_offsets", "[begin, end] with 0 <= begin <= end", offsets);
  if (*end - *begin != bytes)
    throw base::Error({place, "tensor " + base::quote(key) + ": data_offsets",
                       bytes_text(bytes) + " for " + tensor.dtype + " " + shape_text(tensor.shape),
                       bytes_text(*end - *begin), kDamaged});
  tensor.begin = *begin;
  tensor.end = *end;
  return tensor;
}

// Sorts by position; the data must be covered from first byte to last, each byte once.
void check_layout(std::vector<TensorInfo>& tensors, std::uint64_t data_bytes, const std::string& place) {
  std::sort(tensors.begin(), tensors.end(), [](const TensorInfo& a, const TensorInfo& b) {
    return std::tie(a.begin, a.end, a.key) < std::tie(b.begin, b.end, b.key);
  });
  std::uint64_t position = 0;
  for (const TensorInfo& tensor : tensors) {
    if (tensor.end > data_bytes)
      throw base::Error({place, "tensor " + base::quote(tensor.key), "data up to byte " + std::to_string(tensor.end),
                         bytes_text(data_bytes) + " of data in the file", kTruncated});
    if (tensor.begin != position)
      throw base::Error(
          {place, "tensor " + base::quote(tensor.key), "data from byte " + std::to_string(position) + " on",
           (tensor.begin < position ? "an overlap at byte " : "a hole up to byte ") + std::to_string(tensor.begin),
           kDamaged});
    position = tensor.end;
  }
  if (position != data_bytes)
    throw base::Error({place, "data", bytes_text(position) + " for all tensors",
                       bytes_text(data_bytes) + " (trailing bytes)", kDamaged});
}

std::vector<TensorInfo> parse_header(const std::string& text, std::uint64_t data_bytes, const std::string& place,
                                     Metadata& metadata) {
  check_header_size(text, place);
  const base::Json header = base::parse_json(text, place + ": header", 8);
  std::vector<TensorInfo> tensors;
  for (const auto& [key, entry] : header.items()) {
    if (key == "__metadata__")
      metadata = read_metadata(entry, place);
    else
      tensors.push_back(read_entry(key, entry, place));
  }
  check_layout(tensors, data_bytes, place);
  return tensors;
}

// IEEE 754 half to single: exact, subnormals, infinities and NaN payloads included.
float from_f16(std::uint16_t half) {
  const std::uint32_t sign = static_cast<std::uint32_t>(half & 0x8000u) << 16;
  const std::uint32_t exponent = (half >> 10) & 0x1fu;
  const std::uint32_t mantissa = half & 0x3ffu;
  if (exponent == 0) {  // zero or subnormal: mantissa * 2^-24
    const float magnitude = static_cast<float>(mantissa) * 0x1p-24f;
    return sign != 0 ? -magnitude : magnitude;
  }
  const std::uint32_t wide = exponent == 31 ? 255u : exponent + (127 - 15);
  return std::bit_cast<float>(sign | (wide << 23) | (mantissa << 13));
}

float from_bf16(std::uint16_t upper_half) { return std::bit_cast<float>(static_cast<std::uint32_t>(upper_half) << 16); }

}  // namespace

std::uint64_t element_count(const TensorInfo& tensor) { return (tensor.end - tensor.begin) / bytes_of(tensor.dtype); }

std::string shape_text(std::span<const std::int64_t> shape) {
  std::string text = "(";
  for (const std::int64_t n : shape) {
    if (text.size() > 1) text += ", ";
    text += n < 0 ? "n" : std::to_string(n);
  }
  return text += ')';
}

SafetensorsFile::SafetensorsFile(const std::filesystem::path& path) : path_(path) {
  const std::string place = path.string();
  const int fd = ::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK);  // a pipe must not make us wait
  if (fd < 0) throw base::Error({place, "cannot be read", "", std::strerror(errno), ""});
  handle_ = std::make_shared<const Handle>(fd);
  struct stat status {};
  if (::fstat(fd, &status) != 0) throw base::Error({place, "cannot be read", "", std::strerror(errno), ""});
  if (!S_ISREG(status.st_mode)) throw base::Error({place, "", "a file", "something else (a folder or device)", ""});
  const auto file_bytes = static_cast<std::uint64_t>(status.st_size);
  const std::string header = read_header(fd, file_bytes, place);
  data_start_ = 8 + header.size();
  tensors_ = parse_header(header, file_bytes - data_start_, place, metadata_);
}

const TensorInfo* SafetensorsFile::find(std::string_view key) const {
  for (const TensorInfo& tensor : tensors_)
    if (tensor.key == key) return &tensor;
  return nullptr;
}

void SafetensorsFile::read_bytes(const TensorInfo& tensor, std::uint64_t offset, void* dst, std::size_t n) const {
  if (!read_at(handle_->fd, data_start_ + tensor.begin + offset, dst, n))
    throw base::Error({path_.string(), "tensor " + base::quote(tensor.key),
                       bytes_text(tensor.end - tensor.begin) + " of data", "less: the file changed while it was read",
                       kTruncated});
}

std::vector<float> SafetensorsFile::read(const TensorInfo& tensor) const {
  if (tensor.dtype != "F32" && tensor.dtype != "F16" && tensor.dtype != "BF16")
    throw base::Error({path_.string(), "tensor " + base::quote(tensor.key), "F32, F16 or BF16", tensor.dtype, ""});
  std::vector<float> values(element_count(tensor));
  if (tensor.dtype == "F32") {
    read_bytes(tensor, 0, values.data(), values.size() * sizeof(float));
    return values;
  }
  const auto widen = tensor.dtype == "F16" ? from_f16 : from_bf16;
  std::vector<std::uint16_t> chunk(std::min<std::size_t>(values.size(), 1 << 16));
  for (std::size_t done = 0; done < values.size();) {
    const std::size_t n = std::min(chunk.size(), values.size() - done);
    read_bytes(tensor, 2 * done, chunk.data(), 2 * n);
    std::transform(chunk.begin(), chunk.begin() + static_cast<std::ptrdiff_t>(n),
                   values.begin() + static_cast<std::ptrdiff_t>(done), widen);
    done += n;
  }
  return values;
}

}  // namespace initlab::checkpoint
