#include "log/hdf5_reader.hpp"

#include <algorithm>
#include <array>
#include <fstream>
#include <functional>
#include <numeric>

#include "base/error.hpp"
#include "base/text.hpp"

namespace initlab::log::h5 {
namespace {

constexpr std::uint64_t kMostRows = std::uint64_t{1} << 31;
constexpr std::uint64_t kMostBytes = std::uint64_t{1} << 32;  // of one file, in memory
constexpr std::uint64_t kMostChunk = std::uint64_t{1} << 28;  // bytes; the library takes this much itself
constexpr std::uint64_t kMostInflation = 1100;                // deflate never does better than 1032 : 1

// A checksum that fails in a file that is being written is read again: the writer may be in the middle of it. The
// library waits 1 ns, 2 ns, 4 ns, ... between attempts; its default of 100 attempts never ends on a damaged file, and
// this is 34 ms in all.
constexpr unsigned kMostAttempts = 25;

[[noreturn]] void refuse(const std::string& path, const std::string& name, const std::string& expected,
                         const std::string& got, const std::string& hint = {}) {
  throw base::Error({path, name, expected, got, hint});
}

// What stands before everything else in a file (HDF5 file format specification, "Superblock").
struct Superblock {
  std::uint64_t file_bytes = 0;
  bool hdf5 = false;
  bool writing = false;  // a writer has it open, or was killed
};

Superblock look_at(const std::filesystem::path& path) {
  std::error_code failed;
  const auto kind = std::filesystem::status(path, failed).type();
  if (kind == std::filesystem::file_type::not_found) refuse(path.string(), "", "a run file", "nothing");
  if (kind != std::filesystem::file_type::regular)
    refuse(path.string(), "", "a run file", "something else (a folder or device)");
  std::ifstream in(path, std::ios::binary);
  std::array<char, 12> head{};  // signature (8), version, bytes of an offset, bytes of a length, consistency flags
  in.read(head.data(), head.size());
  if (in.bad() || !in.is_open()) refuse(path.string(), "cannot be read", "", "", "check its permissions");
  constexpr std::array<char, 8> kSignature{'\x89', 'H', 'D', 'F', '\r', '\n', '\x1a', '\n'};
  Superblock block;
  block.file_bytes = std::filesystem::file_size(path, failed);
  block.hdf5 = in.gcount() == head.size() && std::equal(kSignature.begin(), kSignature.end(), head.begin());
  block.writing = block.hdf5 && head[8] >= 3 && (head[11] & 0x4) != 0;
  return block;
}

std::string dims_text(const std::vector<hsize_t>& dims) {
  std::vector<std::string> parts;
  for (const hsize_t n : dims) parts.push_back(std::to_string(n));
  std::string text = "(";
  text += base::join(parts, ", ");
  return text += ")";
}

std::vector<hsize_t> dims_of(hid_t space, const std::string& path, const std::string& name) {
  std::vector<hsize_t> dims(
      static_cast<std::size_t>(check(H5Sget_simple_extent_ndims(space), path, "read the rank of ", name)));
  check(H5Sget_simple_extent_dims(space, dims.data(), nullptr), path, "read the shape of ", name);
  return dims;
}

// A hard link to something, at every step of the path: soft and external links could lead anywhere.
bool is_inside(hid_t file, const std::string& name) {
  for (std::size_t end = name.find('/', 1);; end = name.find('/', end + 1)) {
    H5L_info_t info;
    if (H5Lget_info(file, name.substr(0, end).c_str(), &info, H5P_DEFAULT) < 0 || info.type != H5L_TYPE_HARD)
      return false;
    if (end == std::string::npos) return true;
  }
}

void check_storage(hid_t set, hid_t type, const std::string& path, const std::string& name) {
  const PropertyHandle creation(check(H5Dget_create_plist(set), path, "read the layout of ", name));
  const H5D_layout_t layout = H5Pget_layout(creation.get());
  if (layout < 0 || layout == H5D_VIRTUAL || H5Pget_external_count(creation.get()) > 0)
    refuse(path, name, "numbers stored in this file", "storage elsewhere");
  const int filters = check(H5Pget_nfilters(creation.get()), path, "read the filters of ", name);
  for (int i = 0; i < filters; ++i) {
    unsigned flags = 0, config = 0;
    std::size_t values = 0;
    const H5Z_filter_t filter =
        H5Pget_filter2(creation.get(), static_cast<unsigned>(i), &flags, &values, nullptr, 0, nullptr, &config);
    if (filter != H5Z_FILTER_SHUFFLE && filter != H5Z_FILTER_DEFLATE && filter != H5Z_FILTER_FLETCHER32)
      refuse(path, name, "the filters shuffle, deflate or fletcher32", "filter " + std::to_string(filter));
  }
  if (layout != H5D_CHUNKED) return;
  std::array<hsize_t, H5S_MAX_RANK> chunk{};
  const int rank = check(H5Pget_chunk(creation.get(), H5S_MAX_RANK, chunk.data()), path, "read the chunks of ", name);
  std::uint64_t bytes = H5Tget_size(type);
  for (int i = 0; i < rank; ++i)
    if (const hsize_t n = chunk[static_cast<std::size_t>(i)]; n > kMostChunk || (bytes *= n) > kMostChunk)
      refuse(path, name, "chunks of at most " + std::to_string(kMostChunk) + " bytes", "larger ones");
}

std::string class_name(H5T_class_t type) {
  switch (type) {
    case H5T_INTEGER:
      return "integers";
    case H5T_FLOAT:
      return "floating-point numbers";
    case H5T_STRING:
      return "text";
    default:
      return "another type";
  }
}

void check_class(hid_t type, H5T_class_t wanted, const std::string& path, const std::string& name) {
  const H5T_class_t got = H5Tget_class(type);
  if (got != wanted) refuse(path, name, class_name(wanted), class_name(got));
  if (got != H5T_STRING && H5Tget_size(type) > 8)
    refuse(path, name, "numbers of at most 8 bytes", std::to_string(H5Tget_size(type)));
}

template <class T>
constexpr H5T_class_t kClassOf = std::is_floating_point_v<T> ? H5T_FLOAT : H5T_INTEGER;

// Fixed-length text as stored, without its padding.
std::string unpadded(std::string_view bytes, H5T_str_t padding) {
  if (padding == H5T_STR_NULLTERM) return std::string(bytes.substr(0, bytes.find('\0')));
  const auto last = bytes.find_last_not_of(padding == H5T_STR_SPACEPAD ? ' ' : '\0');
  return std::string(bytes.substr(0, last == std::string_view::npos ? 0 : last + 1));
}

// Variable-length strings belong to the library until they are given back.
class Borrowed {
 public:
  Borrowed(hid_t type, hid_t space, std::size_t n) : type_(type), space_(space), pointers_(n, nullptr) {}
  ~Borrowed() { H5Dvlen_reclaim(type_, space_, H5P_DEFAULT, pointers_.data()); }
  Borrowed(const Borrowed&) = delete;
  Borrowed& operator=(const Borrowed&) = delete;
  char** data() { return pointers_.data(); }
  std::vector<std::string> copy() const {
    std::vector<std::string> texts;
    for (const char* pointer : pointers_) texts.emplace_back(pointer == nullptr ? "" : pointer);
    return texts;
  }

 private:
  hid_t type_, space_;
  std::vector<char*> pointers_;
};

// Reads `rows` texts through `read(memory type, buffer)`, whichever way they are stored.
std::vector<std::string> read_texts(hid_t type, hid_t space, std::size_t rows,
                                    const std::function<void(hid_t, void*)>& read) {
  if (H5Tis_variable_str(type) > 0) {
    Borrowed pointers(type, space, rows);
    read(type, pointers.data());
    return pointers.copy();
  }
  const std::size_t room = H5Tget_size(type);
  std::string bytes(rows * room, '\0');
  read(type, bytes.data());
  std::vector<std::string> texts;
  for (std::size_t i = 0; i < rows; ++i)
    texts.push_back(unpadded(std::string_view(bytes).substr(i * room, room), H5Tget_strpad(type)));
  return texts;
}

}  // namespace

struct Reader::Opened {
  DatasetHandle set;
  TypeHandle type;
  SpaceHandle space;
  std::vector<hsize_t> dims;
};

Reader::Reader(const std::filesystem::path& path) : path_(path.string()) {
  prepare_library();
  const Superblock block = look_at(path);
  if (!block.hdf5) refuse(path_, "", "a run file (HDF5)", "another kind of file");
  left_open_ = block.writing;
  budget_ = std::min(kMostBytes, (block.file_bytes + (1 << 16)) * kMostInflation);
  const PropertyHandle access(check(H5Pcreate(H5P_FILE_ACCESS), path_, "set up the file"));
  // The marks in the superblock say what a lock would, and a reader's lock must never stand in a writer's way.
  check(H5Pset_file_locking(access.get(), false, true), path_, "choose the file's locking");
  if (block.writing)
    check(H5Pset_metadata_read_attempts(access.get(), kMostAttempts), path_, "limit the attempts of a read");
  const unsigned flags = block.writing ? H5F_ACC_RDONLY | H5F_ACC_SWMR_READ : H5F_ACC_RDONLY;
  file_ = FileHandle(H5Fopen(path_.c_str(), flags, access.get()));
  if (!file_) {
    H5Eclear2(H5E_DEFAULT);
    refuse(path_, "", "a whole run file (HDF5)", "one that is cut off, damaged or of another format",
           "restore it from a copy, or remove it and run again");
  }
}

bool Reader::has(const std::string& name) const {
  const bool inside = is_inside(file_.get(), name);
  H5Eclear2(H5E_DEFAULT);
  return inside;
}

Reader::Opened Reader::open(const std::string& name, std::size_t rank) const {
  if (!has(name))
    refuse(path_, name, "a data set", "nothing", "is this a run file? docs/RUN_FILE.md lists what one holds");
  Opened opened;
  opened.set =
      DatasetHandle(check(H5Dopen2(file_.get(), name.c_str(), H5P_DEFAULT), path_, "open the data set ", name));
  opened.type = TypeHandle(check(H5Dget_type(opened.set.get()), path_, "read the type of ", name));
  opened.space = SpaceHandle(check(H5Dget_space(opened.set.get()), path_, "read the shape of ", name));
  if (const H5S_class_t kind = H5Sget_simple_extent_type(opened.space.get()); kind != H5S_SIMPLE && kind != H5S_SCALAR)
    refuse(path_, name, "values", "an empty space");
  opened.dims = dims_of(opened.space.get(), path_, name);
  if (opened.dims.size() != rank) refuse(path_, name, std::to_string(rank) + " dimensions", dims_text(opened.dims));
  check_storage(opened.set.get(), opened.type.get(), path_, name);
  return opened;
}

// Books the memory of a read, or refuses it.
void Reader::take(const std::string& name, const std::vector<hsize_t>& dims, std::size_t element_bytes) {
  std::uint64_t bytes = std::max<std::size_t>(element_bytes, 1);
  const bool empty = std::ranges::find(dims, hsize_t{0}) != dims.end();
  for (const hsize_t n : dims)
    if (!empty && (n > kMostRows || (bytes *= n) > budget_))
      refuse(path_, name, "at most " + std::to_string(budget_) + " bytes", "a shape of " + dims_text(dims));
  if (bytes > budget_) refuse(path_, name, "at most " + std::to_string(budget_) + " bytes", std::to_string(bytes));
  budget_ -= empty ? 0 : bytes;
}

std::int64_t Reader::integer_attribute(const std::string& name) const {
  if (H5Aexists(file_.get(), name.c_str()) <= 0)
    refuse(path_, "attribute " + name, "an integer", "nothing", "is this a run file?");
  const AttributeHandle attribute(
      check(H5Aopen(file_.get(), name.c_str(), H5P_DEFAULT), path_, "open the attribute ", name));
  const TypeHandle type(check(H5Aget_type(attribute.get()), path_, "read the type of ", name));
  check_class(type.get(), H5T_INTEGER, path_, "attribute " + name);
  const SpaceHandle space(check(H5Aget_space(attribute.get()), path_, "read the shape of ", name));
  if (H5Sget_simple_extent_npoints(space.get()) != 1)
    refuse(path_, "attribute " + name, "one value", "several or none");
  std::int64_t value = 0;
  check(H5Aread(attribute.get(), H5T_NATIVE_INT64, &value), path_, "read the attribute ", name);
  return value;
}

std::string Reader::text_attribute(const std::string& name) const {
  if (H5Aexists(file_.get(), name.c_str()) <= 0)
    refuse(path_, "attribute " + name, "text", "nothing", "is this a run file?");
  const AttributeHandle attribute(
      check(H5Aopen(file_.get(), name.c_str(), H5P_DEFAULT), path_, "open the attribute ", name));
  const TypeHandle type(check(H5Aget_type(attribute.get()), path_, "read the type of ", name));
  check_class(type.get(), H5T_STRING, path_, "attribute " + name);
  const SpaceHandle space(check(H5Aget_space(attribute.get()), path_, "read the shape of ", name));
  if (H5Sget_simple_extent_npoints(space.get()) != 1)
    refuse(path_, "attribute " + name, "one value", "several or none");
  if (H5Tget_size(type.get()) > budget_) refuse(path_, "attribute " + name, "text that fits in the file", "more");
  return read_texts(type.get(), space.get(), 1,
                    [&](hid_t memory, void* into) {
                      check(H5Aread(attribute.get(), memory, into), path_, "read the attribute ", name);
                    })
      .front();
}

std::string Reader::text(const std::string& name) {
  const Opened opened = open(name, 0);
  check_class(opened.type.get(), H5T_STRING, path_, name);
  take(name, {}, H5Tget_size(opened.type.get()));
  return read_texts(opened.type.get(), opened.space.get(), 1,
                    [&](hid_t memory, void* into) {
                      check(H5Dread(opened.set.get(), memory, H5S_ALL, H5S_ALL, H5P_DEFAULT, into), path_, "read ",
                            name);
                    })
      .front();
}

std::vector<std::string> Reader::texts(const std::string& name) {
  const Opened opened = open(name, 1);
  check_class(opened.type.get(), H5T_STRING, path_, name);
  take(name, opened.dims, H5Tget_size(opened.type.get()) + sizeof(std::string));
  if (H5Tis_variable_str(opened.type.get()) > 0) {  // many rows may point at one long text
    hsize_t bytes = 0;
    check(H5Dvlen_get_buf_size(opened.set.get(), opened.type.get(), opened.space.get(), &bytes), path_, "size ", name);
    take(name, {bytes}, 1);
  }
  return read_texts(opened.type.get(), opened.space.get(), opened.dims[0], [&](hid_t memory, void* into) {
    check(H5Dread(opened.set.get(), memory, H5S_ALL, H5S_ALL, H5P_DEFAULT, into), path_, "read ", name);
  });
}

template <class T>
Reader::Numbers<T> Reader::numbers(const std::string& name, std::size_t rank) {
  const Opened opened = open(name, rank);
  check_class(opened.type.get(), kClassOf<T>, path_, name);
  take(name, opened.dims, sizeof(T));
  Numbers<T> read{opened.dims, {}};
  read.values.resize(std::accumulate(opened.dims.begin(), opened.dims.end(), std::size_t{1}, std::multiplies<>()));
  if (!read.values.empty())
    check(H5Dread(opened.set.get(), memory_type<T>(), H5S_ALL, opened.space.get(), H5P_DEFAULT, read.values.data()),
          path_, "read ", name);
  return read;
}

template Reader::Numbers<double> Reader::numbers(const std::string&, std::size_t);
template Reader::Numbers<float> Reader::numbers(const std::string&, std::size_t);
template Reader::Numbers<std::int64_t> Reader::numbers(const std::string&, std::size_t);
template Reader::Numbers<std::uint8_t> Reader::numbers(const std::string&, std::size_t);

std::vector<hsize_t> Reader::dims(const std::string& name, std::size_t rank) const { return open(name, rank).dims; }

}  // namespace initlab::log::h5
