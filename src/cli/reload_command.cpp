#include <memory>

#include <CLI/App.hpp>
#include <boost/json/object.hpp>
#include <fmt/format.h>

#include "app/control_client.h"
#include "cli/answer.h"
#include "cli/command.h"
#include "cli/database_file.h"
#include "cli/paths.h"
#include "cli/reload.h"
#include "common/error.h"
#include "common/text.h"
#include "config/settings.h"

namespace monitor::cli {
namespace {

namespace json = boost::json;

/// A hundred thousand services are read and judged in a fraction of it, on any machine.
constexpr std::chrono::seconds kPatience{60};

struct Arguments {
  std::optional<std::string> config_path;
};

std::optional<json::object> ask(const std::filesystem::path& file, const std::filesystem::path& database) {
  std::error_code unknown;
  const auto absolute = std::filesystem::absolute(file, unknown);
  return app::control::ask(database, {{"command", "reload"}, {"file", absolute.string()}}, kPatience);
}

/// One that runs keeps the path it began with, and listens beside that.
std::string nobody_runs(const std::filesystem::path& database) {
  return fmt::format("no monitor runs on {} (one that began with another path has to be restarted)",
                     common::escape_controls(shown(database)));
}

/// A file that cannot even be read is the daemon's to judge, if it is found at the usual place.
int reload(Console& console, const Arguments& arguments) {
  const auto file = config_file(arguments.config_path);
  std::optional<std::filesystem::path> database;
  std::exception_ptr failure;
  try {
    database = database_file(config::read(file));
  } catch (const common::UsageError&) {
    failure = std::current_exception();
  }
  const auto asked = database.value_or(expanded(config::kDefaultLocalPath));
  const auto answer = ask(file, asked);
  if (!answer && failure) std::rethrow_exception(failure);
  if (!answer) throw common::Error(fmt::format("{}; start one with `monitor start`", nobody_runs(asked)));
  console.out << fmt::format("The monitor has read its configuration again. {}\n",
                             common::escape_controls(text_at(*answer, "sentence")));
  return kDone;
}

}  // namespace

std::optional<std::filesystem::path> known_database(const config::Document& document) {
  try {
    return database_file(document);
  } catch (const common::UsageError&) {
    return std::nullopt;  // a variable or a secret of the daemon's
  }
}

std::string ask_to_take(const std::filesystem::path& file, const std::optional<std::filesystem::path>& database) {
  constexpr const char* kByHand = "reload it with `monitor reload` or `systemctl reload http-monitoring`";
  if (!database)
    return fmt::format("Where the local database is depends on the monitor's own environment: {}.", kByHand);
  try {
    const auto answer = ask(file, *database);
    if (!answer) return fmt::format("The change counts from the next start: {}.", nobody_runs(*database));
    return fmt::format("The running monitor has taken the change: {}",
                       common::escape_controls(text_at(*answer, "sentence")));
  } catch (const app::control::NoAnswer& error) {
    return fmt::format(
        "The running monitor does not say whether it has taken the change: {}; look at `monitor health`.",
        common::escape_controls(error.what()));
  } catch (const common::Error& error) {
    return fmt::format("The running monitor has not taken the change: {}. Once that is mended, {}.",
                       common::escape_controls(error.what()), kByHand);
  }
}

void add_reload_command(CLI::App& root, Choice& choice) {
  CLI::App& command = add_command(
      root, "reload",
      "Have the monitor that runs here read its configuration again, and say what it took over: 0 if it did, 1 if "
      "the file is not valid, in which case nothing changes, or if no monitor runs.",
      "monitor reload\n"
      "monitor reload --config-path /etc/monitor/monitoring-config");
  const auto arguments = std::make_shared<Arguments>();
  add_config_path(command, arguments->config_path);
  choose(command, choice, arguments, reload);
}

}  // namespace monitor::cli
