// The outages that purged results tell of, from one purge to the next. Used where the connection is, inside the
// caller's transaction.
#pragma once

#include <cstdint>
#include <string_view>
#include <unordered_map>

#include "storage/rollup.h"
#include "storage/sqlite.h"

namespace monitor::storage {

/// A check of a slot, in the order in which those of its service were made.
struct Judged {
  Seq seq = 0;
  DefinitionId definition = 0;
  common::WallTime at{};
  common::Outcome outcome = common::Outcome::kUp;
};

class OutageTable {
 public:
  /// So many stay, the newest: a service that flaps for years must not fill the file.
  static constexpr std::uint64_t kMaxRows = 100'000;

  explicit OutageTable(Database& database, std::uint64_t max_rows = kMaxRows);

  /// Takes a check whose result is still stored. A service's outage goes on when its settings change: it is that of
  /// its key.
  void add(const Judged& check);
  /// Writes what add() has counted; the last call of a transaction.
  void save();
  /// Removes those that ended, or had their last check, before `before`, and the oldest above the maximum; `max_rows`
  /// of each at most. True: there may be more.
  bool forget(common::WallTime before, std::size_t max_rows);
  /// Removes the oldest that have ended, `max_rows` at most, so that about `keep` stay. Gives how many went.
  std::int64_t keep_newest(std::uint64_t keep, std::size_t max_rows);
  /// After a rollback.
  void reload();

 private:
  struct Open {
    std::int64_t id = 0;
    common::WallTime last{};
    std::int64_t checks = 0;
    bool counted = false;  // more than the row says
  };
  /// One number for all definitions of a key.
  DefinitionId service_of(DefinitionId definition);
  void load_keys(DefinitionId definition);
  void begin(const Judged& check, DefinitionId service);
  void write(const Open& open, std::optional<common::WallTime> to);

  Database& database_;
  const std::uint64_t max_rows_;
  Statement reason_;
  Statement insert_;
  Statement update_;
  Statement forget_;
  Statement bound_;
  std::unordered_map<DefinitionId, Open> open_;             // by service
  std::unordered_map<DefinitionId, DefinitionId> earlier_;  // the first definition of a key, of its later ones
  DefinitionId known_ = 0;                                  // definitions up to here are in `earlier_` if they need it
};

}  // namespace monitor::storage
