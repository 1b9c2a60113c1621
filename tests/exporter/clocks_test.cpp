// Rows outside the window of partitions, and whose clock is to blame.
#include "fixture.h"

namespace monitor::exporter {
namespace {

using std::chrono::days;

TEST_F(ExporterTest, AStepOfOurClockCondemnsNoRow) {
  ASSERT_EQ(step(), Progress::kIdle);
  add_results(20);
  clock_.shift(-days{3});
  EXPECT_EQ(drain(), Progress::kIdle) << exporter().health().problem;
  EXPECT_EQ(exporter().health().quarantined, 0U);
  EXPECT_EQ(count_results(), "20");
}

TEST_F(ExporterTest, AMachineThatSleptCondemnsNoRow) {
  ASSERT_EQ(step(), Progress::kIdle);
  clock_.sleep(days{5});
  add_results(20);
  EXPECT_EQ(drain(), Progress::kIdle) << exporter().health().problem;
  EXPECT_EQ(exporter().health().quarantined, 0U);
  EXPECT_EQ(count_results(), "20");
}

TEST_F(ExporterTest, WhileTheClocksDisagreeAMixedBatchOfManyStraysStops) {
  limits_.clock_patience = std::chrono::minutes{0};
  ASSERT_EQ(step(), Progress::kIdle);
  add_results(20);
  clock_.shift(days{3});
  add_results(20);
  const auto log = logged([&] {
    EXPECT_EQ(drain(), Progress::kUnavailable);
    EXPECT_EQ(drain(), Progress::kUnavailable);
    EXPECT_TRUE(exporter().health().degraded);
    EXPECT_EQ(exporter().health().quarantined, 0U);
    clock_.shift(-days{3});
    EXPECT_EQ(drain(), Progress::kIdle);
  });
  EXPECT_EQ(count(log, "correct the one that is wrong"), 1) << log;
  EXPECT_EQ(count(log, "again; 40 wait"), 1) << log;
  EXPECT_FALSE(exporter().health().degraded);
  EXPECT_EQ(exporter().health().quarantined, 20U) << "taken while our clock was wrong";
  EXPECT_EQ(exporter().health().exported, 20U);
  EXPECT_EQ(count_results(), "20");
}

TEST_F(ExporterTest, WhileTheClocksDisagreeStraysOfSmallBatchesAddUp) {
  ASSERT_EQ(step(), Progress::kIdle);
  const auto id = define(definition());
  clock_.shift(days{3});
  for (int i = 0; i < 10; ++i) {
    append(result(id));
    append(result(id, days{3}));
    commit();
    ASSERT_EQ(drain(), Progress::kIdle) << i << exporter().health().problem;
  }
  EXPECT_EQ(exporter().health().quarantined, 10U);
  append(result(id));
  append(result(id, days{3}));
  commit();
  EXPECT_EQ(drain(), Progress::kUnavailable);
  EXPECT_EQ(exporter().health().quarantined, 10U);
}

// PostgreSQL on the same machine has the same clock, and both are wrong.
TEST_F(ExporterTest, ManyStraysWaitForClocksThatAgreeToBeCorrected) {
  ASSERT_EQ(step(), Progress::kIdle);
  const auto id = define(definition());
  for (int i = 0; i < 20; ++i) {
    append(result(id));
    append(result(id, -days{4}));
  }
  commit();
  const auto log = logged([&] {
    for (int i = 0; i < 3; ++i) EXPECT_EQ(drain(), Progress::kUnavailable);
    EXPECT_EQ(exporter().health().quarantined, 0U);
    clock_.sleep(-std::chrono::minutes{59});
    EXPECT_EQ(drain(), Progress::kUnavailable);
    clock_.sleep(-std::chrono::minutes{1});
    EXPECT_EQ(drain(), Progress::kIdle) << exporter().health().problem;
  });
  EXPECT_EQ(count(log, "go to quarantine in 60 minutes"), 1) << log;
  EXPECT_EQ(exporter().health().quarantined, 20U);
  EXPECT_EQ(count_results(), "20");
  append(result(id));
  for (int i = 0; i < 20; ++i) append(result(id, -days{4}));
  commit();
  EXPECT_EQ(drain(), Progress::kIdle) << "the next ones, while they last, wait no more";
}

TEST_F(ExporterTest, AServerWhoseClockIsADayOffKeepsOurTimes) {
  for (const auto off : {-days{1}, days{2}}) {  // and back: our clock is what moves here
    clock_.shift(off);
    const auto row = result(define(definition()));
    append(row);
    commit();
    EXPECT_EQ(drain(), Progress::kIdle) << exporter().health().problem;
    EXPECT_EQ(server().value("SELECT (extract(epoch FROM request_timestamp) * 1000000)::bigint FROM monitoring ORDER "
                             "BY seq DESC LIMIT 1"),
              std::to_string(common::unix_micros(row.requested_at)));
  }
  EXPECT_EQ(exporter().health().quarantined, 0U);
}

}  // namespace
}  // namespace monitor::exporter
