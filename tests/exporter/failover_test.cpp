// PostgreSQL is another server now, or an older one, or full.
#include <csignal>
#include <stdexcept>

#include "fault_fixture.h"
#include "support/child.h"

namespace monitor::exporter {
namespace {

using test::Postgres;

class Failover : public FaultTest {
 protected:
  Failover() {
    use_own_server();
    add_results(100);
    if (drain() != Progress::kIdle) throw std::runtime_error("the first results did not arrive");
  }
  void use_both(const Postgres& other) {
    options_.uri = fmt::format("postgresql://monitor:{}@127.0.0.1:{},127.0.0.1:{}/monitor", Postgres::kPassword,
                               server().port(), other.port());
    restart_exporter();
  }
};

TEST_F(Failover, TheNewPrimaryOfSeveralHostsGetsWhatItLacks) {
  const auto other = server().standby();
  use_both(*other);
  add_results(100);  // which the standby never gets
  ASSERT_EQ(drain(), Progress::kIdle);
  ASSERT_EQ(count_results(), "200");
  const auto log = logged([&] {
    server().stop(Postgres::Stop::kImmediate);
    add_results(100);
    for (int i = 0; i < 2; ++i) EXPECT_EQ(step(), Progress::kUnavailable) << "a standby takes nothing";
    other->promote();
    server().demote();  // the old one comes back, read-only
    for (int i = 0; i < 3 && drain() != Progress::kIdle; ++i) continue;
  });
  EXPECT_EQ(count(log, "nothing is exported for now"), 1) << log;
  EXPECT_EQ(count(log, "what is still here is sent again"), 1) << log;
  EXPECT_EQ(count_results(), "200") << "the old primary";
  EXPECT_EQ(other->value("SELECT count(*) || ' ' || count(DISTINCT seq) || ' ' || max(seq) || ' ' || count(DISTINCT "
                         "agent) FROM monitoring_results"),
            "300 300 300 1");
  add_results(10);
  EXPECT_EQ(drain(), Progress::kIdle);
  EXPECT_EQ(other->value("SELECT count(*) FROM monitoring_results"), "310");
}

TEST_F(Failover, AStandbyIsReadOnlyUntilItIsPromoted) {
  const auto log = logged([&] {
    server().demote();
    add_results(100);
    for (int i = 0; i < 3; ++i) EXPECT_EQ(step(), Progress::kUnavailable);
    EXPECT_NE(exporter().health().problem.find("the server is read-only"), std::string::npos)
        << exporter().health().problem;
    EXPECT_EQ(store().backlog(), 100);
    server().promote();
    expect_flow(200);
  });
  EXPECT_EQ(count(log, "are exported to PostgreSQL"), 1) << log;
}

TEST_F(Failover, WhatWasPurgedHereAndLostThereIsAGap) {
  server().backup();
  add_results(100);
  for (int i = 0; i < 2; ++i) drain();
  commit();
  ASSERT_EQ(count_results(), "200");
  ASSERT_EQ(test::run(io_, store().purge(clock_.wall(), true, 150)).results, 150);
  server().restore();
  add_results(10);
  EXPECT_EQ(step(), Progress::kUnavailable);
  EXPECT_EQ(drain(), Progress::kIdle);
  EXPECT_EQ(drain(), Progress::kIdle);
  EXPECT_EQ(arrived(), "160 160 210 1");
  EXPECT_EQ(server().value("SELECT reason || ' ' || first_seq || ' ' || last_seq || ' ' || count FROM monitoring_gaps"),
            "remote_lost 101 150 50");
}

TEST_F(Failover, RowsThatTheCapRemovedAreAGapThere) {
  exporter_.reset();
  close_store();
  store_ = storage::Store::open(io_.get_executor(), {.path = file(), .max_size = 400'000}, clock_);
  server().stop();
  std::int64_t removed = 0;
  for (int day = 0; day < 7; ++day) {
    add_results(3000);
    clock_.shift(std::chrono::hours{4});  // the window of partitions is two days ahead of the server
    for (;;) {
      const auto purged = test::run(io_, store().purge_to_cap(500));
      removed += purged.results;
      if (!purged.more) break;
    }
  }
  ASSERT_GT(removed, 1000);
  server().start();
  EXPECT_EQ(drain(), Progress::kIdle) << exporter().health().problem;
  EXPECT_EQ(drain(), Progress::kIdle);
  // Some of the first hundred had arrived before they went.
  const auto gone = server().value("SELECT coalesce(sum(count), 0) FROM monitoring_gaps WHERE reason = 'size_cap'");
  EXPECT_EQ(server().value("SELECT count(*) FROM monitoring_results"), std::to_string(21'100 - std::stoll(gone)));
  EXPECT_EQ(server().value("SELECT count(*) FROM generate_series(1, 21100) AS n WHERE NOT EXISTS (SELECT FROM "
                           "monitoring_results WHERE seq = n) AND NOT EXISTS (SELECT FROM monitoring_gaps WHERE n "
                           "BETWEEN first_seq AND last_seq)"),
            "0");
  EXPECT_EQ(exporter().health().quarantined, 0U);
}

TEST_F(Failover, AServerThatTakesNoMoreConnectionsIsTriedLater) {
  server().exec("ALTER SYSTEM SET max_connections = 8");
  server().stop();
  server().start();
  restart_exporter();
  add_results(100);
  const auto log = logged([&] {
    std::vector<std::unique_ptr<test::PostgresSession>> others;
    for (int i = 0; i < 8; ++i) others.push_back(std::make_unique<test::PostgresSession>(server()));
    for (int i = 0; i < 3; ++i) EXPECT_EQ(step(), Progress::kUnavailable);
    EXPECT_NE(exporter().health().problem.find("too many clients"), std::string::npos) << exporter().health().problem;
    others.clear();
    expect_flow(200);
  });
  expect_said_once(log);
}

TEST_F(Failover, AHostThatIsRejectedIsTakenWhenItIsAllowed) {
  const auto log = logged([&] {
    server().allow_clients(false);
    restart_exporter();
    add_results(100);
    for (int i = 0; i < 3; ++i) EXPECT_EQ(step(), Progress::kUnavailable);
    EXPECT_NE(exporter().health().problem.find("pg_hba.conf"), std::string::npos) << exporter().health().problem;
    server().allow_clients(true);
    expect_flow(200);
  });
  expect_said_once(log);
}

// strace answers the server's own writes to the table's file with ENOSPC.
TEST_F(Failover, AFullDiskThereKeepsEveryRowHere) {
  const auto table = server().value(
      "SELECT current_setting('data_directory') || '/' || pg_relation_filepath('monitoring_results_' || "
      "to_char(timezone('utc', now()), 'YYYYMMDD'))");
  const auto log = logged([&] {
    test::Child full(
        {.command = {"/usr/bin/strace", "-f", "-o", "/dev/null", "-P", table, "-e",
                     "inject=pwrite64,pwritev,fallocate:error=ENOSPC", "-p", std::to_string(server().pid())}});
    ASSERT_TRUE(full.wait_for("attached")) << full.err() << table;
    server().kill_backends();  // children from here on are traced
    add_results(500);
    EXPECT_EQ(step(), Progress::kUnavailable);
    for (int i = 0; i < 2; ++i) EXPECT_EQ(drain(), Progress::kUnavailable);
    EXPECT_NE(exporter().health().problem.find("53100"), std::string::npos) << exporter().health().problem;
    EXPECT_EQ(store().backlog(), 500);
    full.signal(SIGTERM);
    full.wait();
    expect_flow(600);
  });
  EXPECT_EQ(count(log, "make room on the server's disk"), 1) << log;
  EXPECT_EQ(count(log, "are exported to PostgreSQL"), 1) << log;
}

}  // namespace
}  // namespace monitor::exporter
