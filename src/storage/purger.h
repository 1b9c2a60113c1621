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
  /// A time later than this was taken under a wrong clock and says nothing of the row's age; its neighbours do.
  common::WallTime plausible_until{};
  /// Only rows up to here; nothing: all.
  std::optional<Cursor> through;
  std::size_t max_rows = 0;
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
};

class Purger {
 public:
  Purger(Database& database, GapLedger& ledger);

  /// Oldest first, up to the first row that is not old enough: a purge costs what it deletes.
  PurgeStep by_age(const PurgeRule& rule);
  /// How many rows of each kind there are, when the numbers reach up to `head`.
  Share held(const Cursor& head);
  /// `rows` of what is held, each kind in proportion: one that fills the file does not cost the others theirs.
  static Share share_of(std::size_t rows, const Share& held);
  /// The oldest of each kind, arrived or not. What is above `arrived` and not quarantined becomes a gap; gaps that have
  /// not arrived become fewer.
  PurgeStep oldest(const Share& share, const Cursor& arrived, std::int64_t sealed_gaps,
                   const std::set<Seq>& quarantined);
  /// 0: there is no result.
  Seq oldest_seq();
  std::optional<common::WallTime> time_of(Seq seq);

 private:
  static std::int64_t last_old(Statement& select, std::int64_t through, const PurgeRule& rule, std::size_t& read);
  std::int64_t remove_results(std::size_t count, Seq arrived, const std::set<Seq>& quarantined, Gap& gap);
  std::int64_t remove_skipped(std::size_t count, std::int64_t arrived, Gap& gap);
  std::int64_t fold_gaps(std::size_t count, std::int64_t arrived);
  void forget_quarantine();
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
  Statement min_skipped_;
  Statement min_gap_;
  Statement first_skipped_;
  Statement first_gaps_;
  Statement time_of_;
};

}  // namespace monitor::storage
