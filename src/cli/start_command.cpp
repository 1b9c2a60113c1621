#include <exception>
#include <memory>
#include <new>

#include <CLI/App.hpp>
#include <fmt/format.h>

#include "app/room_to_run.h"
#include "cli/cli.h"
#include "cli/command.h"
#include "cli/paths.h"
#include "cli/prompt.h"
#include "cli/warnings.h"
#include "common/error.h"
#include "common/log.h"
#include "common/memory.h"
#include "config/settings.h"

namespace monitor::cli {
namespace {

struct Arguments {
  std::optional<std::string> config_path;
  int verbosity = 0;
  bool notify_systemd = false;
  bool yes = false;
};

/// The log, from its start to its flushed end.
class Log {
 public:
  explicit Log(int verbosity) { common::log::start(common::log::level_of(verbosity)); }
  ~Log() { common::log::stop(); }
  Log(const Log&) = delete;
  Log& operator=(const Log&) = delete;
};

int start(Console& console, const Arguments& arguments) {
  const auto settings = config::load(config_file(arguments.config_path));
  print_warnings(console, settings.warnings);
  if (settings.agent.enabled && settings.agent.services.empty()) {
    throw common::UsageError(fmt::format(
        "cannot start monitoring: there is no service in {}: add one with `monitor config services add URL METHOD`, "
        "or switch the agent off there (`workers: {{agent: false}}`)",
        shown(settings.file)));
  }
  confirm(console, fmt::format("Are you sure want to start monitoring? Config path: {}", shown(settings.file)),
          arguments.yes);
  const Log log(arguments.verbosity);
  return console.daemon(settings, arguments.notify_systemd);
}

/// Want of memory has many words; under a limit another start finds as little.
int start_with_memory(Console& console, const Arguments& arguments) {
  try {
    return start(console, arguments);
  } catch (const common::UsageError&) {
    throw;
  } catch (const std::bad_alloc&) {
    if (!common::memory_limits().any()) throw;
    throw common::UsageError(
        "there is too little memory to start; raise the limit (LimitAS= or LimitDATA= of the unit, ulimit -v or -d)");
  } catch (const std::exception&) {  // a thread that was refused, say
    app::require_room_to_run();
    throw;
  }
}

}  // namespace

void add_start_command(CLI::App& root, Choice& choice) {
  CLI::App& command = add_command(root, "start",
                                  "Start monitoring.\n"
                                  "Runs until SIGINT or SIGTERM; a second one ends it at once. The log goes to the "
                                  "standard error.",
                                  "monitor start -vvvv\n"
                                  "monitor start --yes -ns --config-path /etc/monitor/monitoring-config");
  const auto arguments = std::make_shared<Arguments>();
  command.add_flag("-v", arguments->verbosity,
                   "Logging level: -vvv warnings, -vvvv what happens, -vvvvv everything; fewer: errors only.");
  add_switch(command, "--notify-systemd", arguments->notify_systemd, "Notify systemd after application start.")
      .option_text("-ns, --notify-systemd");
  add_yes(command, arguments->yes, "Start without a confirmation prompt.");
  add_config_path(command, arguments->config_path);
  choose(command, choice, arguments, start_with_memory);
}

}  // namespace monitor::cli
