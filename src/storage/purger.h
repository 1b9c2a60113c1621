// Deletes the oldest rows in bounded steps: results and skipped slots into the roll-ups. Used where the connection is,
// inside the caller's transaction.
#pragma once

#include <functional>
#include <optional>
#include <set>

#include "storage/gap_ledger.h"
#include "storage/roller.h"
#include "storage/rows.h"
#include "storage/sqlite.h"

namespace monitor::storage {

/// How much one step may do; commits wait for it.
struct Bounds {
  std::size_t rows = 0;  ///< of each kind
  /// Services and hours that rows are added up for; each takes two rows of the roll-ups to be written.
  std::size_t sums = 0;
  std::function<common::Micros()> spent;  ///< since the step began
};

/// What may go by age.
struct PurgeRule {
  common::WallTime before{};
  /// A time later than this was taken under a wrong clock and says nothing of the row's age; its neighbours do.
  common::WallTime plausible_until{};
  /// Only rows up to here; nothing: all.
  std::optional<Cursor> through;
  Bounds bounds;
};

/// How long what is left of purged rows stays.
struct ForgetRule {
  common::WallTime hours_before{};
  common::WallTime days_before{};  ///< of gaps and outages too
  std::int64_t gaps_through = 0;   ///< only gaps up to here
  std::size_t max_rows = 0;        ///< of each tier, and of outages
};

/// How many of the oldest rows of each kind.
struct Share {
  std::size_t results = 0;
  std::size_t skipped = 0;
  std::size_t gaps = 0;
};

struct PurgeStep {
  std::int64_t results = 0;
  bool more = false;
  Cursor through{};  ///< the last result and the last skipped range that went by age; 0: none
};

class Purger {
 public:
  /// A step adds rows up for about so long, then writes the sums and deletes the rows: with many services up to some
  /// 0.2 to 0.3 s in all.
  static constexpr std::chrono::milliseconds kTime{20};
  /// But so long where each sum is of a few rows only: to write one costs as much as to add up ten rows.
  static constexpr std::chrono::milliseconds kMostTime{80};
  /// So many gaps stay, the newest.
  static constexpr std::int64_t kMaxGaps = 10'000;

  Purger(Database& database, GapLedger& ledger, Roller& roller);

  /// Oldest first, up to the first row that is not old enough: a purge costs what it deletes.
  PurgeStep by_age(const PurgeRule& rule);
  /// True: there is more.
  bool forget(const ForgetRule& rule);
  /// How many rows of each kind there are, when the numbers reach up to `head`.
  Share held(const Cursor& head);
  /// `rows` of what is held, each kind in proportion: one that fills the file does not cost the others theirs.
  static Share share_of(std::size_t rows, const Share& held);
  /// The oldest of each kind, arrived or not. What is above `arrived` and not quarantined becomes a gap; gaps that have
  /// not arrived become fewer.
  PurgeStep oldest(const Share& share, const Bounds& bounds, const Cursor& arrived, std::int64_t sealed_gaps,
                   const std::set<Seq>& quarantined);
  /// The oldest roll-ups, of hours while there are any, since the days hold the same. Gives how many.
  std::int64_t oldest_rollups(std::size_t max_rows);
  /// 0: there is no result.
  Seq oldest_seq();
  std::optional<common::WallTime> time_of(Seq seq);

 private:
  class Old;
  PurgeStep results_by_age(const PurgeRule& rule);
  PurgeStep skipped_by_age(const PurgeRule& rule);
  static bool is_full(const Bounds& bounds, std::size_t read, const Roller& roller);
  std::int64_t remove_results(std::size_t count, const Bounds& bounds, Seq arrived, const std::set<Seq>& quarantined,
                              Gap& gap);
  std::int64_t remove_skipped(std::size_t count, const Bounds& bounds, std::int64_t arrived, Gap& gap);
  std::int64_t fold_gaps(std::size_t count, std::int64_t arrived);

  GapLedger& ledger_;
  Roller& roller_;
  Database& database_;
  Statement oldest_results_;
  Statement plausible_result_;
  Statement delete_results_;
  Statement oldest_skipped_;
  Statement plausible_skipped_;
  Statement delete_skipped_;
  Statement delete_gaps_;
  Statement delete_old_gaps_;
  Statement min_seq_;
  Statement min_skipped_;
  Statement min_gap_;
  Statement first_gaps_;
  Statement time_of_;
};

}  // namespace monitor::storage
