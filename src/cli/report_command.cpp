#include <algorithm>
#include <memory>
#include <ranges>
#include <unordered_set>
#include <utility>

#include <CLI/App.hpp>
#include <fmt/format.h>
#include <fmt/ranges.h>

#include "cli/cli.h"
#include "cli/command.h"
#include "cli/database_file.h"
#include "cli/external.h"
#include "cli/paths.h"
#include "cli/report_tables.h"
#include "cli/report_text.h"
#include "cli/warnings.h"
#include "common/error.h"
#include "common/units.h"
#include "config/document.h"
#include "config/faults.h"
#include "config/settings.h"
#include "report/report.h"

namespace monitor::cli {
namespace {

constexpr const char* kDefaultLast = "24h";

struct Arguments {
  std::optional<std::string> config_path, last, service;
  bool json = false, csv = false, external = false, phases = false;
};

using report::Report;
using report::ServiceReport;

std::chrono::seconds parse_last(const std::string& text) {
  const auto last = common::parse_duration(text);
  if (last && last->count() > 0) return *last;
  throw common::UsageError(fmt::format(
      "--last must be a duration such as 90s, 15m, 24h or 7d, and more than nothing, not {}", config::in_quotes(text)));
}

/// What is configured and has no result in the window is reported too, with nothing in it.
void add_missing(Report& report, const config::Document& document) {
  std::unordered_set<std::string> there;
  for (const auto& service : report.services) there.insert(service.service);
  for (const auto& service : document.services) {
    const auto [label, missing] = there.insert(service.label());
    if (missing) report.services.push_back(report::nothing_of(*label));
  }
  std::ranges::sort(report.services, {}, &ServiceReport::service);
}

/// The label that `typed`, a number of the services table or a name, stands for.
std::string label_of(const config::Document& document, const std::string& typed) {
  const bool number = !typed.empty() && std::ranges::all_of(typed, [](char c) { return c >= '0' && c <= '9'; });
  return number ? document.services[config::find_service(document, typed)].label() : typed;
}

/// Answers for any service, or for the one that the options name.
using Source = std::function<Report(const report::Options&)>;

Report report_of(const config::Document& document, const Source& source, report::Options options,
                 const std::optional<std::string>& typed) {
  if (typed) options.service = label_of(document, *typed);
  auto report = source(options);
  if (!options.service) {
    add_missing(report, document);
    return report;
  }
  if (!report.services.empty()) return report;
  const std::string wanted = *std::exchange(options.service, std::nullopt);
  report = source(options);
  add_missing(report, document);
  std::vector<std::string> names;
  names.reserve(report.services.size());
  for (const auto& service : report.services) names.push_back(service.service);
  std::erase_if(report.services, [&](const auto& service) { return service.service != wanted; });
  if (!report.services.empty()) return report;
  throw common::UsageError(fmt::format("there is no service {} to report on; there is {}", config::in_quotes(wanted),
                                       names.empty() ? "none at all" : fmt::format("{}", fmt::join(names, ", "))));
}

Source source_of(const config::Document& document, bool external) {
  if (external) {
    return [uri = external_database(document, "to report from; set external_database_uri, or leave out --external")](
               const report::Options& options) { return report::summarize_external(uri, options); };
  }
  return [database = database_file(document)](const report::Options& options) {
    return report::summarize(database, options);
  };
}

int run_report(Console& console, const Arguments& arguments) {
  const auto document = config::read(config_file(arguments.config_path));
  report::Options options;
  options.last = parse_last(arguments.last.value_or(kDefaultLast));
  options.now = std::chrono::floor<common::Micros>(std::chrono::system_clock::now());
  const auto report = report_of(document, source_of(document, arguments.external), options, arguments.service);
  if (arguments.json) {
    console.out << report_json(report, arguments.external ? "external" : "local");
  } else if (arguments.csv) {
    console.out << report_csv(report);
  } else {
    console.out << report_tables(report, {.phases = arguments.phases || arguments.service});
  }
  print_warnings(console, report.notes);
  return kDone;
}

}  // namespace

void add_report_command(CLI::App& root, Choice& choice) {
  CLI::App& command = add_command(
      root, "report",
      "Report on each service: how it did, how much of it was seen, how long it took, and its longest outages.\n"
      "From the local database, also while the monitor runs, or with --external from PostgreSQL. Where only roll-ups "
      "are left the window begins with a whole hour or day; the first line says so.\n"
      "up % is of the checks whose verdict is known, up and degraded among them; coverage % is how many those are of "
      "all slots that were due: checks, skipped ones, and those that fell into time the agent was not running. "
      "Percentiles are of the checks that had an HTTP response, and within 6.25 %. Re-checks are in no figure but "
      "their own; they and slots lost while not running have a column where there were any.\n"
      "With --json: an object with the keys from, to (times in UTC), source, lost, notes and services, a list of "
      "objects with the keys service, checks, up, degraded, down, unknown, skipped, up_percent, p50_ms, p95_ms, "
      "last_outcome, last_reason, last_at, rechecks, coverage_percent, slots_due (= checks + skipped), "
      "skipped_by_reason, not_running, p99_ms, mean_ms, phases, lateness, outage_count, outage_seconds, outages; null "
      "where there is nothing to tell. Each of phases has checks, p50_ms, p95_ms and p99_ms; lateness the last three "
      "and max_ms; each of outages from, to, watched, seconds, checks, outcome and reason; each of lost reason, from, "
      "to and count. Keys are only ever added, and so are the columns of --csv.",
      "monitor report\n"
      "monitor report --last 7d --service web\n"
      "monitor report --last 365d --external\n"
      "monitor report --last 1h --json");
  const auto arguments = std::make_shared<Arguments>();
  add_text(command, "--last", arguments->last, "DURATION",
           fmt::format("How far to look back: 90s, 15m, 24h, 365d. Default: {}", kDefaultLast));
  add_text(command, "--service", arguments->service, "NUMBER|NAME", "Report on this service alone, phases and all.");
  add_switch(command, "--phases", arguments->phases, "Show the times of each phase too.");
  auto& json = add_switch(command, "--json", arguments->json, "Print JSON instead of tables.");
  add_switch(command, "--csv", arguments->csv, "Print CSV instead of tables, one row for each service.")
      .excludes(&json);
  add_switch(command, "--external", arguments->external, "Report from PostgreSQL, all agents that send there.");
  add_config_path(command, arguments->config_path);
  choose(command, choice, arguments, run_report);
}

}  // namespace monitor::cli
