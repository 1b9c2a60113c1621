// The local database, as the configuration says it. Plain data.
#pragma once

#include <cstdint>
#include <filesystem>
#include <optional>

namespace monitor::storage {

struct Options {
  std::filesystem::path path;  ///< `local_database_path`, `~` expanded
  /// `local_max_size`, bytes of the database file; unset: the smaller of 10 GiB and 10 % of the disk.
  std::optional<std::uint64_t> max_size;
  /// Whether slots come due in this run. If not, it is no sign of life, and the gap of an earlier one goes on.
  bool polls = true;
};

}  // namespace monitor::storage
