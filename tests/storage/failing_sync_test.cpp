#include "storage/failing_sync.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "common/error.h"
#include "storage/sql.h"
#include "storage/store.h"
#include "support/stored.h"

namespace monitor::storage {
namespace {

using test::Sql;
using test::Stored;

class FailedSync : public testing::TestWithParam<int> {
 protected:
  FailedSync() { stored_.add(3); }

  /// Five results and a skipped slot whose commit fails with the given number of syncs.
  void fail_a_commit() {
    const auto now = stored_.clock().wall();
    stored_.append(5);
    stored_.store().append(Skipped{.definition = stored_.service(), .from = now, .to = now, .count = 1});
    disk_.fail(GetParam());
    stored_.wait(stored_.store().commit());
    ASSERT_TRUE(stored_.store().health().degraded);
  }
  void commit_again() {
    for (int i = 0; i < 20 && stored_.store().health().degraded; ++i) stored_.wait(stored_.store().commit());
    EXPECT_FALSE(stored_.store().health().degraded) << stored_.store().health().problem;
    EXPECT_EQ(disk_.left(), 0);
  }
  void expect_each_once(Seq results) {
    Sql sql(stored_.file());
    const auto all = std::to_string(results);
    EXPECT_EQ(sql("SELECT count(*), count(DISTINCT requested_at), min(seq), max(seq) FROM results"),
              all + "|" + all + "|1|" + all);
    EXPECT_EQ(sql("SELECT sum(count), max(id) FROM skipped"), "1|1");
    EXPECT_EQ(sql("PRAGMA integrity_check"), "ok");
    const Cursor head = stored_.wait(stored_.store().identity()).head;
    EXPECT_EQ(head.results, results);
    EXPECT_EQ(head.skipped, 1);
    EXPECT_EQ(stored_.store().health().committed, static_cast<std::uint64_t>(results));
    EXPECT_EQ(stored_.store().health().waiting, 0U);
  }

  test::FailingSync disk_;
  Stored stored_;
};

TEST_P(FailedSync, StoresEachResultOnce) {
  fail_a_commit();
  commit_again();
  expect_each_once(8);
  stored_.add(2);
  expect_each_once(10);
}

TEST_P(FailedSync, StoresEachResultOnceThoughAnotherTransactionComesBetween) {
  fail_a_commit();
  for (bool defined = false; !defined;) {
    try {
      stored_.wait(stored_.store().define({test::definition_named("other")}));
      defined = true;
    } catch (const common::Error&) {
      ASSERT_GT(disk_.left(), -1);
    }
  }
  commit_again();
  expect_each_once(8);
  stored_.add(2);
  expect_each_once(10);
}

TEST_P(FailedSync, LosesNoCursorThatCameMeanwhile) {
  fail_a_commit();
  stored_.store().mark_exported({.results = 2});
  commit_again();
  expect_each_once(8);
  EXPECT_EQ(Sql(stored_.file())("SELECT value FROM meta WHERE key = 'exported_results'"), "2");
}

TEST_P(FailedSync, IsNotToldTwiceWhenTheStopComesFirst) {
  fail_a_commit();
  disk_.fail(100);
  const auto lost = stored_.close();
  disk_.fail(0);
  stored_.open();
  stored_.wait(stored_.store().commit());
  const auto stored = stored_.next_seqs().size();
  std::int64_t in_gaps = 0;
  for (const auto& gap : stored_.wait(stored_.store().next_batch(100)).gaps) {
    if (gap.reason == GapReason::kUnstored) in_gaps += gap.count;
  }
  const auto skipped = Sql(stored_.file())("SELECT count(*) FROM skipped") == "1" ? 1 : 0;
  EXPECT_EQ(std::int64_t(stored) + skipped + in_gaps, 3 + 5 + 1);
  EXPECT_LE(lost, 5U);
}

// The first fails the commit, the second what SQLite syncs as the connection is closed, the third what we do first.
INSTANTIATE_TEST_SUITE_P(Syncs, FailedSync, testing::Values(1, 2, 3, 4, 5));

TEST(FailedSyncOfRewind, LeavesTheHeadRight) {
  test::FailingSync disk;
  Stored stored;
  stored.add(5);
  stored.export_all();
  stored.clock().advance(std::chrono::hours{2});
  stored.wait(stored.store().purge(stored.clock().wall(), true, 100));
  disk.fail(2);
  EXPECT_THROW(stored.wait(stored.store().rewind({.results = 2})), common::Error);
  stored.wait(stored.store().rewind({.results = 2}));
  EXPECT_EQ(Sql(stored.file())("SELECT count(*), sum(count), max(id) FROM gaps"), "1|3|1");
  EXPECT_EQ(stored.wait(stored.store().identity()).head.gaps, 1);
}

}  // namespace
}  // namespace monitor::storage
