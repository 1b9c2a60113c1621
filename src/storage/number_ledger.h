// Every number that a local database ever gave, and what became of it. Used where the connection is.
#pragma once

#include <string>
#include <vector>

#include "storage/rows.h"

namespace monitor::storage {

class Database;

/// Numbers in a row, both ends included.
struct NumberRange {
  std::int64_t first = 0;
  std::int64_t last = 0;
  bool operator==(const NumberRange&) const = default;
};

/// What was purged by age alone, since there was no PostgreSQL to send it to. Others that were lost meanwhile may be
/// among these; of those a gap tells.
struct Unsent {
  std::vector<NumberRange> results, skipped;  ///< in order
};

/// What one agent id of this file was given, and what of it is still here.
struct LedgerEpoch {
  std::string agent_id;                             ///< UUID
  Cursor first;                                     ///< the first number of each kind
  Cursor last;                                      ///< the last one given; first − 1 when none
  std::vector<NumberRange> results, skipped, gaps;  ///< what is here, in order
};

/// Every number that was ever given here, accounted for: it is here, or in a gap, or was purged. Rows are purged from
/// the lower end, so what is missing below the first that is here was purged or is in a gap, and a number missing above
/// it is unexplained unless a gap tells of it.
struct Ledger {
  std::vector<LedgerEpoch> epochs;  ///< the oldest first; the last is the current one
  Cursor head;                      ///< the highest number of each kind ever given
  Cursor exported;                  ///< as committed: what is up to here has arrived, is quarantined, or is in a gap
  std::vector<StoredGap> gaps;      ///< all that are here
  Unsent unsent;
  std::vector<Seq> quarantined;  ///< in order; whether the results are still here or not
};

/// Looks at each number that is here: about a second for ten million rows. Throws SqliteError.
Ledger ledger_of(Database& database);

}  // namespace monitor::storage
