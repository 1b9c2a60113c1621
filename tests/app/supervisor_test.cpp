#include "app/supervisor.h"

#include <algorithm>
#include <filesystem>
#include <new>

#include <boost/asio/io_context.hpp>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "app/notify_socket.h"
#include "async/task_group.h"
#include "common/log.h"
#include "support/io.h"
#include "support/manual_clock.h"
#include "support/stored.h"
#include "support/temp_dir.h"

namespace monitor::app {
namespace {

namespace asio = boost::asio;
using std::chrono::seconds;
using testing::AllOf;
using testing::HasSubstr;

/// Says of itself what the test wants.
class SaidAgent final : public agent::Agent {
 public:
  asio::awaitable<void> start() override { co_return; }
  common::SteadyTime step() override { return {}; }
  asio::awaitable<void> run() override { co_return; }
  void stop() override {}
  asio::awaitable<void> apply(agent::Change&, std::size_t) override { co_return; }
  void cut() override {}
  void close_books() override {}
  agent::Health health() const override { return said; }

  agent::Health said;
};

class SupervisorTest : public testing::Test {
 protected:
  ~SupervisorTest() override { test::run(io_, store_->close()); }

  /// A look each second; gives what was logged.
  std::string watch(int looks, bool moves = true) {
    common::log::start(common::log::Level::kInfo);
    common::log::stop();  // from here on lines are written at once
    testing::internal::CaptureStderr();
    for (int i = 0; i < looks; ++i) {
      clock_.advance(seconds{1});
      if (moves) ++agent_.said.steps;
      supervisor_.turn();
    }
    return testing::internal::GetCapturedStderr();
  }
  /// Since the last time it was asked.
  std::ptrdiff_t watchdog_was_fed() const {
    const auto heard = socket_.heard();
    return std::ranges::count(heard, "WATCHDOG=1");
  }
  WorkerHealth agent() const {
    for (auto& worker : supervisor_.health().workers) {
      if (worker.name == "agent") return worker;
    }
    return {};
  }
  void hang(std::uint64_t number, const std::string& service) {
    agent_.said.running = 3;
    agent_.said.overdue = {number, service, seconds{75}, seconds{15}};
  }

  test::TempDir folder_;
  asio::io_context io_{1};
  test::ManualClock clock_;
  config::Settings settings_;
  std::unique_ptr<storage::Store> store_ =
      storage::Store::open(io_.get_executor(), {.path = folder_ / "db.sqlite3", .max_size = {}}, clock_);
  SaidAgent agent_;
  NotifySocket socket_;
  Systemd systemd_{true};
  IoWatch watch_{IoWatch::Limits{}, [] { ADD_FAILURE() << "nobody stops"; }};
  MemoryWatch memory_{[] { return false; }, [] { return true; }};
  Supervisor supervisor_{[this] { return Watched{.settings = settings_, .store = *store_, .agent = &agent_}; },
                         systemd_, watch_, memory_, clock_};
};

TEST_F(SupervisorTest, AnAgentWhoseLoopStandsStillIsStalled) {
  EXPECT_EQ(watch(10), "");
  EXPECT_THAT(watch(17, false), HasSubstr("The agent has not moved for more than 15s"));
  EXPECT_EQ(agent().condition, Condition::kSlow);
  EXPECT_THAT(watch(30, false), HasSubstr("the watchdog is not fed until it does"));
  EXPECT_FALSE(supervisor_.health().healthy());
  EXPECT_THAT(watch(1), HasSubstr("Every worker moves again."));
  EXPECT_TRUE(supervisor_.health().healthy());
}

TEST_F(SupervisorTest, ADiskThatFailsIsToldAndStallsNobody) {
  EXPECT_EQ(watch(1), "");
  std::filesystem::remove_all(folder_.path());
  test::run(io_, store_->append(test::passed_check(1, clock_.wall())));
  test::run(io_, store_->commit());
  EXPECT_EQ(watch(90), "");
  watchdog_was_fed();
  EXPECT_EQ(watch(3), "");
  EXPECT_EQ(watchdog_was_fed(), 3);
  const auto health = supervisor_.health();
  EXPECT_EQ(health.workers.at(0).name, "store");
  EXPECT_EQ(health.workers.at(0).condition, Condition::kDegraded);
  EXPECT_THAT(status_sentence(health), AllOf(HasSubstr("cannot open the lock file"), HasSubstr("(0 results dropped)")));
}

TEST_F(SupervisorTest, AWantOfMemoryInATurnIsOutlived) {
  int looks = 0;
  Supervisor supervisor{[&] {
                          if (++looks == 1) throw std::bad_alloc();
                          return Watched{.settings = settings_, .store = *store_, .agent = &agent_};
                        },
                        systemd_, watch_, memory_, clock_};
  async::TaskGroup tasks(io_.get_executor(),
                         [](const std::string& name, const std::exception_ptr&) { FAIL() << name; });
  tasks.spawn("supervisor", supervisor.run());
  io_.restart();
  while (looks < 2 && io_.run_one() > 0) {
  }
  EXPECT_GE(looks, 2);
  tasks.cancel();
  test::run(io_, tasks.join());
}

TEST_F(SupervisorTest, ACheckThatHangsStallsTheAgentAndIsNamed) {
  EXPECT_EQ(watch(60), "");
  hang(7, "home");
  EXPECT_THAT(watch(17), AllOf(HasSubstr("The agent has not moved for more than 15s"), HasSubstr(": home")));
  EXPECT_EQ(agent().condition, Condition::kSlow);
  EXPECT_THAT(watch(30), HasSubstr("the watchdog is not fed until it does. store: waiting; agent: 3 checks running, "
                                   "one of them for 75s with a timeout of 15s: home"));
  EXPECT_EQ(agent().condition, Condition::kStalled);
  EXPECT_FALSE(supervisor_.health().healthy());
  EXPECT_GT(watchdog_was_fed(), 0);
  watch(10);
  EXPECT_EQ(watchdog_was_fed(), 0);
  agent_.said.overdue.reset();
  EXPECT_THAT(watch(1), HasSubstr("Every worker moves again."));
  EXPECT_EQ(watchdog_was_fed(), 1);
  EXPECT_EQ(agent().condition, Condition::kMoves);
  EXPECT_EQ(agent().place, "3 checks running");
}

TEST_F(SupervisorTest, ChecksThatEndLateOneAfterAnotherStallNobody) {
  EXPECT_EQ(watch(1), "");
  for (std::uint64_t number = 1; number < 20; ++number) {
    hang(number, "home");
    EXPECT_EQ(watch(10), "");
  }
  EXPECT_TRUE(supervisor_.health().healthy());
}

}  // namespace
}  // namespace monitor::app
