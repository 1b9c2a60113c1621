#include <memory>
#include <ranges>

#include <CLI/App.hpp>
#include <boost/json/serialize.hpp>
#include <boost/json/string.hpp>
#include <fmt/format.h>
#include <fmt/ranges.h>

#include "app/limits.h"
#include "app/plan.h"
#include "cli/cli.h"
#include "cli/command.h"
#include "cli/paths.h"
#include "cli/tables.h"
#include "cli/warnings.h"
#include "common/text.h"
#include "common/units.h"

namespace monitor::cli {
namespace {

/// Of the hosts, so many are shown to a person.
constexpr std::size_t kShownHosts = 10;

struct Arguments {
  std::optional<std::string> config_path;
  bool json = false;
};

/// Small ones still tell something.
std::string rate(double checks_a_second) {
  return checks_a_second >= 1 ? fmt::format("{:.2f}", checks_a_second) : fmt::format("{:.4f}", checks_a_second);
}

Table figures(const app::Plan& plan) {
  Table table{{"what", "how much"}, {}};
  const auto add = [&](std::string what, std::string much) {
    table.rows.push_back({std::move(what), std::move(much)});
  };
  add("services", fmt::format("{}", plan.services));
  add("hosts", fmt::format("{}", plan.hosts.size()));
  add("checks a second", rate(plan.checks_a_second));
  add(fmt::format("sockets: checks at once, of {} ms each", app::kTypicalCheck.count()),
      fmt::format("{}", plan.at_once_typical));
  add("sockets: checks at once when no server answers", fmt::format("{}", plan.at_once_worst));
  add(fmt::format("sockets: checks at once with {} open files", plan.open_files),
      fmt::format("{} at most", plan.at_once_possible));
  if (plan.idle_connections > 0) {
    add("sockets: connections kept open", fmt::format("{} at most", plan.idle_connections));
  }
  add("memory", fmt::format("about {}", common::format_size(plan.memory_typical)));
  add("memory when no server answers", fmt::format("about {}", common::format_size(plan.memory_worst)));
  return table;
}

Table volumes(const app::Plan& plan) {
  Table table{{"database", "a day", "a year", "kept", "there after a year"}, {}};
  const auto amount = [](std::uint64_t rows, std::uint64_t bytes) {
    return fmt::format("{} rows, {}", rows, common::format_size(bytes));
  };
  const auto add = [&](std::string database, const app::Volume& volume) {
    table.rows.push_back({std::move(database), amount(volume.rows_a_day, volume.bytes_a_day),
                          amount(volume.rows_a_year, volume.bytes_a_year),
                          volume.kept_for ? common::format_duration(*volume.kept_for) : "without end",
                          amount(volume.rows_kept, volume.bytes_kept)});
  };
  add("local", plan.local);
  if (plan.remote) add("PostgreSQL", *plan.remote);
  return table;
}

Table hosts(const app::Plan& plan) {
  Table table{{"host", "services", "checks a second"}, {}};
  for (const auto& host : plan.hosts | std::views::take(kShownHosts)) {
    table.rows.push_back({host.host, fmt::format("{}", host.services), rate(host.checks_a_second)});
  }
  return table;
}

std::string page(const app::Plan& plan) {
  std::string out = render(figures(plan)) + render(volumes(plan));
  if (!plan.hosts.empty()) out += render(hosts(plan));
  if (plan.hosts.size() > kShownHosts) out += fmt::format("and {} more hosts\n", plan.hosts.size() - kShownHosts);
  for (const auto& warning : plan.warnings) out += fmt::format("Warning: {}\n", common::escape_controls(warning));
  return out;
}

std::string quoted(const std::string& text) {
  return boost::json::serialize(boost::json::string(text));
}

std::string volume_json(const app::Volume& volume) {
  return fmt::format(
      R"({{"rows_per_day": {}, "bytes_per_day": {}, "rows_per_year": {}, "bytes_per_year": {}, "kept_seconds": {}, )"
      R"("rows_kept": {}, "bytes_kept": {}}})",
      volume.rows_a_day, volume.bytes_a_day, volume.rows_a_year, volume.bytes_a_year,
      volume.kept_for ? fmt::format("{}", volume.kept_for->count()) : "null", volume.rows_kept, volume.bytes_kept);
}

std::string host_json(const app::HostLoad& host) {
  return fmt::format(R"({{"host": {}, "services": {}, "checks_per_second": {:.3f}}})", quoted(host.host), host.services,
                     host.checks_a_second);
}

std::string plan_json(const app::Plan& plan) {
  const auto hosts = std::views::transform(plan.hosts, host_json);
  const auto warnings = std::views::transform(plan.warnings, quoted);
  return fmt::format(
      R"({{"services": {}, "checks_per_second": {:.3f}, "hosts": [{}],)"
      "\n"
      R"( "at_once": {{"typical": {}, "worst": {}, "possible": {}}}, "open_files": {}, "idle_connections": {},)"
      "\n"
      R"( "memory_bytes": {{"typical": {}, "worst": {}}},)"
      "\n"
      R"( "local": {},)"
      "\n"
      R"( "remote": {},)"
      "\n"
      R"( "warnings": [{}]}})"
      "\n",
      plan.services, plan.checks_a_second, fmt::join(hosts, ", "), plan.at_once_typical, plan.at_once_worst,
      plan.at_once_possible, plan.open_files, plan.idle_connections, plan.memory_typical, plan.memory_worst,
      volume_json(plan.local), plan.remote ? volume_json(*plan.remote) : "null", fmt::join(warnings, ", "));
}

int plan(Console& console, const Arguments& arguments) {
  const auto settings = config::load(config_file(arguments.config_path));
  print_warnings(console, settings.warnings);
  const auto plan = app::plan_of(settings, app::open_files_at_most(), app::local_max_size(settings.storage.path));
  console.out << (arguments.json ? plan_json(plan) : page(plan));
  return kDone;
}

}  // namespace

void add_plan_command(CLI::App& root, Choice& choice) {
  CLI::App& command = add_command(
      root, "plan",
      "Tell what a configuration will do, without doing it.\n"
      "Checks a second in all and for each host, sockets, memory, and what goes into the databases in a day "
      "and a year (rows of results; bytes are theirs and those of the roll-ups). Warns of hosts that get more "
      "than 10 checks a second. Nothing is asked and nothing is written. The limit of open files is that of "
      "this shell: the service's own may differ.\n"
      "With --json: an object with the keys services, checks_per_second, hosts (host, services, "
      "checks_per_second), at_once (typical, worst, possible), open_files, idle_connections, memory_bytes "
      "(typical, worst), local and remote (rows_per_day, bytes_per_day, rows_per_year, bytes_per_year, "
      "kept_seconds, rows_kept, bytes_kept), warnings; null where there is nothing to tell. Keys are only ever "
      "added.",
      "monitor plan\n"
      "monitor plan --json --config-path /etc/monitor/monitoring-config");
  const auto arguments = std::make_shared<Arguments>();
  add_switch(command, "--json", arguments->json, "Print JSON instead of tables.");
  add_config_path(command, arguments->config_path);
  choose(command, choice, arguments, plan);
}

}  // namespace monitor::cli
