#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "fixture.h"

namespace monitor::agent {
namespace {

using common::Outcome;
using std::chrono::milliseconds;
using std::chrono::seconds;

TEST_F(AgentTest, AfterStandingStillNothingBursts) {
  make(50, 1000);
  live(seconds{10} + milliseconds{1});
  const auto before = prober_.begun.size();
  clock_.advance(seconds{60});
  agent_->step();
  settle();
  EXPECT_EQ(prober_.begun.size(), before) << "no burst";
  const auto batch = stored();
  EXPECT_EQ(count(batch.skipped, storage::SkipReason::kSuspended), 50 * 12);
}

TEST_F(AgentTest, WhatIsASecondLateRunsLateAndWhatIsThreeLateIsSkipped) {
  make(50, 1000);
  live(seconds{10} - milliseconds{1});
  ASSERT_EQ(prober_.begun.size(), 100U);
  clock_.advance(seconds{1});
  step();
  const auto run = prober_.begun.size();
  EXPECT_GT(run, 100U);
  clock_.advance(seconds{4});
  step();
  EXPECT_EQ(prober_.begun.size(), run);
  EXPECT_EQ(count(stored().skipped, storage::SkipReason::kSuspended), 150 - static_cast<int>(run));
}

TEST_F(AgentTest, ARecheckThatFailedWhileWeStoodStillSaysNothing) {
  recheck(1, seconds{2});
  make(1, 100, seconds{300});
  prober_.outcome = common::Outcome::kConnectRefused;
  live_until([&] { return prober_.begun.size() == 1; });
  prober_.outcome = common::Outcome::kFirstByteTimeout;
  prober_.hold = true;
  live_until([&] { return prober_.begun.size() == 2; });
  clock_.advance(seconds{60});
  release_all();
  const auto batch = stored();
  ASSERT_EQ(batch.results.size(), 2U);
  EXPECT_EQ(batch.results[1].attempt, 1);
  EXPECT_EQ(batch.results[1].outcome, common::Outcome::kLocalResource);
}

TEST_F(AgentTest, AfterTheMachineSleptNothingBurstsAndEverySlotIsOnItsPhase) {
  make(50, 1000);
  live(seconds{10});
  const auto before = prober_.begun.size();
  clock_.sleep(seconds{63});  // the steady clock stands still
  agent_->step();
  settle();
  EXPECT_EQ(prober_.begun.size(), before) << "no burst";
  live(seconds{17});
  const auto batch = stored();
  EXPECT_EQ(batch.results.size() + static_cast<std::size_t>(count(batch.skipped, storage::SkipReason::kSuspended)),
            50U * 18);
  EXPECT_EQ(count(batch.skipped, storage::SkipReason::kSuspended), skipped(batch));
  for (const auto& [service, moments] : due(batch, seconds{5})) {
    EXPECT_EQ(moments.size(), 18U);
    for (const auto moment : moments) EXPECT_EQ((moment - *moments.begin()) % seconds{5}, seconds{0});
  }
}

TEST_F(AgentTest, ALastRunAheadOfTheClockKeepsNoServiceWaiting) {
  make(1, 10, std::chrono::hours{1});
  live(seconds{40});
  ASSERT_EQ(stored().results.size(), 1U);
  clock_.step_wall(std::chrono::hours{-5});
  make(1, 10, std::chrono::hours{1});
  live(seconds{40});
  EXPECT_EQ(stored().results.size(), 2U);
}

TEST_F(AgentTest, AStepOfTheWallClockMovesNoSlot) {
  make(20, 100);
  live(seconds{10});
  for (const auto step : {std::chrono::hours{5}, std::chrono::hours{-10}}) {
    clock_.step_wall(step);
    agent_->step();
    settle();
  }
  live(seconds{10});
  const auto batch = stored();
  EXPECT_EQ(batch.results.size(), 80U);
  EXPECT_TRUE(batch.skipped.empty());
  for (const auto& row : batch.results) {
    EXPECT_GE(row.lateness, milliseconds{0});
    EXPECT_LT(row.lateness, milliseconds{1});
  }
}

TEST_F(AgentTest, ACheckThatFailedWhileWeStoodStillSaysNothing) {
  make(2, 100, seconds{300});
  prober_.of = {{kFirst, common::Outcome::kFirstByteTimeout}};
  prober_.hold = true;
  live(seconds{31});
  ASSERT_EQ(prober_.begun.size(), 2U);
  clock_.advance(seconds{60});
  release_all();  // before the loop has turned
  const auto batch = stored();
  ASSERT_EQ(batch.results.size(), 2U);
  for (const auto& row : batch.results) {
    if (row.outcome == common::Outcome::kUp) continue;
    EXPECT_EQ(row.outcome, common::Outcome::kLocalResource);
    EXPECT_THAT(row.reason, testing::HasSubstr("stood still during the check"));
    EXPECT_THAT(row.reason, testing::EndsWith("it said so"));
  }
  EXPECT_EQ(agent_->health().up, 1U);
  EXPECT_EQ(agent_->health().unknown, 1U);
}

TEST_F(AgentTest, AShortStandstillExcusesAShortCheckAndNoLongOne) {
  for (const auto& [takes, excused] : {std::pair{seconds{2}, true}, std::pair{seconds{10}, false}}) {
    agent_.reset();
    make(1, 100, seconds{300});
    prober_.outcome = common::Outcome::kFirstByteTimeout;
    prober_.takes = takes;
    prober_.hold = true;
    live_until([&] { return !prober_.gates.empty(); });
    clock_.advance(milliseconds{2400});  // a turn is due after a second at the latest
    agent_->step();
    settle();
    release_all();
    EXPECT_EQ(agent_->health().unknown, excused ? 1U : 0U) << takes.count();
    EXPECT_EQ(agent_->health().down, excused ? 0U : 1U) << takes.count();
    prober_.hold = false;
  }
}

TEST_F(AgentTest, TurnsThatAreALittleLateExcuseNothing) {
  make(1, 100, seconds{300});
  prober_.outcome = common::Outcome::kFirstByteTimeout;
  prober_.takes = seconds{1};
  prober_.hold = true;
  live_until([&] { return !prober_.gates.empty(); });
  for (int turn = 0; turn < 100; ++turn)
    clock_.advance(std::chrono::ceil<common::Micros>(step() - clock_.boot()) + milliseconds{50});
  release_all();
  EXPECT_EQ(agent_->health().down, 1U);
}

TEST_F(AgentTest, WhatAServerSaidStandsThoughWeStoodStillMeanwhile) {
  make(1, 100, seconds{300});
  prober_.outcome = common::Outcome::kStatus;
  prober_.hold = true;
  live(seconds{31});
  clock_.advance(seconds{60});
  release_all();
  EXPECT_EQ(agent_->health().down, 1U);
  EXPECT_EQ(stored().results.at(0).outcome, common::Outcome::kStatus);
}

TEST_F(AgentTest, ACheckThatFailedAfterTheLoopHasTurnedAgainIsExcusedToo) {
  make(1, 100, seconds{300});
  prober_.outcome = common::Outcome::kFirstByteTimeout;
  prober_.hold = true;
  live(seconds{31});
  clock_.advance(seconds{60});
  agent_->step();
  release_all();
  EXPECT_EQ(agent_->health().unknown, 1U);
}

TEST_F(AgentTest, WhatWaitsForItsHostWhileTheProcessStandsStillIsSkippedForThat) {
  limits_.per_host_concurrency = 1;
  make(2, 100);
  prober_.hold = true;
  live_until([&] { return count(stored().skipped, storage::SkipReason::kRateLimited) == 1; });
  const auto rows = stored().skipped;
  const auto other = *std::ranges::find(rows, storage::SkipReason::kRateLimited, &storage::StoredSkipped::reason);
  live(other.from + seconds{5} + milliseconds{200} - clock_.wall());  // its next slot waits
  clock_.advance(seconds{60});
  agent_->step();
  const auto batch = stored();
  EXPECT_EQ(count(batch.skipped, storage::SkipReason::kRateLimited), 1);
  const auto moments = due(batch, seconds{5})[other.definition];
  EXPECT_EQ(moments.size(), 14U);
  EXPECT_EQ(*moments.begin() + 13 * seconds{5}, *moments.rbegin());
}

TEST_F(AgentTest, AfterStandingStillNoRecheckIsMadeUpFor) {
  recheck(3, seconds{50});
  make(20, 100, seconds{300});
  prober_.outcome = common::Outcome::kConnectRefused;
  live_until([&] { return agent_->health().checks == 20; });  // within half a minute
  ASSERT_EQ(agent_->health().rechecks, 0U);
  clock_.advance(seconds{60});
  step();
  live(seconds{5});
  EXPECT_EQ(agent_->health().rechecks, 0U);
}

}  // namespace
}  // namespace monitor::agent
