// An exporter that is replaced while a call of it hangs.
#include <thread>

#include "async/task_group.h"
#include "fixture.h"
#include "support/postgres_proxy.h"

namespace monitor::exporter {
namespace {

using std::chrono::milliseconds;
using std::chrono::steady_clock;

constexpr const char* kSomebodyWaits =
    "SELECT count(*) FROM pg_stat_activity WHERE datname = 'monitor' AND wait_event_type = 'Lock'";

class Retirement : public ExporterTest {
 protected:
  ~Retirement() override { let_go(); }
  void begin_step() {
    tasks_.spawn("step",
                 [](Exporter& exporter) -> boost::asio::awaitable<void> { co_await exporter.step(); }(exporter()));
  }
  void let_go() {
    tasks_.cancel();
    test::run(io_, tasks_.join());
  }
  template <typename Condition>
  void pump_until(Condition condition) {
    test::run(io_, [](Condition done) -> boost::asio::awaitable<void> {
      while (!done()) co_await async::sleep_for(milliseconds{2});
    }(condition));
  }

  async::TaskGroup tasks_{io_.get_executor(), [](const std::string& name, std::exception_ptr) { FAIL() << name; }};
};

TEST_F(Retirement, DoesNotWaitForAServerThatNeverAnswers) {
  auto proxy = std::make_unique<test::PostgresProxy>(server().port());
  proxy->set(test::PostgresProxy::Fault::kSwallow);
  options_.uri = proxy->uri();
  limits_.connect = std::chrono::seconds{20};
  add_results(10);
  begin_step();
  pump_until([&] { return proxy->accepted() > 0; });
  let_go();
  const auto began = steady_clock::now();
  exporter().retire();
  EXPECT_LT(steady_clock::now() - began, std::chrono::seconds{2});
  EXPECT_TRUE(exporter().busy()) << "a connection attempt cannot be interrupted";
  proxy.reset();
  pump_until([&] { return !exporter().busy(); });
  EXPECT_EQ(test::run(io_, store().identity()).exported, storage::Cursor{});
}

TEST_F(Retirement, AnAnswerThatComesAfterItMovesNoCursor) {
  add_results(10);
  ASSERT_EQ(drain(), Progress::kIdle);
  const auto before = test::run(io_, store().identity());
  add_results(10);
  const auto steps = exporter().health().steps;
  {
    const test::PostgresSession other(server());
    other.exec("BEGIN; LOCK TABLE monitoring_results IN SHARE MODE");
    begin_step();
    pump_until([&] { return server().value(kSomebodyWaits) != "0"; });
    other.exec("COMMIT");
  }
  while (exporter().health().steps == steps) std::this_thread::yield();  // the call has returned, and nobody was told
  exporter().retire();
  pump_until([&] { return !exporter().busy(); });
  EXPECT_EQ(count_results(), "20");
  EXPECT_EQ(test::run(io_, store().identity()).exported, before.exported);
  let_go();
  restart_exporter();
  ASSERT_EQ(drain(), Progress::kIdle);
  EXPECT_EQ(count_results(), "20");
  EXPECT_EQ(test::run(io_, store().identity()).agent_id, before.agent_id);
}

TEST_F(Retirement, NothingBeginsAnyMore) {
  test::PostgresProxy proxy(server().port());
  options_.uri = proxy.uri();
  add_results(10);
  ASSERT_EQ(drain(), Progress::kIdle);
  const auto connections = proxy.accepted();
  add_results(10);
  exporter().retire();
  EXPECT_FALSE(exporter().busy());
  step();
  test::run(io_, exporter().maintain());
  EXPECT_EQ(proxy.accepted(), connections);
  EXPECT_EQ(count_results(), "10");
  exporter_.reset();
}

}  // namespace
}  // namespace monitor::exporter
