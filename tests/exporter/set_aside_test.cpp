// Rows that PostgreSQL refuses though nothing is wrong with the table, of every kind, and results that go there once
// more from the quarantine.
#include "fault_fixture.h"

namespace monitor::exporter {
namespace {

using std::chrono::minutes;

class SetAside : public FaultTest {
 protected:
  SetAside() {
    if (step() != Progress::kIdle) throw std::runtime_error("no schema");
  }
  void refuse(const std::string& table, const std::string& what) {
    server().exec("ALTER TABLE " + table + " ADD CONSTRAINT poison CHECK (" + what + ")");
  }
  void take_again(const std::string& table) { server().exec("ALTER TABLE " + table + " DROP CONSTRAINT poison"); }
  void skip(std::int64_t slots) {
    const auto now = clock_.wall();
    store().append(storage::Skipped{define(definition()), now - minutes{2}, now - minutes{1}, slots,
                                    storage::SkipReason::kStillRunning});
  }
  void lose(std::int64_t results) {
    const auto now = clock_.wall();
    store().append(storage::Gap{storage::GapReason::kDiskFull, now - minutes{9}, now - minutes{5}, 0, 0, results});
  }
  /// `count` results of which those at `bad` have bodies of 666 bytes.
  void add_with(int count, const std::set<int>& bad) {
    const auto id = define(definition());
    for (int i = 0; i < count; ++i) {
      auto row = result(id);
      if (bad.contains(i)) row.body_bytes = 666;
      append(row);
    }
    commit();
  }
  void settle_all() {
    for (int i = 0; i < 3; ++i) {
      EXPECT_EQ(drain(), Progress::kIdle) << exporter().health().problem;
      commit();
    }
  }
  std::string skipped() {
    return server().value("SELECT string_agg(count::text, ' ' ORDER BY id) FROM monitoring_skipped");
  }
  std::string gaps() {
    return server().value("SELECT string_agg(reason || ' ' || count, ', ' ORDER BY id) FROM monitoring_gaps");
  }
};

TEST_F(SetAside, ARefusedSkippedRangeBecomesAGapAndTheRestArrives) {
  refuse("monitoring_skipped", "count <> 666");
  skip(5);
  skip(666);
  skip(7);
  add_results(100);
  const auto log = logged([&] { settle_all(); });
  EXPECT_EQ(count_results(), "100");
  EXPECT_EQ(skipped(), "5 7");
  EXPECT_EQ(gaps(), "refused 666");
  EXPECT_EQ(exporter().health().quarantined, 1U);
  EXPECT_FALSE(exporter().health().degraded);
  EXPECT_EQ(count(log, "number 2 of the skipped ranges cannot be exported"), 1) << log;
}

TEST_F(SetAside, ALoneRefusedGapBecomesOneThatIsTaken) {
  refuse("monitoring_gaps", "reason <> 'disk_full' OR count <> 666");
  lose(666);
  commit();
  settle_all();
  lose(3);
  commit();
  settle_all();
  EXPECT_EQ(gaps(), "refused 666, disk_full 3");
  EXPECT_EQ(exporter().health().quarantined, 1U);
}

TEST_F(SetAside, ARefusalThatMeetsTheReplacementTooEnds) {
  refuse("monitoring_gaps", "count <> 666");
  lose(666);
  commit();
  settle_all();
  EXPECT_EQ(gaps(), "");
  EXPECT_EQ(exporter().health().quarantined, 2U) << "the gap, and what stood for it";
  EXPECT_FALSE(exporter().health().degraded);
}

TEST_F(SetAside, ATimeThatPostgresDoesNotHaveIsReplaced) {
  const auto never = common::from_unix_micros(std::int64_t{-9'000'000'000'000} * 1'000'000);
  store().append(storage::Gap{storage::GapReason::kDiskFull, never, never, 0, 0, 4});
  store().append(storage::Skipped{define(definition()), never, never, 6, storage::SkipReason::kStillRunning});
  add_results(100);
  settle_all();
  EXPECT_EQ(count_results(), "100");
  EXPECT_EQ(server().value("SELECT count(*) FROM monitoring_gaps WHERE reason = 'refused' AND abs(extract(epoch FROM "
                           "from_timestamp - timezone('utc', now()))) < 3600"),
            "2");
}

/// Of the first `attempts` to insert a row none succeeds.
class Refusing : public SetAside {
 protected:
  void refuse_first(const std::string& table, int attempts) {
    server().exec("CREATE SEQUENCE attempts");
    server().exec("CREATE FUNCTION refuse() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN IF nextval('attempts') <= " +
                  std::to_string(attempts) + " THEN RAISE EXCEPTION 'not yet'; END IF; RETURN NEW; END $$");
    server().exec("CREATE TRIGGER refusing BEFORE INSERT ON " + table + " FOR EACH ROW EXECUTE FUNCTION refuse()");
  }
};

TEST_F(Refusing, WhatGoesWhileTheBadRowsAreSoughtCostsNoResult) {
  refuse_first("monitoring_results", 12);  // enough that some are refused alone
  add_results(100);
  settle_all();
  EXPECT_EQ(count_results(), "100");
  EXPECT_EQ(exporter().health().quarantined, 0U);
}

TEST_F(Refusing, WhatGoesWhileTheyAreTriedOnceMoreCostsNoResult) {
  refuse_first("monitoring_results", 6);  // all, one, two, one, one; then the first alone again
  add_results(3);
  settle_all();
  EXPECT_EQ(count_results(), "3");
  EXPECT_EQ(exporter().health().quarantined, 0U);
  EXPECT_EQ(server().value("SELECT last_value FROM attempts"), "9") << "the first alone, twice again";
}

TEST_F(Refusing, ARangeIsReplacedOnlyIfItIsRefusedToTheEnd) {
  refuse_first("monitoring_skipped", 3);
  skip(5);
  skip(6);
  add_results(100);
  settle_all();
  EXPECT_EQ(skipped(), "5 6");
  EXPECT_EQ(gaps(), "");
}

class RefusedTable : public SetAside, public testing::WithParamInterface<const char*> {};

TEST_P(RefusedTable, CostsNeitherARangeNorAGap) {
  refuse(GetParam(), "count < 0");
  skip(5);
  lose(3);
  add_results(100);
  const auto log = logged([&] {
    for (int i = 0; i < 3; ++i) EXPECT_EQ(drain(), Progress::kUnavailable);
    EXPECT_EQ(exporter().health().quarantined, 0U);
    take_again(GetParam());
    settle_all();
  });
  expect_said_once(log);
  EXPECT_EQ(count_results(), "100");
  EXPECT_EQ(skipped(), "5");
  EXPECT_EQ(gaps(), "disk_full 3");
}
INSTANTIATE_TEST_SUITE_P(Of, RefusedTable, testing::Values("monitoring_skipped", "monitoring_gaps"));

TEST_F(SetAside, ManyRefusedSkippedRangesAreTheTablesFault) {
  refuse("monitoring_skipped", "count <> 666");
  for (int i = 0; i < 12; ++i) skip(666);
  skip(5);
  commit();
  EXPECT_EQ(drain(), Progress::kUnavailable);
  EXPECT_NE(exporter().health().problem.find("more than 10 skipped ranges"), std::string::npos);
  EXPECT_EQ(exporter().health().quarantined, 0U);
  take_again("monitoring_skipped");
  settle_all();
  EXPECT_EQ(server().value("SELECT count(*) FROM monitoring_skipped"), "13");
}

TEST_F(SetAside, ResultsThatAreRetriedArriveUnderTheAgentTheyBelongTo) {
  refuse("monitoring_results", "body_bytes <> 666");
  add_with(200, {50, 120});
  settle_all();
  const auto before = test::run(io_, store().identity()).agent_id;
  new_epoch();
  restart_exporter();
  add_results(100);
  settle_all();
  ASSERT_EQ(count_results(), "298");
  take_again("monitoring_results");
  ASSERT_EQ(test::run(io_, store().retry_quarantined({})).count, 2);
  settle_all();
  EXPECT_EQ(server().value("SELECT count(*) || ' ' || count(DISTINCT seq) || ' ' || max(seq) FROM monitoring_results"),
            "300 300 300");
  EXPECT_EQ(server().value("SELECT count(*) FROM monitoring WHERE agent_id = '" + before + "'"), "200");
  EXPECT_EQ(test::run(io_, store().quarantined(0, 10)).size(), 0U);
}

TEST_F(SetAside, AResultThatIsRetriedAndRefusedAgainIsSetAsideAgain) {
  refuse("monitoring_results", "body_bytes <> 666");
  add_with(200, {50});
  settle_all();
  test::run(io_, store().retry_quarantined({}));
  settle_all();
  EXPECT_EQ(arrived(), "199 199 200 1");
  EXPECT_EQ(exporter().health().quarantined, 2U);
  const auto rows = test::run(io_, store().quarantined(0, 10));
  ASSERT_EQ(rows.size(), 1U);
  EXPECT_EQ(rows.front().seq, 51);
  EXPECT_EQ(rows.front().sqlstate, "23514");
}

TEST_F(SetAside, ARetryWhileABacklogIsSentLosesAndDoublesNothing) {
  limits_.batch_rows = 100;
  restart_exporter();
  refuse("monitoring_results", "body_bytes <> 666");
  add_with(1000, {50});
  ASSERT_EQ(step(), Progress::kMore);
  take_again("monitoring_results");
  ASSERT_EQ(step(), Progress::kMore);  // and the batch behind it is read already
  ASSERT_EQ(test::run(io_, store().retry_quarantined({})).count, 1);
  settle_all();
  EXPECT_EQ(arrived(), "1000 1000 1000 1");
}

}  // namespace
}  // namespace monitor::exporter
