// The few single values that the database remembers. Used where the connection is.
#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "storage/rows.h"
#include "storage/sqlite.h"

namespace monitor::storage {

class Meta {
 public:
  explicit Meta(Database& database);

  /// How far results, skipped slots and gaps have arrived in PostgreSQL.
  Cursor exported();
  void set_exported(const Cursor& cursor);
  /// When the last commit was made: our last sign of life.
  std::optional<common::WallTime> alive_at();
  void set_alive_at(common::WallTime at);
  /// storage::identity_of the file when its current epoch began.
  std::string file_identity();
  void set_file_identity(std::string_view identity);

 private:
  Statement get_;
  Statement set_;
};

/// The highest number of each kind ever given, of rows that are gone too.
Cursor head_of(Database& database);

}  // namespace monitor::storage
