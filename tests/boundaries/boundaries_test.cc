// The rules between folders, held on every file: levels, one door per library, what plugins see, size, head comments.
#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>
#include <iterator>

#include "boundaries/rules.hpp"
#include "paths.hpp"

namespace initlab::boundaries {
namespace {

namespace fs = std::filesystem;

const fs::path kRoot = initlab::paths::source_dir();

std::string read(const fs::path& path) {
  std::ifstream file(path, std::ios::binary);
  return {std::istreambuf_iterator<char>(file), {}};
}

bool is_cpp(const fs::path& path) {
  const std::string suffix = path.extension();
  return suffix == ".h" || suffix == ".hpp" || suffix == ".cc" || suffix == ".c" || suffix == ".inc";
}

bool is_header(const fs::path& path) { return path.extension() == ".h" || path.extension() == ".hpp"; }

std::vector<fs::path> files_below(const fs::path& folder) {
  std::vector<fs::path> files;
  if (!fs::exists(folder)) return files;
  for (const fs::directory_entry& entry : fs::recursive_directory_iterator(folder))
    if (entry.is_regular_file()) files.push_back(entry.path());
  std::sort(files.begin(), files.end());
  return files;
}

std::string shown(const fs::path& path) { return fs::relative(path, kRoot).string(); }

// framework/<folder>/...
std::string folder_of(const fs::path& path) { return fs::relative(path, kRoot / "framework").begin()->string(); }

TEST(Levels, FoldersIncludeOnlyLowerOnesAndTheirOwnLibraries) {
  int seen = 0;
  for (const fs::path& path : files_below(kRoot / "framework")) {
    if (!is_cpp(path)) continue;
    ++seen;
    for (const std::string& wrong : framework_violations(folder_of(path), read(path)))
      ADD_FAILURE() << shown(path) << ": " << wrong;
  }
  EXPECT_GT(seen, 20) << "files were looked for below " << kRoot;
}

TEST(Levels, TargetsLinkOnlyLowerOnes) {
  int seen = 0;
  for (const auto& [folder, level] : levels()) {
    for (const std::string& module : linked_modules(read(kRoot / "framework" / folder / "CMakeLists.txt"))) {
      ++seen;
      ASSERT_TRUE(levels().contains(module)) << "framework/" << folder << "/CMakeLists.txt links " << module;
      EXPECT_LT(levels().at(module), level) << "framework/" << folder << "/CMakeLists.txt links " << module;
    }
  }
  EXPECT_GT(seen, 5);
}

TEST(Levels, EveryFolderHasALevelAndEveryLevelAFolder) {
  std::set<std::string> folders;
  for (const fs::directory_entry& entry : fs::directory_iterator(kRoot / "framework"))
    if (entry.is_directory()) folders.insert(entry.path().filename());
  std::set<std::string> known;
  for (const auto& [folder, level] : levels()) known.insert(folder);
  EXPECT_EQ(folders, known);
}

// docs/DESIGN.md, "Levels": rows "| level | `folder/` | ..."
TEST(Levels, StandInTheDesignDocument) {
  const std::string text = read(kRoot / "docs" / "DESIGN.md");
  const std::size_t begin = text.find("## Levels");
  if (begin == std::string::npos) GTEST_SKIP() << "skipped: docs/DESIGN.md has no section \"Levels\"";
  const std::string section = text.substr(begin, text.find("\n## ", begin) - begin);
  static const std::regex row(R"(\|\s*([0-9]+)\s*\|\s*`([a-z]+)/?`)");
  std::map<std::string, int> documented;
  for (std::sregex_iterator it(section.begin(), section.end(), row), end; it != end; ++it)
    documented[(*it)[2]] = std::stoi((*it)[1]);
  EXPECT_EQ(documented, levels());
}

TEST(Plugins, SeeOnlySdkAndAbi) {
  int seen = 0;
  for (const fs::path& path : files_below(kRoot / "plugins")) {
    if (!is_cpp(path)) continue;
    ++seen;
    for (const std::string& wrong : plugin_violations(read(path))) ADD_FAILURE() << shown(path) << ": " << wrong;
  }
  EXPECT_GT(seen, 0);
}

TEST(Files, HeadersOpenWithAComment) {
  for (const char* top : {"framework", "plugins", "tests"}) {
    for (const fs::path& path : files_below(kRoot / top)) {
      if (!is_header(path)) continue;
      EXPECT_TRUE(starts_with_comment(read(path))) << shown(path) << ": what is it for?";
    }
  }
}

TEST(Files, FitAPersonsHead) {
  constexpr std::ptrdiff_t kMostLines = 700;
  for (const fs::path& path : files_below(kRoot / "framework")) {
    const std::string text = read(path);
    EXPECT_LE(std::count(text.begin(), text.end(), '\n'), kMostLines) << shown(path);
  }
}

TEST(Files, NameNoMachine) {
  static const std::set<std::string> kText = {".h",  ".hpp", ".cc", ".c",    ".inc", ".py",    ".md",   ".txt",
                                              ".sh", "",     ".in", ".yaml", ".yml", ".cmake", ".json", ".csv"};
  std::vector<fs::path> files;
  for (const char* top : {"framework", "plugins", "tests", "experiments", "scripts", "docs", "cmake", ".ci"})
    for (fs::path& path : files_below(kRoot / top)) files.push_back(std::move(path));
  for (const fs::path& path : files_below(kRoot / "results"))  // beside the reports lie run files that git ignores
    if (path.extension() == ".md") files.push_back(path);
  for (const fs::directory_entry& entry : fs::directory_iterator(kRoot))  // .git of a linked worktree is a file
    if (entry.is_regular_file() && entry.path().filename() != ".git") files.push_back(entry.path());
  int seen = 0;
  for (const fs::path& path : files) {
    if (!kText.contains(path.extension().string())) continue;
    ++seen;
    if (const auto found = machine_path(read(path))) ADD_FAILURE() << shown(path) << ": " << *found;
  }
  EXPECT_GT(seen, 50);
}

// The rules themselves: what they refuse, on made-up files.
TEST(Rules, RefuseUpwardIncludes) {
  using Found = std::vector<std::string>;
  EXPECT_EQ(framework_violations("data", "#include \"text/wordpiece.hpp\"\n#include <vector>\n"), Found{});
  EXPECT_EQ(framework_violations("text", "// x\n  #  include \"data/data.hpp\"\n"),
            Found{"\"data/data.hpp\" is of level 3, text/ of level 2"});
  EXPECT_EQ(framework_violations("model", "#include \"init/init.hpp\""),
            Found{"\"init/init.hpp\" is of level 3, model/ of level 3"});
  EXPECT_EQ(framework_violations("compare", "#include \"log/run_file.hpp\""), Found{"compare/ may not include log/"});
  EXPECT_EQ(framework_violations("data", "#include \"data.hpp\""), Found{"\"data.hpp\" is not written as folder/file"});
  EXPECT_EQ(framework_violations("extra", ""), Found{"extra/ has no level"});
}

TEST(Rules, RefuseASecondDoorToALibrary) {
  using Found = std::vector<std::string>;
  EXPECT_EQ(framework_violations("log", "#include <hdf5.h>"), Found{});
  EXPECT_EQ(framework_violations("report", "#include <hdf5.h>"), Found{"<hdf5.h> is named in log/ only"});
  EXPECT_EQ(framework_violations("app", "#include <boost/math/distributions.hpp>"),
            Found{"<boost/math/distributions.hpp> is named in compare/ only"});
  EXPECT_EQ(framework_violations("app", "#include <zip.h>"),
            Found{"<zip.h> is an outside library that no folder owns"});
}

TEST(Rules, RefusePluginsThatSeeMore) {
  using Found = std::vector<std::string>;
  EXPECT_EQ(plugin_violations("#include \"sdk/plugin.hpp\"\n#include \"own.hpp\"\n#include <cmath>\n"), Found{});
  EXPECT_EQ(plugin_violations("#include \"base/error.hpp\""), Found{"\"base/error.hpp\" is not of sdk/ or abi/"});
  EXPECT_EQ(plugin_violations("#include <hdf5.h>"), Found{"<hdf5.h> is an outside library"});
}

TEST(Rules, FindMachinePathsAndLinks) {
  const std::string home = std::string("/ho") + "me/";
  EXPECT_EQ(machine_path("see " + home + "ann/x"), home + "ann/x");
  EXPECT_EQ(machine_path(home), home);
  EXPECT_EQ(machine_path("${DIR}" + home + ", net" + home), std::nullopt);
  EXPECT_EQ(linked_modules("initlab_module(a SOURCES b.cc MODULES base text\n  LIBRARIES PRIVATE x)"),
            (std::vector<std::string>{"base", "text"}));
  EXPECT_FALSE(starts_with_comment("#pragma once\n"));
}

}  // namespace
}  // namespace initlab::boundaries
