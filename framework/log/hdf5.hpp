// A thin RAII layer over the HDF5 C library: handles that close themselves and wrappers, named as what they wrap, that
// throw base::Error with the file and what was attempted. Writing only; hdf5_reader.hpp reads. Knows nothing about
// runs.
//
// House rules of every file made here: format of HDF5 1.10 (readable by any later version); no object times, so that
// equal content gives equal bytes, but for one time beside the superblock that HDF5 insists on; strings of fixed
// length, NUL padded UTF-8 (variable-length strings cannot be written under SWMR); headers and indices within a page of
// memory (a kill cuts a write at the border of one).
#pragma once

#include <hdf5.h>

#include <cstdint>
#include <filesystem>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace initlab::log::h5 {

// Owns one HDF5 identifier; kClose is the library's function for its kind.
template <herr_t (*kClose)(hid_t)>
class Handle {
 public:
  Handle() = default;
  explicit Handle(hid_t id) : id_(id) {}
  Handle(Handle&& other) noexcept : id_(std::exchange(other.id_, H5I_INVALID_HID)) {}
  Handle& operator=(Handle&& other) noexcept {
    std::swap(id_, other.id_);
    return *this;
  }
  ~Handle() {
    if (id_ >= 0) kClose(id_);
  }
  hid_t get() const { return id_; }
  explicit operator bool() const { return id_ >= 0; }
  herr_t close() { return kClose(std::exchange(id_, H5I_INVALID_HID)); }

 private:
  hid_t id_ = H5I_INVALID_HID;
};

using FileHandle = Handle<&H5Fclose>;
using GroupHandle = Handle<&H5Gclose>;
using DatasetHandle = Handle<&H5Dclose>;
using AttributeHandle = Handle<&H5Aclose>;
using SpaceHandle = Handle<&H5Sclose>;
using TypeHandle = Handle<&H5Tclose>;
using PropertyHandle = Handle<&H5Pclose>;

// The library must not print its error stack, and must not close at exit what could not be closed before (it crashes
// there: HDF5 1.10.8 has freed a file whose last flush failed, and closes it again). Call before the first other call.
void prepare_library();

// Throws Error{path, "cannot " + attempt, the library's reason}.
[[noreturn]] void fail(const std::string& path, const std::string& attempt);

// Passes on a result that is not negative; throws otherwise.
template <class Result>
Result check(Result result, const std::string& path, std::string_view attempt, std::string_view name = {}) {
  if (result < 0) fail(path, std::string(attempt) + std::string(name));
  return result;
}

// Native types in memory; little-endian in the file on every machine.
template <class T>
hid_t memory_type();
template <class T>
hid_t file_type();

struct File {
  FileHandle id;
  std::string path;  // for messages; stays as created when the file is renamed
};

struct Dataset {
  DatasetHandle id;
  std::string path;  // of the file, for messages
  std::string name;
  explicit operator bool() const { return static_cast<bool>(id); }
};

// How a data set lies in the file. Without a chunk it is one fixed block; with one, its first dimension may grow.
struct Storage {
  std::vector<hsize_t> dims = {};
  std::vector<hsize_t> chunk = {};
  bool deflate = false;  // shuffle and deflate; for chunks that are written once, since a rewritten one takes new space
};

File create_file(const std::filesystem::path& path);  // replaces a file of that name
void start_swmr_write(const File& file);              // from here on nothing can be created
void flush(const File& file);
void flush(const Dataset& set);
void close(File& file);  // flushes; throws where the destructor would stay silent

void create_group(const File& file, const std::string& name);
// A link to the root of another file, named from the folder of this one.
void link_external(const File& file, const std::string& name, const std::string& target);
// fill: one element of `type`, or null for zeros.
Dataset create_dataset(const File& file, const std::string& name, hid_t type, const Storage& storage,
                       const void* fill = nullptr);

// Root attributes.
void write_attribute(const File& file, const std::string& name, std::string_view text);
void write_attribute(const File& file, const std::string& name, std::int64_t value);

// A text as a scalar data set of `room` bytes (0: as long as the text). Longer texts are cut between characters.
Dataset create_text(const File& file, const std::string& name, std::string_view text, std::size_t room = 0);
void write_text(const Dataset& set, std::string_view text);
// One text a row, each as long as the longest; compressed.
void write_texts(const File& file, const std::string& name, std::span<const std::string> texts);

// A whole data set of numbers; dims {} is a scalar.
template <class T>
Dataset write_numbers(const File& file, const std::string& name, const std::vector<hsize_t>& dims,
                      std::span<const T> values);
// Overwrites all values of a fixed block.
template <class T>
void overwrite(const Dataset& set, std::span<const T> values);

// Adds `rows` rows after the first `filled` ones. values: rows times the product of the other dimensions.
template <class T>
void append(const Dataset& set, hsize_t filled, hsize_t rows, std::span<const T> values);

// Valid UTF-8: bytes that are not are replaced by U+FFFD. At most `most` bytes, cut between characters.
std::string clean_utf8(std::string_view text, std::size_t most = SIZE_MAX);

}  // namespace initlab::log::h5
