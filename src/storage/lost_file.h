// What could not be stored when the agent stopped, in `<database>.lost` for the next start. Any one thread, under the
// lock.
#pragma once

#include <filesystem>
#include <vector>

#include "storage/rows.h"

namespace monitor::storage {

struct Lost {
  Gap gap;
  /// The transaction that may have stored it after all (Meta::commit_number); 0: none has.
  std::int64_t commit = 0;
};

/// Durable, mode 0600. Throws common::Error.
void write_lost(const std::filesystem::path& database, const std::vector<Lost>& lost);
/// Nothing if there is no file; a line that is not one of ours is left out.
std::vector<Lost> read_lost(const std::filesystem::path& database);
void remove_lost(const std::filesystem::path& database);

}  // namespace monitor::storage
