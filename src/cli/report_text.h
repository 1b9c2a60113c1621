// A report for programs: as JSON and as CSV. Pure.
#pragma once

#include <string>
#include <string_view>

#include "report/report.h"

namespace monitor::cli {

/// One object, with one service per line, so that a person can read it and `grep` can cut it. `source`: `local` or
/// `external`.
std::string report_json(const report::Report& report, std::string_view source);

/// RFC 4180: a header, then one row for each service. Control characters in texts are escaped.
std::string report_csv(const report::Report& report);

}  // namespace monitor::cli
