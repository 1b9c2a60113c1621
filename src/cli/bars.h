// Durations as a small bar chart. Pure.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "common/units.h"

namespace monitor::cli {

struct Bar {
  std::string_view label;
  std::optional<common::Micros> duration;  ///< null: it did not take place
};

/// One line for each, ended by a newline: the label, the milliseconds below each other, and a bar. The longest duration
/// has the longest bar, the others are in proportion; what took any time at all has something to be seen. With
/// `unicode` to an eighth of a column, otherwise in `#`.
std::string bar_chart(const std::vector<Bar>& bars, bool unicode);

}  // namespace monitor::cli
