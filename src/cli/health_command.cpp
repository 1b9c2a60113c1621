#include <memory>

#include <CLI/App.hpp>
#include <boost/json/array.hpp>
#include <fmt/format.h>

#include "app/control_client.h"
#include "cli/answer.h"
#include "cli/command.h"
#include "cli/database_file.h"
#include "cli/paths.h"
#include "cli/tables.h"
#include "common/error.h"
#include "common/units.h"
#include "config/settings.h"

namespace monitor::cli {
namespace {

namespace json = boost::json;

struct Arguments {
  std::optional<std::string> config_path;
  bool json = false;
};

std::optional<json::object> health_at(const std::filesystem::path& database) {
  return app::control::ask(database, {{"command", "health"}});
}

/// A file that was spoilt while the daemon runs says nothing of the daemon: it is sought at the usual place, and is the
/// right one if it was started with that file.
std::optional<json::object> health_of(const std::filesystem::path& config) {
  std::optional<config::Document> document;
  std::exception_ptr failure;
  try {
    document = config::read(config);
  } catch (const common::UsageError&) {
    failure = std::current_exception();
  }
  auto health = health_at(document ? database_file(*document) : expanded(config::kDefaultLocalPath));
  if (failure && (!health || text_at(*health, "config_file") != config.string())) std::rethrow_exception(failure);
  return health;
}

std::string duration(std::int64_t seconds) {
  return common::format_duration(std::chrono::seconds{seconds});
}

Table workers_table(const json::object& health) {
  Table table{{"Worker", "State", "Doing", "Problem"}, {}};
  const auto* workers = health.if_contains("workers");
  if (workers == nullptr || !workers->is_array()) return table;
  for (const auto& value : workers->get_array()) {
    if (!value.is_object()) continue;
    const auto& worker = value.get_object();
    auto state = text_at(worker, "condition");
    if (state == "stalled" || state == "slow") state += " for " + duration(number_at(worker, "still_s"));
    table.rows.push_back({text_at(worker, "name"), state, cell_at(worker, "place"), cell_at(worker, "problem")});
  }
  return table;
}

std::string page(const json::object& health) {
  const auto& store = object_at(health, "store");
  const auto* commit = store.if_contains("last_commit_ago_s");
  json::error_code error;
  const double ago = commit == nullptr ? 0 : commit->to_number<double>(error);
  std::string out = fmt::format("{}: monitor {}, process {}, up for {}, configuration {}\n{}\n",
                                flag_at(health, "healthy") ? "Healthy" : "Not healthy", text_at(health, "version"),
                                number_at(health, "pid"), duration(number_at(health, "uptime_s")),
                                shown(text_at(health, "config_file")), text_at(health, "status"));
  out += fmt::format("Last commit: {}; {} results wait in memory, {} were dropped.\n",
                     commit == nullptr || error ? "none yet" : fmt::format("{:.1f} s ago", ago),
                     number_at(store, "waiting"), number_at(store, "dropped"));
  return out + render(workers_table(health));
}

int unhealthy(Console& console, const Arguments& arguments, const std::string& why) {
  if (!arguments.json) throw common::Error(why);
  console.out << json_line({{"healthy", false}, {"error", why}});
  return kFailed;
}

int show_health(Console& console, const Arguments& arguments) {
  const auto config = config_file(arguments.config_path);
  std::optional<json::object> health;
  try {
    health = health_of(config);
  } catch (const common::UsageError&) {
    throw;
  } catch (const common::Error& error) {
    return unhealthy(console, arguments, error.what());
  }
  if (!health) {
    return unhealthy(
        console, arguments,
        fmt::format("no monitor runs on the local database of {} (one that began with another path has to be "
                    "restarted); start one with `monitor start`",
                    shown(config)));
  }
  const bool healthy = flag_at(*health, "healthy");
  console.out << (arguments.json ? json_line(std::move(*health)) : page(*health));
  return healthy ? kDone : kFailed;
}

}  // namespace

void add_health_command(CLI::App& root, Choice& choice) {
  CLI::App& command = add_command(
      root, "health",
      "Say whether the monitor that runs here is well: 0 if every worker moves, 1 if one is stalled, if the monitor "
      "does not answer within 5 seconds, or if none runs.\n"
      "A declared degraded state, such as PostgreSQL being away or the disk full, is shown and is no failure: a "
      "restart "
      "would not mend it.",
      "monitor health\n"
      "monitor health --json");
  const auto arguments = std::make_shared<Arguments>();
  add_switch(command, "--json", arguments->json, "Print one line of JSON instead.");
  add_config_path(command, arguments->config_path);
  choose(command, choice, arguments, show_health);
}

}  // namespace monitor::cli
