// The stored definitions: one immutable row per distinct set of settings. Used where the connection is.
#pragma once

#include <cstdint>
#include <unordered_map>
#include <unordered_set>
#include <vector>

#include "storage/fingerprint.h"
#include "storage/rows.h"
#include "storage/sqlite.h"

namespace monitor::storage {

/// SHA-256 over every field (see Fingerprint); `settings` only if there are any, as definitions of earlier versions
/// have none.
Fingerprint::Digest fingerprint(const Definition& definition);

class Definitions {
 public:
  explicit Definitions(Database& database);

  /// The id of `definition`, stored if new; its text is made storable. Inside the caller's transaction.
  DefinitionId define(Definition definition);
  /// Stores one under the number that it had in another file.
  void restore(DefinitionId id, Definition definition);
  /// The stored definition; its fields are empty if there is none of this id.
  StoredDefinition find(DefinitionId id);
  /// Remembers when a definition with a long interval last ran. Inside the caller's transaction.
  void ran(DefinitionId id, common::WallTime at) {
    if (remembered_.contains(id)) set_last_run_.run(id, common::unix_micros(at));
  }
  std::unordered_map<std::string, common::WallTime> last_runs();
  /// Of each key's last check that was judged, among the newest results.
  std::unordered_map<std::string, common::Verdict> last_verdicts();

 private:
  DefinitionId insert(std::optional<DefinitionId> id, const Definition& definition);
  Database& database_;
  Statement find_fingerprint_;
  Statement insert_;
  Statement find_;
  Statement set_last_run_;
  std::unordered_set<DefinitionId> remembered_;  // those whose interval is long enough
};

}  // namespace monitor::storage
