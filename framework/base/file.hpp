// Whole files in and out. Reading is bounded; writing is all or nothing.
#pragma once

#include <cstdint>
#include <filesystem>
#include <string>
#include <string_view>

namespace initlab::base {

// Throws Error (place: the path) where the file is missing, not a regular file, unreadable, or larger than most_bytes.
std::string read_file(const std::filesystem::path& path, std::uint64_t most_bytes = std::uint64_t{1} << 30);

// Writes beside the target, fsync, rename: a reader sees the old file or the whole new one. Throws Error.
void write_file(const std::filesystem::path& path, std::string_view bytes);

// Creates the folder and its parents. Throws Error with a hint where it cannot be written.
void make_folder(const std::filesystem::path& path);

// The value of an environment variable, or the default where it is unset or empty.
std::string environment(const char* name, std::string_view fallback);

}  // namespace initlab::base
