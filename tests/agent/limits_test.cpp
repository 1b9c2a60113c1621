#include <map>
#include <set>

#include <gtest/gtest.h>

#include "fixture.h"

namespace monitor::agent {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;

TEST_F(AgentTest, AServerThatAsksToBeLeftAloneIsSparedOneSlot) {
  make(1, 100);
  prober_.outcome = common::Outcome::kStatus;
  prober_.retry_after = seconds{3600};
  live(seconds{60});
  const auto batch = stored();
  EXPECT_EQ(batch.results.size(), 6U);
  EXPECT_EQ(count(batch.skipped, storage::SkipReason::kRetryAfter), 6);
  EXPECT_EQ(skipped(batch), 6);
  EXPECT_EQ(due(batch, seconds{5}).begin()->second.size(), 12U);
}

TEST_F(AgentTest, ASlotAfterTheMomentThatTheServerNamesRuns) {
  make(1, 100);
  prober_.retry_after = seconds{4};
  live(seconds{60});
  const auto batch = stored();
  EXPECT_EQ(batch.results.size(), 12U);
  EXPECT_TRUE(batch.skipped.empty());
}

TEST_F(AgentTest, AServerThatAsksToBeLeftAloneIsNotCheckedAgainBefore) {
  recheck(2, seconds{5});
  make(1, 100, seconds{60});
  prober_.outcome = common::Outcome::kStatus;
  prober_.retry_after = seconds{6};
  live(seconds{60});
  EXPECT_EQ(agent_->health().rechecks, 0U);
}

TEST_F(AgentTest, WhatARecheckIsToldIsHeededToo) {
  recheck(3, seconds{1});
  make(1, 100);
  prober_.outcome = common::Outcome::kStatus;
  live_until([&] { return prober_.begun.size() == 1; });
  prober_.retry_after = seconds{3600};
  live_until([&] { return prober_.begun.size() == 2; });
  prober_.retry_after.reset();
  live(seconds{10});
  const auto batch = stored();
  EXPECT_EQ(count(batch.skipped, storage::SkipReason::kRetryAfter), 1);
  EXPECT_EQ(skipped(batch), 1);
  EXPECT_EQ(agent_->health().rechecks, 1U);
}

TEST_F(AgentTest, OfOneHostSoManyChecksRunAtOnceAsItsLimitSays) {
  limits_.per_host_concurrency = 3;
  make(30, 100);
  prober_.hold = true;
  for (int round = 0; round < 60; ++round) {
    live(milliseconds{999});  // a little less than a minute: then the first ones are due for the thirteenth time
    EXPECT_LE(agent_->health().running, 3U);
    if (round % 2 == 1) release_all();
  }
  prober_.hold = false;
  release_all();
  settle();
  EXPECT_EQ(prober_.most_at_once, 3U);
  const auto batch = stored();
  EXPECT_GT(count(batch.skipped, storage::SkipReason::kRateLimited), 0);
  EXPECT_GE(batch.results.size(), 80U);
  EXPECT_FALSE(prober_.overlapped);
  agent_->stop();
  agent_->close_books();
  const auto rest = stored();
  // Those that still wait are counted by run(), which this test does without.
  EXPECT_LE(static_cast<std::int64_t>(rest.results.size()) + skipped(rest), 30 * 12);
  EXPECT_GE(static_cast<std::int64_t>(rest.results.size()) + skipped(rest), 30 * 12 - 30);
}

TEST_F(AgentTest, ChecksOfOneHostBeginNoFasterThanItsLimitSays) {
  limits_.per_host_rate = 2;
  make(20, 100);
  live(seconds{60});
  const auto batch = stored();
  EXPECT_LE(batch.results.size(), 121U);
  EXPECT_GE(batch.results.size(), 115U);
  EXPECT_EQ(count(batch.skipped, storage::SkipReason::kRateLimited), skipped(batch));
  std::map<storage::DefinitionId, int> runs;
  std::set<common::WallTime> begun;
  for (const auto& row : batch.results) {
    ++runs[row.definition];
    begun.insert(row.requested_at);
    EXPECT_LE(row.lateness, seconds{5});
  }
  EXPECT_EQ(runs.size(), 20U) << "none is starved";
  for (const auto& [service, count] : runs) EXPECT_GE(count, 3) << service;
  ASSERT_EQ(begun.size(), batch.results.size());
  for (auto at = std::next(begun.begin()); at != begun.end(); ++at) {
    EXPECT_GE(*at - *std::prev(at), milliseconds{489});
  }
}

TEST_F(AgentTest, LimitsThatAreWideEnoughChangeNothing) {
  limits_ = {.per_host_concurrency = 20, .per_host_rate = 100};
  make(20, 100);
  live(seconds{50});
  const auto batch = stored();
  EXPECT_EQ(batch.results.size(), 200U);
  EXPECT_TRUE(batch.skipped.empty());
  for (const auto& row : batch.results) EXPECT_LT(row.lateness, milliseconds{100});
}

TEST_F(AgentTest, ManySlotsOfOneHostWhoseChecksAreOverAtOnceAllHaveTheirTurn) {
  limits_.per_host_concurrency = 1;
  make(2000, 4);
  step();
  clock_.advance(milliseconds{900});
  step();
  const auto batch = stored();
  EXPECT_GT(batch.results.size(), 300U);
  EXPECT_TRUE(batch.skipped.empty());
  EXPECT_EQ(prober_.most_at_once, 1U);
  EXPECT_EQ(prober_.begun.size(), batch.results.size());
}

TEST_F(AgentTest, ARecheckMakesRoomForASlotAtItsHost) {
  limits_.per_host_concurrency = 1;
  recheck(3, seconds{1});
  make(2, 100, seconds{30});
  prober_.of = {{kFirst, common::Outcome::kConnectRefused}};
  live_until([&] { return prober_.begun_of(kFirst) == 1; });
  prober_.hold = true;
  prober_.held_url = kFirst;
  live_until([&] { return prober_.begun_of(kFirst) == 2; });
  const auto before = prober_.begun_of(kSecond);
  live_until([&] { return prober_.begun_of(kSecond) > before; });
  EXPECT_TRUE(stored().skipped.empty());
  EXPECT_EQ(prober_.most_at_once, 1U);
}

}  // namespace
}  // namespace monitor::agent
