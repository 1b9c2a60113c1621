#include "cli/arguments.h"

#include <algorithm>

#include <CLI/App.hpp>

#include "common/text.h"
#include "config/faults.h"

namespace monitor::cli {

std::set<std::string> value_options(const CLI::App& root) {
  std::set<std::string> names;
  for (const CLI::Option* option : root.get_options()) {
    if (option->get_items_expected_max() == 0) continue;
    for (const auto& name : option->get_lnames()) names.insert("--" + name);
  }
  for (const CLI::App* command : root.get_subcommands([](const CLI::App*) { return true; })) {
    names.merge(value_options(*command));
  }
  return names;
}

std::vector<std::string> prepared(const std::vector<std::string>& arguments,
                                  const std::set<std::string>& value_options) {
  std::vector<std::string> out;
  bool is_value = false;
  bool verbatim = false;
  for (const auto& argument : arguments) {
    if (verbatim || is_value) {
      out.push_back(argument);
      is_value = false;
      continue;
    }
    verbatim = argument == "--";
    is_value = value_options.contains(argument);
    const std::string name = argument.substr(0, argument.size() - std::min<std::size_t>(argument.size(), 1));
    if (argument == "-ns") {
      out.emplace_back("--notify-systemd");
    } else if (argument.ends_with('=') && value_options.contains(name)) {
      out.insert(out.end(), {name, std::string()});
    } else {
      out.push_back(argument);
    }
  }
  return out;
}

std::string quotable(const std::string& argument) {
  return common::escape_controls(config::without_secret(argument));
}

}  // namespace monitor::cli
