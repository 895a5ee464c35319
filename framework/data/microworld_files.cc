// The microworld as files, in the formats that the readers read.
#include <filesystem>

#include "base/file.hpp"
#include "base/text.hpp"
#include "data/data.hpp"
#include "data/microworld.hpp"
#include "data/source.hpp"
#include "data/table.hpp"

namespace initlab::data {
namespace {

// A sentence a line, a blank line after each piece.
std::string stories_text(const std::vector<StoryPiece>& pieces) {
  std::string text;
  for (const StoryPiece& piece : pieces) {
    text += piece.first + '\n';
    if (!piece.second.empty()) text += piece.second + '\n';
    text += '\n';
  }
  return text;
}

}  // namespace

std::vector<std::string> microworld_vocabulary(std::int64_t world) { return Microworld(world).vocabulary(); }

void write_microworld(const std::string& folder, std::int64_t world, std::int64_t tokens) {
  const std::filesystem::path root = folder;
  const Microworld microworld(world);
  base::make_folder(root);
  base::write_file(root / "vocab.txt", base::join(microworld.vocabulary(), "\n") + "\n");
  base::write_file(root / "stories.txt", stories_text(microworld.stories("train", tokens)));
  for (const TaskInfo& info : tasks()) {
    if (!info.microworld || info.head == config::HeadKind::mlm) continue;
    const TableFormat& format = table_format(info.name);
    base::make_folder(root / info.name);
    base::write_file(root / info.name / "train.tsv",
                     table_text(microworld.examples(info.name, "train", kMicroworldTrain), format));
    base::write_file(root / info.name / "dev.tsv",
                     table_text(microworld.examples(info.name, "dev", kMicroworldDev), format));
  }
}

}  // namespace initlab::data
