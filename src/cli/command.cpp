#include "cli/command.h"

#include <utility>

#include <CLI/App.hpp>

namespace monitor::cli {

CLI::App& add_group(CLI::App& parent, const std::string& name, const std::string& description) {
  CLI::App& group = *parent.add_subcommand(name, description);
  group.require_subcommand(1);
  return group;
}

CLI::App& add_command(CLI::App& parent, const std::string& name, const std::string& description,
                      const std::string& examples) {
  CLI::App& command = *parent.add_subcommand(name, description);
  command.footer(examples);
  return command;
}

CLI::Option& add_text(CLI::App& command, const std::string& name, std::optional<std::string>& value,
                      const std::string& type, const std::string& description) {
  const CLI::callback_t store = [&value](const CLI::results_t& results) {
    value = results.front();
    return true;
  };
  return *command.add_option(name, store, description)->type_name(type);
}

CLI::Option& add_switch(CLI::App& command, const std::string& names, bool& value, const std::string& description) {
  return *command.add_flag(names, value, description);
}

void add_config_path(CLI::App& command, std::optional<std::string>& value) {
  add_text(command, "--config-path", value, "PATH",
           "Path to the configuration file. Default: ~/.monitoring/monitoring-config");
}

void add_yes(CLI::App& command, bool& value, const std::string& description) {
  add_switch(command, "-y,--yes", value, description);
}

void choose(CLI::App& command, Choice& choice, std::function<int(Console&)> run, int failed) {
  command.callback([&choice, run = std::move(run), failed] { choice = {run, failed}; });
}

}  // namespace monitor::cli
