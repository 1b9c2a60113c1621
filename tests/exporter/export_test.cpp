#include "fixture.h"

namespace monitor::exporter {
namespace {

using storage::Result;

TEST_F(ExporterTest, ArrivesInOrderAndIsAcknowledged) {
  add_results(300);
  EXPECT_EQ(step(), Progress::kExported);
  EXPECT_EQ(step(), Progress::kIdle);
  EXPECT_EQ(server().value("SELECT count(*) || ' ' || min(seq) || ' ' || max(seq) FROM monitoring_results"),
            "300 1 300");
  commit();
  EXPECT_EQ(store().backlog(), 0);
  EXPECT_EQ(exporter().health().exported, 300U);
  EXPECT_TRUE(exporter().health().connected);
  EXPECT_FALSE(exporter().health().degraded);
}

TEST_F(ExporterTest, GoesOnAtOnceWhileThereIsABacklog) {
  limits_.batch_rows = 100;
  add_results(250);
  EXPECT_EQ(step(), Progress::kMore);
  EXPECT_EQ(step(), Progress::kMore);
  EXPECT_EQ(step(), Progress::kExported);
  EXPECT_EQ(count_results(), "250");
}

TEST_F(ExporterTest, ABacklogOfAnyKindGoesOnAtOnce) {
  limits_.batch_rows = 10;
  const auto id = define(definition());
  const auto now = clock_.wall();
  for (int i = 0; i < 25; ++i) {
    store().append(storage::Skipped{id, now, now, 1, storage::SkipReason::kStillRunning});
    store().append(storage::Gap{storage::GapReason::kDiskFull, now, now, 0, 0, 1});
  }
  commit();
  EXPECT_EQ(step(), Progress::kMore);
  EXPECT_EQ(step(), Progress::kMore);
  EXPECT_EQ(step(), Progress::kExported);
  EXPECT_EQ(server().value("SELECT (SELECT count(*) FROM monitoring_gaps) || ' ' || count(*) FROM monitoring_skipped"),
            "25 25");
}

TEST_F(ExporterTest, AnOlderEpochIsNotTheEndOfTheBacklog) {
  add_results(10);
  new_epoch();
  add_results(10);
  EXPECT_EQ(step(), Progress::kMore);
  EXPECT_EQ(step(), Progress::kExported);
  add_results(10);
  new_epoch();
  store().append(storage::Gap{storage::GapReason::kDiskFull, clock_.wall(), clock_.wall(), 0, 0, 1});
  commit();
  restart_exporter();
  EXPECT_EQ(step(), Progress::kMore) << "a gap alone waits in the newer epoch";
  EXPECT_EQ(step(), Progress::kExported);
  EXPECT_EQ(server().value("SELECT count(*) || ' ' || (SELECT count(*) FROM monitoring_gaps) FROM monitoring_results"),
            "30 1");
}

TEST_F(ExporterTest, TextThatFillsABatchLeavesNothingBehindForASecond) {
  limits_.batch_rows = 10'000;
  Result row = result(define(definition()));
  row.reason = std::string(2'000, 'x');
  for (int i = 0; i < 9'000; ++i) append(row);
  commit();
  EXPECT_EQ(step(), Progress::kMore);
  EXPECT_EQ(step(), Progress::kExported);
  EXPECT_EQ(count_results(), "9000");
}

TEST_F(ExporterTest, SkippedRangesAndGapsArriveOnce) {
  const auto id = define(definition());
  const auto now = clock_.wall();
  using std::chrono::minutes;
  store().append(storage::Skipped{id, now - minutes{2}, now - minutes{1}, 12, storage::SkipReason::kStillRunning});
  store().append(storage::Gap{storage::GapReason::kDiskFull, now - minutes{9}, now - minutes{5}, 0, 0, 77});
  commit();
  EXPECT_EQ(drain(), Progress::kIdle);
  test::run(io_, store().rewind({0, 0, 0}));
  EXPECT_EQ(drain(), Progress::kIdle);
  EXPECT_EQ(server().value("SELECT d.name || ' ' || s.reason || ' ' || s.count || ' ' || (s.to_timestamp - "
                           "s.from_timestamp) FROM monitoring_skipped s JOIN monitoring_definitions d ON d.id = "
                           "s.definition"),
            "home " + std::string(name_of(storage::SkipReason::kStillRunning)) + " 12 00:01:00");
  EXPECT_EQ(server().value("SELECT reason || ' ' || count FROM monitoring_gaps"),
            std::string(name_of(storage::GapReason::kDiskFull)) + " 77");
}

TEST_F(ExporterTest, HostileTextArrivesAsItWasStored) {
  auto hostile = definition("quote\" back\\slash {brace}, NULL 'tick' $1 \t\n 😀");
  hostile.regex = R"(\d+"\\"{2})";
  hostile.check_regex = true;
  const auto id = define(hostile);
  Result row = result(id);
  row.outcome = common::Outcome::kConnectRefused;
  row.status.reset();
  row.reason = "NULL";
  row.remote_address = "fe80::1%eth0";
  append(row);
  row.reason = std::string("a\"b\\c{d},'e' \xff") + '\0' + " ü…😀";
  append(row);
  row.reason = std::string(10 << 20, 'x');
  append(row);
  commit();
  ASSERT_EQ(drain(), Progress::kIdle);
  EXPECT_EQ(exporter().health().quarantined, 0U);
  const auto rows = server().query("SELECT reason, service, regex, remote_address FROM monitoring ORDER BY seq");
  ASSERT_EQ(rows.size(), 3U);
  EXPECT_EQ(rows[0][0], "NULL");
  EXPECT_EQ(rows[0][1], hostile.name);
  EXPECT_EQ(rows[0][2], hostile.regex);
  EXPECT_EQ(rows[0][3], "fe80::1");
  EXPECT_EQ(rows[1][0], "a\"b\\c{d},'e' \\xff␀ ü…😀");
  EXPECT_GT(rows[2][0]->size(), 100U);
}

TEST_F(ExporterTest, ADatabaseOfAnotherEncodingTakesEverything) {
  server().exec("CREATE DATABASE latin ENCODING 'LATIN1' LOCALE 'C' TEMPLATE template0", "postgres");
  options_.uri = server().uri("latin");
  Result row = result(define(definition("café 😀")));
  row.reason = "ü and … and 😀";
  append(row);
  commit();
  EXPECT_EQ(drain(), Progress::kIdle);
  EXPECT_EQ(exporter().health().quarantined, 0U);
  EXPECT_EQ(server().value("SELECT reason FROM monitoring", "latin"), "\xfc and \\u2026 and \\U0001f600");
  EXPECT_EQ(server().value("SELECT service FROM monitoring", "latin"), "caf\xe9 \\U0001f600");
  exporter_.reset();
  server().exec("DROP DATABASE latin", "postgres");
}

TEST_F(ExporterTest, WorksThroughASocketAndTheKeywordForm) {
  options_.uri = server().socket_uri();
  add_results(1);
  EXPECT_EQ(drain(), Progress::kIdle);
  EXPECT_EQ(count_results(), "1");
}

TEST_F(ExporterTest, AnAgreedRowIsSmall) {
  add_results(5000);
  ASSERT_EQ(drain(), Progress::kIdle);
  const auto bytes = [&](const char* what) {
    return std::stoll(server().value(std::string("SELECT sum(") + what +
                                     "(inhrelid)) FROM pg_inherits WHERE inhparent = 'monitoring_results'::regclass")) /
           5000;
  };
  RecordProperty("heap_bytes_per_row", std::to_string(bytes("pg_relation_size")));
  RecordProperty("total_bytes_per_row", std::to_string(bytes("pg_total_relation_size")));
  EXPECT_LE(bytes("pg_relation_size"), 119);
  EXPECT_LE(bytes("pg_total_relation_size"), 260);
}

}  // namespace
}  // namespace monitor::exporter
