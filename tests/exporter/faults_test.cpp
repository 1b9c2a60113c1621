#include <csignal>

#include "fixture.h"

namespace monitor::exporter {
namespace {

using std::chrono::milliseconds;
using test::Postgres;
using Clock = std::chrono::steady_clock;

TEST_F(ExporterTest, PostgresAwayIsSaidOnceAndThenDrained) {
  use_own_server();
  server().stop();
  add_results(50);
  const auto log = logged([&] {
    for (int i = 0; i < 3; ++i) EXPECT_EQ(step(), Progress::kUnavailable);
    EXPECT_TRUE(exporter().health().degraded);
    EXPECT_FALSE(exporter().health().connected);
    add_results(50);
    server().start();
    EXPECT_EQ(drain(), Progress::kIdle);
  });
  EXPECT_FALSE(exporter().health().degraded);
  EXPECT_EQ(count_results(), "100");
  EXPECT_EQ(count(log, "nothing is exported for now"), 1) << log;
  EXPECT_EQ(count(log, "exported to PostgreSQL at"), 1) << log;
  EXPECT_EQ(count(log, "100 wait"), 1) << log;
}

TEST_F(ExporterTest, ACrashedServerLosesAndDoublesNothing) {
  use_own_server();
  for (int round = 0; round < 3; ++round) {
    add_results(100);
    ASSERT_EQ(step(), Progress::kExported);
    add_results(100);
    server().stop(Postgres::Stop::kImmediate);
    EXPECT_EQ(step(), Progress::kUnavailable);
    server().start();
    EXPECT_EQ(drain(), Progress::kIdle);
  }
  EXPECT_EQ(server().value("SELECT count(*) || ' ' || count(DISTINCT seq) || ' ' || max(seq) FROM monitoring_results"),
            "600 600 600");
}

TEST_F(ExporterTest, AKilledBackendIsReplacedByANewConnection) {
  add_results(10);
  ASSERT_EQ(drain(), Progress::kIdle);
  server().kill_backends();
  add_results(10);
  EXPECT_EQ(step(), Progress::kUnavailable) << "a session that died must not be mended in silence";
  EXPECT_EQ(drain(), Progress::kIdle);
  EXPECT_EQ(count_results(), "20");
}

TEST_F(ExporterTest, AStoppedBackendHitsTheDeadline) {
  limits_.call = milliseconds{1000};
  add_results(10);
  ASSERT_EQ(drain(), Progress::kIdle);
  const auto backends = server().backends();
  ASSERT_EQ(backends.size(), 1U);
  ::kill(backends.front(), SIGSTOP);
  add_results(10);
  const auto start = Clock::now();
  EXPECT_EQ(step(), Progress::kUnavailable);
  EXPECT_LT(Clock::now() - start, std::chrono::seconds{5});
  EXPECT_NE(exporter().health().problem.find("did not answer within 1000 ms"), std::string::npos);
  EXPECT_EQ(drain(), Progress::kIdle) << "the next connection has another backend";
  ::kill(backends.front(), SIGCONT);
  EXPECT_EQ(count_results(), "20");
}

TEST_F(ExporterTest, TheLastAttemptEndsInTimeThoughTheServerHangs) {
  use_own_server();
  add_results(10);
  ASSERT_EQ(drain(), Progress::kIdle);
  for (const auto pid : server().backends()) ::kill(pid, SIGSTOP);
  add_results(10);
  const auto start = Clock::now();
  test::run(io_, exporter().flush(milliseconds{200}));
  EXPECT_LT(Clock::now() - start, std::chrono::seconds{1});
  exporter_.reset();
  EXPECT_LT(Clock::now() - start, std::chrono::seconds{5});
  for (const auto pid : server().backends()) ::kill(pid, SIGCONT);
  EXPECT_EQ(drain(), Progress::kIdle);
  EXPECT_EQ(count_results(), "20");
}

TEST_F(ExporterTest, AServerThatTakesNoConnectionHoldsNobodyUp) {
  use_own_server();
  limits_.connect = std::chrono::seconds{2};
  add_results(10);
  exporter();
  server().pause();
  const auto start = Clock::now();
  test::run(io_, exporter().flush(milliseconds{200}));
  EXPECT_LT(Clock::now() - start, std::chrono::seconds{1});
  EXPECT_EQ(step(), Progress::kUnavailable) << "of the attempt that was under way";
  EXPECT_LT(Clock::now() - start, std::chrono::seconds{8});
  server().resume();
  EXPECT_EQ(drain(), Progress::kIdle);
  EXPECT_EQ(count_results(), "10");
}

TEST_F(ExporterTest, TheLastAttemptSendsEverythingThatIsThere) {
  limits_.batch_rows = 100;
  add_results(450);
  test::run(io_, exporter().flush(std::chrono::seconds{10}));
  EXPECT_EQ(count_results(), "450");
}

TEST_F(ExporterTest, AWrongPasswordIsSaidWithoutIt) {
  std::string uri = server().uri();
  const std::string wrong = "another-canary";
  uri.replace(uri.find(Postgres::kPassword), std::string(Postgres::kPassword).size(), wrong);
  options_.uri = uri;
  add_results(1);
  const auto log = logged([&] { EXPECT_EQ(step(), Progress::kUnavailable); });
  EXPECT_NE(exporter().health().problem.find("check user and password"), std::string::npos);
  EXPECT_EQ(exporter().health().problem.find(wrong), std::string::npos);
  EXPECT_NE(log.find("password authentication failed"), std::string::npos) << log;
  EXPECT_EQ(log.find(wrong), std::string::npos);
}

TEST_F(ExporterTest, AReadOnlyServerIsLeftForAnother) {
  add_results(1);
  ASSERT_EQ(drain(), Progress::kIdle);
  server().exec("ALTER DATABASE monitor SET default_transaction_read_only = on");
  server().kill_backends();
  add_results(1);
  EXPECT_EQ(drain(), Progress::kUnavailable);
  EXPECT_EQ(drain(), Progress::kUnavailable);
  EXPECT_NE(exporter().health().problem.find("25006"), std::string::npos) << exporter().health().problem;
  EXPECT_EQ(exporter().health().quarantined, 0U);
  server().exec("ALTER DATABASE monitor RESET default_transaction_read_only", "postgres");
  EXPECT_EQ(drain(), Progress::kIdle);
  EXPECT_EQ(count_results(), "2");
}

class Poison : public ExporterTest, public testing::WithParamInterface<int> {};

TEST_P(Poison, OneRowIsSetAsideAndItsNeighboursArrive) {
  ASSERT_EQ(step(), Progress::kIdle);
  server().exec("ALTER TABLE monitoring_results ADD CONSTRAINT poison CHECK (body_bytes <> 666)");
  const auto id = define(definition());
  for (int i = 0; i < 200; ++i) {
    auto row = result(id);
    if (i == GetParam()) row.body_bytes = 666;
    append(row);
  }
  commit();
  const auto log = logged([&] { EXPECT_EQ(drain(), Progress::kIdle); });
  EXPECT_EQ(count_results(), "199");
  EXPECT_EQ(server().value("SELECT count(*) FROM monitoring_results WHERE body_bytes = 666"), "0");
  EXPECT_EQ(exporter().health().quarantined, 1U);
  EXPECT_EQ(exporter().health().exported, 199U) << "what was set aside has not arrived";
  EXPECT_FALSE(exporter().health().degraded);
  EXPECT_EQ(count(log, "cannot be exported"), 1) << log;
  add_results(5);
  EXPECT_EQ(drain(), Progress::kIdle);
  EXPECT_EQ(count_results(), "204");
}
INSTANTIATE_TEST_SUITE_P(At, Poison, testing::Values(0, 100, 199));

TEST_F(ExporterTest, ATriggersRefusalOfOneRowSetsItAside) {
  ASSERT_EQ(step(), Progress::kIdle);
  server().exec(
      "CREATE FUNCTION refuse() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN IF NEW.seq % 50 = 7 THEN RAISE EXCEPTION "
      "'no'; END IF; RETURN NEW; END $$; CREATE TRIGGER refuse BEFORE INSERT ON monitoring_results FOR EACH ROW "
      "EXECUTE "
      "FUNCTION refuse()");
  add_results(200);
  EXPECT_EQ(drain(), Progress::kIdle);
  EXPECT_EQ(count_results(), "196");
  EXPECT_EQ(exporter().health().quarantined, 4U);
}

TEST_F(ExporterTest, EveryCallOfALongStepShowsThatTheLoopLives) {
  ASSERT_EQ(step(), Progress::kIdle);
  server().exec("ALTER TABLE monitoring_results ADD CONSTRAINT poison CHECK (body_bytes <> 666)");
  const auto id = define(definition());
  for (int i = 0; i < 64; ++i) {
    auto row = result(id);
    if (i == 40) row.body_bytes = 666;
    append(row);
  }
  commit();
  const auto before = exporter().health().steps;
  ASSERT_EQ(step(), Progress::kExported);
  EXPECT_GE(exporter().health().steps - before, 12U) << "six halvings of 64 rows, two calls each";
}

TEST_F(ExporterTest, ALonePoisonRowWaitsForANeighbour) {
  ASSERT_EQ(step(), Progress::kIdle);
  server().exec("ALTER TABLE monitoring_results ADD CONSTRAINT poison CHECK (body_bytes <> 666)");
  auto row = result(define(definition()));
  row.body_bytes = 666;
  append(row);
  commit();
  EXPECT_EQ(drain(), Progress::kUnavailable);
  EXPECT_EQ(exporter().health().quarantined, 0U);
  add_results(1);
  EXPECT_EQ(drain(), Progress::kIdle);
  EXPECT_EQ(exporter().health().quarantined, 1U);
  EXPECT_EQ(count_results(), "1");
}

class TableFault : public ExporterTest, public testing::WithParamInterface<std::pair<const char*, const char*>> {};

TEST_P(TableFault, QuarantinesNothingAndHeals) {
  ASSERT_EQ(step(), Progress::kIdle);
  server().exec(GetParam().first);
  const auto id = define(definition());
  for (int i = 0; i < 300; ++i) {
    auto row = result(id);
    row.reason = "slow";
    if (i % 2 == 0) row.dns.reset();
    append(row);
  }
  commit();
  for (int i = 0; i < 2; ++i) EXPECT_EQ(drain(), Progress::kUnavailable);
  EXPECT_TRUE(exporter().health().degraded);
  EXPECT_FALSE(exporter().health().problem.empty());
  EXPECT_EQ(exporter().health().quarantined, 0U);
  EXPECT_EQ(store().backlog(), 300);
  server().exec(GetParam().second);
  EXPECT_EQ(drain(), Progress::kIdle);
  EXPECT_EQ(count_results(), "300");
  EXPECT_EQ(exporter().health().quarantined, 0U);
}
INSTANTIATE_TEST_SUITE_P(
    Of, TableFault,
    testing::Values(
        std::pair("ALTER TABLE monitoring_results ALTER COLUMN dns_us SET NOT NULL",
                  "ALTER TABLE monitoring_results ALTER COLUMN dns_us DROP NOT NULL"),
        std::pair("ALTER TABLE monitoring_results ADD CONSTRAINT all_bad CHECK (total_us < 0)",
                  "ALTER TABLE monitoring_results DROP CONSTRAINT all_bad"),
        std::pair("ALTER TABLE monitoring_results RENAME COLUMN total_us TO gone",
                  "ALTER TABLE monitoring_results RENAME COLUMN gone TO total_us"),
        std::pair("DROP VIEW monitoring; ALTER TABLE monitoring_results ALTER COLUMN reason TYPE integer USING NULL",
                  "DROP VIEW IF EXISTS monitoring; ALTER TABLE monitoring_results ALTER COLUMN reason TYPE "
                  "text"),
        std::pair("ALTER TABLE monitoring_results ADD CONSTRAINT fk FOREIGN KEY (attempt) REFERENCES "
                  "monitoring_outcomes (code)",
                  "ALTER TABLE monitoring_results DROP CONSTRAINT fk")));

TEST_F(ExporterTest, AnEmptiedDimensionIsFilledWithItsOldNumbers) {
  add_results(10);
  ASSERT_EQ(drain(), Progress::kIdle);
  server().exec(
      "INSERT INTO monitoring_definitions (fingerprint, key, name, url, method, regex_check_required, "
      "interval_s, timeout_s) VALUES ('x', 'k', 'n', 'u', 'm', false, 1, 1);"
      "TRUNCATE monitoring_definitions RESTART IDENTITY; TRUNCATE monitoring_agents RESTART IDENTITY");
  EXPECT_EQ(server().value("SELECT count(url) FROM monitoring"), "0");
  add_results(10, "another");
  add_results(10);
  EXPECT_EQ(step(), Progress::kUnavailable);
  EXPECT_EQ(drain(), Progress::kIdle);
  EXPECT_EQ(server().value("SELECT count(url) || ' ' || count(agent_id) || ' ' || count(DISTINCT local_id) || ' ' || "
                           "count(DISTINCT service) FROM monitoring"),
            "30 30 30 2");
}

TEST_F(ExporterTest, AnEmptiedListOfOutcomesIsFilledByTheNextBatch) {
  add_results(2);
  ASSERT_EQ(drain(), Progress::kIdle);
  server().exec("DELETE FROM monitoring_outcomes");
  EXPECT_EQ(server().value("SELECT count(up) FROM monitoring"), "0");
  add_results(1);
  ASSERT_EQ(drain(), Progress::kIdle);
  EXPECT_EQ(server().value("SELECT count(up) FROM monitoring"), "3");
}

TEST_F(ExporterTest, NumbersOfOtherAgentsAreNotGivenAwayWhileTheyAreMissing) {
  add_results(1);
  ASSERT_EQ(drain(), Progress::kIdle);
  server().exec(
      "INSERT INTO monitoring_definitions (fingerprint, key, name, url, method, regex_check_required, "
      "interval_s, timeout_s) SELECT i::text::bytea, 'k', 'n', 'u', 'm', false, 1, 1 FROM generate_series(2, 4) i;"
      "INSERT INTO monitoring_agents (agent_id) SELECT gen_random_uuid() FROM generate_series(2, 4);"
      "DELETE FROM monitoring_definitions; DELETE FROM monitoring_agents");
  add_results(1);
  EXPECT_EQ(step(), Progress::kUnavailable);
  EXPECT_EQ(drain(), Progress::kIdle);
  add_results(1, "new");
  ASSERT_EQ(drain(), Progress::kIdle);
  EXPECT_EQ(server().value("SELECT string_agg((id > 4)::text, ' ' ORDER BY id) FROM monitoring_definitions"),
            "false true");
  EXPECT_EQ(server().value("INSERT INTO monitoring_agents (agent_id) VALUES (gen_random_uuid()) RETURNING id > 4"),
            "t");
}

}  // namespace
}  // namespace monitor::exporter
