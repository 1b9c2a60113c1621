// The outages of one service, put together from checks and from what earlier checks left. Pure; one thread.
#pragma once

#include <chrono>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "common/outcome.h"
#include "common/units.h"
#include "report/report.h"
#include "storage/rollup.h"

namespace monitor::report {

/// The longest time between two bad checks of a service that is watched: PostgreSQL tells the first one of an hour.
common::Micros longest_silence(std::chrono::seconds interval);

/// Counts them all and keeps the longest. Unknown neither begins nor ends one.
class Outages {
 public:
  /// What lies before `from` is not counted.
  explicit Outages(common::WallTime from) : from_(from) {}

  /// A check, after all that was added before. `outcome` as stored.
  void add(common::WallTime at, std::uint8_t outcome, std::string_view reason);
  /// A stored one, after all that was added before: it goes on with one that is open, and one without an end goes on
  /// with what is added next.
  void add(const storage::Outage& outage);
  /// Ends the open one at `at`, if there is one.
  void end(common::WallTime at);
  /// Nobody has looked at the open one since, if its last bad check was before `moment`.
  void lose_sight(common::WallTime moment);
  void merge(const Outages& other);

  std::uint64_t count() const { return count_ + (open_ ? 1 : 0); }
  common::Micros length() const;
  /// The longest first, an open one among them.
  std::vector<Outage> longest() const;

 private:
  void keep(Outage outage);

  common::WallTime from_;
  std::optional<Outage> open_;
  std::uint64_t count_ = 0;
  common::Micros length_{};
  std::vector<Outage> longest_;
};

}  // namespace monitor::report
