#include "report/summary.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <utility>

namespace monitor::report {
namespace {

/// The nearest-rank percentile, in milliseconds. `values` is reordered.
std::optional<double> percentile_ms(std::vector<std::uint32_t>& values, double percent) {
  if (values.empty()) return std::nullopt;
  const auto rank = static_cast<std::size_t>(std::ceil(percent / 100.0 * static_cast<double>(values.size())));
  const auto position = values.begin() + static_cast<std::ptrdiff_t>(std::max<std::size_t>(rank, 1) - 1);
  std::nth_element(values.begin(), position, values.end());
  return static_cast<double>(*position) / 1000.0;
}

}  // namespace

void Summary::add(const Sample& sample) {
  ++report_.checks;
  const auto* info = common::find_outcome(sample.outcome);
  switch (info == nullptr ? common::Verdict::kUnknown : info->verdict) {
    case common::Verdict::kUp:
      ++report_.up;
      break;
    case common::Verdict::kDegraded:
      ++report_.degraded;
      break;
    case common::Verdict::kDown:
      ++report_.down;
      break;
    case common::Verdict::kUnknown:
      ++report_.unknown;
      break;
  }
  if (sample.responded) {
    const auto micros = std::clamp<std::int64_t>(sample.total.count(), 0, std::numeric_limits<std::uint32_t>::max());
    totals_us_.push_back(static_cast<std::uint32_t>(micros));
  }
  if (!report_.last_at || sample.at >= *report_.last_at) {
    report_.last_at = sample.at;
    report_.last_outcome = info == nullptr ? std::string{"unknown"} : std::string{info->name};
    report_.last_reason = sample.reason;
  }
}

ServiceReport Summary::finish(std::string service) {
  report_.service = std::move(service);
  const auto known = report_.up + report_.degraded + report_.down;
  if (known > 0) {
    report_.up_percent = 100.0 * static_cast<double>(report_.up + report_.degraded) / static_cast<double>(known);
  }
  report_.p50_ms = percentile_ms(totals_us_, 50);
  report_.p95_ms = percentile_ms(totals_us_, 95);
  return std::move(report_);
}

}  // namespace monitor::report
