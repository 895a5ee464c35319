#include "data/source.hpp"

#include <algorithm>
#include <array>
#include <filesystem>

#include "base/error.hpp"
#include "base/file.hpp"
#include "base/hash.hpp"
#include "base/text.hpp"
#include "data/data.hpp"
#include "data/microworld.hpp"

namespace initlab::data {
namespace {

constexpr const char* kGenerated = "microworld";
constexpr std::uint64_t kMostTextBytes = std::uint64_t{1} << 30;  // of all text files of one task

namespace fs = std::filesystem;

// Parts are hashed with their length, so that moving a boundary changes the hash.
class ContentHash {
 public:
  explicit ContentHash(std::string_view kind) { add(kind); }
  void add(std::string_view bytes) {
    std::array<unsigned char, 8> size;
    for (std::size_t i = 0; i < size.size(); ++i) size[i] = static_cast<unsigned char>(bytes.size() >> (8 * i));
    hash_.add(size.data(), size.size());
    hash_.add(bytes);
  }
  std::string finish() { return hash_.finish_hex(); }

 private:
  base::Sha256 hash_;
};

bool is_generated(const config::TaskConfig& task, const TaskInfo& info) {
  if (task.data.value_or(kGenerated) != kGenerated) return false;
  if (info.microworld) return true;
  throw base::Error({task.place, "task.data", "the folder of " + info.name + "'s train.tsv and dev.tsv",
                     task.data ? base::quote(*task.data) : "nothing", "only microworld's own tasks are generated"});
}

// The same bytes that write_microworld writes, so a task read from those files has the same hash.
Source tables(const TableFormat& format, const std::string& train, const std::string& train_place,
              const std::string& dev, const std::string& dev_place) {
  ContentHash hash("tables");
  hash.add(train);
  hash.add(dev);
  return {parse_table(train, format, train_place), parse_table(dev, format, dev_place), {}, hash.finish()};
}

Source generated_tables(const config::TaskConfig& task) {
  const TableFormat& format = table_format(task.name);
  const Microworld world(task.world);
  return tables(format, table_text(world.examples(task.name, "train", kMicroworldTrain), format), "microworld train",
                table_text(world.examples(task.name, "dev", kMicroworldDev), format), "microworld dev");
}

Source tables_of_folder(const config::TaskConfig& task) {
  const fs::path folder = *task.data;
  std::error_code error;
  if (!fs::is_directory(folder, error))
    throw base::Error({task.place, "task.data", "a folder with train.tsv and dev.tsv", base::quote(*task.data),
                       "there is no such folder; is INITLAB_DATA set as it should be?"});
  const fs::path train = folder / "train.tsv", dev = folder / "dev.tsv";
  const std::string train_bytes = base::read_file(train), dev_bytes = base::read_file(dev);
  return tables(table_format(task.name), train_bytes, train.string(), dev_bytes, dev.string());
}

std::vector<Row> rows_of(const std::vector<StoryPiece>& pieces, ContentHash& hash) {
  std::vector<Row> rows;
  rows.reserve(pieces.size());
  std::string text;
  for (const StoryPiece& piece : pieces) {
    rows.push_back({piece.first, piece.second});
    text += piece.first + '\t' + piece.second + '\n';
  }
  hash.add(text);
  return rows;
}

Source generated_stories(const config::TaskConfig& task) {
  const Microworld world(task.world);
  ContentHash hash("stories");
  Source source;
  source.train = rows_of(world.stories("train", task.tokens), hash);
  source.eval = rows_of(world.stories("dev", Microworld::kDevTokens), hash);
  source.sha256 = hash.finish();
  return source;
}

// A file itself, or a folder's *.txt, *.raw and *.md in the order of their names.
std::vector<fs::path> text_files(const config::TaskConfig& task) {
  const fs::path path = *task.data;
  std::error_code error;
  if (!fs::is_directory(path, error)) return {path};
  std::vector<fs::path> files;
  for (fs::directory_iterator entry(path, error), end; !error && entry != end; entry.increment(error)) {
    const std::string ending = entry->path().extension().string();
    const bool is_text = ending == ".txt" || ending == ".raw" || ending == ".md";
    if (is_text && entry->is_regular_file(error)) files.push_back(entry->path());
  }
  if (error) throw base::Error({path.string(), "", "a folder that can be read", error.message(), ""});
  if (files.empty())
    throw base::Error({task.place, "task.data", "a folder with text files (*.txt, *.raw, *.md)",
                       base::quote(*task.data), "name a text file, or a folder that holds some"});
  std::sort(files.begin(), files.end());
  return files;
}

Source text_of_files(const config::TaskConfig& task) {
  ContentHash hash("text");
  Source source;
  std::uint64_t left = kMostTextBytes;
  for (const fs::path& path : text_files(task)) {
    source.files.push_back(base::read_file(path, left));
    left -= source.files.back().size();
    hash.add(source.files.back());
  }
  source.sha256 = hash.finish();
  return source;
}

}  // namespace

Source read_source(const config::TaskConfig& task) {
  const TaskInfo& info = task_info(task);
  const bool generated = is_generated(task, info);
  if (info.head == config::HeadKind::mlm) return generated ? generated_stories(task) : text_of_files(task);
  return generated ? generated_tables(task) : tables_of_folder(task);
}

std::string content_hash(const config::TaskConfig& task) { return read_source(task).sha256; }

}  // namespace initlab::data
