// `initlab tokenize`: a text a line in, a JSON array of ids a line out.
#include <iostream>

#include "app/verb.hpp"
#include "text/wordpiece.hpp"

namespace initlab::app {
namespace {

void declare(po::options_description& options, po::positional_options_description&) {
  options.add_options()("vocab", po::value<std::string>()->required(), "vocab.txt, a token a line")  //
      ("cased", po::bool_switch(), "keep case and accents")                                          //
      ("no-special", po::bool_switch(), "leave [CLS] and [SEP] out");
}

int run(const po::variables_map& values, const Context&) {
  const text::Casing casing = values["cased"].as<bool>() ? text::Casing::cased : text::Casing::uncased;
  const text::WordPiece tokenizer = text::WordPiece::load(values["vocab"].as<std::string>(), casing);
  const bool special = !values["no-special"].as<bool>();
  std::string out;
  for (std::string line; std::getline(std::cin, line);) {
    out = "[";
    const auto add = [&out](std::int32_t id) {
      if (out.size() > 1) out += ", ";
      out += std::to_string(id);
    };
    if (special) add(tokenizer.special().cls);
    for (const std::int32_t id : tokenizer.tokenize(line)) add(id);
    if (special) add(tokenizer.special().sep);
    std::cout << out << "]\n";
  }
  return kDone;
}

}  // namespace

const Verb kTokenize = {"tokenize",
                        "--vocab FILE [--cased] [--no-special] < TEXTS",
                        "a text a line in, a JSON array of WordPiece ids a line out",
                        "Ids equal Hugging Face's BertWordPieceTokenizer. Nothing is cut.",
                        declare,
                        run};

}  // namespace initlab::app
