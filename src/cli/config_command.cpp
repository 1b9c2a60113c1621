#include <memory>
#include <system_error>

#include <CLI/App.hpp>
#include <fmt/format.h>

#include "cli/cli.h"
#include "cli/command.h"
#include "cli/external.h"
#include "cli/paths.h"
#include "cli/prompt.h"
#include "cli/views.h"
#include "cli/warnings.h"
#include "common/error.h"
#include "common/text.h"
#include "config/document.h"
#include "config/file.h"
#include "config/settings.h"

namespace monitor::cli {
namespace {

struct CreateArguments {
  std::optional<std::string> config_path, uri, local_path;
  bool force = false;
};

struct ShowArguments {
  std::optional<std::string> config_path;
  bool reveal = false;
};

struct DeleteArguments {
  std::optional<std::string> config_path;
  bool yes = false;
};

struct ValidateArguments {
  std::optional<std::string> config_path;
};

int create_config(Console& console, const CreateArguments& arguments) {
  config::Document document;
  document.file = config_file(arguments.config_path);
  document.local_database_path = arguments.local_path ? local_path(*arguments.local_path) : config::kDefaultLocalPath;
  document.external_database_uri = external_uri(console, arguments.uri);
  config::create(document, arguments.force);
  console.out << fmt::format("The configuration {} has been created. {}\n", shown(document.file),
                             document.external_database_uri
                                 ? "Results are kept in the local database and sent to the external one."
                                 : "Results stay in the local database: no external one is set.");
  if (arguments.local_path && document.local_database_path != *arguments.local_path) {
    console.out << fmt::format("The local database is {}, whatever folder monitor is started in.\n",
                               common::escape_controls(document.local_database_path));
  }
  return kDone;
}

int show_config(Console& console, const ShowArguments& arguments) {
  const auto document = config::read(config_file(arguments.config_path));
  const auto secrets = arguments.reveal ? Secrets::kShown : Secrets::kMasked;
  console.out << render(databases_table(document, secrets))
              << render(services_table(document, Numbers::kNone, secrets));
  return kDone;
}

int delete_config(Console& console, const DeleteArguments& arguments) {
  const auto file = config_file(arguments.config_path);
  std::error_code ignored;
  if (!std::filesystem::exists(std::filesystem::symlink_status(file, ignored))) {
    throw common::UsageError(fmt::format("there is no configuration at {} to delete", shown(file)));
  }
  const bool link = std::filesystem::is_symlink(std::filesystem::symlink_status(file, ignored));
  const auto which = link ? fmt::format("{}, a link to {}", shown(file), shown(config::real_file(file))) : shown(file);
  confirm(console, fmt::format("Are you sure want to delete the configuration? Config path: {}", which), arguments.yes);
  config::remove(file);
  console.out << fmt::format("The configuration {} has been deleted{}. The databases are as they were.\n", which,
                             link ? ", file and link" : "");
  return kDone;
}

int validate_config(Console& console, const ValidateArguments& arguments) {
  const auto settings = config::load(config_file(arguments.config_path));
  print_warnings(console, settings.warnings);
  const auto counted = [](std::size_t count, const char* noun) {
    return fmt::format("{} {}{}", count, noun, count == 1 ? "" : "s");
  };
  console.out << fmt::format("OK: {}: {}, {}.\n", shown(settings.file),
                             counted(settings.agent.services.size(), "service"),
                             counted(settings.warnings.size(), "warning"));
  return kDone;
}

void define_create(CLI::App& config, Choice& choice) {
  CLI::App& command = add_command(config, "create",
                                  "Create a configuration file without services.\n"
                                  "Without a URI results stay in the local database and are sent nowhere.",
                                  "monitor config create\n"
                                  "monitor config create postgresql://user:password@127.0.0.1:5432/name\n"
                                  "printf '%s\\n' \"$URI\" | monitor config create -");
  const auto arguments = std::make_shared<CreateArguments>();
  add_text(command, "URI", arguments->uri, "TEXT",
           "The external database, a PostgreSQL URI. `-` reads it from the standard input, so that a password is in "
           "no process list.");
  add_text(command, "--local-path", arguments->local_path, "PATH",
           fmt::format("Path to the local SQLite database; a relative one is written as an absolute one. Default: {}",
                       config::kDefaultLocalPath));
  add_switch(command, "--force", arguments->force, "Overwrite a configuration that is there already.");
  add_config_path(command, arguments->config_path);
  choose(command, choice, arguments, create_config);
}

void define_show(CLI::App& config, Choice& choice) {
  CLI::App& command = add_command(config, "show", "Show the databases and the services.",
                                  "monitor config show\n"
                                  "monitor config show --reveal");
  const auto arguments = std::make_shared<ShowArguments>();
  add_switch(command, "--reveal", arguments->reveal, "Show passwords too.");
  add_config_path(command, arguments->config_path);
  choose(command, choice, arguments, show_config);
}

void define_validate(CLI::App& config, Choice& choice) {
  CLI::App& command = add_command(config, "validate",
                                  "Check the configuration as `monitor start` would read it.\n"
                                  "Environment variables and secret files are read too. Prints every fault with its "
                                  "place, or OK; warnings do not make it invalid.",
                                  "monitor config validate\n"
                                  "monitor config validate --config-path /etc/monitor/monitoring-config");
  const auto arguments = std::make_shared<ValidateArguments>();
  add_config_path(command, arguments->config_path);
  choose(command, choice, arguments, validate_config);
}

void define_delete(CLI::App& config, Choice& choice) {
  CLI::App& command = add_command(config, "delete", "Delete the configuration file; the databases stay.",
                                  "monitor config delete\n"
                                  "monitor config delete --yes");
  const auto arguments = std::make_shared<DeleteArguments>();
  add_yes(command, arguments->yes, "Delete without a confirmation prompt.");
  add_config_path(command, arguments->config_path);
  choose(command, choice, arguments, delete_config);
}

}  // namespace

void add_config_commands(CLI::App& root, Choice& choice) {
  CLI::App& config = add_group(root, "config", "Create, show, change, check and delete the configuration.");
  define_create(config, choice);
  define_show(config, choice);
  define_validate(config, choice);
  define_delete(config, choice);
  add_services_commands(config, choice);
  add_databases_commands(config, choice);
}

}  // namespace monitor::cli
