// Roll-ups in a real PostgreSQL beside what they should be: counted here, by the C++ rules, from the rows themselves.
#pragma once

#include <chrono>
#include <cstdint>
#include <string>

#include <fmt/format.h>

#include "exporter/rollup_sql.h"
#include "fixture.h"
#include "storage/rollup.h"

namespace monitor::exporter {

using storage::Measure;
using storage::Rollup;

class RollupTest : public ExporterTest {
 protected:
  /// With the tables and the partitions of the days that tests use.
  void SetUp() override { ASSERT_EQ(step(), Progress::kIdle); }

  Hours hours_ago(int hours) const {
    return std::chrono::floor<std::chrono::hours>(clock_.wall()) - std::chrono::hours{hours};
  }
  Hours days_ago(int days) const {
    return std::chrono::floor<std::chrono::days>(clock_.wall()) - std::chrono::days{days};
  }

  void make_partition(Hours time) {
    server().exec(fmt::format(
        "CREATE TABLE IF NOT EXISTS {0} (LIKE monitoring_results INCLUDING ALL); DO $$ BEGIN "
        "IF NOT EXISTS (SELECT FROM pg_inherits WHERE inhrelid = '{0}'::regclass) THEN ALTER TABLE monitoring_results "
        "ATTACH PARTITION {0} FOR VALUES FROM ('{1}') TO (date '{1}' + 1); END IF; END $$",
        "monitoring_results_" + day_text(time, ""), day_text(time, "-")));
  }

  /// `count` results of all sorts, spread over the hour and over three services, without a mark.
  std::string rows_sql(int agent, Hours hour, int first_seq, int count) const {
    return fmt::format(
        "INSERT INTO monitoring_results (seq, request_timestamp, agent, definition, total_us, lateness_us, stored_ms, "
        "arrived_s, body_bytes, dns_us, connect_us, tls_us, first_byte_us, transfer_us, outcome, status, flags, "
        "attempt, "
        "reason) SELECT {0} + i, {1} + i * interval '3599.9 seconds' / {2}, {3}, 1 + i % 3, (exp(random() * "
        "21.4))::integer, "
        "(random() * 3000 - 500)::integer, 1, 1, 0, CASE WHEN i % 5 > 0 THEN (exp(random() * 12))::integer END, "
        "(exp(random() * 9))::integer, CASE WHEN i % 3 > 0 THEN (random() * 20)::integer END, "
        "CASE WHEN i % 7 > 0 THEN 2147483647 - (i % 3) END, 0, (ARRAY[1, 1, 1, 2, 3, 22, 60])[1 + (random() * "
        "6)::integer], "
        "CASE WHEN i % 4 > 0 THEN 200 END, 0, CASE WHEN i % 11 = 0 THEN 1 ELSE 0 END, 'because' "
        "FROM generate_series(0, {2} - 1) AS i;",
        first_seq, timestamp_sql(hour), count, agent);
  }
  std::string mark_sql(int agent, Hours hour, int first_seq, int count) const {
    return fmt::format("INSERT INTO monitoring_touched (hour, agent, first_seq, last_seq) VALUES ({}, {}, {}, {});",
                       timestamp_sql(hour), agent, first_seq, first_seq + count - 1);
  }
  void add_rows(int agent, Hours hour, int first_seq, int count) {
    make_partition(hour);
    server().exec(rows_sql(agent, hour, first_seq, count) + mark_sql(agent, hour, first_seq, count));
  }
  void maintain() { test::run(io_, exporter().maintain()); }
  void roll() {
    settle();
    maintain();
  }

  /// What the tier `table` holds for [start, …).
  Rollup stored(const std::string& table, Hours start, int agent, int definition) {
    const auto rows = server().query(fmt::format(
        "SELECT total_sum_us, rechecks, lateness_max_us, outcomes, outcome_counts, skipped_reasons, skipped_counts, "
        "encode(histograms, 'hex') FROM {} WHERE start = {} AND agent = {} AND definition = {}",
        table, timestamp_sql(start), agent, definition));
    Rollup rollup;
    if (rows.empty()) return rollup;
    const auto& row = rows.at(0);
    rollup.total_sum = common::Micros(std::stoll(row.at(0).value()));
    rollup.rechecks = std::stoull(row.at(1).value());
    rollup.lateness_max = common::Micros(std::stoll(row.at(2).value()));
    const auto codes = list(row.at(3));
    const auto counts = list(row.at(4));
    for (std::size_t i = 0; i < codes.size(); ++i) {
      rollup.outcomes[static_cast<std::uint8_t>(std::stoi(codes[i]))] = std::stoull(counts.at(i));
    }
    const auto reasons = list(row.at(5));
    const auto slots = list(row.at(6));
    for (std::size_t i = 0; i < reasons.size(); ++i) rollup.skipped[code_of(reasons[i])] = std::stoull(slots.at(i));
    const auto hex = row.at(7).value_or("");
    EXPECT_EQ(hex.size() % 12, 0U);
    const auto field = [&](std::size_t at, std::size_t digits) {
      return std::stoull(hex.substr(at, digits), nullptr, 16);
    };
    for (std::size_t at = 0; at + 12 <= hex.size(); at += 12) {
      rollup.measures.at(field(at, 2)).add_bucket(static_cast<int>(field(at + 2, 2)), field(at + 4, 8));
    }
    return rollup;
  }

  /// The same, of the rows from `start` on until `end`.
  Rollup counted(Hours start, Hours end, int agent, int definition) {
    Rollup rollup;
    for (const auto& row : server().query(fmt::format(
             "SELECT outcome, attempt, CASE WHEN status IS NOT NULL THEN total_us END, dns_us, connect_us, tls_us, "
             "first_byte_us, transfer_us, lateness_us FROM monitoring_results WHERE agent = {} AND definition = {} "
             "AND request_timestamp >= {} AND request_timestamp < {}",
             agent, definition, timestamp_sql(start), timestamp_sql(end)))) {
      if (row.at(1) != "0") {
        ++rollup.rechecks;
        continue;
      }
      ++rollup.outcomes[static_cast<std::uint8_t>(std::stoi(row.at(0).value()))];
      for (std::size_t i = 0; i < storage::kMeasures; ++i) {
        const auto& text = row.at(2 + i);
        if (!text) continue;
        const common::Micros duration(std::stoll(*text));
        rollup.measures.at(i).add(duration);
        if (i == 0) rollup.total_sum += duration;
        if (i == 6) rollup.lateness_max = std::max(rollup.lateness_max, duration);
      }
    }
    return rollup;
  }
  Rollup counted_hour(Hours hour, int agent, int definition) {
    return counted(hour, hour + std::chrono::hours{1}, agent, definition);
  }

  /// Every tier says what the rows say, of each of the three services of `agent`.
  void expect_exact(Hours hour, int agent) {
    const Hours day = std::chrono::floor<std::chrono::days>(hour);
    const Hours month = month_of(hour);
    for (int definition = 1; definition <= 3; ++definition) {
      EXPECT_EQ(stored("monitoring_hours", hour, agent, definition), counted_hour(hour, agent, definition));
      EXPECT_EQ(stored("monitoring_days", day, agent, definition),
                counted(day, day + std::chrono::days{1}, agent, definition));
      EXPECT_EQ(stored("monitoring_months", month, agent, definition),
                counted(month, month_of(month + std::chrono::days{31}), agent, definition));
    }
  }
  std::string one(const std::string& sql) { return server().value(sql); }
  void wait_until(const std::string& condition) {
    const auto end = std::chrono::steady_clock::now() + std::chrono::seconds{30};
    while (one(condition) != "t") ASSERT_LT(std::chrono::steady_clock::now(), end) << condition;
  }

  static std::uint8_t code_of(const std::string& reason) {
    for (std::uint8_t code = 1; code <= 6; ++code) {
      if (name_of(static_cast<storage::SkipReason>(code)) == reason) return code;
    }
    return 0;
  }
  static std::string day_text(Hours time, std::string_view separator) {
    const std::chrono::year_month_day date(std::chrono::floor<std::chrono::days>(time));
    return fmt::format("{0:04}{3}{1:02}{3}{2:02}", static_cast<int>(date.year()), static_cast<unsigned>(date.month()),
                       static_cast<unsigned>(date.day()), separator);
  }
  static std::vector<std::string> list(const std::optional<std::string>& array) {
    std::vector<std::string> items;
    if (!array) return items;
    std::string item;
    for (const char c : *array) {
      if (c == '{') continue;
      if (c == ',' || c == '}') {
        items.push_back(std::exchange(item, {}));
      } else {
        item += c;
      }
    }
    return items;
  }
};

}  // namespace monitor::exporter
