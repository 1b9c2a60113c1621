#include "storage/store.h"

#include <sys/stat.h>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "storage/sql.h"
#include "support/stored.h"

namespace monitor::storage {
namespace {

using test::Sql;
using test::Stored;
using testing::ElementsAre;
using testing::HasSubstr;

TEST(Store, GivesBackWhatWasStored) {
  Stored stored;
  Result result = test::passed_check(stored.service(), stored.clock().wall());
  result.contains_regex = result.capped = result.dns_cached = true;
  result.connection = Connection::kReused;
  result.attempt = 3;
  result.remote_address = "2001:db8::1";
  result.tls.reset();
  stored.wait(stored.store().append(result));
  stored.clock().advance(std::chrono::milliseconds{70});
  const Result failed = test::failed_check(stored.service(), stored.clock().wall(), "refused by 192.0.2.10:443");
  stored.wait(stored.store().append(failed));
  stored.wait(stored.store().commit());

  const Batch batch = stored.wait(stored.store().next_batch(10));
  ASSERT_EQ(batch.results.size(), 2U);
  const StoredResult& first = batch.results[0];
  EXPECT_EQ(first.seq, 1);
  EXPECT_EQ(first.requested_at, result.requested_at);
  EXPECT_EQ(first.stored_at, stored.clock().wall());
  EXPECT_EQ(first.outcome, common::Outcome::kUp);
  EXPECT_EQ(first.status, 200);
  EXPECT_TRUE(first.contains_regex && first.capped && first.dns_cached);
  EXPECT_EQ(first.connection, Connection::kReused);
  EXPECT_EQ(first.attempt, 3);
  EXPECT_EQ(first.remote_address, "2001:db8::1");
  EXPECT_EQ(first.dns, result.dns);
  EXPECT_EQ(first.connect, result.connect);
  EXPECT_EQ(first.tls, std::nullopt);
  EXPECT_EQ(first.first_byte, result.first_byte);
  EXPECT_EQ(first.transfer, result.transfer);
  EXPECT_EQ(first.total, result.total);
  EXPECT_EQ(first.lateness, result.lateness);
  EXPECT_EQ(first.body_bytes, result.body_bytes);
  EXPECT_EQ(first.reason, "");
  const StoredResult& second = batch.results[1];
  EXPECT_EQ(second.outcome, common::Outcome::kConnectRefused);
  EXPECT_EQ(second.status, std::nullopt);
  EXPECT_EQ(second.dns, std::nullopt);
  EXPECT_EQ(second.remote_address, "");
  EXPECT_EQ(second.reason, "refused by 192.0.2.10:443");
  ASSERT_EQ(batch.definitions.size(), 1U);
  EXPECT_EQ(static_cast<const Definition&>(*batch.definitions[0]), test::definition_named("shop"));
}

TEST(Store, DefinesEachSetOfSettingsOnce) {
  Stored stored;
  auto other = test::definition_named("shop");
  other.timeout += std::chrono::seconds{1};
  const auto ids = stored.wait(stored.store().define({other, test::definition_named("shop"), other}));
  EXPECT_EQ(ids[1], stored.service());
  EXPECT_EQ(ids[0], ids[2]);
  EXPECT_NE(ids[0], ids[1]);
  stored.close();
  stored.open();
  EXPECT_EQ(stored.wait(stored.store().define({other})).front(), ids[0]);
}

TEST(Store, MakesAPrivateFileInAPrivateFolder) {
  const test::TempDir folder;
  const auto mask = ::umask(0);
  Stored stored(folder / "made" / "here" / "local.sqlite3");
  stored.add(1);
  ::umask(mask);
  const auto mode = [](const std::filesystem::path& path) {
    struct stat info{};
    EXPECT_EQ(::stat(path.c_str(), &info), 0) << path;
    return info.st_mode & 0777U;
  };
  EXPECT_EQ(mode(folder / "made"), 0700U);
  EXPECT_EQ(mode(folder / "made" / "here"), 0700U);
  for (const char* suffix : {"", "-wal", "-shm", ".lock", ".ballast"}) {
    EXPECT_EQ(mode(stored.file().string() + suffix), 0600U) << suffix;
  }
}

TEST(Store, KeepsItsPromiseWithTheRightSettings) {
  Stored stored;
  stored.add(1);
  Sql sql(stored.file());
  EXPECT_EQ(sql("PRAGMA journal_mode"), "wal");
  EXPECT_EQ(sql("PRAGMA auto_vacuum"), "2");
  EXPECT_EQ(sql("PRAGMA application_id"), "1836019305");
  EXPECT_EQ(sql("PRAGMA user_version"), "3");
}

TEST(Store, MovesTheCursorWithTheNextCommit) {
  Stored stored;
  stored.add(3);
  EXPECT_THAT(stored.next_seqs(2), ElementsAre(1, 2));
  stored.store().mark_exported({.results = 2});
  EXPECT_THAT(stored.next_seqs(), ElementsAre(3));
  EXPECT_EQ(stored.store().backlog(), 1);
  EXPECT_EQ(Sql(stored.file())("SELECT coalesce(max(value), 0) FROM meta WHERE key = 'exported_results'"), "0");
  stored.wait(stored.store().commit());
  EXPECT_EQ(Sql(stored.file())("SELECT value FROM meta WHERE key = 'exported_results'"), "2");
  stored.close();
  stored.open();
  EXPECT_THAT(stored.next_seqs(), ElementsAre(3));
}

TEST(Store, ABatchThatIsReadAheadGoesOnWhereTheOneBeforeItEnds) {
  Stored stored;
  stored.add(10);
  const Cursor through{.results = 5, .skipped = 3, .gaps = 2};
  const auto batch = stored.wait(stored.store().batch_behind(through, 3));
  EXPECT_EQ(batch.results.front().seq, 6);
  EXPECT_EQ(batch.behind, through);
}

TEST(Store, NeverUsesANumberTwice) {
  Stored stored;
  stored.add(5);
  stored.export_all();
  stored.clock().advance(std::chrono::hours{2});
  stored.wait(stored.store().purge(stored.clock().wall(), true, 100));
  stored.close();
  stored.open();
  EXPECT_EQ(Sql(stored.file())("SELECT count(*) FROM results"), "0");
  stored.add(1);
  EXPECT_THAT(stored.next_seqs(), ElementsAre(6));
}

TEST(Store, LeavesQuarantinedRowsOutAndGoesOnBehindThem) {
  Stored stored;
  stored.add(4);
  stored.wait(stored.store().quarantine(
      {{.seq = 2, .sqlstate = "22021", .reason = "bad \xFF text"}, {.seq = 4, .sqlstate = "22021", .reason = ""}}));
  EXPECT_THAT(stored.next_seqs(), ElementsAre(1, 3));
  EXPECT_EQ(Sql(stored.file())("SELECT sqlstate, reason FROM quarantine WHERE seq = 2"), "22021|bad \\xff text");
  stored.store().mark_exported({.results = 3});
  EXPECT_THAT(stored.next_seqs(), ElementsAre());
  EXPECT_EQ(stored.store().backlog(), 0);
  stored.close();
  stored.open();
  stored.add(1);
  EXPECT_THAT(stored.next_seqs(), ElementsAre(5));
}

TEST(Store, StoresAnyText) {
  Stored stored;
  const std::string reason = std::string("a\0b", 3) + "\xFF" + std::string(10 << 20, 'x');
  auto result = test::failed_check(stored.service(), stored.clock().wall(), reason);
  result.remote_address = std::string(1000, '\xFE');
  stored.wait(stored.store().append(result));
  auto definition = test::definition_named("n\xFFul");
  definition.regex = std::string(10 << 20, '\0');
  result.definition = stored.wait(stored.store().define({definition})).front();
  stored.wait(stored.store().append(result));
  stored.add(1);
  const Batch batch = stored.wait(stored.store().next_batch(10));
  ASSERT_EQ(batch.results.size(), 3U);
  EXPECT_THAT(batch.results[0].reason, testing::StartsWith("a\xE2\x90\x80"
                                                           "b\\xffxxx"));
  EXPECT_LE(batch.results[0].reason.size(), 1024U);
  EXPECT_LE(batch.results[0].remote_address.size(), 64U);
  EXPECT_EQ(batch.definitions[1]->name, "n\\xfful");
  EXPECT_LE(batch.definitions[1]->regex->size(), 8192U);
}

TEST(Store, BoundsTheTextOfABatch) {
  Stored stored;
  for (int i = 0; i < 12'000; ++i) {
    stored.wait(
        stored.store().append(test::failed_check(stored.service(), stored.clock().wall(), std::string(1024, 'x'))));
  }
  stored.wait(stored.store().commit());
  EXPECT_EQ(stored.next_seqs().size(), (std::size_t{8} << 20) / 1024);
}

TEST(Store, RemembersLastRunsOfLongIntervalsAcrossAPurge) {
  Stored stored;
  auto daily = test::definition_named("daily");
  daily.interval = std::chrono::hours{24};
  const auto id = stored.wait(stored.store().define({daily})).front();
  const auto at = stored.clock().wall();
  stored.wait(stored.store().append(test::passed_check(id, at)));
  stored.add(1);
  stored.clock().advance(std::chrono::hours{2});
  stored.wait(stored.store().purge(stored.clock().wall(), false, 100));
  stored.close();
  stored.open();
  EXPECT_THAT(stored.wait(stored.store().last_runs()), ElementsAre(testing::Pair("daily", at)));
}

TEST(Store, SaysThatItDidNotRun) {
  Stored stored;
  stored.add(1);
  stored.clock().advance(std::chrono::seconds{4});
  const auto from = stored.clock().wall();  // the stop itself is the last sign of life
  stored.close();
  stored.clock().advance(std::chrono::seconds{5});
  const auto to = stored.clock().wall();
  stored.open();
  stored.close();
  stored.clock().advance(std::chrono::seconds{1});
  stored.open();
  stored.wait(stored.store().commit());
  const auto gaps = stored.wait(stored.store().next_batch(10)).gaps;
  ASSERT_EQ(gaps.size(), 1U);
  EXPECT_EQ(gaps[0].reason, GapReason::kNotRunning);
  EXPECT_EQ(gaps[0].from, from);
  EXPECT_EQ(gaps[0].to, to);
}

TEST(Store, ARunWithoutAnAgentIsNoSignOfLife) {
  Stored stored;
  stored.add(1);
  stored.close();
  const auto stopped = stored.clock().wall();
  stored.clock().advance(std::chrono::hours{1});
  stored.open({.path = stored.file(), .max_size = {}, .polls = false});
  stored.export_all();
  stored.clock().advance(std::chrono::hours{1});
  stored.export_all();
  EXPECT_TRUE(stored.wait(stored.store().next_batch(10)).gaps.empty()) << "the next agent tells of it";
  stored.close();
  stored.clock().advance(std::chrono::hours{1});
  stored.open();
  stored.wait(stored.store().commit());
  const auto gaps = stored.wait(stored.store().next_batch(10)).gaps;
  ASSERT_EQ(gaps.size(), 1U);
  EXPECT_EQ(gaps[0].reason, GapReason::kNotRunning);
  EXPECT_EQ(gaps[0].from, stopped);
  EXPECT_EQ(gaps[0].to, stopped + std::chrono::hours{3});
}

TEST(Store, SaysWhatAKillLeftFromItsLastSignOfLife) {
  Stored stored;
  stored.add(1);
  const auto alive = stored.clock().wall();
  stored.close();
  // As a kill leaves it: nothing told of the stop, and the newest result is later than the last such word.
  Sql(stored.file())("UPDATE meta SET value = " + std::to_string(common::unix_micros(alive) - 2'000'000) +
                     " WHERE key = 'alive_at'");
  stored.clock().advance(std::chrono::seconds{5});
  stored.open();
  stored.wait(stored.store().commit());
  const auto gaps = stored.wait(stored.store().next_batch(10)).gaps;
  ASSERT_EQ(gaps.size(), 1U);
  EXPECT_EQ(gaps[0].from, alive);
  EXPECT_EQ(gaps[0].to, stored.clock().wall());
}

TEST(Store, MakesNoGapOfAClockThatWasSetBack) {
  Stored stored;
  stored.add(1);
  stored.close();
  stored.clock().step_wall(-std::chrono::hours{1});
  stored.open();
  stored.wait(stored.store().commit());
  EXPECT_TRUE(stored.wait(stored.store().next_batch(10)).gaps.empty());
}

TEST(Store, FindsDowntimeThoughARequestTimeLiesAhead) {
  Stored stored;
  stored.wait(stored.store().append(
      test::passed_check(stored.service(), stored.clock().wall() + std::chrono::hours{24 * 365})));
  stored.close();
  const auto from = stored.clock().wall();
  stored.clock().advance(std::chrono::seconds{5});
  stored.open();
  stored.wait(stored.store().commit());
  const auto gaps = stored.wait(stored.store().next_batch(10)).gaps;
  ASSERT_EQ(gaps.size(), 1U);
  EXPECT_EQ(gaps[0].from, from);
}

TEST(Store, ShowsAReadableView) {
  Stored stored;
  stored.wait(
      stored.store().append(test::passed_check(stored.service(), common::from_unix_micros(1'713'789'330'970'123))));
  stored.wait(stored.store().append(
      test::failed_check(stored.service(), common::from_unix_micros(1'713'789'331'000'000), "refused")));
  stored.wait(stored.store().commit());
  Sql sql(stored.file());
  const auto agent = sql("SELECT agent_id FROM epochs");
  EXPECT_EQ(sql("SELECT id, local_id, url, method, request_timestamp, regex_check_required, contains_regex, "
                "contains_exception, status_code, response_timestamp, regex, exception, service, up, verdict, outcome, "
                "reason, remote_address, connection, attempt, agent_id, seq FROM monitoring_view"),
            "1|" + agent +
                ":1|https://shop.example/|GET|2024-04-22 12:35:30.970123|0|0|0|200|"
                "2024-04-22 12:35:31.037998|||shop|1|up|up|HTTP 200 in 67.9 ms|192.0.2.10|fresh|0|" +
                agent +
                "|1\n"
                "2|" +
                agent +
                ":2|https://shop.example/|GET|2024-04-22 12:35:31.000000|0|0|1||||refused|shop|0|down|"
                "connect_refused|refused||fresh|0|" +
                agent + "|2");
}

TEST(Store, KeepsAPassedCheckWithinSeventyBytes) {
  Stored stored;
  constexpr int kServices = 300;
  std::vector<Definition> services;
  services.reserve(kServices);
  for (int i = 0; i < kServices; ++i) services.push_back(test::definition_named("service" + std::to_string(i)));
  const auto ids = stored.wait(stored.store().define(services));
  stored.add(1);
  const auto before = stored.store().size_bytes();
  constexpr int kRows = 100'000;
  for (int i = 0; i < kRows; ++i) {
    stored.clock().advance(std::chrono::milliseconds{17});
    auto result = test::passed_check(ids[static_cast<std::size_t>(i) % ids.size()], stored.clock().wall());
    result.remote_address = "198.51.100." + std::to_string(i % 250);
    result.total += common::Micros{i % 1000};
    stored.wait(stored.store().append(std::move(result)));
    if (i % 1000 == 999) stored.wait(stored.store().commit());
  }
  stored.wait(stored.store().commit());
  stored.close();
  const auto bytes = std::filesystem::file_size(stored.file()) - before;
  EXPECT_LE(static_cast<double>(bytes) / kRows, 70.0);
  EXPECT_GE(static_cast<double>(bytes) / kRows, 40.0);  // it would mean that nothing was stored
  RecordProperty("bytes_per_row", static_cast<int>(bytes / kRows));
}

}  // namespace
}  // namespace monitor::storage
