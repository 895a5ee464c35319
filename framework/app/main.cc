// initlab: the command line. Finds the verb, parses its options strictly, turns errors into messages and exit codes.
#include <spdlog/sinks/stdout_color_sinks.h>
#include <spdlog/spdlog.h>

#include <exception>
#include <filesystem>
#include <iostream>
#include <sstream>

#include "app/verb.hpp"
#include "base/error.hpp"
#include "base/text.hpp"
#include "sweep/machine.hpp"

namespace initlab::app {
namespace {

std::vector<std::string> verb_names() {
  std::vector<std::string> names;
  for (const Verb* verb : verbs()) names.emplace_back(verb->name);
  names.emplace_back("help");
  names.emplace_back("version");
  return names;
}

const Verb& find_verb(const std::string& name) {
  for (const Verb* verb : verbs())
    if (name == verb->name) return *verb;
  throw base::Error({"command line", "", "a verb", base::quote(name), base::did_you_mean(name, verb_names())});
}

void print_overview() {
  std::cout << "initlab: what does a weight initialization buy a BERT, and is the difference real?\n\n"
               "usage: initlab VERB [options]\n\n";
  for (const Verb* verb : verbs()) {
    std::string name = verb->name;
    name.resize(10, ' ');
    std::cout << "  " << name << verb->summary << "\n";
  }
  std::cout << "  help      this list, or `initlab help VERB`\n"
               "  version   build, CPU and library versions\n\n"
               "exit codes: 0 done, 1 a run failed, 2 the input is wrong, 130 stopped by the user\n";
}

void print_help(const Verb& verb) {
  po::options_description options("options");
  po::positional_options_description positional;
  verb.declare(options, positional);
  std::cout << "usage: initlab " << verb.name << " " << verb.synopsis << "\n\n"
            << verb.summary << "\n\n"
            << verb.details << "\n\n";
  // Positional arguments stand in the synopsis; options only here.
  po::options_description shown("options");
  for (const auto& option : options.options())
    if (!option->description().empty()) shown.add(option);
  std::cout << shown << "\n";
}

std::vector<std::string> option_names(const po::options_description& options) {
  std::vector<std::string> names;
  for (const auto& option : options.options())
    if (!option->description().empty()) names.push_back("--" + option->long_name());
  return names;
}

po::variables_map parse(const Verb& verb, const std::vector<std::string>& arguments) {
  po::options_description options("options");
  po::positional_options_description positional;
  verb.declare(options, positional);
  options.add_options()("help,h", po::bool_switch(), "this text");
  po::variables_map values;
  const std::string help = "see `initlab help " + std::string(verb.name) + "`";
  try {
    const int style = po::command_line_style::default_style & ~po::command_line_style::allow_guessing;
    po::store(po::command_line_parser(arguments).options(options).positional(positional).style(style).run(), values);
    if (!values["help"].as<bool>()) po::notify(values);
  } catch (const po::unknown_option& error) {
    std::string name = error.get_option_name();
    while (!name.empty() && name.front() == '-') name.erase(0, 1);
    const std::vector<std::string> names = option_names(options);
    const std::string near = base::closest("--" + name, names);
    throw base::Error({"command line", "unknown option", "", base::quote("--" + name),
                       near.empty() ? help : "did you mean " + near + "?"});
  } catch (const po::too_many_positional_options_error&) {
    throw base::Error(
        {"command line", "", std::string("initlab ") + verb.name + " " + verb.synopsis, "more arguments", help});
  } catch (const po::required_option&) {
    throw base::Error({"command line", "", std::string("initlab ") + verb.name + " " + verb.synopsis, "less", help});
  } catch (const po::error& error) {
    throw base::Error({"command line", error.what(), "", "", help});
  }
  return values;
}

int dispatch(const std::vector<std::string>& arguments, const Context& context) {
  if (arguments.empty() || arguments[0] == "--help" || arguments[0] == "-h" ||
      (arguments[0] == "help" && arguments.size() == 1)) {
    print_overview();
    return arguments.empty() ? kWrongInput : kDone;
  }
  if (arguments[0] == "help" && (arguments[1] == "help" || arguments[1] == "version")) {
    print_overview();
    return kDone;
  }
  if (arguments[0] == "help") {
    print_help(find_verb(arguments[1]));
    return kDone;
  }
  if (arguments[0] == "version" || arguments[0] == "--version") {
    std::cout << sweep::build_description() << "\n"
              << sweep::cpu_description() << "\n"
              << sweep::library_versions() << "\n";
    return kDone;
  }
  const Verb& verb = find_verb(arguments[0]);
  const po::variables_map values = parse(verb, {arguments.begin() + 1, arguments.end()});
  if (values["help"].as<bool>()) {
    print_help(verb);
    return kDone;
  }
  return verb.run(values, context);
}

std::string executable(const char* as_called) {
  std::error_code error;
  const auto path = std::filesystem::read_symlink("/proc/self/exe", error);
  return error ? std::string(as_called) : path.string();
}

}  // namespace

const std::vector<const Verb*>& verbs() {
  static const std::vector<const Verb*> kAll = {
      &kRun,     &kPlan, &kSubmit, &kStatus, &kCompare, &kReport,   &kShow, &kAudit,    &kInspect, &kVerify,
      &kRecover, &kTail, &kExport, &kIndex,  &kPlugins, &kTokenize, &kData, &kSelftest, &kBench};
  return kAll;
}

}  // namespace initlab::app

int main(int argc, char** argv) {
  using namespace initlab;
  spdlog::set_default_logger(spdlog::stderr_color_mt("initlab"));
  spdlog::set_pattern("[%H:%M:%S] %^%v%$");
  std::ios::sync_with_stdio(false);
  try {
    const int code = app::dispatch({argv + 1, argv + argc}, {app::executable(argv[0])});
    std::cout.flush();
    if (!std::cout)
      throw base::Error({"standard output", "cannot be written", "", "", "is the disk full, or the reader gone?"});
    return code;
  } catch (const base::Error& error) {
    std::cout.flush();
    std::cerr << "initlab: " << error.what() << "\n";
    return app::kWrongInput;
  } catch (const std::exception& error) {
    std::cout.flush();
    std::cerr << "initlab: " << error.what() << "\n";
    return app::kWrongInput;
  }
}
