// The tables, partitions and the view in PostgreSQL. Each function is one or more transactions on the link's thread,
// and throws what Transaction throws.
#pragma once

#include <chrono>
#include <cstdint>
#include <optional>
#include <set>
#include <string>

#include "common/units.h"
#include "exporter/postgres.h"

namespace monitor::exporter {

/// Stored in monitoring_schema. Changes are additive; a database with a higher version is used as it is.
inline constexpr int kSchemaVersion = 3;

/// Partitions exist, or are made, for days from `server now − kDaysBack` to `server now + kDaysAhead`.
inline constexpr std::chrono::days kDaysBack{400};
inline constexpr std::chrono::days kDaysAhead{2};

/// Bits of monitoring_results.flags.
inline constexpr int kFlagContainsRegex = 1;
inline constexpr int kFlagCapped = 2;
inline constexpr int kFlagDnsCached = 4;
inline constexpr int kFlagReused = 8;
inline constexpr int kFlagRetried = 16;
inline constexpr int kFlagHttp10 = 32;

struct SchemaReport {
  bool created = false;    ///< something was made or upgraded
  bool complete = false;   ///< nothing is missing, nor of an older version
  std::string view;        ///< `monitoring`, or `monitoring_v` where the name is taken
  bool adopted = false;    ///< the view has the predecessor's rows too
  common::WallTime now{};  ///< the server's clock
};

/// Makes what is missing, under an advisory lock. Without anything to make, nothing but SELECT is needed.
SchemaReport ensure_schema(Session& session);
/// What is there, as a part of a transaction; makes nothing, and leaves `now` out.
SchemaReport read_schema(Transaction& transaction);
/// Held until the end of the transaction by whoever changes the schema.
void take_schema_lock(Transaction& transaction);
/// Makes the index that ensure_schema() leaves out of a large table; batches go on meanwhile. It waits for transactions
/// that were there before, in none of its own, and switches off the session's limits on statements and locks for it.
void ensure_index(Session& session);
/// Puts in what is missing of the list of outcomes, which grows with the program, without a change of the schema;
/// `rewrite`: the words of an older version too. Whether there was anything to do.
bool ensure_outcomes(Transaction& transaction, bool rewrite = false);

/// The server's clock.
common::WallTime server_now(Transaction& transaction);

bool in_window(common::WallTime moment, common::WallTime server_now);

/// The days that have a partition of the name we give them.
std::set<std::chrono::sys_days> partitions(Session& session);
/// Nothing where there are others too: which days they hold, nobody knows.
std::optional<std::set<std::chrono::sys_days>> own_partitions(Transaction& transaction);
/// Makes and attaches the partition of `day` unless it is there. Waits for no reader of the table. Results that were
/// there before and are no more stay in the roll-ups.
void ensure_partition(Session& session, std::chrono::sys_days day);
enum class Dropping {
  kNothing,  ///< none is old enough
  kWaiting,  ///< one is, but its results are not rolled up yet, or somebody rolls up just now
  kDropped
};
struct Dropped {
  Dropping state = Dropping::kNothing;
  std::chrono::sys_days day;  ///< that was dropped
};
/// Detaches and drops the oldest partition of which every row is older than `retention` by the server's clock, if there
/// is one. Throws Refused with 55P03 when somebody reads or writes the table for so long that it gives up.
Dropped drop_expired(Session& session, std::chrono::seconds retention);

/// Of a whole number's text; null is 0.
std::int64_t number_in(const std::optional<std::string>& text);

}  // namespace monitor::exporter
