// The stored definitions: one immutable row per distinct set of settings. Used where the connection is.
#pragma once

#include <array>
#include <cstdint>
#include <unordered_map>
#include <unordered_set>
#include <vector>

#include "storage/rows.h"
#include "storage/sqlite.h"

namespace monitor::storage {

/// SHA-256 over every field with its length, so that two sets of settings never read alike. The form is part of the
/// remote schema: it never changes.
std::array<std::uint8_t, 32> fingerprint(const Definition& definition);

class Definitions {
 public:
  explicit Definitions(Database& database);

  /// The id of `definition`, stored if new; its text is made storable. Inside the caller's transaction.
  DefinitionId define(Definition definition);
  /// The stored definition; its fields are empty if there is none of this id.
  StoredDefinition find(DefinitionId id);
  /// Remembers when a definition with a long interval last ran. Inside the caller's transaction.
  void ran(DefinitionId id, common::WallTime at) {
    if (remembered_.contains(id)) set_last_run_.run(id, common::unix_micros(at));
  }
  std::unordered_map<std::string, common::WallTime> last_runs();

 private:
  Database& database_;
  Statement find_fingerprint_;
  Statement insert_;
  Statement find_;
  Statement set_last_run_;
  std::unordered_set<DefinitionId> remembered_;  // those whose interval is long enough
};

}  // namespace monitor::storage
