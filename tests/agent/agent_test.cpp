#include <boost/asio/executor_work_guard.hpp>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "async/task_group.h"
#include "common/memory.h"
#include "fixture.h"

namespace monitor::agent {
namespace {

namespace asio = boost::asio;
using common::Outcome;
using std::chrono::milliseconds;
using std::chrono::seconds;
using testing::ElementsAre;

TEST_F(AgentTest, RunsEverySlotOnceAndStoresItWithItsLateness) {
  make(20, 100);
  live(seconds{50});
  const auto batch = stored();
  EXPECT_EQ(batch.results.size(), 200U);
  EXPECT_TRUE(batch.skipped.empty());
  for (const auto& row : batch.results) {
    EXPECT_GE(row.lateness, milliseconds{0});
    EXPECT_LT(row.lateness, milliseconds{1});
  }
}

TEST_F(AgentTest, SlotsOfTheSameMillisecondBeginInOneTurn) {
  make(5000, 10'000, seconds{1});
  const auto before = agent_->health().steps;
  live(seconds{2} - common::Micros{1});  // then the first ones are due for the third time
  step();                                // what came due in the last millisecond
  EXPECT_EQ(agent_->health().checks, 10'000U);
  EXPECT_LE(agent_->health().steps - before, 2002U);
  for (const auto& row : stored().results) EXPECT_LE(row.lateness, milliseconds{1});
}

TEST_F(AgentTest, CountsEveryServiceOnceByItsLastSlot) {
  make(3, 100);
  prober_.of[kFirst] = Outcome::kConnectRefused;
  live(seconds{20});
  EXPECT_EQ(agent_->health().up, 2U);
  EXPECT_EQ(agent_->health().down, 1U);
  prober_.of[kFirst] = Outcome::kLocalResource;
  live(seconds{5});
  EXPECT_EQ(agent_->health().down, 0U);
  EXPECT_EQ(agent_->health().unknown, 1U);
  EXPECT_EQ(agent_->health().up + agent_->health().degraded, 2U);
}

TEST_F(AgentTest, AServiceNeverOverlapsItselfAndItsMissedSlotsAreStored) {
  make(1, 100);
  prober_.hold = true;
  live(seconds{25});
  EXPECT_EQ(prober_.begun.size(), 1U);
  release_all();
  prober_.hold = false;
  live(seconds{25});
  const auto batch = stored();
  EXPECT_EQ(count(batch.skipped, storage::SkipReason::kStillRunning), 4);
  EXPECT_EQ(batch.results.size() + 4, 10U) << "slots due = run + skipped";
}

TEST_F(AgentTest, NeverRunsMoreAtOnceThanAllowedAndSlotsDueAreRunOrSkipped) {
  make(100, 4);
  prober_.hold = true;
  for (int round = 0; round < 60; ++round) {
    live(seconds{1});
    EXPECT_LE(agent_->health().running, 4U);
    if (round % 9 == 8) release_all();
  }
  prober_.hold = false;
  release_all();
  settle();
  const auto batch = stored();
  EXPECT_GT(count(batch.skipped, storage::SkipReason::kPoolExhausted), 0);
  EXPECT_EQ(static_cast<std::int64_t>(batch.results.size()) + skipped(batch), 100 * 12);
  for (const auto& [service, moments] : due(batch, seconds{5})) EXPECT_EQ(moments.size(), 12U) << "each of them once";
}

TEST_F(AgentTest, ChecksThatAreOverAtOnceLeaveTheirPlaceAtOnce) {
  make(2000, 4);
  step();
  clock_.advance(milliseconds{1900});
  step();
  const auto batch = stored();
  EXPECT_GT(batch.results.size(), 600U);
  EXPECT_EQ(prober_.begun.size(), batch.results.size());
  EXPECT_EQ(agent_->health().running, 0U);
}

TEST_F(AgentTest, ABugInACheckEndsTheAgentInsteadOfTheProcess) {
  make(1, 100);
  prober_.broken = true;
  std::string ended_with;
  async::TaskGroup tasks(io_.get_executor(), [&](const std::string&, std::exception_ptr failure) {
    try {
      std::rethrow_exception(failure);
    } catch (const std::logic_error& error) {
      ended_with = error.what();
    }
  });
  const auto guard = asio::make_work_guard(io_);
  io_.restart();
  tasks.spawn("agent", agent_->run());
  while (agent_->health().steps == 0) io_.run_one_for(seconds{1});
  live(seconds{5});
  while (tasks.size() > 0) io_.run_one_for(seconds{1});
  EXPECT_EQ(ended_with, "a bug");
}

TEST_F(AgentTest, ACheckThatFindsNoMemoryIsSkippedAndTheNextOnesRun) {
  make(2, 100, seconds{5});
  prober_.no_memory = true;
  live(seconds{10});
  prober_.no_memory = false;
  live(seconds{10});
  test::run(io_, store_->commit());
  const auto batch = test::run(io_, store_->next_batch(1000));
  EXPECT_EQ(skipped(batch), 4);
  for (const auto& range : batch.skipped) EXPECT_EQ(range.reason, storage::SkipReason::kPoolExhausted);
  EXPECT_EQ(batch.results.size(), 4U);
}

TEST_F(AgentTest, AStartThatFindsNoMemoryIsTriedAgain) {
  make_idle(3, 100, seconds{5});
  prober_.no_memory_to_prepare = 1;
  std::string died;
  async::TaskGroup tasks(io_.get_executor(), [&](const std::string& name, std::exception_ptr) { died = name; });
  const auto guard = asio::make_work_guard(io_);
  io_.restart();
  tasks.spawn("agent", agent_->run());
  while (died.empty() && agent_->health().steps < 3) io_.run_one_for(seconds{1});
  live(seconds{6});
  agent_->stop();
  while (tasks.size() > 0) io_.run_one_for(seconds{1});
  EXPECT_EQ(died, "");
  for (const auto* url : {"http://127.0.0.1/0", "http://127.0.0.1/1", "http://127.0.0.1/2"}) {
    EXPECT_GE(prober_.begun_of(url), 1U) << url;
  }
}

TEST_F(AgentTest, WhileMemoryIsShortNothingIsBegunAndWhatRunsGoesOn) {
  common::MemoryReserve reserve;
  make(2, 1, seconds{5});
  prober_.hold = true;
  live(seconds{6});
  ASSERT_EQ(prober_.begun.size(), 1U) << "the other one waits for its place";
  reserve.give();
  prober_.hold = false;
  release_all();
  EXPECT_THAT(logged([&] { live(seconds{10}); }), testing::IsEmpty()) << "it is said for the whole process";
  EXPECT_EQ(prober_.begun.size(), 1U);
  EXPECT_EQ(agent_->health().checks, 1U);
  EXPECT_EQ(agent_->health().problem, "memory is short: no check begins");
  for (const auto& range : stored().skipped) EXPECT_EQ(range.reason, storage::SkipReason::kPoolExhausted);
  ASSERT_TRUE(reserve.take_back());
  live(seconds{10});
  EXPECT_EQ(prober_.begun.size(), 5U);
  EXPECT_EQ(agent_->health().problem, "");
}

TEST_F(AgentTest, HealthCountsServicesByTheirLastVerdict) {
  make(4, 100);
  prober_.outcome = common::Outcome::kConnectRefused;
  live(seconds{5});
  EXPECT_EQ(agent_->health().down, 4U);
  prober_.outcome = common::Outcome::kLocalResource;
  live(seconds{5});
  EXPECT_EQ(agent_->health().unknown, 4U);
  prober_.outcome = common::Outcome::kUp;
  live(seconds{5});
  EXPECT_EQ(agent_->health().up, 4U);
  EXPECT_EQ(agent_->health().checks, 12U);
}

TEST_F(AgentTest, TellsTheProberWhichResponsesAreWorthKeeping) {
  using probe::Keep;
  recheck(1, seconds{1});
  make(1, 100, seconds{5});
  prober_.next = {Outcome::kUp, Outcome::kStatus, Outcome::kUp, Outcome::kUp};
  live(seconds{15});
  EXPECT_THAT(prober_.kept, ElementsAre(Keep::kIfBad, Keep::kIfBad, Keep::kIfGood, Keep::kIfBad));
}

TEST_F(AgentTest, AStartGoesOnWithWhatIsWorthKeeping) {
  using probe::Keep;
  make(1, 100, seconds{5});
  prober_.outcome = Outcome::kStatus;
  live_until([&] { return !prober_.begun.empty(); });
  test::run(io_, store_->commit());
  prober_.kept.clear();
  make(1, 100, seconds{5});
  live(seconds{10});
  EXPECT_THAT(prober_.kept, ElementsAre(Keep::kIfGood, Keep::kIfGood)) << "the outage has its evidence";
}

}  // namespace
}  // namespace monitor::agent
