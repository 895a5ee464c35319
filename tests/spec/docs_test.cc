// docs/SPEC.md has a row for every field, with its type, range, default and meaning as the field list has them.
#include <gtest/gtest.h>

#include "base/file.hpp"
#include "base/text.hpp"
#include "config/config.hpp"
#include "paths.hpp"
#include "spec/reader.hpp"
#include "spec/sections.hpp"

namespace initlab::spec {
namespace {

template <class T>
struct Plain {
  using Type = T;
};
template <class T>
struct Plain<std::optional<T>> {
  using Type = T;
};

template <class T>
std::string default_text(const T& value) {
  if constexpr (config::IsOptional<T>::value) {
    return value ? default_text(*value) : "";
  } else if constexpr (config::IsVector<T>::value) {
    EXPECT_TRUE(value.empty());
    return "none";
  } else if constexpr (std::is_same_v<T, double>) {
    return base::number_text(value);
  } else if constexpr (std::is_same_v<T, std::string>) {
    return value;
  } else {
    return base::json_text(base::Json(value));
  }
}

template <class T>
std::string kind_text(const config::Check& check) {
  if (std::is_same_v<T, bool>) return "true or false";
  if constexpr (config::IsVector<T>::value) return kind_text<typename T::value_type>(check) + ", or a list";
  return config::describe(check, std::is_same_v<T, double>         ? "a number"
                                 : std::is_same_v<T, std::int64_t> ? "an integer"
                                                                   : "text");
}

template <class T>
struct IsListOfStructs : std::false_type {};
template <config::HasFields T>
struct IsListOfStructs<std::vector<T>> : std::true_type {};

// The rows of a struct: | `training.batch` | an integer from 1 to 1048576 | 32 | sequences an optimizer step |
template <class T>
void add_rows(const std::string& path, const T& defaults, std::vector<std::string>& rows) {
  T::fields(defaults, [&](const char* name, const auto& member, const char* meaning, const config::Check& check = {}) {
    using Member = std::decay_t<decltype(member)>;
    if constexpr (config::HasFields<Member>) {
      add_rows(join_path(path, name), member, rows);
    } else if constexpr (IsListOfStructs<Member>::value) {
      add_rows(join_path(path, name) + "[]", typename Member::value_type{}, rows);
    } else {
      rows.push_back("| `" + join_path(path, name) + "` | " + kind_text<typename Plain<Member>::Type>(check) + " | " +
                     default_text(member) + " | " + meaning + " |");
    }
  });
}

TEST(Docs, SpecReferenceHasEveryField) {
  const std::string text = base::read_file(initlab::paths::source_dir() + "/docs/SPEC.md");
  std::vector<std::string> rows;
  add_rows("model", config::ModelSpec{}, rows);
  add_rows("task", config::TaskConfig{}, rows);
  add_rows("training", config::TrainingConfig{}, rows);
  add_rows("training.tune", config::TuneConfig{}, rows);
  add_rows("seeds", SeedSpec{}, rows);
  add_rows("compare", config::CompareConfig{}, rows);
  add_rows("log", config::LogConfig{}, rows);
  EXPECT_GT(rows.size(), 40u);
  for (const std::string& row : rows)
    EXPECT_NE(text.find(row), std::string::npos) << "docs/SPEC.md lacks this row:\n" << row;
}

}  // namespace
}  // namespace initlab::spec
