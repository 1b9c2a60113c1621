#include <algorithm>
#include <cmath>
#include <memory>
#include <ranges>
#include <utility>

#include <CLI/App.hpp>
#include <boost/json/serialize.hpp>
#include <boost/json/string.hpp>
#include <fmt/format.h>
#include <fmt/ranges.h>

#include "cli/cli.h"
#include "cli/command.h"
#include "cli/paths.h"
#include "cli/tables.h"
#include "common/error.h"
#include "common/text.h"
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
  bool json = false;
};

/// The local database's path. The whole configuration is expanded only where the path needs it: the variables and
/// secrets of the daemon's environment are not always those of who asks for a report.
std::filesystem::path database_of(const config::Document& document) {
  const auto& path = document.local_database_path;
  const bool expands = document.format == config::Format::kYaml && path.find("${") != std::string::npos;
  if (expands) return config::load(document.file).storage.path;
  return expanded(path.empty() ? config::kDefaultLocalPath : path);
}

std::chrono::seconds parse_last(const std::string& text) {
  const auto last = common::parse_duration(text);
  if (last && last->count() > 0) return *last;
  throw common::UsageError(fmt::format(
      "--last must be a duration such as 90s, 15m, 24h or 7d, and more than nothing, not {}", config::in_quotes(text)));
}

/// What is configured and has no result in the window is reported too, with nothing in it.
void add_missing(std::vector<report::ServiceReport>& services, const config::Document& document) {
  for (const auto& service : document.services) {
    const std::string label = service.label();
    if (std::ranges::find(services, label, &report::ServiceReport::service) != services.end()) continue;
    report::ServiceReport empty;
    empty.service = label;
    services.push_back(std::move(empty));
  }
  std::ranges::sort(services, {}, &report::ServiceReport::service);
}

/// The label that `typed`, a number of the services table or a name, stands for.
std::string label_of(const config::Document& document, const std::string& typed) {
  const bool number = !typed.empty() && std::ranges::all_of(typed, [](char c) { return c >= '0' && c <= '9'; });
  return number ? document.services[config::find_service(document, typed)].label() : typed;
}

std::vector<report::ServiceReport> services_of(const config::Document& document, report::Options options,
                                               const std::optional<std::string>& typed) {
  if (typed) options.service = label_of(document, *typed);
  auto services = report::summarize(options);
  if (!options.service) {
    add_missing(services, document);
    return services;
  }
  if (!services.empty()) return services;
  const std::string wanted = *std::exchange(options.service, std::nullopt);
  services = report::summarize(options);
  add_missing(services, document);
  const auto found = std::ranges::find(services, wanted, &report::ServiceReport::service);
  if (found != services.end()) return {*found};
  const auto names = std::views::transform(services, &report::ServiceReport::service);
  throw common::UsageError(fmt::format("there is no service {} to report on; there is {}", config::in_quotes(wanted),
                                       services.empty() ? "none at all" : fmt::format("{}", fmt::join(names, ", "))));
}

/// Cut, not rounded, to two digits: only what is complete is 100.00.
std::string percent(const std::optional<double>& value) {
  if (!value) return "None";
  constexpr double kTwoDigits = 100;
  return fmt::format("{:.2f}", std::floor(*value * kTwoDigits) / kTwoDigits);
}

std::string millis(const std::optional<double>& value) {
  return value ? fmt::format("{:.1f}", *value) : "None";
}

std::string text_or_none(const std::string& text) {
  return text.empty() ? "None" : text;
}

Table report_table(const std::vector<report::ServiceReport>& services) {
  Table table{{"service", "checks", "up %", "p50 ms", "p95 ms", "skipped", "last outcome", "reason"}, {}};
  for (const auto& service : services) {
    table.rows.push_back({service.service, fmt::format("{}", service.checks), percent(service.up_percent),
                          millis(service.p50_ms), millis(service.p95_ms), fmt::format("{}", service.skipped),
                          text_or_none(service.last_outcome), text_or_none(service.last_reason)});
  }
  if (std::ranges::all_of(services, [](const auto& service) { return service.rechecks == 0; })) return table;
  constexpr std::ptrdiff_t kBehindChecks = 2;
  table.header.insert(table.header.begin() + kBehindChecks, "re-checks");
  for (std::size_t i = 0; i < services.size(); ++i) {
    table.rows[i].insert(table.rows[i].begin() + kBehindChecks, fmt::format("{}", services[i].rechecks));
  }
  return table;
}

/// RFC 3339 §5.6, in UTC.
std::string timestamp(common::WallTime time) {
  std::string text = common::format_time(time);
  std::ranges::replace(text, ' ', 'T');
  return text + "Z";
}

std::string quoted(const std::string& text) {
  return boost::json::serialize(boost::json::string(text));
}

std::string text_or_null(const std::string& text) {
  return text.empty() ? "null" : quoted(text);
}

/// Boost.JSON would write 99.5 as 9.95E1, which people read badly.
std::string number_or_null(const std::optional<double>& number) {
  return number ? fmt::format("{}", *number) : "null";
}

std::string json_object(const report::ServiceReport& service) {
  return fmt::format(
      R"({{"service": {}, "checks": {}, "up": {}, "degraded": {}, "down": {}, "unknown": {}, "skipped": {}, )"
      R"("up_percent": {}, "p50_ms": {}, "p95_ms": {}, "last_outcome": {}, "last_reason": {}, "last_at": {}, "rechecks": {}}})",
      quoted(service.service), service.checks, service.up, service.degraded, service.down, service.unknown,
      service.skipped, number_or_null(service.up_percent), number_or_null(service.p50_ms),
      number_or_null(service.p95_ms), text_or_null(service.last_outcome), text_or_null(service.last_reason),
      service.last_at ? quoted(timestamp(*service.last_at)) : "null", service.rechecks);
}

/// One service per line, so that a person can read it and `grep` can cut it.
std::string report_json(const std::vector<report::ServiceReport>& services, const report::Options& options) {
  const auto objects = std::views::transform(services, json_object);
  return fmt::format("{{\"from\": {}, \"to\": {}, \"services\": [{}{}]}}\n",
                     quoted(timestamp(options.now - options.last)), quoted(timestamp(options.now)),
                     services.empty() ? "" : "\n  ", fmt::join(objects, ",\n  "));
}

int report(Console& console, const Arguments& arguments) {
  const auto document = config::read(config_file(arguments.config_path));
  report::Options options;
  options.database = database_of(document);
  options.last = parse_last(arguments.last.value_or(kDefaultLast));
  options.now = std::chrono::floor<common::Micros>(std::chrono::system_clock::now());
  const auto services = services_of(document, options, arguments.service);
  if (arguments.json) {
    console.out << report_json(services, options);
  } else {
    console.out << render(report_table(services));
  }
  return kDone;
}

}  // namespace

void add_report_command(CLI::App& root, Choice& choice) {
  CLI::App& command = add_command(
      root, "report",
      "Report on each service from the local database.\n"
      "May be run while the monitor runs. Percentages are of the checks whose verdict is known; percentiles are of "
      "the checks that had an HTTP response. Re-checks are in neither; where there were any they have a column.\n"
      "With --json: an object with the keys from, to (times in UTC) and services, a list of objects with the keys "
      "service, checks, up, degraded, down, unknown, skipped, up_percent, p50_ms, p95_ms, last_outcome, last_reason, "
      "last_at, rechecks; null where there is nothing to tell. Keys are only ever added.",
      "monitor report\n"
      "monitor report --last 7d --service web\n"
      "monitor report --last 1h --json");
  const auto arguments = std::make_shared<Arguments>();
  add_text(command, "--last", arguments->last, "DURATION",
           fmt::format("How far to look back: 90s, 15m, 24h, 7d. Default: {}", kDefaultLast));
  add_text(command, "--service", arguments->service, "NUMBER|NAME", "Report on this service alone.");
  add_switch(command, "--json", arguments->json, "Print JSON instead of a table.");
  add_config_path(command, arguments->config_path);
  choose(command, choice, arguments, report);
}

}  // namespace monitor::cli
