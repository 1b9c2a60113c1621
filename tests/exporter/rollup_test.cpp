// Hours, days and months: that they say what the results say, to the unit, whatever comes when.
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/use_future.hpp>

#include "common/histogram.h"
#include "exporter/maintenance.h"
#include "rollup_fixture.h"
#include "support/manual_clock.h"

namespace monitor::exporter {
namespace {

using std::chrono::days;
using std::chrono::hours;

TEST_F(RollupTest, TheServersBucketsAreThoseOfTheHistogram) {
  std::string values;
  for (std::int64_t power = 1; power <= common::Histogram::kLongest; power *= 2) {
    for (int eighth = 0; eighth < 8; ++eighth) {
      for (const int off : {-1, 0, 1}) values += fmt::format("{},", power + power * eighth / 8 + off);
    }
  }
  for (int value = -3; value < 5000; ++value) values += fmt::format("{},", value);
  values += std::to_string(common::Histogram::kLongest);
  const auto rows = server().query(
      fmt::format("SELECT least(v, 2147483647), width_bucket(least(v, 2147483647)::integer, '{}'::integer[]) "
                  "FROM unnest('{{{}}}'::bigint[]) AS v",
                  bucket_bounds(), values));
  ASSERT_GT(rows.size(), 5000U);
  for (const auto& row : rows) {
    EXPECT_EQ(std::stoi(row.at(1).value()), common::Histogram::bucket_of(std::stoll(row.at(0).value())))
        << row.at(0).value();
  }
}

TEST_F(RollupTest, AnHourItsDayAndItsMonthAreExact) {
  add_rows(1, hours_ago(3), 1, 1000);
  add_rows(1, hours_ago(2), 1001, 700);
  roll();
  for (const int ago : {3, 2}) expect_exact(hours_ago(ago), 1);
  EXPECT_EQ(one("SELECT count(*) FROM monitoring_touched"), "0");
  EXPECT_EQ(one("SELECT string_agg(first_seq || '-' || last_seq || ' ' || kept || ' ' || sealed, ', ' ORDER BY hour) "
                "FROM monitoring_rolled"),
            "1-1000 true false, 1001-1700 true false");
}

TEST_F(RollupTest, WhatTheExporterSendsIsMarkedAndRolledUp) {
  const auto id = define(definition());
  const auto hour = hours_ago(2);
  for (int i = 0; i < 5; ++i) {
    auto row = result(id);
    row.requested_at = hour + std::chrono::seconds{i};
    append(row);
  }
  auto later = result(id);
  later.requested_at = hour + hours{1};
  append(later);
  commit();
  ASSERT_EQ(drain(), Progress::kIdle);
  EXPECT_EQ(one("SELECT string_agg(first_seq || '-' || last_seq, ', ' ORDER BY hour) FROM monitoring_touched"),
            "1-5, 6-6");
  EXPECT_EQ(one("SELECT results_marked = results_head AND results_head = 6 FROM monitoring_agents"), "t");
  maintain();
  EXPECT_EQ(one("SELECT count(*) FROM monitoring_hours"), "0") << "its rows have only just arrived";
  roll();
  EXPECT_EQ(stored("monitoring_hours", hour, 1, 1), counted_hour(hour, 1, 1));
  EXPECT_EQ(counted_hour(hour, 1, 1).outcomes.at(1), 5U);
  EXPECT_EQ(one("SELECT first_judged = start FROM monitoring_hours WHERE start = " + timestamp_sql(hour)), "t");
}

TEST_F(RollupTest, AnHourThatGoesOnIsLeftAlone) {
  add_rows(1, hours_ago(0), 1, 10);
  roll();
  EXPECT_EQ(one("SELECT count(*) FROM monitoring_hours"), "0");
  EXPECT_EQ(one("SELECT count(*) FROM monitoring_touched"), "1");
}

TEST_F(RollupTest, AnHourThatIsTouchedAgainIsMadeAgain) {
  const auto hour = hours_ago(3);
  add_rows(1, hour, 1, 100);
  add_rows(1, hours_ago(2), 101, 50);
  roll();
  add_rows(1, hour, 1000, 30);
  add_rows(1, hour, 2000, 1);
  roll();
  expect_exact(hour, 1);
  expect_exact(hours_ago(2), 1);
  EXPECT_EQ(one("SELECT first_seq || '-' || last_seq FROM monitoring_rolled WHERE hour = " + timestamp_sql(hour)),
            "1-2000");
}

TEST_F(RollupTest, AgentsAreKeptApart) {
  const auto hour = hours_ago(3);
  add_rows(1, hour, 1, 100);
  add_rows(2, hour, 1, 60);
  roll();
  add_rows(2, hour, 61, 9);
  roll();
  expect_exact(hour, 1);
  expect_exact(hour, 2);
}

TEST_F(RollupTest, ABatchThatIsUnderWayKeepsItsMark) {
  const auto hour = hours_ago(3);
  add_rows(1, hour, 1, 100);
  const test::PostgresSession batch(server());
  batch.exec("BEGIN; " + rows_sql(1, hour, 101, 20) + mark_sql(1, hour, 101, 20));
  roll();
  expect_exact(hour, 1);
  batch.exec("COMMIT");
  EXPECT_EQ(one("SELECT count(*) FROM monitoring_touched"), "1");
  roll();
  expect_exact(hour, 1);
  EXPECT_EQ(one("SELECT sum(n) FROM monitoring_hours, unnest(outcome_counts) AS n"),
            one("SELECT count(*) FROM monitoring_results WHERE attempt = 0"));
}

TEST_F(RollupTest, TwoAgentsThatRollUpAtOnceDoNotCountTwice) {
  const auto hour = hours_ago(3);
  add_rows(1, hour, 1, 100);
  settle();
  const test::PostgresSession other(server());
  other.exec("BEGIN; SELECT pg_advisory_xact_lock(x'726f6c6c757073'::bigint)");
  maintain();
  EXPECT_EQ(one("SELECT count(*) FROM monitoring_hours"), "0") << "the other one is at it";
  other.exec("COMMIT");
  maintain();
  expect_exact(hour, 1);
}

TEST_F(RollupTest, OneThatIsInterruptedLeavesNothingHalfDone) {
  const auto hour = hours_ago(3);
  add_rows(1, hour, 1, 100);
  settle();
  {
    const test::PostgresSession reader(server());
    reader.exec("BEGIN; LOCK TABLE monitoring_months");
    limits_.lock = std::chrono::seconds{60};
    restart_exporter();
    io_.restart();
    auto waiting = boost::asio::co_spawn(io_, exporter().maintain(), boost::asio::use_future);
    const std::string blocked =
        "SELECT count(*) FROM pg_stat_activity WHERE application_name = 'monitor' "
        "AND wait_event_type = 'Lock'";
    while (one(blocked) == "0") io_.run_for(std::chrono::milliseconds{5});
    exporter_.reset();  // a stop
    io_.run();
    EXPECT_NO_THROW(waiting.get());
  }
  wait_until("SELECT count(*) = 0 FROM pg_stat_activity WHERE application_name = 'monitor'");
  EXPECT_EQ(one("SELECT count(*) FROM monitoring_hours"), "0");
  EXPECT_EQ(one("SELECT count(*) FROM monitoring_touched"), "1");
  maintain();
  expect_exact(hour, 1);
}

TEST_F(RollupTest, AnHourThatIsRefusedHoldsUpNoOther) {
  add_rows(1, hours_ago(4), 1, 10);
  add_rows(1, hours_ago(3), 11, 10);
  server().exec("ALTER TABLE monitoring_hours ADD CONSTRAINT odd CHECK (start <> " + timestamp_sql(hours_ago(4)) + ")");
  const auto log = logged([&] { roll(); });
  EXPECT_EQ(count(log, "are not rolled up for now"), 1) << log;
  EXPECT_EQ(stored("monitoring_hours", hours_ago(3), 1, 1), counted_hour(hours_ago(3), 1, 1));
  EXPECT_EQ(logged([&] { maintain(); }), "") << "it is said once";
  server().exec("ALTER TABLE monitoring_hours DROP CONSTRAINT odd");
  maintain();
  expect_exact(hours_ago(4), 1);
  expect_exact(hours_ago(3), 1);
}

TEST_F(RollupTest, WhatIsRefusedForLongIsToldEachHour) {
  add_rows(1, hours_ago(4), 1, 10);
  settle();
  server().exec("ALTER TABLE monitoring_hours ADD CONSTRAINT odd CHECK (start IS NULL)");
  test::ManualClock clock;
  options_.uri = server().uri();
  options_.remote_retention = days{20};
  Maintenance maintenance(io_.get_executor(), options_, limits_, clock);
  const auto pass = [&] { return logged([&] { test::run(io_, maintenance.pass(false)); }); };
  const auto log = pass();
  EXPECT_EQ(count(log, "are not rolled up for now"), 1) << log;
  EXPECT_EQ(count(log, "remote_retention waits for them"), 1) << log;
  clock.advance(std::chrono::minutes{59});
  EXPECT_EQ(pass(), "");
  clock.advance(std::chrono::minutes{1});
  EXPECT_EQ(count(pass(), "are not rolled up for now"), 1);
  server().exec("ALTER TABLE monitoring_hours DROP CONSTRAINT odd");
  EXPECT_EQ(pass(), "");
  expect_exact(hours_ago(4), 1);
}

/// What it takes is 1 s, and what a statement and a whole call have at first is 600 ms.
class SlowHourTest : public RollupTest, public testing::WithParamInterface<std::chrono::milliseconds Limits::*> {};

TEST_P(SlowHourTest, IsGivenMoreTimeUntilItIsRolledUp) {
  add_rows(1, hours_ago(4), 1, 10);
  settle();
  server().exec(
      "CREATE FUNCTION wait() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN PERFORM pg_sleep(1); RETURN NULL; END'; "
      "CREATE TRIGGER slow BEFORE INSERT ON monitoring_hours EXECUTE FUNCTION wait()");
  limits_.*GetParam() = std::chrono::milliseconds{GetParam() == &Limits::statement ? 20 : 10};
  restart_exporter();
  const auto log = logged([&] {
    for (int i = 0; i < 6 && one("SELECT count(*) FROM monitoring_hours") == "0"; ++i) {
      maintain();
      wait_until("SELECT count(*) = 0 FROM pg_stat_activity WHERE application_name = 'monitor'");  // it has the lock
    }
  });
  expect_exact(hours_ago(4), 1);
  EXPECT_EQ(count(log, "are not rolled up for now"), 1) << log;
  EXPECT_EQ(count(log, "the next attempt may take"), 1) << log;
}
INSTANTIATE_TEST_SUITE_P(Limit, SlowHourTest, testing::Values(&Limits::statement, &Limits::call));

TEST_F(RollupTest, SlotsThatDidNotRunAreCountedInTheHoursTheyWereDueIn) {
  const auto hour = hours_ago(5);
  const auto id = define(definition());
  // 2 400 slots, one each 5 s, from half past on: 360, then 720 an hour, then 600.
  storage::Skipped range;
  range.definition = id;
  range.from = hour + std::chrono::minutes{30};
  range.to = range.from + std::chrono::seconds{5 * 2399};
  range.count = 2400;
  range.reason = storage::SkipReason::kPoolExhausted;
  store().append(range);
  storage::Skipped single{id, hour, hour, 1, storage::SkipReason::kStillRunning};
  store().append(single);
  commit();
  ASSERT_EQ(drain(), Progress::kIdle);
  EXPECT_EQ(one("SELECT count(*) FROM monitoring_touched"), "4");
  roll();
  EXPECT_EQ(one("SELECT string_agg(skipped_reasons::text || skipped_counts::text, ' ' ORDER BY start) FROM "
                "monitoring_hours"),
            "{pool_exhausted,still_running}{360,1} {pool_exhausted}{720} {pool_exhausted}{720} {pool_exhausted}{600}");
  EXPECT_EQ(one("SELECT sum(n) FROM monitoring_days, unnest(skipped_counts) AS n"), "2401");
  EXPECT_EQ(one("SELECT sum(n) FROM monitoring_months, unnest(skipped_counts) AS n"), "2401");
  EXPECT_EQ(one("SELECT count(*) FROM monitoring_rolled WHERE first_seq IS NULL"), "4");
}

TEST_F(RollupTest, StretchesOfAnHourInWhichAServiceWasDown) {
  const auto hour = hours_ago(3);
  make_partition(hour);
  // Minute and outcome: down from the start, unknown in between, up, down, down, up again, down until the end.
  for (const auto& [minute, outcome] : std::vector<std::pair<int, int>>{
           {1, 2}, {2, 60}, {3, 22}, {5, 1}, {10, 3}, {11, 3}, {12, 4}, {50, 22}, {55, 62}}) {
    server().exec(fmt::format(
        "INSERT INTO monitoring_results (seq, request_timestamp, agent, definition, total_us, lateness_us, stored_ms, "
        "arrived_s, body_bytes, outcome, flags, attempt, reason) VALUES ({0}, {1} + interval '{0} minutes', 1, 1, 0, "
        "0, 0, "
        "0, 0, {2}, 0, 0, 'reason {0}'), (100 + {0}, {1} + interval '{0} minutes', 1, 1, 0, 0, 0, 0, 0, 2, 0, 1, "
        "'again')",
        minute, timestamp_sql(hour), outcome));
  }
  server().exec(mark_sql(1, hour, 1, 200));
  for (int i = 0; i < 2; ++i) {
    roll();
    EXPECT_EQ(
        one("SELECT string_agg(concat_ws(' ', extract(minute FROM from_timestamp)::integer, "
            "coalesce(extract(minute FROM to_timestamp)::integer::text, '-'), checks, outcome, from_start, reason), "
            "', ' ORDER BY from_timestamp) FROM monitoring_outages"),
        "1 5 2 2 t reason 1, 10 12 2 3 f reason 10, 50 - 1 22 f reason 50");
    server().exec(mark_sql(1, hour, 1, 200));
  }
  EXPECT_EQ(one("SELECT extract(minute FROM first_judged)::integer FROM monitoring_hours"), "1");
}

}  // namespace
}  // namespace monitor::exporter
