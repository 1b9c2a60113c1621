#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "storage/reader.h"
#include "storage/schema_v2.h"
#include "storage/sql.h"
#include "storage/store.h"
#include "support/stored.h"

namespace monitor::storage {
namespace {

using test::Sql;
using test::Stored;
using test::TempDir;

TEST(Schema, AFileOfVersionOneIsUpgradedInPlaceWithWhatIsInIt) {
  const TempDir folder;
  const auto file = folder / "local.sqlite3";
  test::make_v1(file);
  Stored stored(file);
  EXPECT_EQ(stored.service(), 5) << "a definition without settings keeps its fingerprint";
  auto result = test::passed_check(stored.service(), stored.clock().wall());
  result.evidence = "HTTP/1.1 200 OK\n";
  stored.wait(stored.store().append(result));
  stored.wait(stored.store().commit());
  Sql sql(file);
  EXPECT_EQ(sql("PRAGMA user_version"), "3");
  EXPECT_EQ(sql("PRAGMA integrity_check"), "ok");
  EXPECT_EQ(sql("SELECT seq, outcome, reason, connection, remote_address, family, http_version, retried, tls_version, "
                "hops, evidence, settings FROM monitoring_view ORDER BY seq"),
            "1|up|HTTP 200 in 67.9 ms|reused|192.0.2.10|4|1.1|0||||\n"
            "2|up|HTTP 200 in 67.9 ms|fresh|192.0.2.10|4|1.1|0||||\n"
            "3|connect_refused|refused|fresh|2001:db8::1|6||0||||\n"
            "4|up|HTTP 200 in 67.9 ms|fresh|192.0.2.10|4|1.1|0|||HTTP/1.1 200 OK\n|");
  EXPECT_EQ(sql("SELECT meaning FROM outcomes WHERE code = 2"),
            "a complete response with a status that is not expected");
  EXPECT_EQ(stored.next_seqs(), (std::vector<Seq>{2, 3}))
      << "the cursor stands where it stood; this file counts as copied, so what comes new is of the next epoch";
  stored.close();
  stored.open();
  EXPECT_EQ(sql("SELECT count(*) FROM results"), "4");
}

TEST(Schema, AFileOfVersionTwoIsUpgradedInPlaceAndWhatIsPurgedFromItIsRolledUp) {
  const TempDir folder;
  const auto file = folder / "local.sqlite3";
  test::make_v2(file);
  Stored stored(file);
  Sql sql(file);
  EXPECT_EQ(sql("PRAGMA user_version"), "3");
  EXPECT_EQ(sql("SELECT count(*), max(evidence) FROM results"), "5|HTTP/1.1 200 OK");
  stored.add(1);
  stored.wait(stored.store().purge(stored.clock().wall(), false, 100));
  EXPECT_EQ(sql("SELECT count(*) FROM results"), "1");
  EXPECT_EQ(sql("PRAGMA integrity_check"), "ok");
  Reader reader(file);
  Rollup day;
  reader.for_each_rollup(Tier::kDay, {}, stored.clock().wall(), [&](const PackedRollup& rollup) {
    EXPECT_EQ(rollup.definition, 5);
    EXPECT_TRUE(rollup.add_to(day));
  });
  EXPECT_EQ(day.outcomes, (std::map<std::uint8_t, std::uint64_t>{{1, 2}, {20, 2}}));
  EXPECT_EQ(day.skipped, (std::map<std::uint8_t, std::uint64_t>{{1, 3}}));
  EXPECT_EQ(day.rechecks, 1U);
  ASSERT_EQ(reader.outages({}, stored.clock().wall()).size(), 1U);
  EXPECT_EQ(reader.outages({}, stored.clock().wall())[0].checks, 2U);
}

TEST(Schema, AReportReadsAFileOfVersionTwoThatNoNewDaemonHasOpened) {
  const TempDir folder;
  const auto file = folder / "local.sqlite3";
  test::make_v2(file);
  Reader reader(file);
  const auto until = common::from_unix_micros(1'800'000'000'000'000);
  EXPECT_EQ(reader.oldest_rollup(Tier::kDay), std::nullopt);
  EXPECT_TRUE(reader.outages({}, until).empty());
  reader.for_each_rollup(Tier::kDay, {}, until, [](const PackedRollup&) { ADD_FAILURE(); });
  EXPECT_EQ(reader.skipped({}, until).size(), 1U);
}

TEST(Schema, AReportReadsAFileOfVersionOneThatNoNewDaemonHasOpened) {
  const TempDir folder;
  const auto file = folder / "local.sqlite3";
  test::make_v1(file);
  Reader reader(file);
  EXPECT_EQ(reader.definitions().at(5).name, "shop");
  int rows = 0;
  reader.for_each_result(common::WallTime{}, common::from_unix_micros(1'800'000'000'000'000), std::nullopt,
                         [&](const ReportRow&) { ++rows; });
  EXPECT_EQ(rows, 3);
}

TEST(Schema, AddsColumnsToTheViewAtTheEndAlone) {
  const Stored stored;
  Sql sql(stored.file());
  const std::string columns = sql("SELECT group_concat(name, ' ') FROM pragma_table_info('monitoring_view')");
  EXPECT_EQ(columns,
            "id local_id url method request_timestamp regex_check_required contains_regex contains_exception "
            "status_code response_timestamp regex exception local_created_at created_at service up verdict outcome "
            "reason dns_us connect_us tls_us first_byte_us transfer_us total_us lateness_us body_bytes remote_address "
            "connection attempt agent_id seq settings family http_version retried capped dns_cached tls_version "
            "tls_cipher certificate_subject certificate_issuer certificate_not_after hops evidence");
}

}  // namespace
}  // namespace monitor::storage
