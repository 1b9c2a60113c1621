// The statements that make roll-ups out of results and slots that did not run. Pure.
#pragma once

#include <chrono>
#include <cstdint>
#include <string>

namespace monitor::exporter {

using Hours = std::chrono::sys_time<std::chrono::hours>;

/// Rows of one agent in one hour: every one of them, or every `parts`-th definition.
struct Slice {
  int agent = 0;
  Hours hour;
  std::int64_t first_seq = 0;  ///< of its results; 0 with `last_seq` 0: it has none
  std::int64_t last_seq = 0;
  int parts = 1;
  int part = 0;
};

/// `timestamp '2026-01-05 13:00:00'`
std::string timestamp_sql(Hours time);
/// The first day of its month.
Hours month_of(Hours time);

/// The bounds of common::Histogram's buckets, which the statements below take as $1: each but the first one's lowest
/// value.
std::string bucket_bounds();
/// The hour's rows are made anew from what is stored; days and months change by the difference.
std::string replace_hour_sql(const Slice& slice);
/// What is stored is added to days and months, and to the hour's rows if `hours`.
std::string add_hour_sql(const Slice& slice, bool hours);
/// The day's rows of the agent are taken off its month's, and removed.
std::string take_day_off_sql(int agent, Hours day);
/// The slots of the hour's rows that did not run are taken off them, its day and its month.
std::string take_skipped_off_sql(const Slice& slice);
/// The stretches in which a service was down; those that are there already stay.
std::string outages_sql(const Slice& slice);
/// How many slots of a row of monitoring_skipped were due before `time`: they are evenly spaced from its first to its
/// last moment.
std::string slots_before_sql(Hours time);

}  // namespace monitor::exporter
