#include "cli/cli.h"

#include <algorithm>
#include <exception>
#include <new>
#include <optional>
#include <ostream>
#include <string_view>

#include <CLI/CLI.hpp>
#include <fmt/format.h>
#include <fmt/ranges.h>

#include "cli/arguments.h"
#include "cli/command.h"
#include "cli/help.h"
#include "cli/prompt.h"
#include "common/error.h"
#include "common/text.h"

namespace monitor::cli {
namespace {

void define(CLI::App& root, Choice& choice) {
  root.formatter(help_pages());
  root.set_help_flag("--help", "Show this message and exit.");
  root.set_version_flag("--version", "monitor " MONITOR_VERSION, "Show the version and exit.");
  root.footer(
      "monitor check https://example.org/\n"
      "monitor config create\n"
      "monitor config services add https://example.org/ GET\n"
      "monitor plan\n"
      "monitor start -vvvv\n"
      "monitor report --last 1h");
  root.require_subcommand(1);
  add_config_commands(root, choice);
  add_plan_command(root, choice);
  add_start_command(root, choice);
  add_reload_command(root, choice);
  add_health_command(root, choice);
  add_check_command(root, choice);
  add_report_command(root, choice);
  add_db_commands(root, choice);
  add_quarantine_commands(root, choice);
  add_verify_command(root, choice);
}

/// The name of the command that the arguments reached: `monitor config show`.
std::string reached(const CLI::App& app) {
  const auto commands = app.get_subcommands();
  return commands.empty() ? app.get_name() : fmt::format("{} {}", app.get_name(), reached(*commands.front()));
}

/// Whether the arguments ended in a group of commands without naming one of them.
bool lacks_command(const CLI::App& app) {
  const auto commands = app.get_subcommands();
  return commands.empty() ? app.get_require_subcommand_min() > 0 : lacks_command(*commands.front());
}

/// CLI11's sentence for a wrong command line; where it would repeat arguments, they are freed of secrets first.
std::string sentence(const CLI::App& root, const CLI::ParseError& error) {
  if (dynamic_cast<const CLI::ConversionError*>(&error) != nullptr) return quotable(error.what());
  const auto extras = root.remaining(true);
  const bool lacking = dynamic_cast<const CLI::RequiredError*>(&error) != nullptr && lacks_command(root);
  const bool unexpected_ones = dynamic_cast<const CLI::ExtrasError*>(&error) != nullptr || lacking;
  if (!unexpected_ones || extras.empty()) return error.what();
  const auto command = std::ranges::find_if(extras, [](const auto& extra) { return !extra.starts_with('-'); });
  if (lacking && command != extras.end()) {
    return fmt::format("`{}` has no command \"{}\"", reached(root), quotable(*command));
  }
  std::vector<std::string> unexpected;
  unexpected.reserve(extras.size());
  for (const auto& argument : extras) unexpected.push_back(quotable(argument));
  return fmt::format("not expected here: {}", fmt::join(unexpected, " "));
}

/// `text` as lines that are inert in a terminal, the first one after `monitor: ` unless it names a place in a file.
void complain(std::ostream& err, std::string_view text, bool located) {
  if (!located) err << "monitor: ";
  while (!text.empty()) {
    const std::size_t end = std::min(text.find('\n'), text.size());
    err << common::escape_controls(text.substr(0, end)) << '\n';
    text.remove_prefix(std::min(end + 1, text.size()));
  }
  err << std::flush;
}

/// Whether `text` starts as `FILE:LINE:COLUMN: `.
bool is_located(std::string_view text) {
  const std::string_view place = text.substr(0, std::min(text.find(": "), text.size()));
  const auto number_behind = [&](std::size_t colon) {
    return colon != std::string_view::npos && colon + 1 < place.size() && place[colon + 1] >= '0' &&
           place[colon + 1] <= '9';
  };
  const std::size_t column = place.rfind(':');
  if (!number_behind(column) || column == 0) return false;
  return number_behind(place.rfind(':', column - 1));
}

/// Nothing: `choice` says what is to be done. Else all has been done, and this is the exit status.
std::optional<int> choose_from(const std::vector<std::string>& arguments, Console& console, Choice& choice) {
  CLI::App root("Monitor the statuses of services over HTTP/S.", "monitor");
  define(root, choice);
  auto reversed = prepared(arguments, value_options(root));
  std::ranges::reverse(reversed);
  try {
    root.parse(std::move(reversed));
  } catch (const CLI::CallForHelp&) {
    console.out << root.help();
    return kDone;
  } catch (const CLI::CallForVersion& version) {
    console.out << version.what() << '\n';
    return kDone;
  } catch (const CLI::ParseError& error) {
    throw common::UsageError(fmt::format("{}\nTry `{} --help`.", sentence(root, error), reached(root)));
  }
  return std::nullopt;
}

int finished(int status, Console& console) {
  console.out.flush();
  if (console.out) return status;
  throw common::Error(
      "cannot write to the standard output: it is closed, or its disk is full; the command itself has been done");
}

int attempt(const std::vector<std::string>& arguments, Console& console, bool runs) {
  Choice choice;
  try {
    const auto shown = choose_from(arguments, console, choice);
    return finished(shown ? *shown : runs ? choice.run(console) : kDone, console);
  } catch (const Aborted& aborted) {
    console.err << aborted.what() << '\n' << std::flush;
    return kFailed;
  } catch (const common::UsageError& error) {
    complain(console.err, error.what(), is_located(error.what()));
    return kWrongUsage;
  } catch (const std::bad_alloc&) {
    complain(console.err, "there is too little memory; raise the limit (MemoryMax= of the unit, or ulimit -v)", false);
    return choice.failed;
  } catch (const std::exception& error) {
    complain(console.err, error.what(), false);
    return choice.failed;
  }
}

}  // namespace

int run(const std::vector<std::string>& arguments, Console& console) {
  return attempt(arguments, console, true);
}

int parse(const std::vector<std::string>& arguments, Console& console) {
  return attempt(arguments, console, false);
}

}  // namespace monitor::cli
