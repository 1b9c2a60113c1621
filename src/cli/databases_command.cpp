#include <memory>

#include <CLI/App.hpp>
#include <fmt/format.h>

#include "app/adopt.h"
#include "cli/cli.h"
#include "cli/command.h"
#include "cli/edit.h"
#include "cli/external.h"
#include "cli/paths.h"
#include "cli/prompt.h"
#include "cli/reload.h"
#include "cli/views.h"
#include "common/error.h"

namespace monitor::cli {
namespace {

struct ShowArguments {
  std::optional<std::string> config_path;
};

struct UpdateArguments {
  std::optional<std::string> config_path, local_path, external_uri;
  bool no_external = false;
};

int show_databases(Console& console, const ShowArguments& arguments) {
  const auto document = config::read(config_file(arguments.config_path));
  console.out << render(databases_table(document, Secrets::kMasked));
  return kDone;
}

int update_databases(Console& console, const UpdateArguments& arguments) {
  if (!arguments.local_path && !arguments.external_uri && !arguments.no_external) {
    throw common::UsageError(
        "there is nothing to update: give at least one of --local-path, --external-uri, --no-external");
  }
  std::optional<std::string> path;
  if (arguments.local_path) path = local_path(*arguments.local_path);
  const auto uri = external_uri(console, arguments.external_uri);
  std::optional<std::filesystem::path> runs_on;  // a monitor that runs has the path of before
  const auto change = [&](config::Document& document) {
    runs_on = known_database(document);
    if (path) document.local_database_path = *path;
    if (!uri && !arguments.no_external) return;
    document.external_database_uri = uri;
    document.external_database_uri_file.reset();
  };
  const auto document = apply(console, {config_file(arguments.config_path), change, {}}, true);
  console.out << render(databases_table(document, Secrets::kMasked))
              << fmt::format("The databases have been updated. {}\n", ask_to_take(document.file, runs_on));
  return kDone;
}

struct AdoptArguments {
  std::optional<std::string> config_path;
  bool yes = false;
};

int adopt_original(Console& console, const AdoptArguments& arguments) {
  const auto document = config::read(config_file(arguments.config_path));
  const auto uri = external_database(document, "with a table to adopt; set external_database_uri");
  confirm(console,
          "In the external database the table monitoring will be renamed to monitoring_original, and a view monitoring "
          "made over it and the results of this program. The tool before monitor must have been stopped: it cannot "
          "write there any more. Continue?",
          arguments.yes);
  console.out << app::adopt_original(uri);
  return kDone;
}

void define_show(CLI::App& databases, Choice& choice) {
  CLI::App& command =
      add_command(databases, "show", "Show where results are kept and sent.", "monitor config databases show");
  const auto arguments = std::make_shared<ShowArguments>();
  add_config_path(command, arguments->config_path);
  choose(command, choice, arguments, show_databases);
}

void define_update(CLI::App& databases, Choice& choice) {
  CLI::App& command = add_command(databases, "update", "Update where results are kept and sent.",
                                  "monitor config databases update --local-path /var/lib/monitor/results.sqlite3\n"
                                  "printf '%s\\n' \"$URI\" | monitor config databases update --external-uri -\n"
                                  "monitor config databases update --no-external");
  const auto arguments = std::make_shared<UpdateArguments>();
  add_text(command, "--local-path", arguments->local_path, "PATH",
           "Path to the local SQLite database; a relative one is written as an absolute one.");
  CLI::Option& uri = add_text(command, "--external-uri", arguments->external_uri, "URI",
                              "PostgreSQL to send results to. `-` reads it from the standard input, so that a "
                              "password is in no process list.");
  add_switch(command, "--no-external", arguments->no_external, "Send results nowhere: they stay in the local database.")
      .excludes(&uri);
  add_config_path(command, arguments->config_path);
  choose(command, choice, arguments, update_databases);
}

void define_adopt(CLI::App& databases, Choice& choice) {
  CLI::App& command = add_command(
      databases, "adopt",
      "Show the old rows too: where PostgreSQL has a table monitoring of the tool before monitor, rename it to "
      "monitoring_original and make a view monitoring over both.\n"
      "In one transaction, which changes nothing if it cannot be done: stop the tool before monitor first. Running "
      "monitors go on.",
      "monitor config databases adopt");
  const auto arguments = std::make_shared<AdoptArguments>();
  add_yes(command, arguments->yes, "Do not ask.");
  add_config_path(command, arguments->config_path);
  choose(command, choice, arguments, adopt_original);
}

}  // namespace

void add_databases_commands(CLI::App& config, Choice& choice) {
  CLI::App& databases = add_group(config, "databases", "Show and update where results are kept and sent.");
  define_show(databases, choice);
  define_update(databases, choice);
  define_adopt(databases, choice);
}

}  // namespace monitor::cli
