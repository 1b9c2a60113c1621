// How a batch is sent: by COPY or by INSERT, and what is read ahead while it is on its way.
#include <fmt/format.h>
#include <gmock/gmock.h>

#include "async/task_group.h"
#include "exporter/copy_lines.h"
#include "fixture.h"

namespace monitor::exporter {
namespace {

using boost::asio::awaitable;

class Shipping : public ExporterTest {
 protected:
  /// From here on the table `seen` tells how rows came: by COPY or by INSERT.
  void watch_statements() {
    server().exec(
        "CREATE TABLE seen (n serial, how text);"
        "CREATE FUNCTION see() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN "
        "INSERT INTO seen (how) VALUES (split_part(ltrim(current_query(), E' \\n'), ' ', 1)); RETURN NULL; END $$;"
        "CREATE TRIGGER see AFTER INSERT ON monitoring_results FOR EACH STATEMENT EXECUTE FUNCTION see()");
  }
  std::string seen() { return server().value("SELECT coalesce(string_agg(how, ' ' ORDER BY n), '') FROM seen"); }
  /// Rows, different numbers, and the highest.
  std::string arrived() {
    return server().value("SELECT count(*) || ' ' || count(DISTINCT seq) || ' ' || max(seq) FROM monitoring_results");
  }
};

TEST_F(Shipping, ABatchGoesByCopy) {
  ASSERT_EQ(step(), Progress::kIdle);
  watch_statements();
  add_results(100);
  ASSERT_EQ(drain(), Progress::kIdle);
  EXPECT_EQ(seen(), "COPY");
  EXPECT_EQ(arrived(), "100 100 100");
}

TEST_F(Shipping, WhatMayHaveArrivedBeforeIsInsertedAndWhatFollowsCopied) {
  add_results(100);
  ASSERT_EQ(drain(), Progress::kIdle);
  test::run(io_, store().rewind({40, 0, 0}));  // as if the answer to the commit had never come
  restart_exporter();
  watch_statements();
  add_results(50);
  ASSERT_EQ(drain(), Progress::kIdle);
  EXPECT_EQ(seen(), "INSERT");
  add_results(50);
  ASSERT_EQ(drain(), Progress::kIdle);
  EXPECT_EQ(seen(), "INSERT COPY");
  EXPECT_EQ(arrived(), "200 200 200");
}

TEST_F(Shipping, ARowThatIsThereAlreadyHoldsUpNeitherItsBatchNorTheNext) {
  add_results(1);
  ASSERT_EQ(drain(), Progress::kIdle);
  const auto id = define(definition());
  const auto row = result(id);
  for (int i = 0; i < 100; ++i) append(row);
  commit();
  server().exec(fmt::format(
      "INSERT INTO monitoring_results (seq, request_timestamp, agent, definition, total_us, lateness_us, stored_ms, "
      "arrived_s, body_bytes, outcome, flags, attempt) VALUES (50, timestamp 'epoch' + {} * interval '1 microsecond', "
      "(SELECT id FROM monitoring_agents), 1, 42, 0, 0, 0, 0, 0, 0, 0)",
      common::unix_micros(row.requested_at)));
  watch_statements();
  ASSERT_EQ(drain(), Progress::kIdle);
  EXPECT_EQ(seen(), "INSERT") << "the COPY was rolled back";
  EXPECT_EQ(arrived(), "101 101 101");
  EXPECT_EQ(server().value("SELECT total_us FROM monitoring_results WHERE seq = 50"), "42");
  EXPECT_EQ(exporter().health().quarantined, 0U);
  add_results(10);
  ASSERT_EQ(drain(), Progress::kIdle);
  EXPECT_EQ(seen(), "INSERT COPY");
}

TEST_F(Shipping, WhatACopyCannotDoAnInsertDoes) {
  add_results(10);
  ASSERT_EQ(drain(), Progress::kIdle);
  server().exec(
      "ALTER TABLE monitoring_results RENAME TO moved; CREATE VIEW monitoring_results AS SELECT * FROM moved");
  for (int i = 0; i < 2; ++i) {
    add_results(10);
    EXPECT_EQ(drain(), Progress::kIdle) << exporter().health().problem;
  }
  EXPECT_EQ(arrived(), "30 30 30");
  EXPECT_EQ(exporter().health().quarantined, 0U);
}

TEST_F(Shipping, ADefinitionWhoseNumberMeansAnotherOneNowGetsItsOwn) {
  add_results(1);
  ASSERT_EQ(drain(), Progress::kIdle);
  server().exec("UPDATE monitoring_definitions SET fingerprint = 'another', name = 'another'");
  add_results(1);
  ASSERT_EQ(drain(), Progress::kIdle);
  EXPECT_EQ(server().value("SELECT service FROM monitoring WHERE seq = 2"), "home");
}

TEST_F(Shipping, WhatWasReadAheadArrivesOnce) {
  limits_.batch_rows = 100;
  add_results(1050);
  ASSERT_EQ(step(), Progress::kMore);
  add_results(20);
  ASSERT_EQ(drain(), Progress::kIdle);
  EXPECT_EQ(arrived(), "1070 1070 1070");
  EXPECT_EQ(exporter().health().exported, 1070U);
}

TEST_F(Shipping, WhatWasReadAheadIsForgottenWhenTheCursorIsMovedBack) {
  limits_.batch_rows = 100;
  add_results(500);
  for (int i = 0; i < 3; ++i) ASSERT_EQ(step(), Progress::kMore);
  server().exec("DELETE FROM monitoring_results WHERE seq > 100; UPDATE monitoring_agents SET results_head = 100");
  server().kill_backends();
  EXPECT_EQ(step(), Progress::kUnavailable);
  EXPECT_EQ(drain(), Progress::kIdle);
  EXPECT_EQ(arrived(), "500 500 500");
}

// It has never arrived, and its numbers may be given to other rows under the old id.
TEST_F(Shipping, WhatWasReadAheadOfAnEpochThatEndsGoesUnderTheNewId) {
  limits_.batch_rows = 100;
  add_results(500);
  const auto before = test::run(io_, store().identity()).agent_id;
  ASSERT_EQ(step(), Progress::kMore);
  server().exec("UPDATE monitoring_agents SET results_head = results_head + 3");
  EXPECT_EQ(step(), Progress::kUnavailable);
  add_results(1);
  EXPECT_EQ(drain(), Progress::kIdle);
  add_results(10);
  EXPECT_EQ(drain(), Progress::kIdle);
  EXPECT_EQ(arrived(), "511 511 511");
  EXPECT_EQ(server().value("SELECT count(*) FROM monitoring WHERE agent_id = '" + before + "'"), "100");
  EXPECT_EQ(server().value("SELECT count(DISTINCT agent_id) FROM monitoring"), "2");
}

TEST_F(Shipping, RowsThatAreSetAsideDoNotDisturbWhatWasReadAhead) {
  ASSERT_EQ(step(), Progress::kIdle);
  server().exec("ALTER TABLE monitoring_results ADD CONSTRAINT poison CHECK (body_bytes <> 666)");
  limits_.batch_rows = 100;
  restart_exporter();
  const auto id = define(definition());
  for (int i = 1; i <= 500; ++i) {
    auto row = result(id);
    if (i == 100 || i == 101 || i == 350) row.body_bytes = 666;
    append(row);
  }
  commit();
  EXPECT_EQ(drain(), Progress::kIdle);
  EXPECT_EQ(arrived(), "497 497 500");
  EXPECT_EQ(exporter().health().quarantined, 3U);
  EXPECT_EQ(exporter().health().exported, 497U);
}

TEST_F(Shipping, AStopWhileABatchIsReadAheadLosesNothing) {
  limits_.batch_rows = 100;
  add_results(500);
  ASSERT_EQ(step(), Progress::kMore);
  {
    const test::PostgresSession reader(server());
    reader.exec("BEGIN; LOCK TABLE monitoring_results IN ACCESS EXCLUSIVE MODE");
    async::TaskGroup tasks(io_.get_executor(), [](const std::string& name, std::exception_ptr) { FAIL() << name; });
    tasks.spawn("step", [](Exporter& shipping) -> awaitable<void> { co_await shipping.step(); }(exporter()));
    test::run(io_, [](test::Postgres& postgres) -> awaitable<void> {
      while (postgres.value("SELECT count(*) FROM pg_stat_activity WHERE datname = 'monitor' AND wait_event_type = "
                            "'Lock'") == "0") {
        co_await async::sleep_for(std::chrono::milliseconds{5});
      }
    }(server()));
    test::run(io_, [](async::TaskGroup& group) -> awaitable<void> {
      group.cancel();
      co_await group.join();
    }(tasks));
    exporter_.reset();
    close_store();
  }
  EXPECT_EQ(drain(), Progress::kIdle);
  EXPECT_EQ(arrived(), "500 500 500");
}

storage::StoredResult stored_row() {
  using std::chrono::microseconds;
  storage::StoredResult row;
  row.seq = 7;
  row.requested_at = common::from_unix_micros(1'767'225'599'000'042);
  row.stored_at = row.requested_at + microseconds{1'500};
  row.status = 200;
  row.dns = microseconds{310};
  row.total = microseconds{45'010};
  row.lateness = microseconds{120};
  row.body_bytes = 1256;
  return row;
}

TEST(CopyLines, AResultIsOneLine) {
  CopyLines lines(3, common::from_unix_micros(1'767'225'600'000'041), Repertoire::kAll);
  std::string out;
  auto row = stored_row();
  row.remote_address = "192.0.2.10";
  lines.add(row, 12, 0, out);
  EXPECT_EQ(out, "7\t2025-12-31 23:59:59.000042\t12\t45010\t120\t2\t1256\t310\t\\N\t\\N\t\\N\t\\N\t" +
                     std::to_string(static_cast<int>(row.outcome)) +
                     "\t200\t0\t0\t192.0.2.10\t\\N\t\\N\t\\N\t\\N\t3\t1\n");
  out.clear();
  row.requested_at += std::chrono::seconds{1};
  row.seq = 8;
  lines.add(row, 12, 9, out);
  EXPECT_THAT(out, testing::StartsWith("8\t2026-01-01 00:00:00.000042\t"));
  EXPECT_THAT(out, testing::EndsWith("\t\\N\t9\t\\N\t\\N\t3\t0\n"));
}

TEST(CopyLines, TextEndsNeitherItsFieldNorItsLine) {
  CopyLines lines(3, {}, Repertoire::kAll);
  std::string out;
  auto row = stored_row();
  row.reason = "a\tb\nc\rd\\N\\.";
  row.hops = "\\";
  row.evidence = "\\.\n";
  row.remote_address = "no address";
  lines.add(row, 1, 0, out);
  EXPECT_THAT(out, testing::HasSubstr("\t\\N\ta\\tb\\nc\\rd\\\\N\\\\.\t\\N\t\\\\\t\\\\.\\n\t3\t"));
  EXPECT_EQ(std::ranges::count(out, '\n'), 1);
  EXPECT_EQ(std::ranges::count(out, '\t'), 22);
}

TEST(CopyLines, WhatTheServersEncodingLacksIsSpelledOut) {
  CopyLines lines(3, {}, Repertoire::kAscii);
  std::string out;
  auto row = stored_row();
  row.reason = "ü";
  lines.add(row, 1, 0, out);
  EXPECT_THAT(out, testing::HasSubstr("\t\\\\u00fc\t"));
}

}  // namespace
}  // namespace monitor::exporter
