// The tables of the local database, as numbered migrations. Used where the connection is.
#pragma once

#include <cstdint>

#include "storage/sqlite.h"

namespace monitor::storage {

/// SQLite's application_id of our files: "moni".
inline constexpr std::int64_t kApplicationId = 0x6D6F6E69;

/// The newest schema this version knows (PRAGMA user_version).
std::int64_t newest_schema();

/// The first one with `rollups` and `outages`.
inline constexpr std::int64_t kRollupSchema = 3;
/// From this version on results may name TLS facts.
inline constexpr std::int64_t kTlsSchema = 2;

/// Applies what is missing and writes the list of outcomes as this version has it: all of it, or nothing.
void migrate(Database& database);

/// Bits of `results.flags`.
inline constexpr std::int64_t kContainsRegex = 1;
inline constexpr std::int64_t kCapped = 2;
inline constexpr std::int64_t kDnsCached = 4;
inline constexpr std::int64_t kReused = 8;
inline constexpr std::int64_t kRetried = 16;
inline constexpr std::int64_t kHttp10 = 32;

}  // namespace monitor::storage
