#include "storage/quarantine.h"

#include <fstream>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "common/log.h"
#include "storage/reader.h"
#include "storage/small_disk.h"
#include "storage/sql.h"
#include "storage/store.h"
#include "support/stored.h"

namespace monitor::storage {
namespace {

using test::Stored;

/// Ten results have been sent; 4, 5 and 8 were refused.
class Refused : public testing::Test {
 protected:
  Refused() {
    stored_.add(10);
    stored_.wait(stored_.store().quarantine({refused(4), refused(5), refused(8)}));
    stored_.export_all();
  }

  static Quarantined refused(Seq seq) { return {.seq = seq, .sqlstate = "22003", .reason = "out of range"}; }
  std::vector<Seq> listed() {
    std::vector<Seq> seqs;
    for (const auto& row : stored_.wait(stored_.store().quarantined(0, 100))) seqs.push_back(row.seq);
    return seqs;
  }
  std::vector<StoredGap> gaps() {
    stored_.wait(stored_.store().commit());
    return stored_.wait(stored_.store().next_batch(100)).gaps;
  }

  Stored stored_;
};

TEST_F(Refused, AreListedWithWhatTheyWere) {
  const auto rows = stored_.wait(stored_.store().quarantined(4, 1));
  ASSERT_EQ(rows.size(), 1U);
  EXPECT_EQ(rows[0].seq, 5);
  EXPECT_EQ(rows[0].sqlstate, "22003");
  EXPECT_EQ(rows[0].reason, "out of range");
  EXPECT_EQ(rows[0].service, "shop");
  EXPECT_EQ(rows[0].requested_at, stored_.clock().wall() - common::Micros{5});
  EXPECT_EQ(Reader(stored_.file()).quarantined(0, 100).size(), 3U);
}

TEST_F(Refused, AreSentAgainWhenRetried) {
  const auto released = stored_.wait(stored_.store().retry_quarantined({5, 5, 7}));
  EXPECT_EQ(released.count, 1);
  EXPECT_EQ(released.gone, 0);
  EXPECT_EQ(listed(), (std::vector<Seq>{4, 8}));
  EXPECT_EQ(stored_.next_seqs(), (std::vector<Seq>{5, 6, 7, 9, 10}));
}

TEST_F(Refused, AreSentAgainAfterAStopToo) {
  stored_.wait(stored_.store().retry_quarantined({}));
  stored_.close();
  stored_.open();
  EXPECT_EQ(stored_.next_seqs(), (std::vector<Seq>{4, 5, 6, 7, 8, 9, 10}));
}

TEST_F(Refused, AreNotPassedByACursorThatWasOnItsWay) {
  stored_.add(2);
  const auto batch = stored_.wait(stored_.store().next_batch(100));
  stored_.wait(stored_.store().retry_quarantined({4}));
  EXPECT_FALSE(stored_.store().mark_exported({.results = batch.results.back().seq}));
  const auto again = stored_.wait(stored_.store().next_batch(100));
  EXPECT_EQ(again.behind.results, 3);
  EXPECT_EQ(again.results.front().seq, 4);
  EXPECT_TRUE(stored_.store().mark_exported({.results = again.results.back().seq}));
  EXPECT_TRUE(stored_.next_seqs().empty());
}

TEST_F(Refused, AreNotPurgedForADay) {
  stored_.clock().advance(Quarantine::kHold - std::chrono::hours{1});
  EXPECT_EQ(stored_.wait(stored_.store().purge(stored_.clock().wall(), true, 100)).results, 3);
  const auto released = stored_.wait(stored_.store().retry_quarantined({}));
  EXPECT_EQ(released.count, 3);
  EXPECT_EQ(released.gone, 0);
  EXPECT_EQ(stored_.next_seqs(), (std::vector<Seq>{4, 5, 6, 7, 8, 9, 10}));
}

TEST_F(Refused, HoldNothingBackOnceTheyAreDropped) {
  stored_.wait(stored_.store().drop_quarantined({}));
  stored_.clock().advance(std::chrono::hours{2});
  EXPECT_EQ(stored_.wait(stored_.store().purge(stored_.clock().wall(), true, 100)).results, 10);
}

TEST_F(Refused, HoldNothingBackAboveTheSizeCap) {
  stored_.clock().advance(std::chrono::hours{2});
  stored_.wait(stored_.store().purge(stored_.clock().wall(), true, 100));
  stored_.close();
  stored_.cap(1);
  stored_.open();
  EXPECT_EQ(stored_.wait(stored_.store().purge(stored_.clock().wall(), true, 100)).results, 7);
}

TEST_F(Refused, WhatTheyHoldGoesAtTheSizeCapBeforeAnythingThatIsNotSent) {
  stored_.clock().advance(std::chrono::hours{2});
  stored_.wait(stored_.store().purge(stored_.clock().wall(), true, 100));
  for (int i = 0; i < 500; ++i) {
    const auto at = stored_.clock().wall();
    stored_.store().append(Skipped{.definition = stored_.service(), .from = at, .to = at, .count = 1});
  }
  stored_.wait(stored_.store().commit());
  stored_.store().limit_size(1);
  const auto step = stored_.wait(stored_.store().purge_to_cap(100'000));
  EXPECT_EQ(step.results, 7);
  EXPECT_TRUE(step.more);
  EXPECT_EQ(stored_.wait(stored_.store().next_batch(1000)).skipped.size(), 500U);
}

TEST_F(Refused, AreToldOfOnceWhereTheyHoldOthersBack) {
  common::log::start(common::log::Level::kWarning);
  common::log::stop();  // from here on lines are written at once
  const auto told = [this] {
    testing::internal::CaptureStderr();
    stored_.wait(stored_.store().purge(stored_.clock().wall() - std::chrono::hours{1}, true, 100));
    return testing::internal::GetCapturedStderr();
  };
  EXPECT_EQ(told(), "") << "nothing is old enough to go";
  stored_.clock().advance(std::chrono::hours{2});
  EXPECT_THAT(told(), testing::AllOf(testing::HasSubstr("Results from 4 on stay in the local database"),
                                     testing::HasSubstr("`monitor quarantine drop 4`")));
  EXPECT_EQ(told(), "");
}

TEST(Quarantine, HoldsNothingBackOnAFullDisk) {
  const test::TempDir disk;
  test::in_child([&] {
    test::mount_disk(disk.path(), "16m");
    Stored stored(disk / "local.sqlite3");
    for (int i = 0; i < 10; ++i) stored.add(1000);
    stored.wait(stored.store().quarantine({{.seq = 1, .sqlstate = "22003", .reason = "out of range"}}));
    stored.export_all();
    std::ofstream(disk / "filler") << std::string(std::size_t{16} << 20, 'x');
    for (int i = 0; i < 60 && !stored.store().health().degraded; ++i) stored.add(500);
    ASSERT_TRUE(stored.store().health().degraded);
    stored.clock().advance(std::chrono::hours{2});
    std::int64_t purged = 0;
    for (bool more = true; more;) {
      const Purged step = stored.wait(stored.store().purge(stored.clock().wall(), true, 5000));
      purged += step.results;
      more = step.more;
      stored.wait(stored.store().tidy());
    }
    EXPECT_EQ(purged, 10'000);
    stored.wait(stored.store().commit());
    EXPECT_FALSE(stored.store().health().degraded) << stored.store().health().problem;
    EXPECT_EQ(stored.store().health().dropped, 0U);
  });
}

TEST_F(Refused, CannotBeRetriedWhenTheyWerePurged) {
  stored_.clock().advance(Quarantine::kHold + std::chrono::hours{2});
  stored_.wait(stored_.store().purge(stored_.clock().wall(), true, 100));
  const auto released = stored_.wait(stored_.store().retry_quarantined({}));
  EXPECT_EQ(released.count, 0);
  EXPECT_EQ(released.gone, 3);
  const auto rows = stored_.wait(stored_.store().quarantined(0, 100));
  ASSERT_EQ(rows.size(), 3U);
  EXPECT_EQ(rows[0].service, "");
  EXPECT_FALSE(rows[0].requested_at);
}

TEST_F(Refused, BecomeGapsWhenDropped) {
  EXPECT_EQ(stored_.wait(stored_.store().drop_quarantined({})), 3);
  EXPECT_TRUE(listed().empty());
  const auto told = gaps();
  ASSERT_EQ(told.size(), 2U);
  EXPECT_EQ(told[0].reason, GapReason::kRefused);
  EXPECT_EQ(told[0].first_seq, 4);
  EXPECT_EQ(told[0].last_seq, 5);
  EXPECT_EQ(told[0].count, 2);
  EXPECT_EQ(told[1].first_seq, 8);
  EXPECT_EQ(told[1].from, stored_.clock().wall() - common::Micros{2});
}

TEST_F(Refused, AreNotDroppedWhileTheirBatchIsOnItsWay) {
  stored_.add(1);
  stored_.wait(stored_.store().quarantine({refused(11)}));
  EXPECT_EQ(stored_.wait(stored_.store().drop_quarantined({11})), 0);
  EXPECT_EQ(listed().back(), 11);
}

TEST(Quarantine, RemembersANumberOfRowsAndTellsOfTheRest) {
  Stored stored;
  constexpr std::size_t kExcess = 3;
  for (std::size_t left = Quarantine::kMaxRows + kExcess; left > 0;) {
    const std::size_t some = std::min<std::size_t>(left, 5000);
    stored.add(some);
    left -= some;
  }
  std::vector<Quarantined> rows;
  for (std::size_t i = 1; i <= Quarantine::kMaxRows + kExcess; ++i) {
    rows.push_back({.seq = static_cast<Seq>(i), .sqlstate = "22003", .reason = "no"});
  }
  stored.wait(stored.store().quarantine(rows));
  stored.export_all();
  EXPECT_EQ(test::Sql(stored.file())("SELECT count(*), min(seq) FROM quarantine"), "10000|4");
  EXPECT_EQ(test::Sql(stored.file())("SELECT reason, first_seq, last_seq, count FROM gaps"), "6|1|3|3");
  EXPECT_EQ(stored.wait(stored.store().identity()).head.gaps, 1);
}

TEST(Ledger, AccountsForEveryNumberOfEveryEpoch) {
  Stored stored;
  stored.add(5000);
  stored.new_epoch();
  stored.add(200);
  stored.store().mark_exported({.results = 3000});
  stored.wait(stored.store().commit());
  stored.clock().advance(std::chrono::hours{2});
  stored.wait(stored.store().purge(stored.clock().wall(), true, 100'000));
  stored.wait(stored.store().quarantine({{.seq = 3001, .sqlstate = "22003", .reason = "no"}}));
  test::Sql(stored.file())("DELETE FROM results WHERE seq IN (4000, 4500, 4501, 5200)");
  const auto ledger = Reader(stored.file()).ledger();
  ASSERT_EQ(ledger.epochs.size(), 2U);
  EXPECT_EQ(ledger.epochs[0].first.results, 1);
  EXPECT_EQ(ledger.epochs[0].last.results, 5000);
  EXPECT_EQ(ledger.epochs[0].results, (std::vector<NumberRange>{{3001, 3999}, {4001, 4499}, {4502, 5000}}));
  EXPECT_EQ(ledger.epochs[1].first.results, 5001);
  EXPECT_EQ(ledger.epochs[1].results, (std::vector<NumberRange>{{5001, 5199}}));
  EXPECT_TRUE(ledger.epochs[1].skipped.empty());
  EXPECT_EQ(ledger.head.results, 5200);
  EXPECT_EQ(ledger.exported.results, 3000);
  EXPECT_EQ(ledger.quarantined, (std::vector<Seq>{3001}));
}

TEST(Stats, TellWhatIsHere) {
  Stored stored;
  const auto begin = stored.clock().wall();
  stored.add(10);
  for (const auto& stats : {stored.wait(stored.store().stats()), Reader(stored.file()).stats()}) {
    EXPECT_EQ(stats.head.results, 10);
    EXPECT_EQ(stats.oldest.results, 1);
    EXPECT_EQ(Stats::held(stats.head.results, stats.oldest.results), 10);
    EXPECT_EQ(Stats::held(stats.head.gaps, stats.oldest.gaps), 0);
    EXPECT_EQ(stats.oldest_result, begin + common::Micros{1});
    EXPECT_EQ(stats.newest_result, begin + common::Micros{10});
    EXPECT_GT(stats.wal_bytes, 0U);
    EXPECT_GT(stats.file_bytes, 0U);
    EXPECT_EQ(stats.epochs, 1);
    EXPECT_EQ(stats.definitions, 1);
  }
}

TEST(Compact, GivesFreePagesBackToTheDisk) {
  Stored stored;
  for (int i = 0; i < 200; ++i) stored.add(1000);
  stored.export_all();
  while (stored.wait(stored.store().purge(common::WallTime::max(), true, 100'000)).more) {
  }
  stored.wait(stored.store().compact());
  std::uint64_t freed = 0;
  for (bool more = true; more;) {
    const auto step = stored.wait(stored.store().compact());
    freed += step.freed_bytes;
    more = step.more;
  }
  EXPECT_GT(freed, 1'000'000U);
  EXPECT_EQ(stored.wait(stored.store().stats()).free_bytes, 0U);
  EXPECT_LT(std::filesystem::file_size(stored.file()), 1'000'000U);
  EXPECT_TRUE(Reader(stored.file()).check(10).empty());
}

}  // namespace
}  // namespace monitor::storage
