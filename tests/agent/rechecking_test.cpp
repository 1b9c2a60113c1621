#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "common/memory.h"
#include "fixture.h"

namespace monitor::agent {
namespace {

using common::Outcome;
using std::chrono::milliseconds;
using std::chrono::seconds;
using testing::ElementsAre;

TEST_F(AgentTest, AFailureIsCheckedAgainUntilACheckIsNotDown) {
  recheck(5, seconds{7});
  make(1, 100, seconds{300});
  prober_.next = {Outcome::kConnectRefused, Outcome::kStatus, Outcome::kUp};
  live(seconds{120});
  const auto batch = stored();
  EXPECT_THAT(attempts(batch), ElementsAre(0, 1, 2));
  EXPECT_EQ(batch.results[1].requested_at - batch.results[0].requested_at, seconds{7});
  EXPECT_EQ(batch.results[2].requested_at - batch.results[1].requested_at, seconds{7});
  EXPECT_EQ(batch.results[2].lateness, common::Micros{0});
  EXPECT_EQ(batch.results[2].outcome, Outcome::kUp);
  EXPECT_EQ(batch.definitions.size(), 1U);
  EXPECT_TRUE(batch.skipped.empty());
  const auto health = agent_->health();
  EXPECT_EQ(health.checks, 1U);
  EXPECT_EQ(health.rechecks, 2U);
  EXPECT_EQ(health.down, 1U) << "the slot's verdict stands";
}

TEST_F(AgentTest, AFailureIsCheckedAgainSoManyTimesAndNoMore) {
  recheck(2, seconds{1});
  make(1, 100, seconds{20});
  prober_.outcome = Outcome::kConnectRefused;
  live(seconds{40});
  EXPECT_THAT(attempts(stored()), ElementsAre(0, 1, 2, 0)) << "known to be down, it is polled no faster";
}

TEST_F(AgentTest, AFailureAfterARecoveryIsCheckedAgain) {
  recheck(1, seconds{1});
  make(1, 100, seconds{20});
  prober_.next = {Outcome::kStatus, Outcome::kStatus, Outcome::kUp, Outcome::kStatus, Outcome::kUp};
  live(seconds{60});
  EXPECT_THAT(attempts(stored()), ElementsAre(0, 1, 0, 0, 1));
}

TEST_F(AgentTest, WhileMemoryIsShortNoFailureIsCheckedAgain) {
  common::MemoryReserve reserve;
  recheck(1, seconds{1});
  make(1, 100, seconds{300});
  prober_.outcome = Outcome::kConnectRefused;
  live_until([&] { return !prober_.begun.empty(); });
  reserve.give();
  live(seconds{20});
  EXPECT_THAT(attempts(stored()), ElementsAre(0));
  ASSERT_TRUE(reserve.take_back());
  live(seconds{2});
  EXPECT_THAT(attempts(stored()), ElementsAre(0, 1));
}

TEST_F(AgentTest, ARecheckThatFindsNoMemoryIsOver) {
  recheck(2, seconds{2});
  make(1, 100, seconds{60});
  prober_.outcome = Outcome::kConnectRefused;
  live_until([&] { return !prober_.begun.empty(); });
  prober_.no_memory = true;
  live(seconds{10});
  prober_.no_memory = false;
  live(seconds{120});
  EXPECT_GE(agent_->health().checks, 2U) << "the next slots come";
  EXPECT_EQ(agent_->health().running, 0U);
}

TEST_F(AgentTest, WithoutRecheckAFailureIsLeftToTheNextSlot) {
  make(1, 100, seconds{20});
  prober_.outcome = Outcome::kConnectRefused;
  live(seconds{40});
  EXPECT_THAT(attempts(stored()), ElementsAre(0, 0));
}

TEST_F(AgentTest, ARecheckThatWaitsGivesWayToTheNextSlot) {
  recheck(3, seconds{7});
  make(1, 100, seconds{5});
  prober_.outcome = Outcome::kConnectRefused;
  live(seconds{50});
  EXPECT_THAT(attempts(stored()), testing::AllOf(testing::SizeIs(10), testing::Each(0)));
}

TEST_F(AgentTest, ARecheckThatRunsGivesWayToTheNextSlot) {
  recheck(3, seconds{2});
  make(1, 100, seconds{20});
  prober_.outcome = Outcome::kConnectRefused;
  live_until([&] { return prober_.begun.size() == 1; });
  prober_.hold = true;
  live_until([&] { return prober_.begun.size() == 2; });
  EXPECT_EQ(agent_->health().running, 1U);
  live_until([&] { return prober_.begun.size() == 3; });
  prober_.hold = false;
  release_all();
  const auto batch = stored();
  EXPECT_THAT(attempts(batch), ElementsAre(0, 0)) << "of what was cut there is no row";
  EXPECT_EQ(batch.results[1].requested_at - batch.results[0].requested_at, seconds{20});
  EXPECT_LT(batch.results[1].lateness, milliseconds{1});
  EXPECT_TRUE(batch.skipped.empty());
  EXPECT_FALSE(prober_.overlapped);
}

TEST_F(AgentTest, ARecheckMakesRoomForTheSlotOfAnotherService) {
  recheck(3, seconds{1});
  make(2, 1, seconds{30});
  prober_.of = {{kFirst, Outcome::kConnectRefused}};
  live_until([&] { return prober_.begun_of(kFirst) == 1; });
  prober_.hold = true;
  prober_.held_url = kFirst;
  live_until([&] { return prober_.begun_of(kFirst) == 2; });
  const auto before = prober_.begun_of(kSecond);
  live_until([&] { return prober_.begun_of(kSecond) > before; });
  const auto batch = stored();
  EXPECT_TRUE(batch.skipped.empty());
  for (const auto& row : batch.results) {
    EXPECT_EQ(row.attempt, 0);
    EXPECT_LT(row.lateness, milliseconds{1});
  }
  EXPECT_EQ(prober_.most_at_once, 1U);
}

TEST_F(AgentTest, ARecheckWaitsForRoomWhileSlotsRun) {
  recheck(1, seconds{1});
  make(2, 1, seconds{300});
  prober_.outcome = Outcome::kConnectRefused;
  prober_.hold = true;
  live_until([&] { return prober_.begun.size() == 1; });
  const std::string other = prober_.begun[0] == kFirst ? kSecond : kFirst;
  live(seconds{31});  // by then the other's slot waits
  prober_.gates.front()->notify();
  settle();
  ASSERT_EQ(prober_.begun_of(other), 1U);
  const auto begun = prober_.begun.size();
  live(seconds{10});
  EXPECT_EQ(prober_.begun.size(), begun);
  prober_.hold = false;
  release_all();
  live(seconds{3});
  EXPECT_EQ(agent_->health().rechecks, 2U);
  EXPECT_EQ(prober_.most_at_once, 1U);
  EXPECT_TRUE(stored().skipped.empty());
}

/// Of whatever number: each that joins those that wait finds the re-checks asked already.
TEST_F(AgentTest, ManySlotsThatComeAtOnceAskEachRecheckOnceToMakeRoom) {
  recheck(1, seconds{5});
  make(6000, 1000, seconds{60});  // 200 a second at first
  prober_.outcome = Outcome::kConnectRefused;
  live(seconds{5});
  prober_.hold = true;
  live(milliseconds{2400});  // half of what runs by now are re-checks, and hardly any room is left
  ASSERT_GT(agent_->health().running, 800U);
  clock_.advance(milliseconds{1900});
  boost::asio::post(io_, [&] { agent_->step(); });
  io_.restart();
  std::size_t turns = 0;
  while (const auto ran = io_.poll()) turns += ran;
  EXPECT_LT(turns, 20'000U);
  EXPECT_LE(agent_->health().running, 1000U);
  EXPECT_LE(prober_.most_at_once, 1000U);
}

}  // namespace
}  // namespace monitor::agent
