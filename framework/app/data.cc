// `initlab data`: writes the generated data set as files.
#include <iostream>

#include "app/verb.hpp"
#include "base/error.hpp"
#include "base/text.hpp"
#include "data/data.hpp"

namespace initlab::app {
namespace {

void declare(po::options_description& options, po::positional_options_description& positional) {
  options.add_options()("what", po::value<std::string>()->required(), "")                                         //
      ("out", po::value<std::string>()->required(), "folder to write")                                            //
      ("seed", po::value<std::int64_t>()->default_value(1), "seed of the generated language: `world` in a spec")  //
      ("tokens", po::value<std::int64_t>()->default_value(1'500'000), "training tokens of the unlabelled stories");
  positional.add("what", 1);
}

int run(const po::variables_map& values, const Context&) {
  const std::string what = values["what"].as<std::string>();
  if (what != "microworld")
    throw base::Error(
        {"command line", "", "microworld", base::quote(what), "initlab data microworld --out DIR --seed N"});
  const std::int64_t seed = values["seed"].as<std::int64_t>();
  const std::int64_t tokens = values["tokens"].as<std::int64_t>();
  if (seed < 0) throw base::Error({"command line", "--seed", "an integer of at least 0", std::to_string(seed), ""});
  if (tokens < 1000 || tokens > 1'000'000'000)
    throw base::Error({"command line", "--tokens", "an integer from 1000 to 1000000000", std::to_string(tokens), ""});
  const std::string folder = values["out"].as<std::string>();
  data::write_microworld(folder, seed, tokens);
  std::cout << "wrote " << folder << "\n";
  return kDone;
}

}  // namespace

const Verb kData = {
    "data",
    "microworld --out DIR [--seed N] [--tokens N]",
    "write the generated corpus and tasks as files",
    "stories.txt, vocab.txt, and a folder for each task with train.tsv and dev.tsv; a spec reads them with\n"
    "task: {name: sentiment, data: DIR/sentiment}.",
    declare,
    run};

}  // namespace initlab::app
