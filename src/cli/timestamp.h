// Times as programs read them. Pure.
#pragma once

#include <string>

#include "common/units.h"

namespace monitor::cli {

/// RFC 3339 §5.6, in UTC: `2024-04-22T12:35:30.970123Z`.
std::string timestamp(common::WallTime time);

/// Seconds, with as many digits as it takes.
double seconds_of(common::Micros duration);

}  // namespace monitor::cli
