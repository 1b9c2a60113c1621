// Counts, percentages and percentiles of one service's checks. Pure; one thread.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "common/outcome.h"
#include "common/units.h"
#include "report/report.h"

namespace monitor::report {

/// One check, as far as a summary needs it.
struct Sample {
  common::WallTime at{};
  std::uint8_t outcome = 0;  ///< as stored: a newer version may have outcomes that this one does not know
  bool responded = false;    ///< there was an HTTP response
  common::Micros total{};
  std::string_view reason;
};

class Summary {
 public:
  void add(const Sample& sample);
  void add_recheck() { ++report_.rechecks; }
  void add_skipped(std::int64_t slots) { report_.skipped += slots; }
  ServiceReport finish(std::string service);

 private:
  ServiceReport report_;
  std::vector<std::uint32_t> totals_us_;
};

}  // namespace monitor::report
