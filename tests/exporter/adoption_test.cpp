#include "exporter/adoption.h"

#include <gmock/gmock.h>

#include "exporter/remote_schema.h"
#include "exporter/schema_sql.h"
#include "fixture.h"

namespace monitor::exporter {
namespace {

using testing::HasSubstr;

/// As the predecessor made it.
constexpr const char* kOriginal = R"sql(
CREATE TABLE monitoring (
  id serial PRIMARY KEY, local_id varchar NOT NULL UNIQUE, url varchar NOT NULL, method varchar NOT NULL,
  request_timestamp timestamp NOT NULL, regex_check_required boolean NOT NULL, contains_regex boolean NOT NULL,
  contains_exception boolean NOT NULL, status_code integer, response_timestamp timestamp, regex varchar, exception text,
  local_created_at timestamp NOT NULL, created_at timestamp NOT NULL DEFAULT timezone('utc', now()));
INSERT INTO monitoring (local_id, url, method, request_timestamp, regex_check_required, contains_regex,
  contains_exception, status_code, response_timestamp, regex, exception, local_created_at, created_at)
SELECT 'old-' || i, 'https://old.example/', 'GET', timestamp '2024-04-22 12:00:00' + i * interval '5 s', i % 5 = 2,
  false, i % 5 = 4, CASE i % 5 WHEN 4 THEN NULL WHEN 3 THEN 503 ELSE 200 END,
  CASE WHEN i % 5 <> 4 THEN timestamp '2024-04-22 12:00:00.25' + i * interval '5 s' END, NULL,
  CASE WHEN i % 5 = 4 THEN 'Connection refused' END, timestamp '2024-04-22 12:00:01', timestamp '2024-04-22 12:00:02'
FROM generate_series(0, 9) AS i;
)sql";

class AdoptionTest : public ExporterTest {
 protected:
  /// The predecessor's table, and ours beside it.
  void both() {
    server().exec(kOriginal);
    Breaker breaker;
    ensure_schema(*Session::open(server().uri(), limits_, breaker));
  }
  Adoption adopt() { return adopt_as(server().uri()); }
  Adoption adopt_as(const std::string& uri) const {
    Breaker breaker;
    return adopt_original(*Session::open(uri, limits_, breaker));
  }
  void make_role(const std::string& name) {
    server().exec("DROP ROLE IF EXISTS " + name + "; CREATE ROLE " + name + " LOGIN PASSWORD '" + name +
                  "'; GRANT CREATE, USAGE ON SCHEMA public TO " + name);
  }
  void drop_role(const std::string& name) { server().exec("DROP OWNED BY " + name + " CASCADE; DROP ROLE " + name); }
  std::string refusal() {
    try {
      adopt();
    } catch (const Refused& error) {
      EXPECT_EQ(server().value("SELECT relkind FROM pg_class WHERE oid = to_regclass('monitoring')"), "r");
      return error.what();
    }
    return "adopted";
  }
};

TEST_F(AdoptionTest, OldAndNewRowsAreBehindOneView) {
  server().exec(kOriginal);
  add_results(3);
  ASSERT_EQ(drain(), Progress::kIdle);
  ASSERT_EQ(adopt(), Adoption::kDone);
  EXPECT_EQ(server().value("SELECT count(*) FROM monitoring"), "13");
  EXPECT_EQ(server().value("SELECT count(*) FROM monitoring_v"), "3");
  EXPECT_EQ(server().value("SELECT count(*) FROM monitoring WHERE attempt = 0"), "13");
  const auto row = server().query(
      "SELECT id, local_id, service, up, verdict, outcome, reason, total_us FROM monitoring WHERE local_id LIKE "
      "'old-%' "
      "ORDER BY id LIMIT 5");
  using Row = test::Postgres::Row;
  EXPECT_EQ(row[0], (Row{"1", "old-0", "GET https://old.example/", "t", "up", "up", "HTTP 200", "250000"}));
  EXPECT_EQ(row[2], (Row{"3", "old-2", "GET https://old.example/", "f", "down", "body_mismatch",
                         "the regex was not found", "250000"}));
  EXPECT_EQ(row[3], (Row{"4", "old-3", "GET https://old.example/", "f", "down", "status", "HTTP 503", "250000"}));
  EXPECT_EQ(row[4], (Row{"5", "old-4", "GET https://old.example/", "f", "down", std::nullopt, "Connection refused",
                         std::nullopt}));
}

TEST_F(AdoptionTest, TheColumnsAreThoseOfTheView) {
  const std::string columns =
      "SELECT string_agg(column_name || ' ' || data_type, ',' ORDER BY ordinal_position) FROM "
      "information_schema.columns "
      "WHERE table_name = ";
  both();
  ASSERT_EQ(adopt(), Adoption::kDone) << "also where nothing was exported yet";
  EXPECT_EQ(server().value(columns + "'monitoring'"), server().value(columns + "'monitoring_v'"));
}

TEST_F(AdoptionTest, AnExporterThatRunsGoesOnAndSoDoesTheNextOne) {
  server().exec(kOriginal);
  add_results(3);
  ASSERT_EQ(drain(), Progress::kIdle);
  ASSERT_EQ(adopt(), Adoption::kDone);
  add_results(2);
  ASSERT_EQ(drain(), Progress::kIdle);
  EXPECT_EQ(server().value("SELECT count(*) FROM monitoring"), "15");
  restart_exporter();
  add_results(1);
  const auto said = logged([&] { ASSERT_EQ(drain(), Progress::kIdle); });
  EXPECT_EQ(said, "");
  EXPECT_EQ(server().value("SELECT count(*) FROM monitoring"), "16");
}

TEST_F(AdoptionTest, AViewThatIsMadeAnewKeepsTheOldRows) {
  both();
  ASSERT_EQ(adopt(), Adoption::kDone);
  server().exec("DROP VIEW monitoring");
  add_results(1);
  ASSERT_EQ(drain(), Progress::kIdle);
  EXPECT_EQ(server().value("SELECT count(*) FROM monitoring"), "11");
  server().exec("DROP TABLE monitoring_original CASCADE");
  restart_exporter();
  add_results(1);
  ASSERT_EQ(drain(), Progress::kIdle);
  EXPECT_EQ(server().value("SELECT count(*) FROM monitoring"), "2") << "old rows nobody wants any more";
}

TEST_F(AdoptionTest, ASecondTimeThereIsNothingToDo) {
  EXPECT_EQ(adopt(), Adoption::kNothing);
  EXPECT_EQ(server().value("SELECT count(to_regclass('monitoring_results'))"), "0") << "nothing was made either";
  both();
  ASSERT_EQ(adopt(), Adoption::kDone);
  EXPECT_EQ(adopt(), Adoption::kAlready);
  server().exec("COMMENT ON TABLE monitoring_original IS NULL; COMMENT ON VIEW monitoring IS NULL");
  EXPECT_EQ(adopt(), Adoption::kAlready) << "a restored dump may lack comments";
}

TEST_F(AdoptionTest, OurOwnViewAloneIsNothingToAdopt) {
  add_results(1);
  ASSERT_EQ(drain(), Progress::kIdle);
  EXPECT_EQ(adopt(), Adoption::kNothing);
}

TEST_F(AdoptionTest, WhoMightReadTheTableMayReadTheView) {
  both();
  server().exec(
      "DROP ROLE IF EXISTS \"a dashboard\"; CREATE ROLE \"a dashboard\"; "
      "GRANT SELECT ON monitoring TO \"a dashboard\"");
  ASSERT_EQ(adopt(), Adoption::kDone);
  EXPECT_EQ(server().value("SELECT has_table_privilege('a dashboard', 'monitoring', 'SELECT')"), "t");
  server().exec("DROP OWNED BY \"a dashboard\"; DROP ROLE \"a dashboard\"");
}

TEST_F(AdoptionTest, AnotherTableIsRefused) {
  server().exec("CREATE TABLE monitoring (id serial, url text)");
  EXPECT_THAT(refusal(), HasSubstr("is not that of the tool before monitor"));
  EXPECT_EQ(server().value("SELECT count(to_regclass('monitoring_results'))"), "0") << "nothing has changed";
}

TEST_F(AdoptionTest, ANameThatIsTakenIsRefused) {
  server().exec(kOriginal);
  server().exec("CREATE TABLE monitoring_original (a integer)");
  EXPECT_THAT(refusal(), HasSubstr("monitoring_original is taken already"));
}

TEST_F(AdoptionTest, WhatDependsOnTheTableIsNamed) {
  server().exec(kOriginal);
  server().exec("CREATE VIEW mine AS SELECT url FROM monitoring");
  EXPECT_THAT(refusal(), HasSubstr("view mine"));
  server().exec("DROP VIEW mine; CREATE TABLE other (m integer REFERENCES monitoring)");
  EXPECT_THAT(refusal(), HasSubstr("table other"));
}

TEST_F(AdoptionTest, ATableThatIsInUseOrWrittenToIsRefused) {
  both();
  limits_.lock = std::chrono::milliseconds{100};
  {
    const test::PostgresSession other(server());
    other.exec("BEGIN");
    other.exec("SELECT * FROM monitoring");
    EXPECT_THAT(refusal(), HasSubstr("somebody uses the table"));
  }
  server().exec("UPDATE monitoring SET created_at = timezone('utc', now()) WHERE id = 10");
  EXPECT_THAT(refusal(), HasSubstr("stop it, and try again"));
}

TEST_F(AdoptionTest, ARoleThatDoesNotOwnTheTableIsToldSo) {
  both();
  make_role("small");
  server().exec("GRANT ALL ON monitoring TO small");
  EXPECT_THAT([&] { adopt_as(server().uri_of("small", "small")); },
              testing::ThrowsMessage<Refused>(HasSubstr("use the role that owns the table monitoring, monitor")));
  drop_role("small");
}

TEST_F(AdoptionTest, OurTablesAreMadeByTheMonitorAndNotByIt) {
  server().exec(kOriginal);
  EXPECT_THAT(refusal(), HasSubstr("start monitor with this database"));
  EXPECT_EQ(server().value("SELECT count(to_regclass('monitoring_results'))"), "0");
}

// The predecessor had a role of its own, and so has monitor.
class TwoRoles : public AdoptionTest {
 protected:
  void SetUp() override {
    make_role("before");
    make_role("ours");
    server().exec("SET ROLE before; " + std::string(kOriginal));
    options_.uri = server().uri_of("ours", "ours");
    add_results(3);
    ASSERT_EQ(drain(), Progress::kIdle);
  }
  void TearDown() override {
    exporter_.reset();
    drop_role("before");
    drop_role("ours");
  }
  std::string refusal_as(const std::string& role) {
    try {
      adopt_as(server().uri_of(role, role));
    } catch (const Refused& error) {
      return error.what();
    }
    return "adopted";
  }
  void expect_both_go_on() {
    for (const auto* role : {"ours", "before"}) {
      EXPECT_EQ(server().value("SET ROLE " + std::string(role) + "; SELECT count(*) FROM monitoring"), "13") << role;
    }
    server().exec("DROP VIEW monitoring_v; UPDATE monitoring_schema SET version = 2");
    restart_exporter();
    add_results(1);
    EXPECT_EQ(logged([&] { ASSERT_EQ(drain(), Progress::kIdle) << exporter().health().problem; }), "");
    // As an upgrade does with a view of fewer columns.
    server().exec("SET ROLE ours; " + view_sql("monitoring", ViewOf::kOursAndOriginal));
    EXPECT_EQ(server().value("SELECT count(*) FROM monitoring"), "14");
  }
};

TEST_F(TwoRoles, EachAloneIsToldWhatToGrant) {
  const std::string grant = "GRANT before TO ours;";
  EXPECT_THAT(refusal_as("before"), HasSubstr("`" + grant + "`, and adopt as ours"));
  EXPECT_THAT(refusal_as("ours"), HasSubstr("`" + grant + "`, and adopt as ours"));
  EXPECT_EQ(server().value("SELECT relkind FROM pg_class WHERE oid = to_regclass('monitoring')"), "r");
  server().exec(grant);
  ASSERT_EQ(refusal_as("ours"), "adopted");
  expect_both_go_on();
}

TEST_F(TwoRoles, WhatASuperuserAdoptsBelongsToTheMonitor) {
  ASSERT_EQ(adopt(), Adoption::kDone);
  expect_both_go_on();
}

TEST_F(AdoptionTest, ATimeRangeUsesIndexesOfBothHalves) {
  server().exec(kOriginal);
  add_results(3);
  ASSERT_EQ(drain(), Progress::kIdle);
  ASSERT_EQ(adopt(), Adoption::kDone);
  server().exec(
      "INSERT INTO monitoring_original (local_id, url, method, request_timestamp, regex_check_required, "
      "contains_regex, contains_exception, status_code, local_created_at) "
      "SELECT 'more-' || i, 'https://old.example/', 'GET', timestamp '2024-05-01' + i * interval '5 s', false, "
      "false, false, 200, now() FROM generate_series(1, 20000) AS i; "
      "CREATE INDEX ON monitoring_original (request_timestamp); ANALYZE monitoring_original");
  std::string plan;
  for (const auto& row : server().query("EXPLAIN SELECT * FROM monitoring WHERE request_timestamp >= '2024-05-01' AND "
                                        "request_timestamp < '2024-05-01 00:10'")) {
    plan += *row.at(0) + "\n";
  }
  EXPECT_THAT(plan, HasSubstr("monitoring_original_request_timestamp_idx"));
  EXPECT_THAT(plan, testing::Not(HasSubstr("monitoring_results_2"))) << "partitions of other days are left out\n"
                                                                     << plan;
}

}  // namespace
}  // namespace monitor::exporter
