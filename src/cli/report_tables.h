// A report as a person reads it, and its figures as text. Pure.
#pragma once

#include <optional>
#include <string>

#include "common/units.h"
#include "report/report.h"

namespace monitor::cli {

struct ReportView {
  bool phases = false;  ///< the times of each phase too
};

/// Counts, times, and the longest outages, each as a table that fits 120 columns unless a name or reason is long.
std::string report_tables(const report::Report& report, const ReportView& view);

}  // namespace monitor::cli
