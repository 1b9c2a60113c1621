// PostgreSQL is there and refuses: nobody's row is at fault, so nothing is set aside, it is said once, and everything
// arrives when it has been put right.
#include "fault_fixture.h"

namespace monitor::exporter {
namespace {

using std::chrono::milliseconds;

using Refusal = FaultTest;

/// What somebody does to the server, what puts it right, and what is said of it.
struct Deed {
  const char* name;
  const char* wrong;
  const char* right;
  const char* said;
};

class Deeds : public FaultTest, public testing::WithParamInterface<Deed> {
 protected:
  void do_wrong() {
    server().exec(GetParam().wrong, "postgres");
    server().kill_backends("postgres");
  }
};

TEST_P(Deeds, AreSaidOnceAndEverythingArrivesWhenTheyArePutRight) {
  use_role();
  add_results(100);
  ASSERT_EQ(drain(), Progress::kIdle);
  const auto log = logged([&] {
    do_wrong();
    add_results(100);
    for (int i = 0; i < 3; ++i) EXPECT_EQ(drain(), Progress::kUnavailable);
    // The session that was ended, and then the reason.
    EXPECT_NE(exporter().health().problem.find(GetParam().said), std::string::npos) << exporter().health().problem;
    EXPECT_EQ(exporter().health().quarantined, 0U);
    EXPECT_EQ(store().backlog(), 100);
    server().exec(GetParam().right, "postgres");
    expect_flow(200);
  });
  EXPECT_LE(count(log, "nothing is exported for now"), 2) << log;
  EXPECT_EQ(count(log, "are exported to PostgreSQL"), 1) << log;
}
INSTANTIATE_TEST_SUITE_P(
    Of, Deeds,
    testing::Values(Deed{"Password", "ALTER ROLE agent PASSWORD 'another'", "ALTER ROLE agent PASSWORD 'agents'",
                         "check user and password"},
                    Deed{"RoleLimit", "ALTER ROLE agent CONNECTION LIMIT 0", "ALTER ROLE agent CONNECTION LIMIT -1",
                         "too many connections for role"},
                    Deed{"DatabaseLimit", "ALTER DATABASE monitor CONNECTION LIMIT 0",
                         "ALTER DATABASE monitor CONNECTION LIMIT -1", "too many connections for database"},
                    Deed{"NoLogin", "ALTER ROLE agent NOLOGIN", "ALTER ROLE agent LOGIN", "not permitted to log in"},
                    Deed{"ReadOnly", "ALTER DATABASE monitor SET default_transaction_read_only = on",
                         "ALTER DATABASE monitor RESET default_transaction_read_only", "25006"},
                    Deed{"DroppedDatabase", "DROP DATABASE monitor WITH (FORCE)", "CREATE DATABASE monitor OWNER agent",
                         "create the database"}),
    [](const auto& info) { return info.param.name; });

class TableDeeds : public Deeds {};

TEST_P(TableDeeds, CostNoRow) {
  add_results(100);
  ASSERT_EQ(drain(), Progress::kIdle);
  const auto log = logged([&] {
    server().exec(GetParam().wrong);
    const auto id = define(definition());
    for (int i = 0; i < 100; ++i) {
      auto row = result(id);
      if (i % 2 == 0) row.dns.reset();
      append(row);
    }
    commit();
    for (int i = 0; i < 3; ++i) EXPECT_EQ(drain(), Progress::kUnavailable);
    EXPECT_NE(exporter().health().problem.find(GetParam().said), std::string::npos) << exporter().health().problem;
    EXPECT_EQ(exporter().health().quarantined, 0U);
    EXPECT_EQ(store().backlog(), 100);
    server().exec(GetParam().right);
    expect_flow(200);
  });
  EXPECT_LE(count(log, "nothing is exported for now"), 2) << log;
  EXPECT_EQ(count(log, "are exported to PostgreSQL"), 1) << log;
  EXPECT_EQ(server().value("SELECT count(*) FROM monitoring"), "200");
}
INSTANTIATE_TEST_SUITE_P(
    Of, TableDeeds,
    testing::Values(
        Deed{"ColumnDropped", "ALTER TABLE monitoring_results DROP COLUMN hops CASCADE",
             "ALTER TABLE monitoring_results ADD COLUMN hops text", "42703"},
        Deed{"ColumnRenamed", "ALTER TABLE monitoring_results RENAME COLUMN total_us TO gone",
             "ALTER TABLE monitoring_results RENAME COLUMN gone TO total_us", "42703"},
        Deed{"TypeChanged",
             "DROP VIEW monitoring; ALTER TABLE monitoring_results ALTER COLUMN lateness_us TYPE date "
             "USING NULL, ALTER COLUMN lateness_us DROP NOT NULL",
             "ALTER TABLE monitoring_results ALTER COLUMN lateness_us TYPE integer USING 0", "42846"},
        Deed{"NotNullAdded",
             "ALTER TABLE monitoring_results ADD COLUMN extra integer NOT NULL DEFAULT 0; "
             "ALTER TABLE monitoring_results ALTER COLUMN extra DROP DEFAULT",
             "ALTER TABLE monitoring_results DROP COLUMN extra", "23502"},
        Deed{"EveryRowRefusedByATrigger",
             "CREATE FUNCTION refuse() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RAISE EXCEPTION 'no'; END $$; "
             "CREATE TRIGGER refuse BEFORE INSERT ON monitoring_results FOR EACH ROW EXECUTE FUNCTION refuse()",
             "DROP TRIGGER refuse ON monitoring_results", "P0001"},
        Deed{"DefinitionsRefused",
             "DROP VIEW monitoring; ALTER TABLE monitoring_definitions ADD CHECK (length(key) < 0) "
             "NOT VALID; DELETE FROM monitoring_definitions",
             "ALTER TABLE monitoring_definitions DROP CONSTRAINT monitoring_definitions_key_check", "23514"}),
    [](const auto& info) { return info.param.name; });

class State : public FaultTest, public testing::WithParamInterface<const char*> {};

TEST_P(State, OfTheServerKeepsEveryRowHere) {
  add_results(100);
  ASSERT_EQ(drain(), Progress::kIdle);
  server().exec(
      std::string("CREATE FUNCTION fail() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RAISE EXCEPTION 'no' "
                  "USING ERRCODE = '") +
      GetParam() +
      "'; END $$; CREATE TRIGGER fail BEFORE INSERT ON monitoring_results FOR EACH ROW WHEN (NEW.seq % 2 = 0) "
      "EXECUTE FUNCTION fail()");
  add_results(100);
  for (int i = 0; i < 2; ++i) EXPECT_EQ(drain(), Progress::kUnavailable);
  EXPECT_NE(exporter().health().problem.find(GetParam()), std::string::npos) << exporter().health().problem;
  EXPECT_EQ(store().backlog(), 100);
  server().exec("DROP TRIGGER fail ON monitoring_results");
  expect_flow(200);
}
INSTANTIATE_TEST_SUITE_P(Of, State,
                         testing::Values("25006", "40001", "40P01", "53100", "53200", "53300", "55P03", "57014",
                                         "58030", "XX000", "0A000", "42501", "ZZ999"));

class LockedTable : public FaultTest, public testing::WithParamInterface<const char*> {};

TEST_P(LockedTable, IsWaitedForInShortAndGetsEverythingWhenItIsFree) {
  limits_.lock = milliseconds{100};
  add_results(100);
  ASSERT_EQ(drain(), Progress::kIdle);
  const auto log = logged([&] {
    const test::PostgresSession other(server());
    other.exec(std::string("BEGIN; LOCK TABLE ") + GetParam() + " IN ACCESS EXCLUSIVE MODE");
    add_results(100);
    for (int i = 0; i < 4; ++i) EXPECT_EQ(step_watched(), Progress::kUnavailable);
    EXPECT_NE(exporter().health().problem.find("55P03"), std::string::npos) << exporter().health().problem;
    other.exec("COMMIT");
    expect_flow(200);
  });
  expect_said_once(log);
}
INSTANTIATE_TEST_SUITE_P(Of, LockedTable,
                         testing::Values("monitoring_results", "monitoring_agents", "monitoring_definitions",
                                         "monitoring_touched"));

TEST_F(Refusal, AStatementThatTakesTooLongIsGivenUp) {
  limits_.statement = milliseconds{200};
  add_results(100);
  ASSERT_EQ(drain(), Progress::kIdle);
  server().exec(
      "CREATE FUNCTION wait() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN PERFORM pg_sleep(60); RETURN NEW; END $$; "
      "CREATE TRIGGER wait BEFORE INSERT ON monitoring_results FOR EACH ROW EXECUTE FUNCTION wait()");
  const auto log = logged([&] {
    add_results(100);
    for (int i = 0; i < 3; ++i) EXPECT_EQ(step_watched(), Progress::kUnavailable);
    EXPECT_NE(exporter().health().problem.find("57014"), std::string::npos) << exporter().health().problem;
    server().exec("DROP TRIGGER wait ON monitoring_results");
    expect_flow(200);
  });
  expect_said_once(log);
}

TEST_F(Refusal, OfADeadlockIsTriedAgain) {
  add_results(100);
  ASSERT_EQ(drain(), Progress::kIdle);
  const test::PostgresSession other(server());
  other.exec("BEGIN; LOCK TABLE monitoring_results IN SHARE MODE");
  add_results(100);
  // The batch holds its agent's row by then.
  in_background([this] { return server().value(kSomebodyWaits) != "0"; },
                [&other] { other.exec("UPDATE monitoring_agents SET created_at = created_at"); });
  EXPECT_EQ(step(), Progress::kUnavailable);
  EXPECT_NE(exporter().health().problem.find("40P01"), std::string::npos) << exporter().health().problem;
  end_background();
  other.exec("COMMIT");
  expect_flow(200);
}

TEST_F(Refusal, SettingsOfARoleOrDatabaseChangeNothing) {
  add_results(10);
  ASSERT_EQ(drain(), Progress::kIdle);
  server().exec(
      "ALTER DATABASE monitor SET default_transaction_isolation = 'serializable';"
      "ALTER DATABASE monitor SET standard_conforming_strings = off; ALTER DATABASE monitor SET array_nulls = off;"
      "ALTER DATABASE monitor SET backslash_quote = off; ALTER DATABASE monitor SET bytea_output = 'escape';"
      "ALTER DATABASE monitor SET intervalstyle = 'sql_standard'; ALTER DATABASE monitor SET datestyle = 'SQL, DMY';"
      "ALTER DATABASE monitor SET timezone = 'Pacific/Chatham'; ALTER DATABASE monitor SET synchronous_commit = off;"
      "ALTER DATABASE monitor SET extra_float_digits = -15; ALTER DATABASE monitor SET client_encoding = 'LATIN1'");
  server().kill_backends();
  restart_exporter();
  const auto id = define(definition("naïve 'quoted' \\ service"));
  auto row = result(id);
  row.reason = "it's a \\ \"reason\" – with €";
  row.dns.reset();
  append(row);
  commit();
  EXPECT_EQ(drain(), Progress::kIdle) << exporter().health().problem;
  server().exec("DELETE FROM monitoring_results WHERE seq = 11; UPDATE monitoring_agents SET results_head = 10");
  server().exec("ALTER DATABASE monitor RESET client_encoding");
  test::run(io_, store().rewind({9, 0, 0}));
  restart_exporter();  // and once more, by INSERT
  expect_flow(11);
  EXPECT_EQ(server().value("SELECT reason FROM monitoring WHERE seq = 11"), row.reason);
  EXPECT_EQ(server().value("SELECT service FROM monitoring WHERE seq = 11"), "naïve 'quoted' \\ service");
  EXPECT_EQ(server().value("SELECT (extract(epoch FROM max(request_timestamp)) * 1000000)::bigint FROM monitoring"),
            std::to_string(common::unix_micros(row.requested_at)));
}

}  // namespace
}  // namespace monitor::exporter
