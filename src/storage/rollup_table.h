// The stored roll-ups. Used where the connection is, inside the caller's transaction.
#pragma once

#include <cstdint>

#include "storage/meta.h"
#include "storage/rollup.h"
#include "storage/sqlite.h"

namespace monitor::storage {

class RollupTable {
 public:
  RollupTable(Database& database, Meta& meta);

  /// Adds `more` to what is stored of that hour or day. What is stored and damaged is replaced, and said.
  void add(Tier tier, common::WallTime start, DefinitionId definition, const Rollup& more);
  /// Removes those that ended by `before`, the oldest first, `max_rows` at most. Gives how many.
  std::int64_t forget(Tier tier, common::WallTime before, std::size_t max_rows);
  /// Bytes of all of them, as a file takes them.
  std::uint64_t bytes() const { return static_cast<std::uint64_t>(bytes_); }
  /// Remembers bytes(); the last call of a transaction.
  void save();
  /// After a rollback.
  void reload();

 private:
  Meta& meta_;
  Statement find_;
  Statement insert_;
  Statement update_;
  Statement oldest_;
  Statement remove_;
  std::int64_t bytes_ = 0;
};

}  // namespace monitor::storage
