// What two databases hold of one agent, by the numbers of its results. Plain data.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "common/units.h"
#include "report/seq_set.h"
#include "storage/rows.h"

namespace monitor::report {

/// One slot that PostgreSQL holds under several numbers.
struct TwiceStored {
  std::string service;
  common::WallTime requested_at{};
  std::vector<storage::Seq> seqs;
};

/// Skipped ranges whose numbers follow each other, in PostgreSQL.
struct SkippedIsland {
  SeqRange numbers;
  common::WallTime first_end{};  ///< the earliest end of one of them
  common::WallTime last_end{};
};

/// A gap as either database tells of it. A newer version may know reasons that we do not.
struct LedgerGap {
  std::int64_t id = 0;
  std::string reason;
  common::WallTime from{};
  common::WallTime to{};
  SeqRange numbers{};  ///< nothing where it starts at 0: no number was given, or none can be told any more
  std::int64_t count = 0;
};

/// In PostgreSQL, at one moment.
struct LedgerThere {
  std::int64_t id = 0;             ///< monitoring_agents.id
  storage::Cursor head;            ///< how far it got
  storage::Seq later = 0;          ///< head.results again, read when the local database had been read
  std::int64_t later_skipped = 0;  ///< head.skipped likewise
  std::optional<common::WallTime> exported_at;
  std::optional<common::WallTime> newest;  ///< request time of the newest result
  SeqSet results;
  /// Numbers of hours whose results were removed, and remain in the roll-ups. Hours overlap a little: a slow check has
  /// a lower number than quicker ones that began after it.
  SeqSet removed;
  /// Below it nothing is known any more of what was removed.
  storage::Seq forgotten_below = 0;
  std::vector<SkippedIsland> skipped;  ///< in order
  /// Skipped ranges that ended before it may have been removed; nothing: it is not known that any were.
  std::optional<common::WallTime> purged_before;
  std::vector<LedgerGap> gaps;
  SeqSet repeated;                 ///< numbers that several rows have
  std::int64_t repeated_rows = 0;  ///< how many rows too many that is
  std::int64_t twice_count = 0;
  std::vector<TwiceStored> twice;  ///< the first of them
};

/// In the local database, at a later moment: one epoch of it.
struct LedgerHere {
  bool current = true;  ///< the epoch that goes on
  SeqRange numbers;     ///< that were given to results; nothing where it ends before it begins
  SeqSet results;       ///< that are still here
  SeqSet quarantined;
  SeqRange skipped_numbers{1, 0};             ///< that were given to skipped ranges, likewise
  SeqSet skipped;                             ///< of which those are still here
  SeqSet unsent, unsent_skipped;              ///< purged by age while there was no PostgreSQL to send them to
  std::vector<storage::Quarantined> refused;  ///< the first of them
  std::vector<LedgerGap> gaps;
  SeqRange gap_numbers{1, 0};  ///< that were given to gaps
  /// Of other epochs of the same file, where the numbers are of this one or none are told: what is given up later is
  /// told of later.
  std::vector<LedgerGap> told_elsewhere;
  storage::Seq exported = 0;  ///< results up to here have arrived, it was marked
  std::int64_t exported_skipped = 0;
  std::int64_t exported_gaps = 0;
  std::optional<common::WallTime> newest;
};

/// Of one agent.
struct Ledgers {
  std::string agent_id;
  std::optional<LedgerHere> here;    ///< nothing: the agent of another local database
  std::optional<LedgerThere> there;  ///< nothing: PostgreSQL has never heard of it
  /// Where not everything was read: numbers below are of results that are older than that.
  storage::Seq from = 0;
  SeqSet different{};   ///< in both, and not alike
  SeqSet uncompared{};  ///< in both, and not looked at: there was too much to look at
  /// Results of this file that PostgreSQL has under several of its ids, the first of them; with the newest id alone.
  std::vector<TwiceStored> copies{};
  std::int64_t copies_count = 0;
};

}  // namespace monitor::report
