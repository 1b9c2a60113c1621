// The days that results are kept by in PostgreSQL: made when they are needed, dropped when they are too old.
#include "fixture.h"

namespace monitor::exporter {
namespace {

TEST_F(ExporterTest, ADroppedPartitionIsMadeAgain) {
  add_results(100);
  ASSERT_EQ(drain(), Progress::kIdle);
  for (const auto& row :
       server().query("SELECT inhrelid::regclass FROM pg_inherits WHERE inhparent = 'monitoring_results'::regclass")) {
    server().exec("DROP TABLE " + row.at(0).value());
  }
  add_results(100);
  EXPECT_EQ(drain(), Progress::kIdle);
  EXPECT_EQ(exporter().health().quarantined, 0U);
  EXPECT_EQ(server().value("SELECT min(seq) || ' ' || count(*) FROM monitoring_results"), "101 100");
}

TEST_F(ExporterTest, OldRowsGetAPartitionAndRowsBeyondTheWindowStepAside) {
  const auto id = define(definition());
  for (const int days : {0, 1, 30, 399, 402, 5000, -1, -4}) append(result(id, std::chrono::days{days}));
  commit();
  EXPECT_EQ(drain(), Progress::kIdle);
  EXPECT_EQ(count_results(), "5");
  EXPECT_EQ(exporter().health().quarantined, 3U);
  EXPECT_FALSE(exporter().health().degraded);
}

TEST_F(ExporterTest, NewPartitionsHaveFullIndexPages) {
  add_results(1);
  ASSERT_EQ(drain(), Progress::kIdle);
  EXPECT_EQ(server().value("SELECT count(*) || ' ' || count(*) FILTER (WHERE 'fillfactor=100' = ANY (reloptions)) "
                           "FROM pg_index JOIN pg_class ON oid = indexrelid "
                           "WHERE indrelid = to_regclass('monitoring_results_' || "
                           "to_char(timezone('utc', now()), 'YYYYMMDD'))"),
            "2 2");
}

TEST_F(ExporterTest, AnOpenReaderDoesNotHoldUpANewPartition) {
  add_results(1);
  ASSERT_EQ(drain(), Progress::kIdle);
  const test::PostgresSession reader(server());
  reader.exec("BEGIN; SELECT count(*) FROM monitoring");
  append(result(define(definition()), std::chrono::days{10}));
  commit();
  EXPECT_EQ(drain(), Progress::kIdle);
  EXPECT_EQ(count_results(), "2");
}

TEST_F(ExporterTest, ExpiredPartitionsAreDroppedOneAPass) {
  options_.remote_retention = std::chrono::days{20};
  const auto id = define(definition());
  for (const int days : {40, 30, 10, 0}) append(result(id, std::chrono::days{days}));
  commit();
  ASSERT_EQ(drain(), Progress::kIdle);
  settle();
  for (const char* left : {"3", "2", "2"}) {
    test::run(io_, exporter().maintain());
    EXPECT_EQ(count_results(), left);
  }
  EXPECT_EQ(server().value("SELECT count(*) FROM pg_inherits WHERE inhparent = 'monitoring_results'::regclass"), "4")
      << "ten days ago, today and two days ahead";
  restart_exporter();
  EXPECT_EQ(drain(), Progress::kIdle);
  EXPECT_EQ(count_results(), "2") << "what retention took is not a loss";
}

}  // namespace
}  // namespace monitor::exporter
