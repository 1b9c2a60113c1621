#include <algorithm>
#include <ranges>

#include <boost/json/serialize.hpp>
#include <boost/json/string.hpp>
#include <fmt/format.h>
#include <fmt/ranges.h>

#include "cli/report_text.h"
#include "cli/timestamp.h"

namespace monitor::cli {
namespace {

using report::Percentiles;
using report::Report;
using report::ServiceReport;

std::string json_text(std::string_view text) {
  return boost::json::serialize(boost::json::string(text));
}

std::string text_or_null(const std::string& text) {
  return text.empty() ? "null" : json_text(text);
}

std::string time_or_null(const std::optional<common::WallTime>& time) {
  return time ? json_text(timestamp(*time)) : "null";
}

/// Boost.JSON would write 99.5 as 9.95E1, which people read badly.
std::string number_or_null(const std::optional<double>& number) {
  return number ? fmt::format("{}", *number) : "null";
}

std::string percentiles(const Percentiles& times) {
  return fmt::format(R"("p50_ms": {}, "p95_ms": {}, "p99_ms": {})", number_or_null(times.p50_ms),
                     number_or_null(times.p95_ms), number_or_null(times.p99_ms));
}

std::string phases(const ServiceReport& service) {
  std::string out;
  for (std::size_t i = 0; i < report::kPhases.size(); ++i) {
    const auto& times = service.phases.at(i);
    out += fmt::format(R"({}"{}": {{"checks": {}, {}}})", i == 0 ? "" : ", ", report::kPhases.at(i), times.checks,
                       percentiles(times));
  }
  return out;
}

std::string skipped_by_reason(const ServiceReport& service) {
  const auto members = std::views::transform(service.skipped_by_reason, [](const auto& reason) {
    return fmt::format(R"("{}": {})", reason.first, reason.second);
  });
  return fmt::format("{}", fmt::join(members, ", "));
}

std::string outages(const ServiceReport& service) {
  const auto objects = std::views::transform(service.outages, [](const report::Outage& outage) {
    return fmt::format(
        R"({{"from": {}, "to": {}, "watched": {}, "seconds": {}, "checks": {}, "outcome": {}, "reason": {}}})",
        json_text(timestamp(outage.from)), time_or_null(outage.to), outage.watched, seconds_of(outage.length),
        outage.checks, text_or_null(outage.outcome), text_or_null(outage.reason));
  });
  return fmt::format("{}", fmt::join(objects, ", "));
}

std::string service_object(const ServiceReport& service) {
  std::string out = fmt::format(
      R"({{"service": {}, "checks": {}, "up": {}, "degraded": {}, "down": {}, "unknown": {}, "skipped": {}, )"
      R"("up_percent": {}, "p50_ms": {}, "p95_ms": {}, "last_outcome": {}, "last_reason": {}, "last_at": {}, )"
      R"("rechecks": {}, )",
      json_text(service.service), service.checks, service.up, service.degraded, service.down, service.unknown,
      service.skipped, number_or_null(service.up_percent), number_or_null(service.total.p50_ms),
      number_or_null(service.total.p95_ms), text_or_null(service.last_outcome), text_or_null(service.last_reason),
      time_or_null(service.last_at), service.rechecks);
  out += fmt::format(
      R"("coverage_percent": {}, "slots_due": {}, "skipped_by_reason": {{{}}}, "not_running": {}, "p99_ms": {}, )"
      R"("mean_ms": {}, "phases": {{{}}}, "lateness": {{{}, "max_ms": {}}}, )"
      R"("outage_count": {}, "outage_seconds": {}, "outages": [{}]}})",
      number_or_null(service.coverage_percent), service.slots_due(), skipped_by_reason(service), service.not_running,
      number_or_null(service.total.p99_ms), number_or_null(service.mean_ms), phases(service),
      percentiles(service.lateness), number_or_null(service.lateness_max_ms), service.outage_count,
      seconds_of(service.outage_length), outages(service));
  return out;
}

std::string lost_object(const report::Loss& loss) {
  return fmt::format(R"({{"reason": {}, "from": {}, "to": {}, "count": {}}})", json_text(loss.reason),
                     json_text(timestamp(loss.from)), json_text(timestamp(loss.to)), loss.count);
}

}  // namespace

std::string report_json(const Report& report, std::string_view source) {
  const auto services = std::views::transform(report.services, service_object);
  const auto lost = std::views::transform(report.lost, lost_object);
  const auto notes = std::views::transform(report.notes, [](const std::string& note) { return json_text(note); });
  return fmt::format(
      "{{\"from\": {}, \"to\": {}, \"source\": {}, \"lost\": [{}], \"notes\": [{}], \"services\": [{}{}]}}\n",
      json_text(timestamp(report.from)), json_text(timestamp(report.to)), json_text(source), fmt::join(lost, ", "),
      fmt::join(notes, ", "), report.services.empty() ? "" : "\n  ", fmt::join(services, ",\n  "));
}

}  // namespace monitor::cli
