// Reading HDF5 files that may be hostile: every size is checked before memory is taken, every type before it is read,
// and nothing outside the file is followed (links, external storage, virtual data sets, filter plugins). Knows nothing
// about runs.
//
// What stays with the library: HDF5 1.10 checks the checksums of its metadata, but one who forges those can still
// exercise its parser.
#pragma once

#include "log/hdf5.hpp"

namespace initlab::log::h5 {

class Reader {
 public:
  // Opens plainly, or for SWMR where the file is marked as being written (also after its writer was killed). Takes no
  // lock. Throws Error: missing, not a regular file, not HDF5, cut off.
  explicit Reader(const std::filesystem::path& path);

  const std::string& path() const { return path_; }
  bool is_left_open() const { return left_open_; }  // marked as being written; also after its writer was killed

  // Throws Error naming the attribute or data set where it is missing or has another type or rank, or is too large.
  std::int64_t integer_attribute(const std::string& name) const;
  std::string text_attribute(const std::string& name) const;
  bool has(const std::string& name) const;
  std::string text(const std::string& name);                // scalar
  std::vector<std::string> texts(const std::string& name);  // (rows)

  template <class T>
  struct Numbers {
    std::vector<hsize_t> dims;
    std::vector<T> values;  // row-major
  };
  // T: double or float (stored as floating point), std::int64_t or std::uint8_t (stored as integers), of any width.
  template <class T>
  Numbers<T> numbers(const std::string& name, std::size_t rank);
  // Of a data set of that rank, without reading it.
  std::vector<hsize_t> dims(const std::string& name, std::size_t rank) const;

 private:
  struct Opened;
  Opened open(const std::string& name, std::size_t rank) const;
  void take(const std::string& name, const std::vector<hsize_t>& dims, std::size_t element_bytes);

  std::string path_;
  FileHandle file_;
  bool left_open_ = false;
  std::uint64_t budget_ = 0;  // bytes that may still be read into memory
};

}  // namespace initlab::log::h5
