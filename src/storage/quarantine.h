// The results that PostgreSQL refused: which, why, and how they leave. Used where the connection is.
#pragma once

#include <chrono>
#include <cstddef>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "storage/rows.h"
#include "storage/sqlite.h"
#include "storage/writer.h"

namespace monitor::storage {

/// One refused result as a person reads it.
struct QuarantinedRow : Quarantined {
  common::WallTime at{};  ///< when it was refused
  /// The service's name, or `GET https://…`; empty where the result itself was purged.
  std::string service;
  std::optional<common::WallTime> requested_at;  ///< nothing: likewise
};

/// At most `max_rows` with numbers above `after`, in order.
std::vector<QuarantinedRow> quarantined_rows(Database& database, Seq after, std::size_t max_rows);

/// What tells of those up to `through` where the quarantine itself is lost: one for numbers in a row. Their times are
/// not known any more: `at` stands for them. Pure.
std::vector<Gap> refused_gaps(const std::set<Seq>& seqs, Seq through, common::WallTime at);

class Quarantine {
 public:
  /// So many are remembered, the newest. What goes for it becomes a gap of GapReason::kRefused.
  static constexpr std::size_t kMaxRows = 10'000;
  /// For so long from its refusal a result is not purged by age, so that somebody has the time to mend what made
  /// PostgreSQL refuse it and to send it again. Rows go from the lower end alone: what came after it stays as well,
  /// at most as long. On a full disk and above the size cap nothing is held.
  static constexpr std::chrono::hours kHold{24};

  explicit Quarantine(Database& database);

  /// Every number in it. Never sent; what purges and rewinds count as lost is never one of these.
  const std::set<Seq>& seqs() const { return seqs_; }
  void reload();
  /// The lowest from `oldest` on that was refused between these times; nothing: there is none.
  std::optional<Seq> first_refused(Seq oldest, common::WallTime from, common::WallTime to);

  struct Released {
    Seq lowest = 0;  ///< of those taken out; 0: none
    std::int64_t count = 0;
    std::int64_t gone = 0;  ///< not taken out: the results themselves were purged
  };
  struct Dropped {
    std::int64_t count = 0;
    std::int64_t gaps = 0;  ///< rows that tell of them
  };

  // Inside the caller's transaction; reload() if that fails. `seqs`: those among it; empty: all.
  /// Text is made storable; `at` is now. Gives the gaps written for what is too many.
  std::int64_t add(const std::vector<Quarantined>& rows, common::WallTime at, Writer& writer);
  /// Takes out those whose results are still here.
  Released release(const std::vector<Seq>& seqs);
  /// Gives up those up to `through`: they become gaps, one for numbers in a row.
  Dropped drop(const std::vector<Seq>& seqs, Seq through, common::WallTime now, Writer& writer);

 private:
  std::vector<Seq> among(const std::vector<Seq>& wanted) const;
  void remove(Seq seq);
  std::int64_t give_up(const std::vector<Seq>& seqs, common::WallTime now, Writer& writer);

  Database& database_;
  Statement insert_;
  Statement remove_;
  Statement time_of_;
  Statement first_refused_;
  std::set<Seq> seqs_;
};

}  // namespace monitor::storage
