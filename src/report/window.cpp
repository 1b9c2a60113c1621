#include "report/window.h"

#include "storage/rollup.h"

namespace monitor::report {

using storage::Tier;

Window window_from(common::WallTime wanted, const Edge& edge) {
  const auto day = start_of(Tier::kDay, wanted);
  if (edge.day && !edge.all_hours) return {.from = day, .days_from = day};
  return {.from = edge.hour ? start_of(Tier::kHour, wanted) : wanted,
          .days_from = day == wanted ? day : day + width_of(Tier::kDay)};
}

}  // namespace monitor::report
