// What a report asks PostgreSQL. Texts alone; docs/data-model.md says what the tables mean. Pure.
#pragma once

#include <string>
#include <string_view>

#include "report/hours.h"

namespace monitor::report {

/// `definitions` restricts an answer to some: as ` AND definition = ANY ('{…}')`, or empty for all.
struct Scope {
  std::string definitions;
};

/// version; whether the tables of results are there; whether those of roll-ups are.
extern const char* const kSchemaSql;
/// id, key, name, method, url, interval_s
extern const char* const kDefinitionsSql;
/// id, agent_id, exported_at, unmarked (rows without a mark)
std::string agents_sql(bool rollups);
/// agent, hour, touched, rolled, kept, sealed, first_seq, last_seq; of hours from $1 on that are touched, or rolled up
/// and before $2 or of the agents $3.
extern const char* const kHoursSql;
/// agent, reason, from, to, count; of gaps that touch what follows $1.
extern const char* const kGapsSql;

/// Rows of a tier in [$1, $2), in the order of TierColumn.
std::string tier_sql(std::string_view table, const Scope& scope);
/// Rows of monitoring_hours of the hours $2 of the agents $1, side by side, likewise.
std::string stale_sql(const Scope& scope);
enum TierColumn : int {
  kAgent,
  kDefinition,
  kStart,
  kTotalSum,
  kRechecks,
  kLatenessMax,
  kOutcomes,
  kOutcomeCounts,
  kSkippedReasons,
  kSkippedCounts,
  kHistograms,
};

/// agent, definition, the first and the last time something was requested; in [$1, $2).
std::string activity_sql(const Scope& scope);
/// agent, definition, stretch of time, outcome, re-checks?, count, sum of total_us of those with a response, greatest
/// lateness_us, first and last request; of a run. `stretch`: hour or day.
std::string counts_sql(const Run& run, std::string_view stretch, const Scope& scope);
/// definition, measure, bucket, count; of a run. $1: where the buckets from the second on begin.
std::string buckets_sql(const Run& run, const Scope& scope);
/// agent, definition, from, to, count, reason; of ranges that touch a run.
std::string skipped_sql(const Run& run, const Scope& scope);
/// agent, service, request, down, outcome, reason, checks that were down before, request before; of the checks in a run
/// that were judged otherwise than the one before. $1, $2: definitions and the service of each, side by side.
std::string turns_sql(const Run& run);
/// agent, service, hour, from, to, checks, outcome, reason, from_start, next judged, hour rows are gone; of hours from
/// $3 on. $1, $2 likewise.
extern const char* const kPiecesSql;
/// number, the first judged check; of the roll-ups of hours of the agent $3 and the service $4 from the moment $5 on,
/// side by side and numbered from 1. $1, $2 as above.
extern const char* const kNextJudgedSql;
/// definition, request, outcome, reason, status, total_us; of the last check of each definition of $1 from the moment
/// beside it in $2 on, and in [from, to).
std::string last_sql(common::WallTime from, common::WallTime to);

}  // namespace monitor::report
