#include "agent/agent.h"

#include <deque>

#include <boost/asio/io_context.hpp>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "async/event.h"
#include "async/task_group.h"
#include "support/io.h"
#include "support/manual_clock.h"
#include "support/temp_dir.h"

namespace monitor::agent {
namespace {

namespace asio = boost::asio;
using std::chrono::milliseconds;
using std::chrono::seconds;

/// Holds every check until the test lets it end, so that overlap and exhaustion are provoked and not timed.
class HeldProber final : public probe::Prober {
 public:
  HeldProber(asio::any_io_executor io, const async::Clock& clock) : io_(std::move(io)), clock_(clock) {}

  std::shared_ptr<const probe::Check> prepare(const probe::Service& service) override {
    // The agent only hands a check from prepare() to probe(); what stands behind the pointer is nobody else's business.
    auto url = std::make_shared<std::string>(service.url);
    return {url, reinterpret_cast<const probe::Check*>(url.get())};
  }
  using probe::Prober::probe;
  asio::awaitable<probe::Observation> probe(std::shared_ptr<const probe::Check> check, probe::Keep /*keep*/) override {
    probe::Observation seen;
    seen.started = clock_.wall();
    seen.outcome = outcome;
    if (broken) throw std::logic_error("a bug");
    begun.push_back(*reinterpret_cast<const std::string*>(check.get()));
    if (hold) {
      auto& gate = *gates.emplace_back(std::make_unique<async::Event>(io_));
      co_await gate.wait();
    }
    co_return seen;
  }

  bool hold = false;
  bool broken = false;
  common::Outcome outcome = common::Outcome::kUp;
  std::vector<std::string> begun;
  std::deque<std::unique_ptr<async::Event>> gates;

 private:
  asio::any_io_executor io_;
  const async::Clock& clock_;
};

class AgentTest : public testing::Test {
 protected:
  AgentTest() {
    store_ = storage::Store::open(io_.get_executor(), {.path = folder_ / "db.sqlite3", .max_size = {}}, clock_);
  }
  ~AgentTest() override {
    agent_.reset();
    if (store_) test::run(io_, store_->close());
  }
  void make(int services, std::size_t max_running, seconds interval = seconds{5}) {
    Options options;
    for (int i = 0; i < services; ++i) {
      probe::Service service;
      service.url = service.target = "http://127.0.0.1/" + std::to_string(i);
      service.method = "GET";
      service.interval = interval;
      options.services.push_back(service);
    }
    agent_ = Agent::create(io_.get_executor(), options, max_running, prober_, *store_, clock_);
    test::run(io_, agent_->start());
  }
  /// Goes on in small steps of time, as the loop would.
  void live(seconds duration) {
    const auto end = clock_.steady() + duration;
    while (clock_.steady() < end) {
      const auto next = std::min(agent_->step(), end);
      settle();
      clock_.advance(std::max(common::Micros{1}, std::chrono::ceil<common::Micros>(next - clock_.steady())));
    }
  }
  void settle() {
    io_.restart();
    while (io_.poll() > 0) {
    }
  }
  void release_all() {
    while (!prober_.gates.empty()) {
      prober_.gates.front()->notify();
      settle();
      prober_.gates.pop_front();
    }
  }
  storage::Batch stored() {
    test::run(io_, store_->commit());
    return test::run(io_, store_->next_batch(100'000));
  }
  static std::int64_t count(const std::vector<storage::StoredSkipped>& rows, storage::SkipReason reason) {
    std::int64_t sum = 0;
    for (const auto& row : rows) sum += row.reason == reason ? row.count : 0;
    return sum;
  }

  test::TempDir folder_;
  asio::io_context io_{1};
  test::ManualClock clock_;
  HeldProber prober_{io_.get_executor(), clock_};
  std::unique_ptr<storage::Store> store_;
  std::unique_ptr<Agent> agent_;
};

TEST_F(AgentTest, RunsEverySlotOnceAndStoresItWithItsLateness) {
  make(20, 100);
  live(seconds{50});
  const auto batch = stored();
  EXPECT_EQ(batch.results.size(), 200U);
  EXPECT_TRUE(batch.skipped.empty());
  for (const auto& row : batch.results) EXPECT_LT(row.lateness, milliseconds{1});
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
  std::int64_t skipped = 0;
  for (const auto& row : batch.skipped) skipped += row.count;
  EXPECT_GT(count(batch.skipped, storage::SkipReason::kPoolExhausted), 0);
  EXPECT_EQ(static_cast<std::int64_t>(batch.results.size()) + skipped, 100 * 12);
}

TEST_F(AgentTest, AfterStandingStillNothingBursts) {
  make(50, 1000);
  live(seconds{10});
  const auto before = prober_.begun.size();
  clock_.advance(seconds{60});
  agent_->step();
  settle();
  EXPECT_EQ(prober_.begun.size(), before) << "no burst";
  const auto batch = stored();
  EXPECT_EQ(count(batch.skipped, storage::SkipReason::kSuspended), 50 * 12);
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

}  // namespace
}  // namespace monitor::agent
