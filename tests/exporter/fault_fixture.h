// What every fault has to leave behind: everything arrived, once, and goes on.
#pragma once

#include <algorithm>
#include <functional>
#include <memory>
#include <string>
#include <thread>
#include <utility>

#include <boost/asio/steady_timer.hpp>

#include "async/task_group.h"
#include "fixture.h"
#include "support/postgres_proxy.h"

namespace monitor::exporter {

class FaultTest : public ExporterTest {
 protected:
  /// A backend waits for a standby to confirm a commit.
  static constexpr const char* kWaitsForStandby = "SELECT count(*) FROM pg_stat_activity WHERE wait_event = 'SyncRep'";

  static constexpr const char* kSomebodyWaits =
      "SELECT count(*) FROM pg_stat_activity WHERE datname = 'monitor' AND wait_event_type = 'Lock'";

  ~FaultTest() override {
    end_background();
    exporter_.reset();  // before its proxy
  }

  /// From here on the exporter talks to the server through this.
  void use_proxy() {
    proxy_ = std::make_unique<test::PostgresProxy>(server().port());
    options_.uri = proxy_->uri();
  }
  test::PostgresProxy& proxy() { return *proxy_; }

  /// From here on the exporter is a role without privileges, to whom the database belongs.
  void use_role() {
    server().exec(
        "DROP ROLE IF EXISTS agent; CREATE ROLE agent LOGIN PASSWORD 'agents'; ALTER DATABASE monitor OWNER TO agent",
        "postgres");
    options_.uri = server().uri_of("agent", "agents");
  }

  /// One step, during which the io thread never stands still.
  Progress step_watched() {
    Pulse pulse(io_.get_executor());
    const auto progress = step();
    EXPECT_LT(pulse.longest(), std::chrono::milliseconds{500}) << "the io thread was held up";
    return progress;
  }

  /// After the fault: `rows` results in all have arrived, each once, in an unbroken sequence; nothing waits or was set
  /// aside, and what comes now arrives too. The fault may have cost connections that the next attempts replace.
  void expect_flow(int rows) {
    for (int i = 0; i < 3 && drain() != Progress::kIdle; ++i) continue;
    EXPECT_EQ(store().backlog(), 0) << exporter().health().problem;
    EXPECT_FALSE(exporter().health().degraded) << exporter().health().problem;
    EXPECT_EQ(exporter().health().quarantined, 0U);
    EXPECT_EQ(arrived(), fmt::format("{0} {0} {0} 1", rows));
    EXPECT_EQ(server().value("SELECT count(*) FROM monitoring_gaps"), "0");
  }
  /// Results, distinct and highest numbers, agents.
  std::string arrived() {
    return server().value(
        "SELECT count(*) || ' ' || count(DISTINCT seq) || ' ' || coalesce(max(seq), 0) || ' ' || count(DISTINCT agent) "
        "FROM monitoring_results");
  }
  static void expect_said_once(const std::string& log) {
    EXPECT_EQ(count(log, "nothing is exported for now"), 1) << log;
    EXPECT_EQ(count(log, "are exported to PostgreSQL"), 1) << log;
  }

  /// Does `work` on another thread as soon as `condition` holds there.
  void in_background(std::function<bool()> condition, std::function<void()> work) {
    background_ = std::jthread([condition = std::move(condition), work = std::move(work)](const std::stop_token& stop) {
      while (!stop.stop_requested() && !condition()) std::this_thread::sleep_for(std::chrono::milliseconds{5});
      if (!stop.stop_requested()) work();
    });
  }
  void end_background() {
    if (!background_.joinable()) return;
    background_.request_stop();
    background_.join();
  }

  /// The exporter's and the store's loops, as the daemon runs them.
  void run_loops_for(std::chrono::milliseconds time) {
    async::TaskGroup tasks(io_.get_executor(), [](const std::string& name, std::exception_ptr) { FAIL() << name; });
    tasks.spawn("exporter", exporter().run());
    tasks.spawn("store", store().run());
    test::run(io_, async::sleep_for(time));
    test::run(io_, [](async::TaskGroup& group) -> boost::asio::awaitable<void> {
      group.cancel();
      co_await group.join();
    }(tasks));
  }

 private:
  /// The longest time between two turns of the io thread.
  class Pulse {
   public:
    explicit Pulse(const boost::asio::any_io_executor& io) : state_(std::make_shared<State>(io)) { beat(state_); }
    ~Pulse() { state_->ended = true; }
    Pulse(const Pulse&) = delete;
    Pulse& operator=(const Pulse&) = delete;
    std::chrono::steady_clock::duration longest() const { return state_->longest; }

   private:
    struct State {
      explicit State(const boost::asio::any_io_executor& io) : timer(io) {}
      boost::asio::steady_timer timer;
      std::chrono::steady_clock::time_point last = std::chrono::steady_clock::now();
      std::chrono::steady_clock::duration longest{};
      bool ended = false;
    };
    static void beat(const std::shared_ptr<State>& state) {
      state->timer.expires_after(std::chrono::milliseconds{10});
      state->timer.async_wait([state](const boost::system::error_code&) {
        if (state->ended) return;
        const auto now = std::chrono::steady_clock::now();
        state->longest = std::max(state->longest, now - std::exchange(state->last, now));
        beat(state);
      });
    }
    std::shared_ptr<State> state_;
  };

  std::unique_ptr<test::PostgresProxy> proxy_;
  std::jthread background_;
};

}  // namespace monitor::exporter
