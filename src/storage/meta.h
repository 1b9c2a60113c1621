// The few single values that the database remembers. Used where the connection is.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "storage/number_ledger.h"
#include "storage/rows.h"
#include "storage/sqlite.h"

namespace monitor::storage {

class Meta {
 public:
  explicit Meta(Database& database);

  /// How far results, skipped slots and gaps have arrived in PostgreSQL.
  Cursor exported();
  void set_exported(const Cursor& cursor);
  /// Remembers that what is above `exported` up to `purged` went for its age and was never sent.
  void add_unsent(const Cursor& exported, const Cursor& purged);
  Unsent unsent();
  /// When the last commit was made, or the store was closed: our last sign of life.
  std::optional<common::WallTime> alive_at();
  void set_alive_at(common::WallTime at);
  /// When the run began that has not closed the store; nothing: the last one has.
  std::optional<common::WallTime> running_since();
  void set_running_since(std::optional<common::WallTime> at);
  /// Counts transactions: each writes one that no other did, so that one whose end is unknown can be told later.
  std::int64_t commit_number();
  void set_commit_number(std::int64_t number);
  /// The highest numbers that this file gave under its current id before it was opened without PostgreSQL having been
  /// found to agree since; nothing: PostgreSQL agreed, and every number that is here was given here.
  std::optional<Cursor> ours();
  void set_ours(const std::optional<Cursor>& ours);
  /// What the roll-ups take of the file.
  std::int64_t rollup_bytes();
  void set_rollup_bytes(std::int64_t bytes);
  /// storage::identity_of the file when its current epoch began.
  std::string file_identity();
  void set_file_identity(std::string_view identity);

 private:
  Statement get_;
  Statement set_;
  Statement ranges_;
};

/// The highest number of each kind ever given, of rows that are gone too.
Cursor head_of(Database& database);

}  // namespace monitor::storage
