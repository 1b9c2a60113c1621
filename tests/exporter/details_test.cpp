// What explains a result on its way to PostgreSQL, and the upgrade of the remote schema that it needs.
#include "fixture.h"
#include "schema_v1.h"

namespace monitor::exporter {
namespace {

using Row = test::Postgres::Row;

net::TlsFacts facts_of(const std::string& host) {
  net::TlsFacts facts;
  facts.version = "TLSv1.3";
  facts.cipher = "TLS_AES_256_GCM_SHA384";
  facts.has_certificate = true;
  facts.certificate.sha256.fill(0xA5);
  facts.certificate.subject = "CN=" + host;
  facts.certificate.issuer = "CN=Some \"CA\",O=Ünit {1}\\";
  facts.certificate.not_before = common::from_unix_micros(1'700'000'000'000'000);
  facts.certificate.not_after = common::from_unix_micros(253'402'300'799'000'000);  // the last second of 9999
  return facts;
}

constexpr const char* kHops =
    R"([{"url":"http://example.org/","method":"GET","status":301},{"url":"https://example.org/",)"
    R"("method":"GET","status":200}])";
constexpr const char* kEvidence = "HTTP/1.1 200 OK\nset-cookie: ***\n\n{\"a\": \"b\\\\\", 'c': NULL} ü😀";

class DetailsTest : public ExporterTest {
 protected:
  storage::Result explained(storage::DefinitionId id, const net::TlsFacts& facts) const {
    auto row = result(id);
    row.tls_facts = std::make_shared<const net::TlsFacts>(facts);
    row.hops = kHops;
    row.evidence = kEvidence;
    return row;
  }
  std::string view_columns() {
    return server().value(
        "SELECT string_agg(attname, ' ' ORDER BY attnum) FROM pg_attribute WHERE attrelid = "
        "'monitoring'::regclass");
  }
  void make_version_1() {
    server().exec(kTablesV1);
    server().exec(kViewV1);
    server().exec(kRowsV1);
  }
};

TEST_F(DetailsTest, ArriveAsTheyWereStored) {
  auto settings = definition();
  settings.settings = R"({"expect": {"status": ["2xx"], "body": ["\\d+"]}})";
  auto row = explained(define(settings), facts_of("example.org"));
  row.retried = row.http_1_0 = row.capped = row.dns_cached = true;
  append(row);
  append(result(define(definition("plain"))));
  commit();
  ASSERT_EQ(drain(), Progress::kIdle);
  const auto rows = server().query(
      "SELECT settings, family, http_version, retried, capped, dns_cached, tls_version, tls_cipher, "
      "certificate_subject, certificate_issuer, to_char(certificate_not_after, 'YYYY-MM-DD HH24:MI:SS'), hops, "
      "evidence "
      "FROM monitoring ORDER BY seq");
  ASSERT_EQ(rows.size(), 2U);
  EXPECT_EQ(rows[0], (Row{settings.settings, "4", "1.0", "t", "t", "t", "TLSv1.3", "TLS_AES_256_GCM_SHA384",
                          "CN=example.org", facts_of("").certificate.issuer, "9999-12-31 23:59:59", kHops, kEvidence}));
  const std::optional<std::string> none;
  EXPECT_EQ(rows[1], (Row{none, "4", "1.1", "f", "f", "f", none, none, none, none, none, none, none}));
  EXPECT_EQ(
      server().value(
          "SELECT encode(sha256, 'hex') || ' ' || to_char(not_before, 'YYYY-MM-DD HH24:MI:SS') FROM monitoring_tls"),
      std::string("a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5") + " 2023-11-14 22:13:20");
}

TEST_F(DetailsTest, OfAFailedHandshakeArriveAsFarAsItCame) {
  net::TlsFacts facts;
  facts.version = "TLSv1.2";
  auto row = explained(define(definition()), facts);
  row.outcome = common::Outcome::kTlsHandshake;
  row.status.reset();
  row.remote_address = "2001:db8::1";
  append(row);
  commit();
  ASSERT_EQ(drain(), Progress::kIdle);
  EXPECT_EQ(server()
                .query("SELECT family, http_version, tls_version, tls_cipher, certificate_subject, "
                       "certificate_not_after FROM monitoring")
                .at(0),
            (Row{"6", std::nullopt, "TLSv1.2", std::nullopt, std::nullopt, std::nullopt}));
}

TEST_F(DetailsTest, EqualTlsFactsOfTwoAgentsAreOneRow) {
  for (int agent = 0; agent < 2; ++agent) {
    const auto id = define(definition());
    for (int i = 0; i < 5; ++i) append(explained(id, facts_of(i % 2 == 0 ? "a.example" : "b.example")));
    commit();
    ASSERT_EQ(drain(), Progress::kIdle);
    exporter_.reset();
    close_store();
    for (const char* suffix : {"", "-wal", "-shm"}) std::filesystem::remove(file().string() + suffix);
  }
  EXPECT_EQ(server().value("SELECT count(*) FROM monitoring_tls"), "2");
  EXPECT_EQ(server().value("SELECT count(DISTINCT agent_id) || ' ' || count(certificate_subject) FROM monitoring"),
            "2 10");
}

TEST_F(DetailsTest, TlsFactsThatWereLostThereArePutBackWithTheirOldNumbers) {
  const auto id = define(definition());
  append(explained(id, facts_of("a.example")));
  append(explained(id, facts_of("b.example")));
  commit();
  ASSERT_EQ(drain(), Progress::kIdle);
  server().exec("TRUNCATE monitoring_tls RESTART IDENTITY");
  append(explained(id, facts_of("c.example")));
  append(explained(id, facts_of("b.example")));
  append(explained(id, facts_of("a.example")));
  commit();
  ASSERT_EQ(drain(), Progress::kIdle);
  EXPECT_EQ(server().value("SELECT string_agg(certificate_subject, ' ' ORDER BY seq) FROM monitoring"),
            "CN=a.example CN=b.example CN=c.example CN=b.example CN=a.example");
  server().exec("DROP TABLE monitoring_tls CASCADE");
  append(explained(id, facts_of("a.example")));
  commit();
  EXPECT_EQ(step(), Progress::kUnavailable);
  EXPECT_EQ(drain(), Progress::kIdle);
  EXPECT_EQ(exporter().health().quarantined, 0U);
  EXPECT_EQ(server().value("SELECT count(*) FROM monitoring"), "6") << "the view came back too";
}

TEST_F(DetailsTest, ANumberThatWasGivenOnceIsNeverGivenToOtherTlsFacts) {
  const auto id = define(definition());
  append(explained(id, facts_of("a.example")));
  commit();
  ASSERT_EQ(drain(), Progress::kIdle);
  // Another agent's, which its rows refer to though they are gone.
  server().exec("INSERT INTO monitoring_tls (fingerprint) VALUES ('x'), ('y'), ('z'); DELETE FROM monitoring_tls");
  append(explained(id, facts_of("a.example")));
  commit();
  ASSERT_EQ(drain(), Progress::kIdle);
  append(explained(id, facts_of("new.example")));
  commit();
  ASSERT_EQ(drain(), Progress::kIdle);
  EXPECT_EQ(server().value("SELECT min(id) || ' ' || (max(id) > 4) FROM monitoring_tls"), "1 true");
}

TEST_F(DetailsTest, ADatabaseOfAnotherEncodingTakesThemToo) {
  server().exec("CREATE DATABASE latin ENCODING 'LATIN1' LOCALE 'C' TEMPLATE template0", "postgres");
  options_.uri = server().uri("latin");
  auto settings = definition();
  settings.settings = R"({"expect": {"body": ["😀"]}})";
  auto facts = facts_of("😀.example");
  facts.certificate.issuer = "ü";
  auto row = explained(define(settings), facts);
  row.hops = "…";
  append(row);
  commit();
  EXPECT_EQ(drain(), Progress::kIdle);
  EXPECT_EQ(exporter().health().quarantined, 0U);
  EXPECT_EQ(
      server()
          .query("SELECT settings, certificate_subject, certificate_issuer, hops, right(evidence, 11) FROM "
                 "monitoring",
                 "latin")
          .at(0),
      (Row{R"({"expect": {"body": ["\U0001f600"]}})", "CN=\\U0001f600.example", "\xfc", "\\u2026", "\xfc\\U0001f600"}));
  exporter_.reset();
  server().exec("DROP DATABASE latin", "postgres");
}

TEST_F(DetailsTest, ASchemaOfVersionOneIsUpgradedWithItsPartitionsAndRows) {
  make_version_1();
  append(explained(define(definition()), facts_of("example.org")));
  append(result(define(definition())));
  commit();
  ASSERT_EQ(drain(), Progress::kIdle);
  EXPECT_EQ(exporter().health().quarantined, 0U);
  EXPECT_EQ(server().value("SELECT max(version) FROM monitoring_schema"), "3");
  EXPECT_EQ(server().value("SELECT string_agg(service || ' ' || outcome || ' ' || connection || ' ' || "
                           "coalesce(certificate_subject, '-'), ', ' ORDER BY service DESC, seq) FROM monitoring"),
            "old up reused -, old up reused -, home up fresh CN=example.org, home up fresh -");
  EXPECT_EQ(server().value("SELECT meaning FROM monitoring_outcomes WHERE code = 2"),
            "a complete response with a status that is not expected");
  EXPECT_EQ(server().value("SELECT count(*) FROM monitoring_outcomes"), std::to_string(common::kOutcomes.size()));
}

// Its index takes longer than a statement of a batch may.
TEST_F(DetailsTest, AnUpgradeOfALargeTableLeavesItsIndexToTheMaintenance) {
  add_results(1);
  ASSERT_EQ(drain(), Progress::kIdle);
  const auto there = [this] { return server().value("SELECT to_regclass('monitoring_skipped_time') IS NOT NULL"); };
  ASSERT_EQ(there(), "t");
  server().exec(
      "DROP INDEX monitoring_skipped_time; DELETE FROM monitoring_schema; INSERT INTO monitoring_skipped "
      "SELECT 99, n, 1, 'stopping', timezone('utc', now()), timezone('utc', now()), 1 FROM generate_series(1, 100000) "
      "n");
  restart_exporter();
  add_results(1);
  ASSERT_EQ(drain(), Progress::kIdle);
  EXPECT_EQ(there(), "f");
  test::run(io_, exporter().maintain());
  EXPECT_EQ(there(), "t");
  EXPECT_EQ(count_results(), "2");
}

TEST_F(DetailsTest, AFreshSchemaAndAnUpgradedOneAreTheSame) {
  const std::string columns =
      "SELECT string_agg(table_name || '.' || column_name || ' ' || data_type || ' ' || is_nullable, ', ' ORDER BY "
      "table_name, ordinal_position) FROM information_schema.columns WHERE table_name ~ '^monitoring' AND "
      "table_name !~ '[0-9]$'";
  ASSERT_EQ(step(), Progress::kIdle);
  const auto fresh = server().value(columns);
  exporter_.reset();
  server().exec("DROP SCHEMA public CASCADE; CREATE SCHEMA public");
  make_version_1();
  ASSERT_EQ(step(), Progress::kIdle);
  EXPECT_EQ(server().value(columns), fresh);
}

TEST_F(DetailsTest, AnAgentOfVersionOneCanStillWrite) {
  make_version_1();
  ASSERT_EQ(step(), Progress::kIdle);
  server().exec(kInsertV1);
  EXPECT_EQ(
      server().value("SELECT service || ' ' || verdict || ' ' || (evidence IS NULL) FROM monitoring WHERE seq = 3"),
      "old up true");
}

TEST_F(DetailsTest, AViewThatAnAgentOfVersionOneMadeAgainIsCompleted) {
  ASSERT_EQ(step(), Progress::kIdle);
  const auto columns = view_columns();
  server().exec("DROP VIEW monitoring");
  server().exec(kViewV1);
  restart_exporter();
  ASSERT_EQ(step(), Progress::kIdle);
  EXPECT_EQ(view_columns(), columns);
}

TEST_F(DetailsTest, AnUpgradeWaitsForAnOpenReaderAndLosesNothing) {
  make_version_1();
  limits_.lock = std::chrono::milliseconds{200};
  add_results(3);
  {
    const test::PostgresSession reader(server());
    reader.exec("BEGIN; SELECT count(*) FROM monitoring");
    EXPECT_EQ(step(), Progress::kUnavailable);
    EXPECT_EQ(server().value("SELECT max(version) FROM monitoring_schema"), "1");
  }
  EXPECT_EQ(drain(), Progress::kIdle);
  EXPECT_EQ(server().value("SELECT count(*) FROM monitoring"), "5");
}

TEST_F(DetailsTest, OnePassedTlsCheckCostsNoMoreThanItsReference) {
  const auto id = define(definition());
  for (int i = 0; i < 5000; ++i) {
    auto row = result(id);
    row.tls_facts = std::make_shared<const net::TlsFacts>(facts_of("a.example"));
    append(row);
  }
  commit();
  ASSERT_EQ(drain(), Progress::kIdle);
  const auto bytes =
      std::stoll(server().value("SELECT sum(pg_relation_size(inhrelid)) FROM pg_inherits WHERE inhparent = "
                                "'monitoring_results'::regclass")) /
      5000;
  RecordProperty("heap_bytes_per_row", std::to_string(bytes));
  EXPECT_LE(bytes, 128);
}

}  // namespace
}  // namespace monitor::exporter
