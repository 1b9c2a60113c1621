#include <csignal>
#include <fcntl.h>
#include <sys/resource.h>
#include <unistd.h>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "common/error.h"
#include "common/log.h"
#include "storage/ballast.h"
#include "storage/failing_sync.h"
#include "storage/pending.h"
#include "storage/reader.h"
#include "storage/rollup.h"
#include "storage/small_disk.h"
#include "storage/sql.h"
#include "storage/sqlite.h"
#include "storage/store.h"
#include "support/stored.h"

namespace monitor::storage {
namespace {

namespace fs = std::filesystem;

using test::in_child;
using test::mount_disk;
using test::Stored;

/// Takes all the room that is left.
void fill(const fs::path& file) {
  const int descriptor = ::open(file.c_str(), O_CREAT | O_WRONLY | O_CLOEXEC, 0600);
  const std::string page(4096, 'x');
  while (::write(descriptor, page.data(), page.size()) == std::ssize(page)) {
  }
  ::close(descriptor);
}

/// Appends and commits until the store says that it is in trouble; gives how many were appended.
std::size_t append_until_degraded(Stored& stored) {
  std::size_t appended = 0;
  for (int i = 0; i < 200 && !stored.store().health().degraded; ++i) {
    stored.add(500);
    appended += 500;
  }
  EXPECT_TRUE(stored.store().health().degraded);
  EXPECT_NE(stored.store().health().problem, "");
  return appended;
}

/// Checks that the days tell of.
std::uint64_t rolled_up(Stored& stored) {
  Rollup sum;
  Reader(stored.file()).for_each_rollup(Tier::kDay, {}, common::WallTime::max(), [&](const PackedRollup& packed) {
    EXPECT_TRUE(packed.add_to(sum));
  });
  std::uint64_t checks = 0;
  for (const auto& [outcome, times] : sum.outcomes) checks += times;
  return checks;
}

/// In trouble: the queue fills up and `extra` more are dropped. Gives how many were appended.
std::size_t overfill(Stored& stored, std::size_t extra) {
  const std::size_t fits = kMaxWaiting - stored.store().health().waiting;
  stored.append(fits + extra);
  EXPECT_EQ(stored.store().health().waiting, kMaxWaiting);
  EXPECT_EQ(stored.store().health().dropped, extra);
  return fits + extra;
}

void expect_all_accounted_for(Stored& stored, std::size_t appended, std::size_t dropped) {
  common::log::start(common::log::Level::kWarning);
  common::log::stop();  // from here on lines are written at once
  testing::internal::CaptureStderr();
  stored.wait(stored.store().commit());
  EXPECT_THAT(testing::internal::GetCapturedStderr(),
              testing::HasSubstr("again; " + std::to_string(dropped) + " were dropped meanwhile"));
  EXPECT_FALSE(stored.store().health().degraded) << stored.store().health().problem;
  const Batch batch = stored.wait(stored.store().next_batch(1'000'000));
  EXPECT_EQ(batch.results.size() + dropped, appended);
  ASSERT_EQ(batch.gaps.size(), 1U);
  EXPECT_EQ(batch.gaps[0].reason, GapReason::kDiskFull);
  EXPECT_EQ(batch.gaps[0].count, static_cast<std::int64_t>(dropped));
  EXPECT_EQ(test::Sql(stored.file())("PRAGMA integrity_check"), "ok");
}

TEST(FullDisk, DropsAndCountsOnlyWhatMemoryCannotHoldAndRecovers) {
  const test::TempDir disk;
  in_child([&] {
    mount_disk(disk.path(), "16m");
    Stored stored(disk / "local.sqlite3");
    fill(disk / "filler");
    std::size_t appended = append_until_degraded(stored);
    EXPECT_TRUE(fs::exists(disk / "local.sqlite3.ballast"));  // new rows do not take it
    appended += overfill(stored, 50);
    fs::remove(disk / "filler");
    expect_all_accounted_for(stored, appended, 50);
    stored.clock().advance(std::chrono::minutes{1});
    stored.add(1);
    EXPECT_EQ(fs::file_size(disk / "local.sqlite3.ballast"), Ballast::kBytes);
  });
}

TEST(FullDisk, CanBePurgedThanksToTheBallast) {
  const test::TempDir disk;
  in_child([&] {
    mount_disk(disk.path(), "16m");
    Stored stored(disk / "local.sqlite3");
    for (int i = 0; i < 20; ++i) stored.add(1000);
    stored.export_all();
    fill(disk / "filler");
    stored.clock().advance(std::chrono::hours{2});
    std::int64_t purged = 0;
    for (bool more = true; more;) {
      const Purged step = stored.wait(stored.store().purge(stored.clock().wall(), true, 5000));
      purged += step.results;
      more = step.more;
      stored.wait(stored.store().tidy());
    }
    EXPECT_EQ(purged, 20'000);
    stored.add(1000);
    EXPECT_FALSE(stored.store().health().degraded);
    EXPECT_EQ(stored.store().health().dropped, 0U);
  });
}

TEST(FullDisk, CanBePurgedThoughAllThatIsOldDoesNotFitIntoTheBallastAtOnce) {
  const test::TempDir disk;
  in_child([&] {
    mount_disk(disk.path(), "24m");
    Stored stored(disk / "local.sqlite3");
    for (int i = 0; i < 100; ++i) stored.add(1000);
    stored.export_all();
    fill(disk / "filler");
    std::int64_t purged = 0;
    for (bool more = true; more;) {
      // As the collector asks for them.
      const Purged step = stored.wait(stored.store().purge(common::WallTime::max(), true, 100'000));
      purged += step.results;
      more = step.more;
      stored.wait(stored.store().tidy());
    }
    EXPECT_EQ(purged, 100'000);
    EXPECT_EQ(rolled_up(stored), 100'000U) << "once, though the first try was rolled back";
    EXPECT_EQ(test::Sql(stored.file())("PRAGMA integrity_check"), "ok");
  });
}

TEST(FullDisk, CanBePurgedThoughEachRowFillsAPage) {
  const test::TempDir disk;
  in_child([&] {
    mount_disk(disk.path(), "48m");
    Stored stored(disk / "local.sqlite3");
    constexpr std::uint64_t kRows = 5000;
    for (std::uint64_t i = 0; i < kRows; ++i) {
      auto result = test::failed_check(stored.service(), stored.clock().wall(), "refused");
      result.evidence = std::string(3000, 'x');
      stored.wait(stored.store().append(result));
      if (i % 1000 == 999) stored.wait(stored.store().commit());
    }
    stored.export_all();
    fill(disk / "filler");
    std::uint64_t purged = 0;
    for (int attempt = 0; attempt < 200 && purged < kRows; ++attempt) {
      try {
        const auto step = stored.wait(stored.store().purge(common::WallTime::max(), true, 100'000));
        purged += static_cast<std::uint64_t>(step.results);
        stored.wait(stored.store().tidy());
      } catch (const SqliteError&) {  // too much at once: the next step is smaller
      }
    }
    EXPECT_EQ(purged, kRows);
    EXPECT_EQ(rolled_up(stored), kRows);
  });
}

TEST(FullDisk, CanBePurgedThoughTheRollUpsAreMoreThanFitsIntoTheBallast) {
  const test::TempDir disk;
  in_child([&] {
    mount_disk(disk.path(), "16m");
    Stored stored(disk / "local.sqlite3");
    std::vector<Definition> definitions(2000);
    for (std::size_t i = 0; i < definitions.size(); ++i) {
      definitions[i] = test::definition_named("service " + std::to_string(i));
    }
    const auto ids = stored.wait(stored.store().define(definitions));
    constexpr std::size_t kHours = 10;
    const auto start = start_of(Tier::kDay, stored.clock().wall());
    for (std::size_t i = 0; i < 2 * kHours * ids.size(); ++i) {
      const auto at = start + std::chrono::hours{i / (2 * ids.size())};
      stored.wait(stored.store().append(test::passed_check(ids[i % ids.size()], at)));
      if (i % 1000 == 999) stored.wait(stored.store().commit());
    }
    stored.export_all();
    fill(disk / "filler");
    std::int64_t purged = 0;
    for (bool more = true; more;) {
      const Purged step = stored.wait(stored.store().purge(common::WallTime::max(), true, 100'000));
      purged += step.results;
      more = step.more;
      stored.wait(stored.store().tidy());
    }
    EXPECT_EQ(purged, 40'000);
    EXPECT_EQ(rolled_up(stored), 40'000U);
    EXPECT_EQ(test::Sql(stored.file())("SELECT count(*) FROM rollups"), "22000");
    EXPECT_EQ(test::Sql(stored.file())("PRAGMA integrity_check"), "ok");
  });
}

TEST(FullDisk, DoesNotHoldUpExportAndPurge) {
  const test::TempDir disk;
  in_child([&] {
    mount_disk(disk.path(), "16m");
    Stored stored(disk / "local.sqlite3");
    for (int i = 0; i < 10; ++i) stored.add(1000);
    fill(disk / "filler");
    constexpr std::size_t kMore = 50'000;
    for (std::size_t appended = 0; appended < kMore; appended += 500) {
      stored.add(500);
      stored.export_all();
      while (stored.wait(stored.store().purge(stored.clock().wall(), true, 5000)).more) {
      }
      stored.wait(stored.store().tidy());
    }
    stored.wait(stored.store().commit());
    EXPECT_FALSE(stored.store().health().degraded) << stored.store().health().problem;
    EXPECT_EQ(stored.store().health().dropped, 0U);
    EXPECT_EQ(stored.store().health().committed, 10'000 + kMore);
  });
}

TEST(FullDisk, NewRowsDoNotTakeWhatTheBallastGave) {
  const test::TempDir disk;
  in_child([&] {
    mount_disk(disk.path(), "16m");
    Stored stored(disk / "local.sqlite3");
    for (int i = 0; i < 5; ++i) stored.add(1000);
    fill(disk / "filler");
    append_until_degraded(stored);
    const auto purge = [&] { return stored.wait(stored.store().purge(common::WallTime::max(), true, 5000)); };
    purge();
    EXPECT_FALSE(fs::exists(disk / "local.sqlite3.ballast")) << "it wrote that there was nothing to purge";
    for (int i = 0; i < 60; ++i) stored.add(500);
    EXPECT_TRUE(stored.store().health().degraded);
    stored.export_all();
    EXPECT_GT(purge().results, 0);
  });
}

TEST(FullDisk, IsOutlivedByAStart) {
  const test::TempDir disk;
  in_child([&] {
    mount_disk(disk.path(), "16m");
    Stored stored(disk / "local.sqlite3");
    stored.add(1000);
    stored.close();
    fill(disk / "filler");
    stored.clock().advance(std::chrono::minutes{1});
    stored.open();
    stored.add(1);
    EXPECT_EQ(stored.next_seqs().size(), 1001U);
  });
}

// A quota shows to SQLite as a failed write, not as a full disk.
TEST(FailingDisk, AQuotaThatIsUsedUpGetsTheReserveToo) {
  test::FailingSync disk;
  Stored stored;
  stored.add(1000);
  stored.export_all();
  disk.fail_writes(1);
  EXPECT_EQ(stored.wait(stored.store().purge(common::WallTime::max(), true, 5000)).results, 1000);
  EXPECT_FALSE(fs::exists(stored.file().string() + ".ballast"));
}

TEST(FailingDisk, IsOpenedAnewAfterAFailedWrite) {
  const test::TempDir folder;
  in_child([&] {
    // A limit on file size shows to SQLite as a failed write.
    ASSERT_NE(std::signal(SIGXFSZ, SIG_IGN), SIG_ERR);
    Stored stored(folder / "local.sqlite3");
    stored.add(1);
    rlimit limit{};
    ASSERT_EQ(::getrlimit(RLIMIT_FSIZE, &limit), 0);
    const rlim_t before = limit.rlim_cur;
    limit.rlim_cur = rlim_t{3} << 20;
    ASSERT_EQ(::setrlimit(RLIMIT_FSIZE, &limit), 0);
    std::size_t appended = 1 + append_until_degraded(stored);
    appended += overfill(stored, 7);
    limit.rlim_cur = before;
    ASSERT_EQ(::setrlimit(RLIMIT_FSIZE, &limit), 0);
    expect_all_accounted_for(stored, appended, 7);
  });
}

TEST(ReadOnlyDisk, IsRefusedAtTheStartWithTheReasonAndWhatToDo) {
  const test::TempDir disk;
  in_child([&] {
    mount_disk(disk.path(), "4m");
    Stored(disk / "local.sqlite3").add(1);
    ASSERT_EQ(::mount(nullptr, disk.path().c_str(), nullptr, MS_REMOUNT | MS_RDONLY, nullptr), 0);
    try {
      Stored again(disk / "local.sqlite3");
      ADD_FAILURE() << "it was opened";
    } catch (const common::Error& error) {
      EXPECT_THAT(error.what(), testing::AllOf(testing::HasSubstr("local.sqlite3"), testing::HasSubstr("Read-only"),
                                               testing::HasSubstr("let this user write")));
    }
  });
}

}  // namespace
}  // namespace monitor::storage
