#include "exporter/strays.h"

#include <fmt/format.h>

#include "exporter/postgres.h"
#include "exporter/remote_schema.h"

namespace monitor::exporter {

std::vector<BadRow> strays_of(const storage::Batch& batch, common::WallTime server_now) {
  std::vector<BadRow> strays;
  for (std::size_t i = 0; i < batch.results.size(); ++i) {
    const auto at = batch.results[i].requested_at;
    if (in_window(at, server_now)) continue;
    strays.push_back(
        {i, "23514",
         fmt::format("its time, {} UTC, is not within {} days before and {} days after the server's, {}",
                     common::format_time(at), kDaysBack.count(), kDaysAhead.count(), common::format_time(server_now))});
  }
  return strays;
}

void Strays::judge(const storage::Batch& batch, const std::vector<BadRow>& strays, common::WallTime now,
                   RefusalBudget& budget) {
  const bool few = budget.allows(strays);
  const bool agree = std::chrono::abs(now - clock_.wall()) <= kDaysAhead;
  if (!agree && (!few || strays.size() == batch.results.size())) {
    throw Refused("", fmt::format("PostgreSQL's clock says {} UTC and this machine's {}: correct the one that is wrong",
                                  common::format_time(now), common::format_time(clock_.wall())));
  }
  if (few) return budget.spend(strays);
  if (!since_) since_ = clock_.steady();
  if (clock_.steady() - *since_ >= patience_) return;
  throw Refused("",
                fmt::format("{} of {} results are too far from the time, {} UTC by both clocks, to be stored, from seq "
                            "{}: {}; if the clocks are wrong correct them, else these go to quarantine in {} minutes",
                            strays.size(), batch.results.size(), common::format_time(now),
                            batch.results[strays.front().index].seq, strays.front().reason, patience_.count()));
}

}  // namespace monitor::exporter
