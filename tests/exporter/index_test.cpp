// The index that an upgrade leaves to the maintenance, because a large table takes long.
#include <future>
#include <thread>

#include "fixture.h"

namespace monitor::exporter {
namespace {

constexpr const char* kSomebodyWaits =
    "SELECT count(*) FROM pg_stat_activity WHERE datname = 'monitor' AND wait_event_type = 'Lock'";
constexpr const char* kSkipped =
    "INSERT INTO monitoring_skipped SELECT 99, coalesce(max(id), 0) + 1, 1, 'stopping', timezone('utc', now()), "
    "timezone('utc', now()), 1 FROM monitoring_skipped";

class IndexTest : public ExporterTest {
 protected:
  void SetUp() override {
    add_results(1);
    ASSERT_EQ(drain(), Progress::kIdle);
    ASSERT_EQ(state(), "valid");
  }
  std::string state() {
    return server().value(
        "SELECT coalesce((SELECT CASE WHEN indisvalid THEN 'valid' ELSE 'invalid' END FROM pg_index "
        "WHERE indexrelid = to_regclass('monitoring_skipped_time')), 'none')");
  }
  void maintain() { test::run(io_, exporter().maintain()); }
  void wait_for_one_that_waits() {
    while (server().value(kSomebodyWaits) == "0") std::this_thread::yield();
  }
};

TEST_F(IndexTest, IsMadeWhileOthersWrite) {
  server().exec("DROP INDEX monitoring_skipped_time");
  const test::PostgresSession writer(server());
  writer.exec(std::string("BEGIN; ") + kSkipped);
  std::thread meanwhile([&] {
    wait_for_one_that_waits();
    EXPECT_NO_THROW(
        server().exec("SET lock_timeout = 500; INSERT INTO monitoring_skipped SELECT 98, 1, 1, 'stopping', "
                      "timezone('utc', now()), timezone('utc', now()), 1"));
    writer.exec("COMMIT");
  });
  maintain();
  meanwhile.join();
  EXPECT_EQ(state(), "valid");
  EXPECT_EQ(server().value("SELECT count(*) FROM monitoring_skipped"), "2");
}

TEST_F(IndexTest, ThatCameToNoEndIsMadeAnew) {
  server().exec("UPDATE pg_index SET indisvalid = false WHERE indexrelid = 'monitoring_skipped_time'::regclass");
  ASSERT_EQ(state(), "invalid");
  maintain();
  EXPECT_EQ(state(), "valid");
}

TEST_F(IndexTest, ThatAnotherAgentMakesIsLeftToIt) {
  server().exec("DROP INDEX monitoring_skipped_time");
  const test::PostgresSession writer(server());
  writer.exec(std::string("BEGIN; ") + kSkipped);
  const test::PostgresSession agent(server());
  std::thread other([&] {
    agent.exec(
        "CREATE INDEX CONCURRENTLY monitoring_skipped_time ON monitoring_skipped (to_timestamp, from_timestamp)");
  });
  wait_for_one_that_waits();
  limits_.call = std::chrono::milliseconds{100};  // of maintenance, 6 s
  restart_exporter();
  EXPECT_EQ(logged([&] { maintain(); }), "");
  EXPECT_EQ(state(), "invalid") << "it is not ready yet, and nobody waited for it";
  writer.exec("COMMIT");
  other.join();
  EXPECT_EQ(state(), "valid");
}

TEST_F(IndexTest, IsMadeHoweverShortTheRolesLimitsAre) {
  server().exec("DROP INDEX monitoring_skipped_time");
  const test::PostgresSession writer(server());
  writer.exec(std::string("BEGIN; ") + kSkipped);
  server().exec("ALTER DATABASE monitor SET lock_timeout = 20; ALTER DATABASE monitor SET statement_timeout = 100");
  std::promise<void> over;
  std::thread meanwhile([&, ended = over.get_future()] {
    const auto has_waited = std::string(kSomebodyWaits) + " AND clock_timestamp() - query_start > interval '150 ms'";
    while (ended.wait_for(std::chrono::seconds{0}) != std::future_status::ready && server().value(has_waited) == "0") {
    }
    writer.exec("COMMIT");
  });
  EXPECT_EQ(logged([&] { maintain(); }), "");
  over.set_value();
  meanwhile.join();
  EXPECT_EQ(state(), "valid");
}

TEST_F(IndexTest, ThatCannotBeMadeIsToldInWordsOfItsOwnAndTriedAgainAfterHours) {
  server().exec(
      "DROP INDEX monitoring_skipped_time; CREATE FUNCTION no_index() RETURNS event_trigger LANGUAGE plpgsql AS "
      "$$BEGIN RAISE 'no index today' USING ERRCODE = '57014'; END$$; "
      "CREATE EVENT TRIGGER no_index ON ddl_command_start WHEN TAG IN ('CREATE INDEX') EXECUTE FUNCTION no_index()");
  const auto log = logged([&] { maintain(); });
  EXPECT_EQ(count(log, "the index of monitoring_skipped by time is not made in PostgreSQL for now: no index today"), 1)
      << log;
  EXPECT_EQ(count(log, "for now"), 1) << log;
  server().exec("DROP EVENT TRIGGER no_index");
  maintain();
  EXPECT_EQ(state(), "none") << "it was tried again at once";
  clock_.sleep(-std::chrono::hours{6});
  maintain();
  EXPECT_EQ(state(), "valid");
}

/// The exporter's role sees nothing of what others do but that they do something.
class IndexOfARole : public IndexTest {
 protected:
  void SetUp() override {
    server().exec(
        "DROP ROLE IF EXISTS keeper; CREATE ROLE keeper LOGIN PASSWORD 'keeper'; "
        "GRANT USAGE, CREATE ON SCHEMA public TO keeper");
    options_.uri = server().uri_of("keeper", "keeper");
    IndexTest::SetUp();
  }
  void TearDown() override {
    exporter_.reset();
    server().exec("DROP OWNED BY keeper CASCADE; DROP ROLE keeper");
  }
};

TEST_F(IndexOfARole, ThatAnotherRoleMakesIsLeftToIt) {
  server().exec("DROP INDEX monitoring_skipped_time");
  const test::PostgresSession writer(server());
  writer.exec(std::string("BEGIN; ") + kSkipped);
  const test::PostgresSession owner(server());
  std::thread other([&] {
    owner.exec(
        "CREATE INDEX CONCURRENTLY monitoring_skipped_time ON monitoring_skipped (to_timestamp, from_timestamp)");
  });
  wait_for_one_that_waits();
  EXPECT_EQ(logged([&] { maintain(); }), "");
  EXPECT_EQ(state(), "invalid") << "it is not ready yet, and nobody dropped it";
  writer.exec("COMMIT");
  other.join();
  EXPECT_EQ(state(), "valid");
}

}  // namespace
}  // namespace monitor::exporter
