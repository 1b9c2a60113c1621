// What the command groups share: how a command is put into the parser, and which one was chosen. One thread.
#pragma once

#include <functional>
#include <memory>
#include <optional>
#include <string>

#include "cli/cli.h"
#include "cli/console.h"

namespace CLI {
class App;
class Option;
}  // namespace CLI

namespace monitor::cli {

/// What the arguments chose; set by the parser, run after it.
struct Choice {
  std::function<int(Console&)> run;
  int failed = kFailed;  ///< the exit status of a failure at run time
};

void add_start_command(CLI::App& root, Choice& choice);
void add_plan_command(CLI::App& root, Choice& choice);
void add_report_command(CLI::App& root, Choice& choice);
void add_verify_command(CLI::App& root, Choice& choice);
void add_reload_command(CLI::App& root, Choice& choice);
void add_health_command(CLI::App& root, Choice& choice);
void add_db_commands(CLI::App& root, Choice& choice);
void add_quarantine_commands(CLI::App& root, Choice& choice);
void add_check_command(CLI::App& root, Choice& choice);
void add_config_commands(CLI::App& root, Choice& choice);
void add_services_commands(CLI::App& config, Choice& choice);
void add_databases_commands(CLI::App& config, Choice& choice);

/// A group of commands, one of which must follow it.
CLI::App& add_group(CLI::App& parent, const std::string& name, const std::string& description);
/// `examples`: one per line, shown below the help.
CLI::App& add_command(CLI::App& parent, const std::string& name, const std::string& description,
                      const std::string& examples);

/// An option or, for a name without dashes, an argument. Its value arrives verbatim: CLI11 2.1 would read an empty text
/// into std::optional as "not given", a number with a leading zero as octal, `[a-z]` into a vector as `a-z`.
CLI::Option& add_text(CLI::App& command, const std::string& name, std::optional<std::string>& value,
                      const std::string& type, const std::string& description);
CLI::Option& add_switch(CLI::App& command, const std::string& names, bool& value, const std::string& description);
/// `--config-path`.
void add_config_path(CLI::App& command, std::optional<std::string>& value);
/// `-y, --yes`.
void add_yes(CLI::App& command, bool& value, const std::string& description);

/// Makes `run` what is done when `command` is the one that was typed; `failed` as in Choice.
void choose(CLI::App& command, Choice& choice, std::function<int(Console&)> run, int failed = kFailed);
template <typename Arguments>
void choose(CLI::App& command, Choice& choice, std::shared_ptr<Arguments> arguments,
            int (*run)(Console&, const Arguments&), int failed = kFailed) {
  choose(command, choice, [arguments, run](Console& console) { return run(console, *arguments); }, failed);
}

}  // namespace monitor::cli
