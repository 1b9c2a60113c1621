// Roll-ups and the age of things: partitions that are dropped, tiers that end, agents and databases of older versions.
#include "async/task_group.h"
#include "rollup_fixture.h"
#include "schema_v1.h"

namespace monitor::exporter {
namespace {

using std::chrono::days;
using std::chrono::hours;

TEST_F(RollupTest, ResultsThatAreNotRolledUpAreNotDropped) {
  options_.remote_retention = days{20};
  restart_exporter();
  const Hours hour = days_ago(30) + hours{5};
  add_rows(1, hour, 1, 100);
  const auto expected = counted_hour(hour, 1, 2);
  maintain();
  EXPECT_EQ(count_results(), "100") << "its last rows have only just arrived";
  roll();
  EXPECT_EQ(count_results(), "0");
  EXPECT_EQ(stored("monitoring_hours", hour, 1, 2), expected);
  EXPECT_EQ(stored("monitoring_days", days_ago(30), 1, 2), expected);
  EXPECT_EQ(one("SELECT kept || ' ' || sealed FROM monitoring_rolled"), "true true");
}

// As on a full disk: the only way out may be what maintenance drops.
TEST_F(RollupTest, OldResultsAreDroppedWhileNewOnesAreRefused) {
  options_.remote_retention = days{20};
  restart_exporter();
  add_rows(1, days_ago(30) + hours{5}, 1, 100);
  settle();
  server().exec("ALTER TABLE monitoring_results ADD CONSTRAINT closed CHECK (attempt > 1000) NOT VALID");
  add_results(20);
  async::TaskGroup tasks(io_.get_executor(), [](const std::string& name, std::exception_ptr) { FAIL() << name; });
  tasks.spawn("exporter", exporter().run());
  io_.restart();
  while (one("SELECT count(*) FROM monitoring_results") != "0") io_.run_for(std::chrono::milliseconds{5});
  EXPECT_TRUE(exporter().health().degraded) << "the new ones are still refused";
  tasks.cancel();
  test::run(io_, tasks.join());
}

TEST_F(RollupTest, WhatComesLateForADayThatWasDroppedIsAdded) {
  options_.remote_retention = days{20};
  restart_exporter();
  const Hours hour = days_ago(30) + hours{5};
  const Hours other = hour + hours{2};
  add_rows(1, hour, 1, 100);
  roll();
  ASSERT_EQ(count_results(), "0");
  const auto before = stored("monitoring_hours", hour, 1, 1);

  const auto id = define(definition());
  for (const auto at : {hour, other}) {
    auto late = result(id);
    late.requested_at = at + std::chrono::minutes{1};
    late.outcome = common::Outcome::kStatus;
    append(late);
  }
  commit();
  server().exec(
      "INSERT INTO monitoring_agents (id, agent_id, results_head, results_marked) "
      "VALUES (77, '6f2a1c1e-0d5b-4a57-9d0f-0a4f3b6f5c11', 100, 100)");
  ASSERT_EQ(drain(), Progress::kIdle);
  ASSERT_EQ(count_results(), "2");
  EXPECT_EQ(one("SELECT count(*) FROM monitoring_touched"), "2");
  roll();
  EXPECT_EQ(count_results(), "0") << "the partition is made again, and old enough to be dropped again";
  EXPECT_EQ(one("SELECT count(*) FROM monitoring_touched"), "0");
  auto expected = before;
  ++expected.outcomes[2];
  const auto row = result(id);
  expected.total_sum += row.total;
  expected.lateness_max = std::max(expected.lateness_max, row.lateness);
  expected.measure(Measure::kTotal).add(row.total);
  expected.measure(Measure::kDns).add(*row.dns);
  expected.measure(Measure::kConnect).add(*row.connect);
  expected.measure(Measure::kTls).add(*row.tls);
  expected.measure(Measure::kFirstByte).add(*row.first_byte);
  expected.measure(Measure::kTransfer).add(*row.transfer);
  expected.measure(Measure::kLateness).add(row.lateness);
  EXPECT_EQ(stored("monitoring_hours", hour, 1, 1), expected);
  EXPECT_EQ(stored("monitoring_hours", other, 1, 1).outcomes.at(2), 1U);
  ++expected.outcomes[2];
  EXPECT_EQ(stored("monitoring_days", days_ago(30), 1, 1).outcomes, expected.outcomes);
  EXPECT_EQ(stored("monitoring_months", month_of(days_ago(30)), 1, 1).outcomes, expected.outcomes);
  EXPECT_EQ(one("SELECT count(*) FROM monitoring_rolled WHERE sealed"), "2");
}

TEST_F(RollupTest, SlotsThatDidNotRunGoWithTheirDayAndStayInTheTiers) {
  options_.remote_retention = days{20};
  restart_exporter();
  const Hours hour = days_ago(25) + hours{23};
  make_partition(hour);
  storage::Skipped range;
  range.definition = define(definition());
  range.from = hour;
  range.to = hour + std::chrono::seconds{10 * 719};
  range.count = 720;  // one each 10 s, over midnight
  range.reason = storage::SkipReason::kSuspended;
  store().append(range);
  range.to = hour + std::chrono::seconds{50};
  range.count = 6;
  store().append(range);
  commit();
  ASSERT_EQ(drain(), Progress::kIdle);
  roll();
  EXPECT_EQ(one("SELECT count || ' ' || (from_timestamp = date_trunc('day', from_timestamp)) FROM monitoring_skipped"),
            "360 true");
  EXPECT_EQ(one("SELECT string_agg(skipped_counts[1]::text, ' ' ORDER BY start) FROM monitoring_hours"), "366 360");
  roll();
  EXPECT_EQ(one("SELECT count(*) FROM monitoring_skipped"), "0") << "no partition was there to drop";
  EXPECT_EQ(one("SELECT string_agg(skipped_counts[1]::text, ' ' ORDER BY start) FROM monitoring_days"), "366 360");
  EXPECT_EQ(one("SELECT sum(skipped_counts[1]) FROM monitoring_months"), "726");
}

TEST_F(RollupTest, EachTierEndsWhenItIsOldEnough) {
  options_.rollup_hours = days{2};
  options_.rollup_days = days{70};
  restart_exporter();
  for (const int ago : {1, 5, 71, 120}) add_rows(1, days_ago(ago), 1000 * ago, 50);
  roll();
  EXPECT_EQ(one("SELECT count(DISTINCT start) FROM monitoring_hours"), "1");
  EXPECT_EQ(one("SELECT count(DISTINCT start) FROM monitoring_days"), "2");
  EXPECT_EQ(one("SELECT count(*) FROM monitoring_months WHERE start < " + timestamp_sql(month_of(days_ago(101)))), "0");
  EXPECT_EQ(one("SELECT string_agg(kept::text, ' ' ORDER BY hour) FROM monitoring_rolled"), "false true");
  EXPECT_EQ(one("SELECT count(*) FROM monitoring_touched"), "0");
  EXPECT_EQ(one("SELECT count(DISTINCT start) FROM monitoring_outages"), "2");
  expect_exact(days_ago(1), 1);
}

TEST_F(RollupTest, ADayWhoseHoursAreGoneIsMadeAgainFromItsResults) {
  options_.rollup_hours = days{2};
  restart_exporter();
  const Hours hour = days_ago(5) + hours{3};
  add_rows(1, hour, 1, 100);
  add_rows(1, hour + hours{1}, 101, 80);
  roll();
  ASSERT_EQ(one("SELECT count(*) FROM monitoring_hours"), "0");
  add_rows(1, hour, 500, 10);
  EXPECT_EQ(logged([&] { roll(); }), "");
  EXPECT_EQ(one("SELECT count(*) FROM monitoring_touched"), "3") << "the late one's, and both hours'";
  roll();
  EXPECT_EQ(one("SELECT count(*) FROM monitoring_touched"), "0");
  for (int definition = 1; definition <= 3; ++definition) {
    EXPECT_EQ(stored("monitoring_days", days_ago(5), 1, definition), counted(days_ago(5), days_ago(4), 1, definition));
    EXPECT_EQ(stored("monitoring_months", month_of(hour), 1, definition),
              counted(days_ago(5), days_ago(4), 1, definition));
  }
  EXPECT_EQ(one("SELECT count(*) FROM monitoring_hours"), "0");
}

TEST_F(RollupTest, WhatAnOlderVersionSentIsRolledUpToo) {
  server().exec("DROP SCHEMA public CASCADE; CREATE SCHEMA public");
  server().exec(kTablesV1);
  server().exec(kRowsV1);
  const Hours hour = days_ago(40) + hours{7};
  make_partition(hour);
  // Its head says how far it got; nothing of it has marks.
  server().exec(rows_sql(1, hour, 10, 200) + rows_sql(1, hour + hours{1}, 210, 50) +
                "UPDATE monitoring_agents SET results_head = 259, skipped_head = 1;"
                "INSERT INTO monitoring_skipped VALUES (1, 1, 1, 'stopping', " +
                timestamp_sql(hour) + ", " + timestamp_sql(hour) + ", 1)");
  restart_exporter();
  ASSERT_EQ(step(), Progress::kIdle);
  maintain();
  EXPECT_EQ(one("SELECT results_marked || ' ' || skipped_marked FROM monitoring_agents WHERE id = 1"), "259 1");
  roll();
  for (int definition = 1; definition <= 3; ++definition) {
    auto expected = counted(hour, hour + hours{2}, 1, definition);
    if (definition == 1) expected.skipped[4] = 1;
    EXPECT_EQ(stored("monitoring_days", days_ago(40), 1, definition), expected);
    EXPECT_EQ(stored("monitoring_hours", hour + hours{1}, 1, definition), counted_hour(hour + hours{1}, 1, definition));
  }

  // It goes on beside us.
  server().exec(rows_sql(1, hour, 260, 20) + "UPDATE monitoring_agents SET results_head = 279 WHERE id = 1");
  maintain();
  roll();
  EXPECT_EQ(stored("monitoring_hours", hour, 1, 2), counted_hour(hour, 1, 2));
  EXPECT_EQ(one("SELECT results_marked FROM monitoring_agents WHERE id = 1"), "279");
}

TEST_F(RollupTest, ABatchAfterUnmarkedOnesDoesNotHideThem) {
  add_results(3);
  ASSERT_EQ(drain(), Progress::kIdle);
  server().exec("UPDATE monitoring_agents SET results_marked = 1");  // the others came from an older version
  add_results(2);
  ASSERT_EQ(drain(), Progress::kIdle);
  EXPECT_EQ(one("SELECT results_marked || ' of ' || results_head FROM monitoring_agents"), "1 of 5");
  maintain();
  EXPECT_EQ(one("SELECT results_marked || ' of ' || results_head FROM monitoring_agents"), "5 of 5");
  add_results(1);
  ASSERT_EQ(drain(), Progress::kIdle);
  EXPECT_EQ(one("SELECT results_marked || ' of ' || results_head FROM monitoring_agents"), "6 of 6");
}

TEST_F(RollupTest, ARoleThatMayOnlyReadAndWriteRowsRollsUp) {
  maintain();  // the partitions ahead: to make them takes the table's owner
  const auto hour = hours_ago(3);
  add_rows(2, hour, 1, 100);
  exporter_.reset();
  server().exec(
      "DO $$ BEGIN CREATE ROLE clerk LOGIN PASSWORD 'clerk'; EXCEPTION WHEN duplicate_object THEN NULL; END $$;"
      "REVOKE CREATE ON SCHEMA public FROM PUBLIC;"
      "GRANT SELECT, INSERT, UPDATE, DELETE ON ALL TABLES IN SCHEMA public TO clerk");
  options_.uri = fmt::format("postgresql://clerk:clerk@127.0.0.1:{}/monitor", server().port());
  add_results(3);
  ASSERT_EQ(drain(), Progress::kIdle) << exporter().health().problem;
  EXPECT_EQ(logged([&] { roll(); }), "");
  expect_exact(hour, 2);
}

}  // namespace
}  // namespace monitor::exporter
