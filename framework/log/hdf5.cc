#include "log/hdf5.hpp"

#include <algorithm>

#include "base/error.hpp"
#include "base/text.hpp"

namespace initlab::log::h5 {
namespace {

constexpr unsigned kDeflateLevel = 6;
constexpr hsize_t kPageBytes = 4096;  // of memory; where those are larger, these lie within

// The deepest entry of the library's error stack says what really happened.
std::string reason() {
  std::string text;
  const auto take = [](unsigned, const H5E_error2_t* entry, void* out) -> herr_t {
    if (entry->desc != nullptr) *static_cast<std::string*>(out) = entry->desc;
    return 0;
  };
  H5Ewalk2(H5E_DEFAULT, H5E_WALK_DOWNWARD, take, &text);
  H5Eclear2(H5E_DEFAULT);
  // Of the operating system's errors keep its own words: "... error message = 'No space left on device', ...".
  constexpr std::string_view kMark = "error message = '";
  if (const auto from = text.find(kMark); from != std::string::npos) {
    const auto begin = from + kMark.size();
    text = text.substr(begin, text.find('\'', begin) - begin);
  }
  return text.empty() ? "an error without a reason from HDF5" : text;
}

TypeHandle text_type(const std::string& path, std::size_t bytes) {
  TypeHandle type(check(H5Tcopy(H5T_C_S1), path, "make a text type"));
  check(H5Tset_size(type.get(), std::max<std::size_t>(bytes, 1)), path, "size a text type");
  check(H5Tset_cset(type.get(), H5T_CSET_UTF8), path, "make a UTF-8 type");
  check(H5Tset_strpad(type.get(), H5T_STR_NULLPAD), path, "make a padded type");
  return type;
}

SpaceHandle make_space(const std::string& path, const std::vector<hsize_t>& dims, bool grows) {
  if (dims.empty()) return SpaceHandle(check(H5Screate(H5S_SCALAR), path, "make a scalar space"));
  std::vector<hsize_t> most = dims;
  if (grows) most[0] = H5S_UNLIMITED;
  return SpaceHandle(
      check(H5Screate_simple(static_cast<int>(dims.size()), dims.data(), most.data()), path, "make a data space"));
}

void write_whole(const Dataset& set, hid_t type, const void* values) {
  check(H5Dwrite(set.id.get(), type, H5S_ALL, H5S_ALL, H5P_DEFAULT, values), set.path, "write ", set.name);
}

void write_attribute(const File& file, const std::string& name, hid_t stored, hid_t memory, const void* value) {
  const SpaceHandle space = make_space(file.path, {}, false);
  const AttributeHandle attribute(
      check(H5Acreate2(file.id.get(), name.c_str(), stored, space.get(), H5P_DEFAULT, H5P_DEFAULT), file.path,
            "create ", name));
  check(H5Awrite(attribute.get(), memory, value), file.path, "write ", name);
}

}  // namespace

void prepare_library() {
  H5dont_atexit();
  H5Eset_auto2(H5E_DEFAULT, nullptr, nullptr);
}

void fail(const std::string& path, const std::string& attempt) {
  const bool reading = attempt.starts_with("open ") || attempt.starts_with("read ");
  throw base::Error({path, "cannot " + attempt, "", reason(),
                     reading ? "the file is damaged: restore it from a copy, or remove it and run again"
                             : "check the folder, its permissions and the free space"});
}

template <>
hid_t memory_type<double>() {
  return H5T_NATIVE_DOUBLE;
}
template <>
hid_t memory_type<float>() {
  return H5T_NATIVE_FLOAT;
}
template <>
hid_t memory_type<std::int64_t>() {
  return H5T_NATIVE_INT64;
}
template <>
hid_t memory_type<std::int32_t>() {
  return H5T_NATIVE_INT32;
}
template <>
hid_t memory_type<std::uint8_t>() {
  return H5T_NATIVE_UINT8;
}
template <>
hid_t file_type<double>() {
  return H5T_IEEE_F64LE;
}
template <>
hid_t file_type<float>() {
  return H5T_IEEE_F32LE;
}
template <>
hid_t file_type<std::int64_t>() {
  return H5T_STD_I64LE;
}
template <>
hid_t file_type<std::int32_t>() {
  return H5T_STD_I32LE;
}
template <>
hid_t file_type<std::uint8_t>() {
  return H5T_STD_U8LE;
}

File create_file(const std::filesystem::path& path) {
  prepare_library();
  const std::string name = path.string();
  const PropertyHandle access(check(H5Pcreate(H5P_FILE_ACCESS), name, "set up the file"));
  check(H5Pset_libver_bounds(access.get(), H5F_LIBVER_V110, H5F_LIBVER_V110), name, "choose the file's format");
  // A file system without locks is no reason not to log: a run file has one writer by construction.
  check(H5Pset_file_locking(access.get(), true, true), name, "choose the file's locking");
  const PropertyHandle creation(check(H5Pcreate(H5P_FILE_CREATE), name, "set up the file"));
  check(H5Pset_obj_track_times(creation.get(), false), name, "leave out object times");
  // No header or index crosses the border of a memory page, where a kill may cut its write.
  check(H5Pset_file_space_strategy(creation.get(), H5F_FSPACE_STRATEGY_PAGE, false, 1), name, "lay out the file");
  check(H5Pset_file_space_page_size(creation.get(), kPageBytes), name, "lay out the file");
  return {
      FileHandle(check(H5Fcreate(name.c_str(), H5F_ACC_TRUNC, creation.get(), access.get()), name, "create the file")),
      name};
}

void start_swmr_write(const File& file) { check(H5Fstart_swmr_write(file.id.get()), file.path, "start SWMR writing"); }
void flush(const File& file) { check(H5Fflush(file.id.get(), H5F_SCOPE_GLOBAL), file.path, "flush the file"); }
void flush(const Dataset& set) { check(H5Dflush(set.id.get()), set.path, "flush ", set.name); }
void close(File& file) { check(file.id.close(), file.path, "close the file"); }

void create_group(const File& file, const std::string& name) {
  const PropertyHandle creation(check(H5Pcreate(H5P_GROUP_CREATE), file.path, "set up the group ", name));
  check(H5Pset_obj_track_times(creation.get(), false), file.path, "leave out the times of ", name);
  const GroupHandle group(check(H5Gcreate2(file.id.get(), name.c_str(), H5P_DEFAULT, creation.get(), H5P_DEFAULT),
                                file.path, "create the group ", name));
}

void link_external(const File& file, const std::string& name, const std::string& target) {
  check(H5Lcreate_external(target.c_str(), "/", file.id.get(), name.c_str(), H5P_DEFAULT, H5P_DEFAULT), file.path,
        "link ", name);
}

Dataset create_dataset(const File& file, const std::string& name, hid_t type, const Storage& storage,
                       const void* fill) {
  const PropertyHandle creation(check(H5Pcreate(H5P_DATASET_CREATE), file.path, "set up ", name));
  check(H5Pset_obj_track_times(creation.get(), false), file.path, "leave out the times of ", name);
  if (fill != nullptr) check(H5Pset_fill_value(creation.get(), type, fill), file.path, "set the fill value of ", name);
  const bool chunked = !storage.chunk.empty();
  if (chunked)
    check(H5Pset_chunk(creation.get(), static_cast<int>(storage.chunk.size()), storage.chunk.data()), file.path,
          "set the chunk of ", name);
  if (storage.deflate) {
    check(H5Pset_shuffle(creation.get()), file.path, "set the filters of ", name);
    check(H5Pset_deflate(creation.get(), kDeflateLevel), file.path, "set the filters of ", name);
  }
  const SpaceHandle space = make_space(file.path, storage.dims, chunked);
  return {DatasetHandle(check(
              H5Dcreate2(file.id.get(), name.c_str(), type, space.get(), H5P_DEFAULT, creation.get(), H5P_DEFAULT),
              file.path, "create ", name)),
          file.path, name};
}

void write_attribute(const File& file, const std::string& name, std::string_view text) {
  std::string bytes = clean_utf8(text);
  const TypeHandle type = text_type(file.path, bytes.size());
  write_attribute(file, name, type.get(), type.get(), bytes.data());
}

void write_attribute(const File& file, const std::string& name, std::int64_t value) {
  write_attribute(file, name, file_type<std::int64_t>(), memory_type<std::int64_t>(), &value);
}

Dataset create_text(const File& file, const std::string& name, std::string_view text, std::size_t room) {
  if (room == 0) room = clean_utf8(text).size();
  const TypeHandle type = text_type(file.path, room);
  Dataset set = create_dataset(file, name, type.get(), {});
  write_text(set, text);
  return set;
}

void write_text(const Dataset& set, std::string_view text) {
  const TypeHandle type(check(H5Dget_type(set.id.get()), set.path, "read the type of ", set.name));
  std::string bytes = clean_utf8(text, H5Tget_size(type.get()));
  bytes.resize(H5Tget_size(type.get()), '\0');
  write_whole(set, type.get(), bytes.data());
}

void write_texts(const File& file, const std::string& name, std::span<const std::string> texts) {
  std::vector<std::string> clean;
  std::size_t longest = 1;
  for (const std::string& text : texts) {
    clean.push_back(clean_utf8(text));
    longest = std::max(longest, clean.back().size());
  }
  const TypeHandle type = text_type(file.path, longest);
  Storage storage{.dims = {texts.size()}};
  if (!texts.empty()) storage = {.dims = {texts.size()}, .chunk = {texts.size()}, .deflate = true};
  const Dataset set = create_dataset(file, name, type.get(), storage);
  std::string bytes;
  for (std::string& text : clean) {
    text.resize(longest, '\0');
    bytes += text;
  }
  if (!texts.empty()) write_whole(set, type.get(), bytes.data());
}

template <class T>
Dataset write_numbers(const File& file, const std::string& name, const std::vector<hsize_t>& dims,
                      std::span<const T> values) {
  Dataset set = create_dataset(file, name, file_type<T>(), {.dims = dims});
  if (!values.empty()) write_whole(set, memory_type<T>(), values.data());
  return set;
}

template <class T>
void overwrite(const Dataset& set, std::span<const T> values) {
  write_whole(set, memory_type<T>(), values.data());
}

template <class T>
void append(const Dataset& set, hsize_t filled, hsize_t rows, std::span<const T> values) {
  std::vector<hsize_t> dims;
  {
    const SpaceHandle space(check(H5Dget_space(set.id.get()), set.path, "read the shape of ", set.name));
    dims.resize(static_cast<std::size_t>(
        check(H5Sget_simple_extent_ndims(space.get()), set.path, "read the rank of ", set.name)));
    check(H5Sget_simple_extent_dims(space.get(), dims.data(), nullptr), set.path, "read the shape of ", set.name);
  }
  dims[0] = filled + rows;
  check(H5Dset_extent(set.id.get(), dims.data()), set.path, "extend ", set.name);
  std::vector<hsize_t> start(dims.size(), 0);
  start[0] = filled;
  dims[0] = rows;
  const SpaceHandle target(check(H5Dget_space(set.id.get()), set.path, "read the shape of ", set.name));
  check(H5Sselect_hyperslab(target.get(), H5S_SELECT_SET, start.data(), nullptr, dims.data(), nullptr), set.path,
        "select rows of ", set.name);
  const SpaceHandle source = make_space(set.path, dims, false);
  check(H5Dwrite(set.id.get(), memory_type<T>(), source.get(), target.get(), H5P_DEFAULT, values.data()), set.path,
        "append to ", set.name);
}

template Dataset write_numbers(const File&, const std::string&, const std::vector<hsize_t>&, std::span<const double>);
template Dataset write_numbers(const File&, const std::string&, const std::vector<hsize_t>&, std::span<const float>);
template Dataset write_numbers(const File&, const std::string&, const std::vector<hsize_t>&,
                               std::span<const std::int64_t>);
template void overwrite(const Dataset&, std::span<const std::int64_t>);
template void append(const Dataset&, hsize_t, hsize_t, std::span<const double>);
template void append(const Dataset&, hsize_t, hsize_t, std::span<const float>);
template void append(const Dataset&, hsize_t, hsize_t, std::span<const std::int64_t>);
template void append(const Dataset&, hsize_t, hsize_t, std::span<const std::int32_t>);
template void append(const Dataset&, hsize_t, hsize_t, std::span<const std::uint8_t>);

std::string clean_utf8(std::string_view text, std::size_t most) {
  constexpr std::string_view kReplacement = "\xEF\xBF\xBD";
  std::string clean;
  for (std::size_t i = 0; i < text.size();) {
    const auto lead = static_cast<unsigned char>(text[i]);
    const std::size_t length = lead < 0x80 ? 1 : lead >= 0xF0 ? 4 : lead >= 0xE0 ? 3 : 2;
    std::string_view character = text.substr(i, length);
    i += length;
    if (!base::is_valid_utf8(character)) {  // one bad byte is replaced, what follows it gets its own chance
      i = i - length + 1;
      character = kReplacement;
    }
    if (clean.size() + character.size() > most) break;
    clean += character;
  }
  return clean;
}

}  // namespace initlab::log::h5
