// What other sessions do to the tables while the exporter works.
#include <fmt/format.h>

#include "async/task_group.h"
#include "exporter/maintenance.h"
#include "fixture.h"
#include "support/manual_clock.h"

namespace monitor::exporter {
namespace {

using boost::asio::awaitable;
using std::chrono::milliseconds;

constexpr const char* kSomebodyWaits =
    "SELECT count(*) FROM pg_stat_activity WHERE datname = 'monitor' AND wait_event_type = 'Lock'";

awaitable<void> stop(async::TaskGroup& tasks) {
  tasks.cancel();
  co_await tasks.join();
}

template <typename Condition>
awaitable<void> until(Condition condition) {
  while (!condition()) co_await async::sleep_for(milliseconds{5});
}

// A backend whose client is gone goes on, and its commit may land after the next connection was made.
TEST_F(ExporterTest, ACommitThatLandsAfterTheReconnectIsNotAnotherWriter) {
  add_results(10);
  ASSERT_EQ(drain(), Progress::kIdle);
  const auto before = test::run(io_, store().identity()).agent_id;
  server().kill_backends();
  add_results(10);
  ASSERT_EQ(step(), Progress::kUnavailable);
  const test::PostgresSession old(server());
  old.exec("BEGIN; UPDATE monitoring_agents SET results_head = 20");

  async::TaskGroup tasks(io_.get_executor(), [](const std::string& name, std::exception_ptr) { FAIL() << name; });
  tasks.spawn("the old backend", [](test::Postgres& postgres, const test::PostgresSession& session) -> awaitable<void> {
    co_await until([&] { return postgres.value(kSomebodyWaits) != "0"; });
    session.exec("COMMIT");
  }(server(), old));
  EXPECT_EQ(step(), Progress::kExported) << exporter().health().problem;
  test::run(io_, stop(tasks));
  EXPECT_EQ(test::run(io_, store().identity()).agent_id, before);
  EXPECT_EQ(count_results(), "20");
}

// Detached and kept instead of dropped, so that every row can be counted in the end.
TEST_F(ExporterTest, PartitionsThatVanishUnderLoadCostNoRow) {
  store().on_commit([this] { exporter().wake(); });
  exporter();
  async::TaskGroup tasks(io_.get_executor(), [](const std::string& name, std::exception_ptr) { FAIL() << name; });
  tasks.spawn("exporter", exporter().run());
  tasks.spawn("store", store().run());
  const auto id = define(definition());
  // However slow the machine, what waits is exported soon after the last round.
  constexpr std::uint64_t kMostWaiting = 2000;
  std::uint64_t appended = 0;
  const auto load = [&](std::uint64_t through) -> awaitable<void> {
    while (exporter().health().exported < through) {
      const bool full = appended >= exporter().health().exported + kMostWaiting;
      if (full || appended % 20 == 0) co_await async::sleep_for(milliseconds{1});
      if (full) continue;
      co_await store().append(result(id));
      ++appended;
    }
  };
  test::run(io_, load(1));
  constexpr int kRounds = 3;
  for (int round = 0; round < kRounds; ++round) {
    const auto name = server().value("SELECT 'monitoring_results_' || to_char(timezone('utc', now()), 'YYYYMMDD')");
    const auto kept = "kept_" + std::to_string(round);
    server().exec("ALTER TABLE monitoring_results DETACH PARTITION " + name + "; ALTER TABLE " + name + " RENAME TO " +
                  kept);
    test::run(io_, load(exporter().health().exported + 500));
  }
  test::run(io_, until([&] { return exporter().health().exported >= appended; }));
  test::run(io_, stop(tasks));
  EXPECT_EQ(exporter().health().quarantined, 0U);
  EXPECT_EQ(server().value("SELECT count(*) || ' ' || count(DISTINCT seq) || ' ' || max(seq) FROM (SELECT seq FROM "
                           "monitoring_results UNION ALL SELECT seq FROM kept_0 UNION ALL SELECT seq FROM kept_1 "
                           "UNION ALL SELECT seq FROM kept_2) AS every"),
            fmt::format("{0} {0} {0}", appended));
}

TEST_F(ExporterTest, TwoAgentsThatStartAtOnceOnAnEmptyDatabaseBothSucceed) {
  add_results(10);
  const auto other_store = storage::Store::open(io_.get_executor(), {folder_ / "other.sqlite3", {}}, clock_);
  const auto id = test::run(io_, other_store->define({definition()})).at(0);
  test::run(io_, other_store->append(result(id)));
  test::run(io_, other_store->commit());
  for (int round = 0; round < 5; ++round) {
    server().exec("DROP SCHEMA public CASCADE; CREATE SCHEMA public");
    restart_exporter();
    auto other = Exporter::create(io_.get_executor(), options_, *other_store, clock_, limits_);
    auto progress = Progress::kUnavailable;
    async::TaskGroup tasks(io_.get_executor(), [](const std::string& name, std::exception_ptr) { FAIL() << name; });
    tasks.spawn("the other", [](Exporter& agent, Progress& out) -> awaitable<void> {
      out = co_await agent.step();
    }(*other, progress));
    EXPECT_EQ(step(), Progress::kExported) << exporter().health().problem;
    test::run(io_, tasks.join());
    EXPECT_EQ(progress, Progress::kExported) << other->health().problem;
    EXPECT_EQ(server().value("SELECT count(*) || ' ' || count(DISTINCT agent_id) FROM monitoring"), "11 2");
    other.reset();
    test::run(io_, store().rewind({0, 0, 0}));
    test::run(io_, other_store->rewind({0, 0, 0}));
  }
  test::run(io_, other_store->close());
}

TEST_F(ExporterTest, AnExpiredPartitionThatIsReadWaitsForItsReaderAndHoldsUpNobody) {
  options_.uri = server().uri();
  options_.remote_retention = std::chrono::days{20};
  append(result(define(definition()), std::chrono::days{40}));
  commit();
  ASSERT_EQ(drain(), Progress::kIdle);
  settle();
  test::ManualClock clock;
  Maintenance maintenance(io_.get_executor(), options_, limits_, clock);
  const test::PostgresSession reader(server());
  reader.exec("BEGIN; SELECT count(*) FROM monitoring");
  const auto start = std::chrono::steady_clock::now();
  const auto log = logged([&] { test::run(io_, maintenance.pass(false)); });
  EXPECT_LT(std::chrono::steady_clock::now() - start, milliseconds{1500}) << "of the 2 s that a lock is waited for";
  EXPECT_EQ(count(log, "a long transaction uses the table"), 1) << log;
  EXPECT_EQ(count_results(), "1");
  reader.exec("COMMIT");
  clock.advance(std::chrono::minutes{14});
  EXPECT_TRUE(maintenance.due()) << "for the roll-ups";
  test::run(io_, maintenance.pass(false));
  EXPECT_EQ(count_results(), "1");
  clock.advance(std::chrono::minutes{1});
  test::run(io_, maintenance.pass(false));
  EXPECT_EQ(count_results(), "0");
}

}  // namespace
}  // namespace monitor::exporter
