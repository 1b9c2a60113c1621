#include <gtest/gtest.h>

#include "async/task_group.h"
#include "fixture.h"

namespace monitor::agent {
namespace {

namespace asio = boost::asio;
using common::Outcome;
using std::chrono::milliseconds;
using std::chrono::seconds;

TEST_F(AgentTest, WhatWaitsForItsHostWhenTheAgentStopsIsCounted) {
  limits_.per_host_concurrency = 1;
  make(8, 100, seconds{1});
  prober_.hold = true;
  async::TaskGroup tasks(io_.get_executor(), [](const std::string& name, std::exception_ptr) { FAIL() << name; });
  live(seconds{1});
  ASSERT_EQ(prober_.begun.size(), 1U);
  io_.restart();
  tasks.spawn("agent", agent_->run());
  settle();
  agent_->stop();
  agent_->cut();
  settle();
  EXPECT_EQ(tasks.size(), 0U);
  const auto batch = stored();
  EXPECT_EQ(due(batch, seconds{1}).size(), 8U) << "of each there is a slot that ran, was given up, or was left";
  EXPECT_GT(count(batch.skipped, storage::SkipReason::kStopping), 1);
}

TEST_F(AgentTest, StoppingCutsWhatRunsAndCountsIt) {
  make(3, 2);
  prober_.hold = true;
  bool ended = false;
  async::TaskGroup tasks(io_.get_executor(), [](const std::string& name, std::exception_ptr) { FAIL() << name; });
  live(seconds{5});
  EXPECT_EQ(agent_->health().running, 2U);
  agent_->stop();
  agent_->cut();
  auto waits = [&]() -> asio::awaitable<void> {
    while (agent_->health().running > 0) co_await asio::post(asio::use_awaitable);
    ended = true;
  };
  test::run(io_, waits());
  EXPECT_TRUE(ended);
  const auto batch = stored();
  EXPECT_TRUE(batch.results.empty());
  EXPECT_EQ(count(batch.skipped, storage::SkipReason::kStopping), 2);
}

TEST_F(AgentTest, SlotsThatCameDueWhileStoppingAreCounted) {
  make(10, 100);
  live(seconds{5});
  agent_->stop();
  clock_.advance(seconds{12});
  agent_->close_books();
  const auto batch = stored();
  EXPECT_EQ(batch.results.size(), 10U);
  const auto stopping = count(batch.skipped, storage::SkipReason::kStopping);
  EXPECT_GE(stopping, 20);
  EXPECT_LE(stopping, 30);
  for (const auto& row : batch.skipped) EXPECT_EQ(row.to - row.from, (row.count - 1) * seconds{5});
}

TEST_F(AgentTest, AStopEndsRechecksAtOnceAndStoresNothingOfThem) {
  recheck(3, seconds{2});
  make(2, 100, seconds{60});
  prober_.outcome = Outcome::kConnectRefused;
  live_until([&] { return prober_.begun.size() >= 2 && agent_->health().running == 0; });
  prober_.hold = true;
  live_until([&] { return agent_->health().running > 0; });
  const auto begun = prober_.begun.size();
  agent_->stop();
  settle();
  EXPECT_EQ(agent_->health().running, 0U);
  const auto rows = stored().results.size();
  live(seconds{10});
  const auto batch = stored();
  EXPECT_EQ(batch.results.size(), rows);
  EXPECT_TRUE(batch.skipped.empty());
  EXPECT_EQ(prober_.begun.size(), begun);
}

TEST_F(AgentTest, ASlotThatWaitsForARecheckToEndWhileStoppingIsCounted) {
  recheck(3, seconds{2});
  make(1, 100, seconds{20});
  prober_.outcome = Outcome::kConnectRefused;
  live_until([&] { return prober_.begun.size() == 1; });
  prober_.hold = true;
  live_until([&] { return prober_.begun.size() == 2; });
  for (int i = 0; i < 40; ++i) {
    clock_.advance(milliseconds{500});
    agent_->step();  // nothing settles: the re-check is asked to end and has not yet
  }
  agent_->stop();
  settle();
  EXPECT_EQ(prober_.begun.size(), 2U);
  const auto batch = stored();
  EXPECT_EQ(batch.results.size(), 1U);
  EXPECT_EQ(count(batch.skipped, storage::SkipReason::kStopping), 1);
}

}  // namespace
}  // namespace monitor::agent
