#include "report/summary.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <map>
#include <utility>

namespace monitor::report {
namespace {

using storage::Measure;
using storage::SkipReason;

constexpr std::array kSkipReasons{SkipReason::kStillRunning, SkipReason::kPoolExhausted, SkipReason::kSuspended,
                                  SkipReason::kStopping,     SkipReason::kRateLimited,   SkipReason::kRetryAfter};
constexpr double kMicrosInMilli = 1000;

std::optional<double> millis(const std::optional<double>& micros) {
  return micros ? std::optional{*micros / kMicrosInMilli} : std::nullopt;
}

Percentiles percentiles(const common::Histogram& histogram) {
  return {.checks = histogram.count(),
          .p50_ms = millis(histogram.percentile(50)),
          .p95_ms = millis(histogram.percentile(95)),
          .p99_ms = millis(histogram.percentile(99))};
}

std::optional<double> percent(std::int64_t part, std::int64_t whole) {
  constexpr double kHundred = 100;
  if (whole == 0) return std::nullopt;
  return kHundred * static_cast<double>(part) / static_cast<double>(whole);
}

/// Every reason that this version knows, and the others together if there were any.
std::vector<std::pair<std::string, std::int64_t>> by_reason(const std::map<std::uint8_t, std::uint64_t>& skipped) {
  std::vector<std::pair<std::string, std::int64_t>> named;
  std::int64_t others = 0;
  for (const auto& [code, slots] : skipped) others += static_cast<std::int64_t>(slots);
  for (const auto reason : kSkipReasons) {
    const auto found = skipped.find(static_cast<std::uint8_t>(reason));
    const auto slots = found == skipped.end() ? 0 : static_cast<std::int64_t>(found->second);
    named.emplace_back(name_of(reason), slots);
    others -= slots;
  }
  if (others > 0) named.emplace_back("unknown", others);
  return named;
}

}  // namespace

std::int64_t slots_inside(const storage::Skipped& range, common::WallTime from, common::WallTime to) {
  // A clock that was set back makes a range that ends before it begins: its slots count where it ends.
  const auto first = std::min(range.from, range.to);
  const std::int64_t length = (range.to - first).count();
  // Slot i of n is at from + floor(length · i / (n − 1)).
  const auto slots_before = [&](common::WallTime time) -> std::int64_t {
    const std::int64_t offset = (time - first).count();
    if (offset <= 0) return 0;
    if (offset > length || length == 0) return range.count;
    __extension__ using Wide = __int128;
    return static_cast<std::int64_t>((Wide{offset} * (range.count - 1) + length - 1) / length);
  };
  return std::max<std::int64_t>(0, slots_before(to) - slots_before(from));
}

ServiceReport nothing_of(std::string service) {
  return Summary{}.finish(std::move(service), Outages{{}});
}

void Summary::add(const storage::ReportRow& row) {
  if (row.attempt > 0) {
    ++sum_.rechecks;
    return;
  }
  ++sum_.outcomes[static_cast<std::uint8_t>(row.outcome)];
  if (row.status) {
    sum_.measure(Measure::kTotal).add(row.total);
    sum_.total_sum += row.total;
  }
  const auto add = [&](Measure measure, const std::optional<common::Micros>& duration) {
    if (duration) sum_.measure(measure).add(*duration);
  };
  add(Measure::kDns, row.dns);
  add(Measure::kConnect, row.connect);
  add(Measure::kTls, row.tls);
  add(Measure::kFirstByte, row.first_byte);
  add(Measure::kTransfer, row.transfer);
  add(Measure::kLateness, row.lateness);
  sum_.lateness_max = std::max(sum_.lateness_max, row.lateness);
  set_last(row);
}

void Summary::add_skipped(SkipReason reason, std::int64_t slots) {
  if (slots > 0) sum_.skipped[static_cast<std::uint8_t>(reason)] += static_cast<std::uint64_t>(slots);
}

void Summary::set_last(const storage::ReportRow& row) {
  if (last_ && row.requested_at < last_->at) return;
  if (!last_) last_.emplace();
  last_->at = row.requested_at;
  last_->outcome = row.outcome;
  last_->reason.assign(row.reason);
  last_->status = row.status;
  last_->total = row.total;
}

bool Summary::empty() const {
  return sum_.outcomes.empty() && sum_.skipped.empty() && sum_.rechecks == 0 && not_running_ == 0;
}

void Summary::count_outcomes(ServiceReport& report) const {
  for (const auto& [code, times] : sum_.outcomes) {
    const auto checks = static_cast<std::int64_t>(times);
    report.checks += checks;
    switch (common::verdict_of(static_cast<common::Outcome>(code))) {
      case common::Verdict::kUp:
        report.up += checks;
        break;
      case common::Verdict::kDegraded:
        report.degraded += checks;
        break;
      case common::Verdict::kDown:
        report.down += checks;
        break;
      case common::Verdict::kUnknown:
        report.unknown += checks;
        break;
    }
  }
}

ServiceReport Summary::finish(std::string service, const Outages& outages) const {
  ServiceReport report;
  report.service = std::move(service);
  count_outcomes(report);
  report.skipped_by_reason = by_reason(sum_.skipped);
  for (const auto& [reason, slots] : report.skipped_by_reason) report.skipped += slots;
  report.rechecks = static_cast<std::int64_t>(sum_.rechecks);
  report.not_running = std::llround(not_running_);
  const auto known = report.checks - report.unknown;
  report.up_percent = percent(report.up + report.degraded, known);
  report.coverage_percent = percent(known, report.slots_due() + report.not_running);

  const auto& totals = sum_.measure(Measure::kTotal);
  report.total = percentiles(totals);
  if (totals.count() > 0) {
    report.mean_ms = static_cast<double>(sum_.total_sum.count()) / kMicrosInMilli / static_cast<double>(totals.count());
  }
  for (std::size_t i = 0; i < kPhases.size(); ++i) {
    report.phases.at(i) = percentiles(sum_.measures.at(static_cast<std::size_t>(Measure::kDns) + i));
  }
  report.lateness = percentiles(sum_.measure(Measure::kLateness));
  if (report.lateness.checks > 0) {
    report.lateness_max_ms = static_cast<double>(sum_.lateness_max.count()) / kMicrosInMilli;
  }
  report.outage_count = outages.count();
  report.outage_length = outages.length();
  report.outages = outages.longest();
  if (last_) {
    report.last_at = last_->at;
    report.last_outcome = common::name_of(last_->outcome);
    storage::ReportRow row;
    row.outcome = last_->outcome;
    row.status = last_->status;
    row.total = last_->total;
    row.reason = last_->reason;
    report.last_reason = storage::reason_text(row);
  }
  return report;
}

}  // namespace monitor::report
