#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "storage/sql.h"
#include "storage/store.h"
#include "support/stored.h"

namespace monitor::storage {
namespace {

using std::chrono::hours;
using std::chrono::minutes;
using test::Sql;
using test::Stored;
using testing::ElementsAre;
using testing::IsEmpty;

TEST(Purge, IsBoundedAndStopsAtTheFirstRowThatIsNotOldEnough) {
  Stored stored;
  stored.add(5);
  stored.clock().advance(minutes{10});
  const auto before = stored.clock().wall();
  stored.add(2);
  Purged purged = stored.wait(stored.store().purge(before, false, 3));
  EXPECT_EQ(purged.results, 3);
  EXPECT_TRUE(purged.more);
  purged = stored.wait(stored.store().purge(before, false, 3));
  EXPECT_EQ(purged.results, 2);
  EXPECT_FALSE(purged.more);
  EXPECT_THAT(stored.next_seqs(), ElementsAre(6, 7));
}

TEST(Purge, IsNotHeldUpByARowFromTheFuture) {
  Stored stored;
  stored.wait(stored.store().append(test::passed_check(stored.service(), stored.clock().wall() + hours{24 * 365})));
  stored.add(3);
  stored.clock().advance(hours{2});
  stored.add(1);
  EXPECT_EQ(stored.store().newest(), stored.clock().wall());
  EXPECT_EQ(stored.wait(stored.store().purge(stored.clock().wall() - hours{1}, false, 100)).results, 4);
}

TEST(Purge, IsNotHeldUpByMoreRowsFromTheFutureThanAStepMayTake) {
  Stored stored;
  for (int i = 0; i < 10; ++i) {
    const auto ahead = stored.clock().wall() + hours{24 * 365};
    stored.wait(stored.store().append(test::passed_check(stored.service(), ahead)));
  }
  stored.add(3);
  stored.clock().advance(hours{2});
  stored.add(1);
  const auto before = stored.clock().wall() - hours{1};
  for (const std::int64_t taken : {4, 4, 4, 1}) {
    EXPECT_EQ(stored.wait(stored.store().purge(before, false, 4)).results, taken);
  }
  EXPECT_THAT(stored.next_seqs(), ElementsAre(14));
}

TEST(Purge, IsNotHeldUpBySkippedSlotsFromTheFuture) {
  Stored stored;
  const auto ahead = stored.clock().wall() + hours{24 * 365};
  stored.store().append(Skipped{.definition = stored.service(), .from = ahead, .to = ahead, .count = 1});
  const auto now = stored.clock().wall();
  stored.store().append(Skipped{.definition = stored.service(), .from = now, .to = now, .count = 1});
  stored.clock().advance(hours{2});
  stored.add(1);
  EXPECT_TRUE(stored.wait(stored.store().purge(stored.clock().wall() - hours{1}, false, 1)).more);
  EXPECT_FALSE(stored.wait(stored.store().purge(stored.clock().wall() - hours{1}, false, 100)).more);
  EXPECT_EQ(Sql(stored.file())("SELECT count(*) FROM skipped"), "0");
}

TEST(Purge, TakesSkippedSlotsWhenTheyHaveArrivedAndGrownOld) {
  Stored stored;
  const auto now = stored.clock().wall();
  stored.store().append(Skipped{.definition = stored.service(), .from = now, .to = now, .count = 1});
  stored.add(1);
  const auto count = [&] { return Sql(stored.file())("SELECT count(*) FROM skipped"); };
  stored.clock().advance(hours{2});
  stored.wait(stored.store().purge(stored.clock().wall(), true, 100));
  EXPECT_EQ(count(), "1");
  stored.export_all();
  stored.wait(stored.store().purge(now, true, 100));
  EXPECT_EQ(count(), "1");
  stored.wait(stored.store().purge(stored.clock().wall(), true, 100));
  EXPECT_EQ(count(), "0");
}

TEST(Purge, CountsOnlyWhatIsCommittedAsExported) {
  Stored stored;
  stored.add(3);
  stored.store().mark_exported({.results = 3});
  stored.clock().advance(hours{2});
  EXPECT_EQ(stored.wait(stored.store().purge(stored.clock().wall(), true, 100)).results, 0);
  stored.wait(stored.store().commit());
  EXPECT_EQ(stored.wait(stored.store().purge(stored.clock().wall(), true, 100)).results, 3);
}

class SizeCap : public testing::Test {
 protected:
  SizeCap() {
    stored_.close();
    stored_.cap(std::uint64_t{1} << 20);
    stored_.open();
  }
  std::int64_t purge_all() {
    std::int64_t removed = 0;
    for (bool more = true; more;) {
      const Purged purged = stored_.wait(stored_.store().purge_to_cap(700));
      EXPECT_LE(purged.results, 700);
      removed += purged.results;
      more = purged.more;
    }
    return removed;
  }
  std::uint64_t used_bytes() {
    Sql sql(stored_.file());
    return 4096 * (std::stoull(sql("PRAGMA page_count")) - std::stoull(sql("PRAGMA freelist_count")));
  }
  Stored stored_;
};

TEST_F(SizeCap, RemovesNothingBelowIt) {
  stored_.add(5000);
  EXPECT_EQ(purge_all(), 0);
}

TEST_F(SizeCap, RemovesTheOldestAndNoMoreThanItMust) {
  for (int i = 0; i < 30; ++i) stored_.add(1000);
  stored_.export_all();
  const auto removed = purge_all();
  const auto left = stored_.wait(stored_.store().identity()).head.results - removed;
  EXPECT_GT(left, 15'000);  // about a MiB of rows of 60 bytes
  EXPECT_LT(left, 19'000);
  EXPECT_THAT(stored_.wait(stored_.store().next_batch(10)).gaps, IsEmpty());
  EXPECT_EQ(Sql(stored_.file())("SELECT min(seq) FROM results"), std::to_string(removed + 1));
  EXPECT_EQ(purge_all(), 0);
}

TEST_F(SizeCap, RecordsWhatHadNotArrivedInOneGrowingGap) {
  for (int i = 0; i < 30; ++i) stored_.add(1000);
  stored_.store().mark_exported({.results = 500});
  stored_.wait(stored_.store().commit());
  const auto removed = purge_all();
  ASSERT_GT(removed, 1400);
  Batch batch = stored_.wait(stored_.store().next_batch(10));
  ASSERT_EQ(batch.gaps.size(), 1U);
  EXPECT_EQ(batch.gaps[0].reason, GapReason::kSizeCap);
  EXPECT_EQ(batch.gaps[0].first_seq, 501);
  EXPECT_EQ(batch.gaps[0].last_seq, removed);
  EXPECT_EQ(batch.gaps[0].count, removed - 500);
  EXPECT_LT(batch.gaps[0].from, batch.gaps[0].to);
  EXPECT_EQ(batch.results.front().seq, removed + 1);
  EXPECT_EQ(stored_.store().backlog(), 30'000 - removed);

  // A gap that was handed out is another's: what is removed later begins a new one.
  for (int i = 0; i < 5; ++i) stored_.add(1000);
  const auto more = purge_all();
  ASSERT_GT(more, 0);
  batch = stored_.wait(stored_.store().next_batch(10));
  ASSERT_EQ(batch.gaps.size(), 2U);
  EXPECT_EQ(batch.gaps[0].count, removed - 500);
  EXPECT_EQ(batch.gaps[1].first_seq, removed + 1);
  EXPECT_EQ(batch.gaps[1].count, more);
}

TEST_F(SizeCap, CountsNothingAsGoneThatHasArrivedThoughTheCursorIsNotCommittedYet) {
  for (int i = 0; i < 30; ++i) stored_.add(1000);
  stored_.store().mark_exported({.results = 30'000});
  ASSERT_GT(purge_all(), 0);
  EXPECT_EQ(Sql(stored_.file())("SELECT count(*) FROM gaps"), "0");
}

/// `count` ranges of two slots each, committed.
void add_skipped(Stored& stored, int count) {
  for (int i = 0; i < count; ++i) {
    stored.clock().advance(common::Micros{1});
    const auto at = stored.clock().wall();
    stored.store().append(Skipped{.definition = stored.service(), .from = at, .to = at, .count = 2});
    if (i % 5000 == 4999) stored.wait(stored.store().commit());
  }
  stored.wait(stored.store().commit());
}

TEST_F(SizeCap, HoldsForSkippedSlotsAndCountsThem) {
  stored_.add(1000);
  constexpr int kRanges = 60'000;
  add_skipped(stored_, kRanges);
  const auto removed = purge_all();
  EXPECT_LE(used_bytes(), std::uint64_t{1} << 20);
  EXPECT_LT(removed, 700);  // in proportion
  Sql sql(stored_.file());
  EXPECT_EQ(sql("SELECT (SELECT 2 * count(*) FROM skipped) + (SELECT count(*) FROM results) + sum(count), count(*), "
                "min(reason) FROM gaps"),
            std::to_string(2 * kRanges + 1000) + "|1|2");
  EXPECT_EQ(stored_.wait(stored_.store().identity()).head.gaps, 1);
}

TEST_F(SizeCap, SparesResultsWhileSkippedSlotsFillTheFile) {
  add_skipped(stored_, 60'000);
  stored_.add(100);
  purge_all();
  EXPECT_GT(stored_.wait(stored_.store().next_batch(1000)).results.size(), 30U);
}

TEST_F(SizeCap, FoldsTheOldestGapsAndLosesNoneOfTheirCount) {
  constexpr int kGaps = 60'000;
  stored_.add(1000);
  for (int i = 0; i < kGaps; ++i) {
    stored_.clock().advance(common::Micros{1});
    const auto at = stored_.clock().wall();
    const auto reason = i % 2 == 0 ? GapReason::kDiskFull : GapReason::kUnstored;
    stored_.store().append(Gap{.reason = reason, .from = at, .to = at, .count = 3});
    if (i % 5000 == 4999) stored_.wait(stored_.store().commit());
  }
  purge_all();
  EXPECT_LE(used_bytes(), std::uint64_t{1} << 20);
  Sql sql(stored_.file());
  EXPECT_EQ(sql("SELECT sum(count) FROM gaps WHERE reason IN (1, 5)"), std::to_string(3 * kGaps));
  EXPECT_LT(std::stoi(sql("SELECT count(*) FROM gaps")), kGaps);
  EXPECT_EQ(std::to_string(stored_.wait(stored_.store().identity()).head.gaps),
            sql("SELECT seq FROM sqlite_sequence WHERE name = 'gaps'"));
}

TEST_F(SizeCap, FoldsNoTimeWhenItRanIntoOneWhenNothingDid) {
  constexpr int kGaps = 60'000;
  stored_.add(1000);
  for (int i = 0; i < kGaps; ++i) {
    const auto at = stored_.clock().wall();
    stored_.clock().advance(std::chrono::minutes{1});
    const auto reason = i < 300 && i % 10 == 0 ? GapReason::kNotRunning : GapReason::kUnstored;
    stored_.store().append(Gap{.reason = reason, .from = at, .to = at + std::chrono::minutes{1}, .count = 0});
    if (i % 5000 == 4999) stored_.wait(stored_.store().commit());
  }
  purge_all();
  Sql sql(stored_.file());
  EXPECT_LT(std::stoi(sql("SELECT count(*) FROM gaps")), kGaps);
  EXPECT_EQ(sql("SELECT count(*) FROM gaps WHERE reason = 4"), "30");
  EXPECT_EQ(sql("SELECT sum(to_at - from_at) FROM gaps WHERE reason = 4"), "1800000000");
}

TEST_F(SizeCap, MakesTimesWhenNothingRanOneWhereLeastRanBetween) {
  constexpr int kGaps = 60'000;
  for (int i = 0; i < kGaps; ++i) {
    const auto at = stored_.clock().wall();
    stored_.store().append(Gap{.reason = GapReason::kNotRunning, .from = at, .to = at + std::chrono::seconds{1}});
    stored_.clock().advance(std::chrono::seconds{i % 5 == 0 ? 86'400 : 2});
    if (i % 5000 == 4999) stored_.wait(stored_.store().commit());
  }
  purge_all();
  Sql sql(stored_.file());
  const int left = std::stoi(sql("SELECT count(*) FROM gaps"));
  EXPECT_LT(left, kGaps * 3 / 4);
  EXPECT_LT(std::stoll(sql("SELECT sum(to_at - from_at) FROM gaps")), kGaps * 3'000'000LL);
}

TEST(SizeCapBelowAnything, StopsWhenNothingMoreCanGo) {
  Stored stored;
  stored.close();
  stored.cap(1);
  stored.open();
  for (int i = 0; i < 200; ++i) stored.store().append(Gap{.count = 1});
  add_skipped(stored, 200);
  stored.add(200);
  int steps = 0;
  while (steps < 1000 && stored.wait(stored.store().purge_to_cap(50)).more) ++steps;
  EXPECT_LT(steps, 1000);
  EXPECT_EQ(Sql(stored.file())("SELECT sum(count) FROM gaps"), "800");
}

TEST(Tidy, GivesBackWhatIsFreeAndKeepsTheLogSmall) {
  Stored stored;
  for (int i = 0; i < 200; ++i) stored.add(1000);
  const auto full = std::filesystem::file_size(stored.file());
  stored.clock().advance(hours{2});
  while (stored.wait(stored.store().purge(stored.clock().wall(), false, 5000)).more) {
  }
  for (int i = 0; i < 50; ++i) stored.wait(stored.store().tidy());
  stored.close();
  EXPECT_LT(std::filesystem::file_size(stored.file()), full / 2);
  EXPECT_FALSE(std::filesystem::exists(stored.file().string() + "-wal"));
  EXPECT_EQ(Sql(stored.file())("PRAGMA integrity_check"), "ok");
}

TEST(WeeksOutage, LeavesTheNewestAtTheSizeCapAndTellsOfTheRestOnce) {
  Stored stored;
  stored.cap(std::uint64_t{1} << 20);
  stored.close();
  stored.open();
  constexpr Seq kPerHour = 200;
  constexpr Seq kHours = 7 * 24;
  const auto begin = stored.clock().wall();
  for (Seq hour = 0; hour < kHours; ++hour) {
    stored.clock().advance(std::chrono::hours{1});
    stored.add(kPerHour);
    while (stored.wait(stored.store().purge_to_cap(100'000)).more) {
    }
    EXPECT_LE(stored.store().size_bytes(), stored.store().max_size_bytes() + (std::uint64_t{1} << 20));
  }
  const auto seqs = stored.next_seqs();
  const auto gaps = stored.wait(stored.store().next_batch(1'000'000)).gaps;
  ASSERT_EQ(gaps.size(), 1U) << "it grew";
  EXPECT_EQ(gaps[0].reason, GapReason::kSizeCap);
  EXPECT_EQ(gaps[0].first_seq, 1);
  EXPECT_EQ(gaps[0].last_seq + 1, seqs.front());
  EXPECT_EQ(gaps[0].count, gaps[0].last_seq);
  EXPECT_EQ(gaps[0].from, begin + std::chrono::hours{1} + common::Micros{1});
  EXPECT_EQ(gaps[0].count + std::ssize(seqs), kPerHour * kHours);
  EXPECT_EQ(seqs.back(), kPerHour * kHours);
  EXPECT_GT(seqs.size(), 1000U) << "no more goes than must";
  EXPECT_FALSE(stored.store().health().degraded);
}

}  // namespace
}  // namespace monitor::storage
