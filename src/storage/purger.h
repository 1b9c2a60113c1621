// Deletes the oldest rows in bounded steps. Used where the connection is, inside the caller's transaction.
#pragma once

#include <optional>
#include <set>

#include "storage/gap_ledger.h"
#include "storage/rows.h"
#include "storage/sqlite.h"

namespace monitor::storage {

/// What may go by age.
struct PurgeRule {
  common::WallTime before{};
  /// A request time later than this was taken under a wrong clock and says nothing of the row's age; its neighbours do.
  common::WallTime plausible_until{};
  /// Only rows up to here; nothing: all.
  std::optional<Cursor> through;
  std::size_t max_rows = 0;
};

struct PurgeStep {
  std::int64_t results = 0;
  std::int64_t gaps_added = 0;
  bool more = false;
};

class Purger {
 public:
  Purger(Database& database, GapLedger& ledger);

  /// Oldest first, up to the first row that is not old enough: a purge costs what it deletes.
  PurgeStep by_age(const PurgeRule& rule);
  /// The oldest `rows` results, exported or not; what is above `exported` and not quarantined becomes a gap.
  PurgeStep oldest(std::size_t rows, const Cursor& exported, std::int64_t sealed_gaps,
                   const std::set<Seq>& quarantined);
  /// 0: there is no result.
  Seq oldest_seq();
  std::optional<common::WallTime> time_of(Seq seq);

 private:
  Seq last_old_result(const PurgeRule& rule, std::size_t& read);
  bool delete_old(Statement& select, Statement& erase, std::int64_t through, const PurgeRule& rule);

  GapLedger& ledger_;
  Database& database_;
  Statement oldest_results_;
  Statement delete_results_;
  Statement oldest_skipped_;
  Statement delete_skipped_;
  Statement oldest_gaps_;
  Statement delete_gaps_;
  Statement delete_quarantine_;
  Statement min_seq_;
  Statement time_of_;
};

}  // namespace monitor::storage
