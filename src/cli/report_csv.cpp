#include <algorithm>
#include <utility>
#include <vector>

#include <fmt/format.h>

#include "cli/report_text.h"
#include "cli/timestamp.h"
#include "common/text.h"

namespace monitor::cli {
namespace {

using report::Percentiles;
using report::Report;
using report::ServiceReport;

/// Names and values of one row side by side, so that neither can slip.
class Row {
 public:
  void add(std::string name, std::string value) {
    names_.push_back(std::move(name));
    values_.push_back(std::move(value));
  }
  void add(std::string name, std::int64_t value) { add(std::move(name), fmt::format("{}", value)); }
  void add(std::string name, std::optional<double> value) {
    add(std::move(name), value ? fmt::format("{}", *value) : std::string{});
  }
  void add(std::string name, const std::optional<common::WallTime>& time) {
    add(std::move(name), time ? timestamp(*time) : std::string{});
  }
  void add(const std::string& prefix, const Percentiles& times) {
    add(prefix + "p50_ms", times.p50_ms);
    add(prefix + "p95_ms", times.p95_ms);
    add(prefix + "p99_ms", times.p99_ms);
  }
  std::string header() const { return line(names_); }
  std::string values() const { return line(values_); }

 private:
  /// RFC 4180 §2.
  static std::string field(const std::string& raw) {
    const std::string text = common::escape_controls(raw);
    if (text.find_first_of("\",") == std::string::npos) return text;
    std::string out = "\"";
    for (const char c : text) out.append(c == '"' ? 2 : 1, c);
    return out += '"';
  }
  static std::string line(const std::vector<std::string>& fields) {
    std::string out;
    for (const auto& text : fields) out.append(field(text)) += ',';
    out.pop_back();
    return out += "\r\n";
  }

  std::vector<std::string> names_, values_;
};

/// A column for every reason that this version knows.
void add_skipped(Row& row, const ServiceReport& service) {
  for (const auto& [reason, none] : report::nothing_of({}).skipped_by_reason) {
    const auto found =
        std::ranges::find(service.skipped_by_reason, reason, &std::pair<std::string, std::int64_t>::first);
    row.add("skipped_" + reason, found == service.skipped_by_reason.end() ? none : found->second);
  }
}

void add_outages(Row& row, const ServiceReport& service) {
  row.add("outage_count", static_cast<std::int64_t>(service.outage_count));
  row.add("outage_seconds", std::optional{seconds_of(service.outage_length)});
  for (std::size_t i = 0; i < report::kLongestOutages; ++i) {
    const auto name = [&](const char* what) { return fmt::format("outage_{}_{}", i + 1, what); };
    const bool there = i < service.outages.size();
    const auto outage = there ? service.outages[i] : report::Outage{};
    row.add(name("from"), there ? std::optional{outage.from} : std::nullopt);
    row.add(name("to"), outage.to);
    row.add(name("watched"), std::string(!there ? "" : outage.watched ? "1" : "0"));
    row.add(name("seconds"), there ? std::optional{seconds_of(outage.length)} : std::nullopt);
    row.add(name("reason"), outage.reason);
  }
}

Row row_of(const Report& report, const ServiceReport& service) {
  Row row;
  row.add("service", service.service);
  row.add("from", std::optional{report.from});
  row.add("to", std::optional{report.to});
  row.add("checks", service.checks);
  row.add("up", service.up);
  row.add("degraded", service.degraded);
  row.add("down", service.down);
  row.add("unknown", service.unknown);
  row.add("skipped", service.skipped);
  row.add("slots_due", service.slots_due());
  row.add("not_running", service.not_running);
  row.add("rechecks", service.rechecks);
  row.add("up_percent", service.up_percent);
  row.add("coverage_percent", service.coverage_percent);
  row.add("mean_ms", service.mean_ms);
  row.add("", service.total);
  for (std::size_t i = 0; i < report::kPhases.size(); ++i) {
    row.add(std::string(report::kPhases.at(i)) + "_", service.phases.at(i));
  }
  row.add("lateness_", service.lateness);
  row.add("lateness_max_ms", service.lateness_max_ms);
  add_skipped(row, service);
  add_outages(row, service);
  row.add("last_outcome", service.last_outcome);
  row.add("last_reason", service.last_reason);
  row.add("last_at", service.last_at);
  return row;
}

}  // namespace

std::string report_csv(const Report& report) {
  std::string out = row_of(report, ServiceReport{}).header();
  for (const auto& service : report.services) out += row_of(report, service).values();
  return out;
}

}  // namespace monitor::cli
