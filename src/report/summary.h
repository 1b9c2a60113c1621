// Counts, percentages and percentiles of one service: of its results, of what is left of older ones, or of both. Pure;
// one thread.
#pragma once

#include <cstdint>
#include <optional>
#include <string>

#include "common/units.h"
#include "report/outages.h"
#include "report/report.h"
#include "storage/reader.h"
#include "storage/rollup.h"

namespace monitor::report {

/// How many of the evenly spaced slots of `range` are in [from, to).
std::int64_t slots_inside(const storage::Skipped& range, common::WallTime from, common::WallTime to);

/// Of up rows the reason is made when it is asked for, not for each of them.
struct LastCheck {
  common::WallTime at{};
  common::Outcome outcome = common::Outcome::kUp;  ///< as stored
  std::string reason;
  std::optional<std::uint16_t> status;
  common::Micros total{};
};

class Summary {
 public:
  /// A result; a re-check is counted apart.
  void add(const storage::ReportRow& row);
  void add(const storage::Rollup& rollup) { sum_.merge(rollup); }
  void add_skipped(storage::SkipReason reason, std::int64_t slots);
  /// May be fractions: they are rounded when they are all there.
  void add_not_running(double slots) { not_running_ += slots; }
  /// The last check of a slot, unless a later one is known.
  void set_last(const storage::ReportRow& row);

  /// For roll-ups that are added up in place.
  storage::Rollup& sum() { return sum_; }
  /// Whether there is nothing to report.
  bool empty() const;
  ServiceReport finish(std::string service, const Outages& outages) const;

 private:
  void count_outcomes(ServiceReport& report) const;

  storage::Rollup sum_;
  double not_running_ = 0;
  std::optional<LastCheck> last_;
};

}  // namespace monitor::report
