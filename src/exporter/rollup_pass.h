// One pass over the roll-ups in PostgreSQL: hours that have settled are rolled up, and what is too old is removed. Runs
// on a link's thread, one step at a time.
#pragma once

#include <chrono>
#include <cstdint>
#include <deque>
#include <optional>

#include "exporter/options.h"
#include "exporter/postgres.h"
#include "exporter/rollup_sql.h"

namespace monitor::exporter {

/// An hour is rolled up when it ended, and its last rows arrived, at least this long ago.
inline constexpr std::chrono::minutes kSettled{2};

class RollupPass {
 public:
  explicit RollupPass(const Options& options)
      : keep_hours_(options.rollup_hours), keep_days_(options.rollup_days), retention_(options.remote_retention) {}

  /// One piece of work, bounded, in a transaction of its own. False: there is nothing more to do, or another agent is
  /// at it. Throws what Transaction throws; an hour that is refused is passed over.
  bool step(Session& session);
  /// Of the first hour that was passed over.
  const std::optional<Refused>& refused() const { return refused_; }

 private:
  enum class Stage { kBegin, kMark, kRoll, kExpire, kEnd };

  /// An agent of which rows have arrived without marks, as an older version sends them; up to where to mark them.
  struct Unmarked {
    int agent = 0;
    std::int64_t results = 0;
    std::int64_t skipped = 0;
  };

  bool work(Transaction& transaction);
  void begin(Transaction& transaction);
  void mark(Transaction& transaction);
  void list_settled(Transaction& transaction);
  bool expire(Transaction& transaction);

  std::chrono::seconds keep_hours_;
  std::chrono::seconds keep_days_;
  std::optional<std::chrono::seconds> retention_;
  Stage stage_ = Stage::kBegin;
  std::deque<Unmarked> unmarked_;
  std::deque<Slice> settled_;
  std::optional<Refused> refused_;
};

}  // namespace monitor::exporter
