// Results from a time for which no partition exists or may be made, and whose clock it is that is wrong. io thread
// only.
#pragma once

#include <chrono>
#include <optional>
#include <vector>

#include "async/clock.h"
#include "exporter/bisection.h"
#include "storage/rows.h"

namespace monitor::exporter {

/// Results of `batch` outside of the window around the server's time.
std::vector<BadRow> strays_of(const storage::Batch& batch, common::WallTime server_now);

class Strays {
 public:
  /// `patience`: Limits::clock_patience.
  Strays(const async::Clock& clock, std::chrono::minutes patience) : clock_(clock), patience_(patience) {}

  /// Throws Refused while it may be a clock that is wrong and not these rows; else they may be set aside. `strays` are
  /// those of `batch` at `now`, the server's time, and some; few are spent of `budget`.
  void judge(const storage::Batch& batch, const std::vector<BadRow>& strays, common::WallTime now,
             RefusalBudget& budget);
  /// A batch had none; `last`: none waits behind it.
  void absent(bool last) {
    if (last) since_.reset();
  }

 private:
  const async::Clock& clock_;
  std::chrono::minutes patience_;
  std::optional<common::SteadyTime> since_;  ///< more of them than a few wait for a clock to be corrected
};

}  // namespace monitor::exporter
