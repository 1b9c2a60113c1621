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

TEST(Purge, TakesSkippedSlotsAndGapsWhenTheyHaveArrivedAndGrownOld) {
  Stored stored;
  const auto now = stored.clock().wall();
  stored.store().append(Skipped{.definition = stored.service(), .from = now, .to = now, .count = 1});
  stored.store().append(Gap{.from = now, .to = now, .count = 1});
  stored.add(1);
  const auto counts = [&] {
    return Sql(stored.file())("SELECT (SELECT count(*) FROM skipped), (SELECT count(*) FROM gaps)");
  };
  stored.clock().advance(hours{2});
  stored.wait(stored.store().purge(stored.clock().wall(), true, 100));
  EXPECT_EQ(counts(), "1|1");
  stored.export_all();
  stored.wait(stored.store().purge(now, true, 100));
  EXPECT_EQ(counts(), "1|1");
  stored.wait(stored.store().purge(stored.clock().wall(), true, 100));
  EXPECT_EQ(counts(), "0|0");
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

}  // namespace
}  // namespace monitor::storage
