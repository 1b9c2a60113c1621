#include "fixture.h"

namespace monitor::exporter {
namespace {

using storage::Result;

/// What the predecessor had, then ours. Columns may be added at the end; nothing else may ever change here.
constexpr std::array<std::pair<const char*, const char*>, 45> kContract{{
    {"id", "bigint"},
    {"local_id", "text"},
    {"url", "character varying"},
    {"method", "character varying"},
    {"request_timestamp", "timestamp without time zone"},
    {"regex_check_required", "boolean"},
    {"contains_regex", "boolean"},
    {"contains_exception", "boolean"},
    {"status_code", "integer"},
    {"response_timestamp", "timestamp without time zone"},
    {"regex", "character varying"},
    {"exception", "text"},
    {"local_created_at", "timestamp without time zone"},
    {"created_at", "timestamp without time zone"},
    {"service", "text"},
    {"up", "boolean"},
    {"verdict", "text"},
    {"outcome", "text"},
    {"reason", "text"},
    {"dns_us", "bigint"},
    {"connect_us", "bigint"},
    {"tls_us", "bigint"},
    {"first_byte_us", "bigint"},
    {"transfer_us", "bigint"},
    {"total_us", "bigint"},
    {"lateness_us", "bigint"},
    {"body_bytes", "bigint"},
    {"remote_address", "text"},
    {"connection", "text"},
    {"attempt", "integer"},
    {"agent_id", "uuid"},
    {"seq", "bigint"},
    {"settings", "text"},
    {"family", "integer"},
    {"http_version", "text"},
    {"retried", "boolean"},
    {"capped", "boolean"},
    {"dns_cached", "boolean"},
    {"tls_version", "text"},
    {"tls_cipher", "text"},
    {"certificate_subject", "text"},
    {"certificate_issuer", "text"},
    {"certificate_not_after", "timestamp without time zone"},
    {"hops", "text"},
    {"evidence", "text"},
}};

TEST_F(ExporterTest, TheViewIsTheContract) {
  ASSERT_EQ(step(), Progress::kIdle);
  const auto columns = server().query(
      "SELECT column_name, data_type FROM information_schema.columns WHERE table_name = 'monitoring' "
      "ORDER BY ordinal_position");
  ASSERT_EQ(columns.size(), kContract.size());
  for (std::size_t i = 0; i < kContract.size(); ++i) {
    EXPECT_EQ(columns[i][0], kContract[i].first);
    EXPECT_EQ(columns[i][1], kContract[i].second) << kContract[i].first;
  }
}

TEST_F(ExporterTest, AnUpRowReadsAsThePredecessorWroteIt) {
  auto settings = definition("");
  settings.check_regex = true;
  settings.regex = "ok$";
  auto row = result(define(settings));
  row.requested_at = common::from_unix_micros(common::unix_micros(row.requested_at) / 1000 * 1000 + 123);
  row.contains_regex = true;
  row.total = std::chrono::microseconds{12'340};
  append(row);
  commit();
  ASSERT_EQ(drain(), Progress::kIdle);
  const auto agent = test::run(io_, store().identity()).agent_id;
  const auto rows = server().query(
      "SELECT id, local_id, url, method, to_char(request_timestamp, 'YYYY-MM-DD HH24:MI:SS.US'), regex_check_required, "
      "contains_regex, contains_exception, status_code, response_timestamp - request_timestamp, regex, exception, "
      "local_created_at >= request_timestamp AND local_created_at < request_timestamp + interval '10 s', "
      "created_at >= local_created_at - interval '1 s' AND created_at < local_created_at + interval '20 s', service, "
      "up, verdict, outcome, reason, connection, attempt, agent_id, seq FROM monitoring");
  ASSERT_EQ(rows.size(), 1U);
  const test::Postgres::Row expected{"1",
                                     agent + ":1",
                                     settings.url,
                                     "GET",
                                     common::format_time(row.requested_at),
                                     "t",
                                     "t",
                                     "f",
                                     "200",
                                     "00:00:00.01234",
                                     "ok$",
                                     std::nullopt,
                                     "t",
                                     "t",
                                     "GET " + settings.url,
                                     "t",
                                     "up",
                                     "up",
                                     "HTTP 200 in 12.3 ms",
                                     "fresh",
                                     "0",
                                     agent,
                                     "1"};
  EXPECT_EQ(rows[0], expected);
}

TEST_F(ExporterTest, OnlyARowWithoutAResponseHasAnException) {
  const auto id = define(definition());
  auto row = result(id);
  row.outcome = common::Outcome::kStatus;
  row.status = 503;
  row.reason = "HTTP 503 is outside 200-399";
  append(row);
  row.outcome = common::Outcome::kConnectRefused;
  row.status.reset();
  row.reason = "nothing listens on port 1";
  row.tls.reset();
  append(row);
  row.outcome = common::Outcome::kLocalResource;
  row.reason = "no descriptor is left";
  append(row);
  commit();
  ASSERT_EQ(drain(), Progress::kIdle);
  const auto rows = server().query(
      "SELECT contains_exception, status_code, exception, reason, up, verdict, outcome, "
      "response_timestamp IS NULL, tls_us FROM monitoring ORDER BY seq");
  using Row = test::Postgres::Row;
  EXPECT_EQ(rows.at(0),
            (Row{"f", "503", std::nullopt, "HTTP 503 is outside 200-399", "f", "down", "status", "f", "24000"}));
  EXPECT_EQ(rows.at(1), (Row{"t", std::nullopt, "nothing listens on port 1", "nothing listens on port 1", "f", "down",
                             "connect_refused", "t", std::nullopt}));
  EXPECT_EQ(rows.at(2), (Row{"t", std::nullopt, "no descriptor is left", "no descriptor is left", std::nullopt,
                             "unknown", "local_resource", "t", std::nullopt}));
}

TEST_F(ExporterTest, ARowOfAVerdictNobodyKnowsYetIsStillShown) {
  add_results(1);
  ASSERT_EQ(drain(), Progress::kIdle);
  server().exec("UPDATE monitoring_results SET outcome = 250, definition = 999, agent = 77");
  EXPECT_EQ(server().value("SELECT outcome || ' ' || verdict || ' ' || (up IS NULL) || ' ' || seq FROM monitoring"),
            "code 250 unknown true 1");
}

TEST_F(ExporterTest, ThePredecessorsTableIsLeftAlone) {
  server().exec(
      "CREATE TABLE monitoring (id serial PRIMARY KEY, local_id varchar NOT NULL UNIQUE);"
      "INSERT INTO monitoring (local_id) VALUES ('theirs')");
  add_results(2);
  const auto log = logged([&] { EXPECT_EQ(drain(), Progress::kIdle); });
  EXPECT_EQ(server().value("SELECT string_agg(local_id, ',') FROM monitoring"), "theirs");
  EXPECT_EQ(server().value("SELECT count(*) FROM monitoring_v"), "2");
  EXPECT_NE(log.find("the view is called monitoring_v"), std::string::npos) << log;
}

TEST_F(ExporterTest, OurOwnViewIsKnownWithoutItsComment) {
  add_results(1);
  ASSERT_EQ(drain(), Progress::kIdle);
  server().exec("COMMENT ON VIEW monitoring IS NULL");  // as after pg_restore --no-comments
  restart_exporter();
  add_results(1);
  EXPECT_EQ(logged([&] { EXPECT_EQ(drain(), Progress::kIdle); }), "");
  EXPECT_EQ(server().value("SELECT to_regclass('monitoring_v') IS NULL"), "t");
  EXPECT_EQ(server().value("SELECT count(*) FROM monitoring"), "2");
}

TEST_F(ExporterTest, ANewerSchemaIsUsedAsItIs) {
  add_results(1);
  ASSERT_EQ(drain(), Progress::kIdle);
  server().exec(
      "INSERT INTO monitoring_schema VALUES (99, now()); ALTER TABLE monitoring_results ADD COLUMN new text;"
      "CREATE OR REPLACE VIEW monitoring_extra AS SELECT 1;");
  restart_exporter();
  add_results(1);
  EXPECT_EQ(drain(), Progress::kIdle);
  EXPECT_EQ(count_results(), "2");
  EXPECT_EQ(server().value("SELECT max(version) || ' ' || count(*) FROM monitoring_schema"), "99 2");
}

TEST_F(ExporterTest, ADroppedViewAndTablesComeBack) {
  add_results(1);
  ASSERT_EQ(drain(), Progress::kIdle);
  server().exec("DROP VIEW monitoring; DROP TABLE monitoring_results");
  add_results(1);
  EXPECT_EQ(step(), Progress::kUnavailable);
  EXPECT_EQ(drain(), Progress::kIdle);
  EXPECT_EQ(server().value("SELECT count(*) FROM monitoring"), "1");
}

}  // namespace
}  // namespace monitor::exporter
