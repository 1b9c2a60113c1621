#include <fstream>
#include <sys/stat.h>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "storage/small_disk.h"
#include "storage/sql.h"
#include "storage/store.h"
#include "support/stored.h"

namespace monitor::storage {
namespace {

namespace fs = std::filesystem;

using test::Sql;
using test::Stored;

fs::path lost_file(const Stored& stored) {
  return stored.file().string() + ".lost";
}

std::vector<Gap> unstored(Stored& stored) {
  std::vector<Gap> gaps;
  for (const auto& gap : stored.wait(stored.store().next_batch(100)).gaps) {
    if (gap.reason == GapReason::kUnstored) gaps.push_back(gap);
  }
  return gaps;
}

/// Stops while another connection holds the lock of writers, with five results and a range of three slots waiting.
std::size_t close_under_lock(Stored& stored) {
  Sql other(stored.file());
  other("BEGIN IMMEDIATE");
  stored.append(5);
  const auto now = stored.clock().wall();
  stored.store().append(Skipped{.definition = stored.service(), .from = now, .to = now, .count = 3});
  const auto lost = stored.close();
  other("ROLLBACK");
  return lost;
}

TEST(Lost, IsNothingAfterAnOrdinaryStop) {
  Stored stored;
  stored.append(5);
  EXPECT_EQ(stored.close(), 0U);
  EXPECT_FALSE(fs::exists(lost_file(stored)));
}

TEST(Lost, IsCountedAtTheStopAndBecomesAGapAtTheNextStart) {
  Stored stored;
  stored.add(1);
  const auto before = stored.clock().wall();
  EXPECT_EQ(close_under_lock(stored), 5U);
  struct stat info{};
  ASSERT_EQ(::stat(lost_file(stored).c_str(), &info), 0);
  EXPECT_EQ(info.st_mode & 0777U, 0600U);

  stored.open();
  EXPECT_TRUE(fs::exists(lost_file(stored)));
  stored.wait(stored.store().commit());
  EXPECT_FALSE(fs::exists(lost_file(stored)));
  const auto gaps = unstored(stored);
  ASSERT_EQ(gaps.size(), 1U);
  EXPECT_EQ(gaps[0].count, 8);
  EXPECT_EQ(gaps[0].from, before + common::Micros{1});
  EXPECT_EQ(gaps[0].to, before + common::Micros{5});
}

TEST(Lost, IsKeptThroughAStartThatCannotStoreItEither) {
  Stored stored;
  close_under_lock(stored);
  stored.open();
  EXPECT_EQ(close_under_lock(stored), 5U);
  stored.open();
  stored.wait(stored.store().commit());
  std::int64_t count = 0;
  for (const auto& gap : unstored(stored)) count += gap.count;
  EXPECT_EQ(count, 16);
}

TEST(Lost, IsNoSlotThatTheNextStartFindsOpenAgain) {
  Stored stored;
  const auto began = stored.clock().wall();
  stored.add(1);
  stored.close();
  stored.clock().advance(std::chrono::seconds{60});
  Sql(stored.file())("UPDATE meta SET value = " + std::to_string(common::unix_micros(began)) +
                     " WHERE key = 'running_since'");
  Sql(stored.file())("UPDATE meta SET value = " + std::to_string(common::unix_micros(stored.clock().wall())) +
                     " WHERE key = 'alive_at'");
  for (int start = 0; start < 2; ++start) {
    stored.clock().advance(std::chrono::seconds{1});
    stored.open();
    if (start == 0) EXPECT_EQ(close_under_lock(stored), 5U);
  }
  stored.wait(stored.store().commit());
  const auto batch = stored.wait(stored.store().next_batch(100));
  ASSERT_EQ(batch.skipped.size(), 1U);
  EXPECT_EQ(batch.skipped[0].reason, SkipReason::kStopping);
  const auto gaps = unstored(stored);
  ASSERT_EQ(gaps.size(), 1U);
  EXPECT_EQ(gaps[0].count, 8);
}

TEST(Lost, IsToldOnceThoughTheFileOutlivedItsGap) {
  Stored stored;
  close_under_lock(stored);
  const auto file = lost_file(stored);
  fs::copy_file(file, file.string() + ".copy");
  stored.open();
  stored.close();
  fs::rename(file.string() + ".copy", file);
  stored.open();
  stored.wait(stored.store().commit());
  EXPECT_EQ(unstored(stored).size(), 1U);
  EXPECT_FALSE(fs::exists(file));
}

TEST(Lost, IsNotMadeUpFromADamagedFile) {
  Stored stored;
  stored.close();
  std::ofstream(lost_file(stored)) << "5 7\n99 1 1 1 0\n5 -3 1 1 0\nnot ours\n";
  stored.open();
  stored.wait(stored.store().commit());
  EXPECT_TRUE(unstored(stored).empty());
  EXPECT_FALSE(fs::exists(lost_file(stored)));
}

TEST(Lost, IsLessThanksToTheBallast) {
  const test::TempDir disk;
  test::in_child([&] {
    test::mount_disk(disk.path(), "16m");
    Stored stored(disk / "local.sqlite3");
    stored.add(1);
    const std::string page(4096, 'x');
    std::ofstream filler(disk / "filler");
    while (filler.write(page.data(), std::ssize(page)).flush()) {
    }
    std::size_t appended = 1;
    for (int i = 0; i < 200 && !stored.store().health().degraded; ++i, appended += 500) stored.add(500);
    EXPECT_TRUE(stored.store().health().degraded);
    stored.append(300);
    appended += 300;
    EXPECT_EQ(stored.close(), 0U);
    EXPECT_EQ(Sql(stored.file())("SELECT count(*) FROM results"), std::to_string(appended));
  });
}

}  // namespace
}  // namespace monitor::storage
