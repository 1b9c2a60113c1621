#include "cli/report_tables.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <map>
#include <ranges>
#include <string_view>
#include <tuple>
#include <utility>
#include <vector>

#include <fmt/format.h>
#include <fmt/ranges.h>

#include "cli/tables.h"

namespace monitor::cli {
namespace {

/// Of all services together, so many outages are shown to a person.
constexpr std::size_t kShownOutages = 10;

using report::Percentiles;
using report::Report;
using report::ServiceReport;

/// Cut, not rounded, to two digits: only what is complete is 100.00.
std::string percent(const std::optional<double>& value) {
  if (!value) return "None";
  constexpr double kTwoDigits = 100;
  // 18.4 times 100 is a little less than 1840. So little is not one check of a thousand million.
  constexpr double kInexact = 1e-7;
  return fmt::format("{:.2f}", std::floor(*value * kTwoDigits + kInexact) / kTwoDigits);
}

std::string millis(const std::optional<double>& value) {
  return value ? fmt::format("{:.1f}", *value) : "None";
}

std::string text_or_none(const std::string& text) {
  return text.empty() ? "None" : text;
}

/// `2024-04-22 12:35:30`
std::string second_of(common::WallTime time) {
  constexpr std::size_t kToTheSecond = 19;
  return common::format_time(time).substr(0, kToTheSecond);
}

/// The two largest units: `1d 2h`, `3m 20s`, `0.4s`.
std::string length_text(common::Micros length) {
  using std::chrono::seconds;
  constexpr std::array units{std::pair{seconds{std::chrono::days{1}}, 'd'}, std::pair{seconds{3600}, 'h'},
                             std::pair{seconds{60}, 'm'}, std::pair{seconds{1}, 's'}};
  const auto whole = std::chrono::floor<seconds>(length);
  if (whole < units[2].first) return fmt::format("{:.1f}s", std::chrono::duration<double>(length).count());
  const auto unit = std::ranges::find_if(units, [&](const auto& candidate) { return candidate.first <= whole; });
  const auto rest = whole % unit->first / (unit + 1)->first;
  return fmt::format("{}{} {}{}", whole / unit->first, unit->second, rest, (unit + 1)->second);
}

bool any(const Report& report, std::int64_t ServiceReport::* count) {
  return std::ranges::any_of(report.services, [&](const auto& service) { return service.*count != 0; });
}

/// Re-checks and slots that fell into downtime of the agent have a column only where there were any.
Table counts_table(const Report& report) {
  const bool rechecks = any(report, &ServiceReport::rechecks);
  const bool not_running = any(report, &ServiceReport::not_running);
  Table table{{"service", "checks"}, {}};
  if (rechecks) table.header.emplace_back("re-checks");
  for (const auto* name : {"up %", "coverage %", "up", "degraded", "down", "unknown", "skipped"}) {
    table.header.emplace_back(name);
  }
  if (not_running) table.header.emplace_back("not running");
  for (const auto& service : report.services) {
    std::vector<std::string> row{service.service, fmt::format("{}", service.checks)};
    if (rechecks) row.push_back(fmt::format("{}", service.rechecks));
    row.push_back(percent(service.up_percent));
    row.push_back(percent(service.coverage_percent));
    for (const auto count : {service.up, service.degraded, service.down, service.unknown, service.skipped}) {
      row.push_back(fmt::format("{}", count));
    }
    if (not_running) row.push_back(fmt::format("{}", service.not_running));
    table.rows.push_back(std::move(row));
  }
  return table;
}

Table times_table(const Report& report) {
  Table table{{"service", "p50 ms", "p95 ms", "p99 ms", "late p99 ms", "last outcome", "reason"}, {}};
  for (const auto& service : report.services) {
    table.rows.push_back({service.service, millis(service.total.p50_ms), millis(service.total.p95_ms),
                          millis(service.total.p99_ms), millis(service.lateness.p99_ms),
                          text_or_none(service.last_outcome), text_or_none(service.last_reason)});
  }
  return table;
}

Table phases_table(const Report& report) {
  Table table{{"service", "time of", "checks", "p50 ms", "p95 ms", "p99 ms", "max ms"}, {}};
  for (const auto& service : report.services) {
    const auto add = [&](std::string_view what, const Percentiles& times, std::string longest) {
      table.rows.push_back({service.service, std::string(what), fmt::format("{}", times.checks), millis(times.p50_ms),
                            millis(times.p95_ms), millis(times.p99_ms), std::move(longest)});
    };
    for (std::size_t i = 0; i < report::kPhases.size(); ++i) add(report::kPhases.at(i), service.phases.at(i), "None");
    add("total", service.total, "None");
    add("lateness", service.lateness, millis(service.lateness_max_ms));
  }
  return table;
}

Table outages_table(const Report& report) {
  std::vector<std::pair<std::string, report::Outage>> longest;
  for (const auto& service : report.services) {
    for (const auto& outage : service.outages) longest.emplace_back(service.service, outage);
  }
  std::ranges::sort(longest, [](const auto& one, const auto& other) {
    return std::tie(other.second.length, one.first) < std::tie(one.second.length, other.first);
  });
  if (longest.size() > kShownOutages) longest.resize(kShownOutages);
  Table table{{"longest outages", "from (UTC)", "to (UTC)", "lasted", "checks", "reason"}, {}};
  for (const auto& [service, outage] : longest) {
    const auto* open = outage.watched ? "still down" : "end not seen";
    table.rows.push_back({service, second_of(outage.from), outage.to ? second_of(*outage.to) : open,
                          length_text(outage.length), fmt::format("{}", outage.checks), text_or_none(outage.reason)});
  }
  return table;
}

/// Why slots of all services together did not run.
std::string skipped_line(const Report& report) {
  std::map<std::string, std::int64_t> sums;
  for (const auto& service : report.services) {
    for (const auto& [reason, slots] : service.skipped_by_reason) {
      if (slots > 0) sums[reason] += slots;
    }
  }
  if (sums.empty()) return {};
  const auto parts =
      std::views::transform(sums, [](const auto& sum) { return fmt::format("{} {}", sum.second, sum.first); });
  return fmt::format("skipped: {}\n", fmt::join(parts, ", "));
}

std::string lost_lines(const Report& report) {
  std::string lines;
  for (const auto& loss : report.lost) {
    if (loss.count == 0) continue;
    lines += fmt::format("{} results are lost and in no figure ({}, {} to {} UTC)\n", loss.count, loss.reason,
                         second_of(loss.from), second_of(loss.to));
  }
  return lines;
}

}  // namespace

std::string report_tables(const Report& report, const ReportView& view) {
  std::string out = fmt::format("{} to {} UTC\n", second_of(report.from), second_of(report.to));
  out += render(counts_table(report));
  out += render(times_table(report));
  if (view.phases) out += render(phases_table(report));
  const auto outages = outages_table(report);
  if (!outages.rows.empty()) out += render(outages);
  return out + skipped_line(report) + lost_lines(report);
}

}  // namespace monitor::cli
