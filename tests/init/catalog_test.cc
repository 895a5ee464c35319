// Loading: each step that can fail has its own message, with the file.
#include <cstdlib>
#include <set>

#include "fixture.hpp"
#include "paths.hpp"
#include "sdk/plugin.hpp"

namespace initlab::init {
namespace {

const std::string kPlugins = initlab::paths::binary_dir() + "/plugins/";

std::string load_fault(const std::string& file) {
  Catalog catalog;
  try {
    catalog.load(file);
  } catch (const base::Error& error) {
    return error.what();
  }
  return "loaded";
}

void expect_starts(const std::string& text, const std::string& start) {
  EXPECT_EQ(text.substr(0, start.size()), start);
}

TEST(Catalog, HoldsEveryStrategyThatWeShip) {
  std::set<std::string> ids;
  for (const CatalogEntry& entry : built_catalog().entries()) ids.emplace(entry.strategy->id);
  const std::set<std::string> wanted = {
      "admin/1",
      "bert_default/1",
      "constant/1",
      "deepnorm/1",
      "ds_init/1",
      "fixup/1",
      "gpt2_depth_scaled/1",
      "identity/1",
      "interpolate/1",
      "kaiming_normal/1",
      "kaiming_uniform/1",
      "lecun_normal/1",
      "lecun_uniform/1",
      "lsuv/1",
      "magnitude_preserve/1",
      "mask/1",
      "megatron/1",
      "mimetic/1",
      "moment_match/1",
      "noise/1",
      "normal/1",
      "one/1",
      "orthogonal/1",
      "permute_layers/1",
      "pretrained/1",
      "quantize/1",
      "rezero/1",
      "shuffle/1",
      "sign_preserve/1",
      "small_init/1",
      "spectrum_match/1",
      "t_fixup/1",
      "template_calibrated/1",
      "template_uniform/1",
      "torch_linear/1",
      "transplant/1",
      "truncated_normal/1",
      "uniform/1",
      "wang_init/1",
      "xavier_normal/1",
      "xavier_uniform/1",
      "zero/1",
      "zero_ones/1",
  };
  EXPECT_EQ(ids, wanted);
  for (const auto& library : built_catalog().libraries()) {
    EXPECT_EQ(library.sha256.size(), 64u) << library.file;
    EXPECT_FALSE(library.version.empty());
  }
}

// docs/INITIALIZERS.md has a row for each.
TEST(Catalog, EveryStrategyIsDocumented) {
  const std::string text = base::read_file(initlab::paths::source_dir() + "/docs/INITIALIZERS.md");
  for (const CatalogEntry& entry : built_catalog().entries()) {
    if (entry.name.starts_with("template_")) continue;  // examples for authors
    EXPECT_NE(text.find("| `" + std::string(entry.strategy->id) + "` |"), std::string::npos) << entry.strategy->id;
  }
}

TEST(Catalog, EveryStepOfLoadingHasItsMessage) {
  const std::string folder = INITLAB_BROKEN "/broken_";
  expect_starts(load_fault("/no/such.so"), "/no/such.so: plugin: expected a shared library that can be opened, got ");
  expect_starts(load_fault(folder + "no_symbol.so"),
                folder + "no_symbol.so: plugin: expected an exported function initlab_plugin(), got none");
  expect_starts(load_fault(folder + "null_table.so"),
                folder + "null_table.so: plugin: initlab_plugin(): expected a table, got null");
  expect_starts(load_fault(folder + "other_major.so"),
                folder + "other_major.so: plugin: plugin boundary: expected version 1, got 2");
  expect_starts(load_fault(folder + "small_table.so"),
                folder + "small_table.so: plugin: table: expected a size of at least 40 bytes, got 16");
  expect_starts(
      load_fault(folder + "malformed_id.so"),
      folder +
          "malformed_id.so: plugin: strategy 0: expected an id like \"xavier_uniform/1\" (name, slash, revision), "
          "got \"broken\"");
}

TEST(Catalog, AFileThatIsNoLibraryIsRefused) {
  const TemporaryFolder folder;
  const std::string file = (folder.path() / "text.so").string();
  base::write_file(file, "no library");
  expect_starts(load_fault(file), file + ": plugin: expected a shared library that can be opened, got ");
}

TEST(Catalog, ADuplicateIdNamesBothFiles) {
  const TemporaryFolder folder;
  const std::string copy = (folder.path() / "copy.so").string();
  std::filesystem::copy_file(kPlugins + "xavier.so", copy);
  Catalog catalog;
  catalog.load(kPlugins + "xavier.so");
  try {
    catalog.load(copy);
    FAIL();
  } catch (const base::Error& error) {
    expect_starts(error.what(),
                  copy +
                      ": plugin: strategy \"xavier_uniform/1\": expected an id of its own, got the id of a "
                      "strategy in " +
                      kPlugins + "xavier.so");
  }
  EXPECT_EQ(catalog.entries().size(), 2u);  // nothing of the copy came in
  EXPECT_EQ(catalog.libraries().size(), 1u);
}

TEST(Catalog, FindsByNameAndByRevision) {
  const Catalog& c = built_catalog();
  EXPECT_EQ(&c.find("zero", "p"), &c.find("zero/1", "p"));
  const auto fault = [&](const std::string& use) {
    try {
      c.find(use, "x.yaml:3:9");
    } catch (const base::Error& error) {
      return std::string(error.what());
    }
    return std::string("found");
  };
  EXPECT_EQ(fault("xavier_unifrom"),
            "x.yaml:3:9: use: expected a strategy, got \"xavier_unifrom\"\n  hint: did you mean \"xavier_uniform\"?");
  EXPECT_EQ(fault("zero/2"), "x.yaml:3:9: use: expected a strategy, got \"zero/2\"\n  hint: there is zero/1");
  Catalog empty;
  EXPECT_THROW(empty.find("zero", "p"), base::Error);
}

struct Flat {
  static constexpr sdk::Facts kFacts{.id = "zero/2", .summary = "s", .source = "s", .natural_roles = IL_ROLE_ALL};
  using Options = sdk::NoOptions;
  explicit Flat(const Options&) {}
  void fill(const il_param&, const sdk::Host&, std::span<float>) const {}
};

TEST(Catalog, TwoRevisionsNeedTheRevisionWritten) {
  Catalog c;
  c.load(kPlugins + "constant.so");
  c.add(sdk::plugin<Flat>("flat", "1"), "linked in");
  EXPECT_STREQ(c.find("zero/2", "p").strategy->id, "zero/2");
  try {
    c.find("zero", "p");
    FAIL();
  } catch (const base::Error& error) {
    EXPECT_STREQ(error.what(),
                 "p: use: expected one revision of \"zero\", got zero/1 and zero/2\n  hint: write the revision too: "
                 "use: zero/2");
  }
}

TEST(FindPlugins, SpecThenPathThenBesideTheProgramEachFileOnce) {
  const TemporaryFolder folder;
  const std::filesystem::path other = folder.path() / "other", bin = folder.path() / "bin";
  for (const auto& path : {other, bin / "plugins"}) std::filesystem::create_directories(path);
  for (const auto& file : {other / "b.so", other / "a.so", other / "a.txt", bin / "plugins" / "c.so"})
    base::write_file(file, "x");
  std::filesystem::create_symlink(other / "a.so", bin / "plugins" / "again.so");
  ASSERT_EQ(setenv("INITLAB_PLUGIN_PATH", (":" + other.string()).c_str(), 1), 0);
  const std::string spec = (other / "." / "b.so").string();
  const auto files = find_plugins({spec}, (bin / "initlab").string());
  const std::vector<std::string> wanted = {spec, (other / "a.so").string(), (bin / "plugins" / "c.so").string()};
  EXPECT_EQ(files, wanted);
  ASSERT_EQ(setenv("INITLAB_PLUGIN_PATH", (folder.path() / "absent").c_str(), 1), 0);
  EXPECT_THROW(find_plugins({}, (bin / "initlab").string()), base::Error);
  unsetenv("INITLAB_PLUGIN_PATH");
}

TEST(FindPlugins, TheInstalledFolderComesWhereThereIsNoneBesideTheProgram) {
  const TemporaryFolder folder;
  const std::filesystem::path plugins = folder.path() / "lib" / "initlab" / "plugins";
  std::filesystem::create_directories(plugins);
  std::filesystem::create_directories(folder.path() / "bin");
  base::write_file(plugins / "a.so", "x");
  const auto files = find_plugins({}, (folder.path() / "bin" / "initlab").string());
  ASSERT_EQ(files.size(), 1u);
  EXPECT_TRUE(std::filesystem::equivalent(files[0], plugins / "a.so"));
}

}  // namespace
}  // namespace initlab::init
