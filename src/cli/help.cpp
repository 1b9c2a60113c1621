#include "cli/help.h"

#include <algorithm>
#include <utility>

#include <CLI/App.hpp>
#include <CLI/FormatterFwd.hpp>
#include <fmt/format.h>

namespace monitor::cli {
namespace {

constexpr std::size_t kWidth = 78;
/// Longer entries have their description below them, so that one of them does not push all others to the right.
constexpr std::size_t kMaxEntry = 30;

struct Entry {
  std::string name;
  std::string description;
};

std::string section(std::string_view title, const std::vector<Entry>& entries) {
  if (entries.empty()) return {};
  std::size_t column = 0;
  for (const auto& entry : entries) {
    if (entry.name.size() <= kMaxEntry) column = std::max(column, entry.name.size());
  }
  column += 4;
  std::string out = fmt::format("\n{}:\n", title);
  for (const auto& entry : entries) {
    std::string line = "  " + entry.name;
    if (line.size() + 2 > column) {
      out += line + "\n";
      line.clear();
    }
    for (const auto& text : wrapped(entry.description, kWidth - column)) {
      line.resize(column, ' ');
      out += line + text + "\n";
      line.clear();
    }
    if (!line.empty()) out += line + "\n";
  }
  return out;
}

std::string option_name(const CLI::Option& option) {
  std::string name = option.get_option_text();
  if (!name.empty()) return name;
  for (const auto& letter : option.get_snames()) name += (name.empty() ? "-" : ", -") + letter;
  for (const auto& word : option.get_lnames()) name += (name.empty() ? "--" : ", --") + word;
  if (option.get_items_expected_max() > 0) name += " " + option.get_type_name();
  return name;
}

std::vector<std::string_view> lines_of(std::string_view text) {
  std::vector<std::string_view> lines;
  while (!text.empty()) {
    const std::size_t end = std::min(text.find('\n'), text.size());
    lines.push_back(text.substr(0, end));
    text.remove_prefix(std::min(end + 1, text.size()));
  }
  return lines;
}

/// Each line of a description is a paragraph.
std::string paragraphs(std::string_view text) {
  std::string out;
  for (const auto paragraph : lines_of(text)) {
    out += "\n";
    for (const auto& line : wrapped(paragraph, kWidth - 2)) out += fmt::format("  {}\n", line);
  }
  return out;
}

std::string examples(std::string_view text) {
  if (text.empty()) return {};
  std::string out = "\nExamples:\n";
  for (const auto line : lines_of(text)) out += fmt::format("  {}\n", line);
  return out;
}

std::vector<const CLI::Option*> arguments_of(const CLI::App& app) {
  return app.get_options([](const CLI::Option* option) { return option->get_positional(); });
}

std::string usage(const CLI::App& app, std::string_view name, bool group) {
  std::string out = fmt::format("Usage: {} [OPTIONS]", name);
  if (group) out += " COMMAND [ARGS]...";
  for (const CLI::Option* argument : arguments_of(app)) {
    const std::string argument_name = argument->get_name(true);
    out += argument->get_required() ? " " + argument_name : fmt::format(" [{}]", argument_name);
  }
  return out + "\n";
}

/// In the order of their definition, with --help last.
std::vector<Entry> options_of(const CLI::App& app) {
  std::vector<Entry> entries;
  const auto add = [&](const CLI::Option* option) {
    entries.push_back({option_name(*option), option->get_description()});
  };
  for (const CLI::Option* option : app.get_options()) {
    if (!option->get_positional() && option != app.get_help_ptr()) add(option);
  }
  if (app.get_help_ptr() != nullptr) add(app.get_help_ptr());
  return entries;
}

class HelpPages final : public CLI::FormatterBase {
 public:
  std::string make_help(const CLI::App* app, std::string name, CLI::AppFormatMode) const override {
    std::vector<Entry> arguments;
    for (const CLI::Option* argument : arguments_of(*app)) {
      arguments.push_back({argument->get_name(true), argument->get_description()});
    }
    std::vector<Entry> commands;
    for (const CLI::App* command : app->get_subcommands([](const CLI::App*) { return true; })) {
      const std::string description = command->get_description();
      commands.push_back({command->get_name(), description.substr(0, description.find('\n'))});
    }
    return usage(*app, name, !commands.empty()) + paragraphs(app->get_description()) + section("Arguments", arguments) +
           section("Options", options_of(*app)) + section("Commands", commands) + examples(app->get_footer());
  }
};

}  // namespace

std::shared_ptr<CLI::FormatterBase> help_pages() {
  return std::make_shared<HelpPages>();
}

std::vector<std::string> wrapped(std::string_view text, std::size_t width) {
  std::vector<std::string> lines;
  std::string line;
  while (!text.empty()) {
    const std::size_t end = std::min(text.find(' '), text.size());
    const std::string_view word = text.substr(0, end);
    if (!line.empty() && line.size() + 1 + word.size() > width) lines.push_back(std::exchange(line, {}));
    if (!line.empty()) line += ' ';
    line += word;
    text.remove_prefix(std::min(end + 1, text.size()));
  }
  if (!line.empty()) lines.push_back(std::move(line));
  return lines;
}

}  // namespace monitor::cli
