// Days whose results somebody dropped by hand: what was rolled up stays, and nothing is counted twice.
#include "rollup_fixture.h"

namespace monitor::exporter {
namespace {

using std::chrono::days;
using std::chrono::hours;

TEST_F(RollupTest, ADayThatSomebodyDroppedKeepsItsRollups) {
  const Hours hour = days_ago(3) + hours{5};
  add_rows(1, hour, 1, 100);
  roll();
  const auto before = stored("monitoring_hours", hour, 1, 1);
  server().exec("DROP TABLE monitoring_results_" + day_text(hour, ""));
  server().exec(mark_sql(1, hour, 1, 1));  // slots that did not run, say
  roll();
  EXPECT_EQ(stored("monitoring_hours", hour, 1, 1), before);
  EXPECT_EQ(one("SELECT sealed FROM monitoring_rolled"), "t");
}

TEST_F(RollupTest, APartitionThatIsMadeAgainIsNotWhatItsHoursWereMadeFrom) {
  const auto id = define(definition());
  const Hours hour = days_ago(3) + hours{5};
  add_rows(1, hour, 1, 100);
  roll();
  const auto before = stored("monitoring_hours", hour, 1, 1);
  server().exec("DROP TABLE monitoring_results_" + day_text(hour, ""));
  auto late = result(id);
  late.requested_at = hour;
  append(late);
  commit();
  restart_exporter();  // it believes in the partition, else, until the server says otherwise
  ASSERT_EQ(drain(), Progress::kIdle);
  roll();
  EXPECT_EQ(stored("monitoring_hours", hour, 1, 1), before);
  EXPECT_EQ(one("SELECT count(*) || ' ' || (SELECT count(*) FROM monitoring_touched) FROM monitoring_rolled WHERE "
                "sealed"),
            "1 1")
      << "readers take both";
}

/// A day whose results somebody drops, with slots that did not run before and after that.
class DroppedDayTest : public RollupTest {
 protected:
  void add_skipped(Hours hour, std::int64_t count) {
    storage::Skipped range;
    range.definition = id_;
    range.from = hour;
    range.to = hour + std::chrono::seconds{5 * (count - 1)};
    range.count = count;
    range.reason = storage::SkipReason::kSuspended;
    store().append(range);
    commit();
    ASSERT_EQ(drain(), Progress::kIdle);
  }
  void drop_partition() { server().exec("DROP TABLE monitoring_results_" + day_text(day_, "")); }
  std::string skipped_in(const std::string& table) {
    return one("SELECT sum(n) FROM " + table + ", unnest(skipped_counts) AS n");
  }
  void expect_skipped(const std::string& count) {
    for (const char* tier : {"monitoring_hours", "monitoring_days", "monitoring_months"}) {
      EXPECT_EQ(skipped_in(tier), count) << tier;
    }
  }
  void retain_two_days() {
    options_.remote_retention = days{2};
    restart_exporter();
    roll();
  }

  storage::DefinitionId id_ = 0;
  Hours day_;
  void SetUp() override {
    RollupTest::SetUp();
    id_ = define(definition());
    day_ = days_ago(3);
    add_rows(1, day_ + hours{5}, 1, 100);
    add_rows(1, day_ + hours{7}, 101, 100);
    add_skipped(day_ + hours{5}, 60);
    add_skipped(day_ + hours{7}, 60);
    roll();
    expect_skipped("120");
  }
};

TEST_F(DroppedDayTest, SlotsThatDidNotRunAreCountedOnce) {
  const auto results = stored("monitoring_hours", day_ + hours{5}, 1, 2);
  drop_partition();
  add_skipped(day_ + hours{5}, 6);
  roll();
  EXPECT_EQ(one("SELECT string_agg(sealed::text, ' ' ORDER BY hour) FROM monitoring_rolled"), "true false");
  expect_skipped("60");  // what is stored of the sealed hour is added to it by whoever reads
  add_skipped(day_ + hours{7}, 6);
  roll();
  EXPECT_EQ(one("SELECT string_agg(sealed::text, ' ' ORDER BY hour) FROM monitoring_rolled"), "true true");
  EXPECT_EQ(stored("monitoring_hours", day_ + hours{5}, 1, 2), results);
  retain_two_days();
  expect_skipped("132");
  EXPECT_EQ(one("SELECT (SELECT count(*) FROM monitoring_skipped) + count(*) FROM monitoring_touched"), "0");
}

TEST_F(DroppedDayTest, SlotsThatDidNotRunAreCountedOnceWhereThePartitionIsMadeAgain) {
  drop_partition();
  auto late = result(id_);
  late.requested_at = day_ + hours{5};
  append(late);
  commit();
  restart_exporter();
  ASSERT_EQ(drain(), Progress::kIdle);
  EXPECT_EQ(one("SELECT string_agg(sealed::text, ' ' ORDER BY hour) FROM monitoring_rolled"), "true true");
  EXPECT_EQ(one("SELECT count(DISTINCT hour) FROM monitoring_touched"), "2") << "their slots are to be read";
  EXPECT_EQ(skipped_in("monitoring_days"), "");
  retain_two_days();
  maintain();
  expect_skipped("120");
  EXPECT_EQ(one("SELECT (SELECT count(*) FROM monitoring_skipped) + count(*) FROM monitoring_touched"), "0");
}

TEST_F(DroppedDayTest, OtherAgentsOfThatDayAreRolledUp) {
  server().exec("DELETE FROM monitoring_results");
  add_skipped(day_ + hours{5}, 6);
  add_rows(2, day_ + hours{6}, 1, 50);
  roll();
  EXPECT_EQ(one("SELECT sealed FROM monitoring_rolled WHERE hour = " + timestamp_sql(day_ + hours{5})), "t");
  add_rows(2, day_ + hours{8}, 51, 50);
  roll();
  for (const auto hour : {hours{6}, hours{8}}) expect_exact(day_ + hour, 2);
}

TEST_F(DroppedDayTest, WhereNothingNewHasComeNoSlotsAreLookedFor) {
  retain_two_days();
  EXPECT_EQ(one("SELECT count(*) FROM monitoring_skipped"), "0");
  server().exec(
      "CREATE TABLE changes (at timestamptz); CREATE FUNCTION note() RETURNS trigger LANGUAGE plpgsql AS "
      "'BEGIN INSERT INTO changes VALUES (now()); RETURN NULL; END'; CREATE TRIGGER noted AFTER UPDATE OR DELETE "
      "ON monitoring_skipped EXECUTE FUNCTION note()");
  roll();
  EXPECT_EQ(one("SELECT count(*) FROM changes"), "0");
  add_skipped(day_ + hours{5}, 6);
  roll();
  EXPECT_NE(one("SELECT count(*) FROM changes"), "0");
  expect_skipped("126");
}

TEST_F(DroppedDayTest, SlotsGoWithTheirResultsThoughTheirRollupsWentBefore) {
  server().exec("DELETE FROM monitoring_rolled; DELETE FROM monitoring_touched");
  EXPECT_EQ(one("SELECT count(*) FROM monitoring_skipped"), "2");
  retain_two_days();
  EXPECT_EQ(one("SELECT count(*) FROM monitoring_skipped"), "0");
}

}  // namespace
}  // namespace monitor::exporter
