#include <fcntl.h>
#include <fstream>
#include <sys/stat.h>
#include <unistd.h>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "common/error.h"
#include "common/log.h"
#include "storage/lock_file.h"
#include "storage/reader.h"
#include "storage/small_disk.h"
#include "storage/sql.h"
#include "storage/store.h"
#include "support/stored.h"

namespace monitor::storage {
namespace {

namespace fs = std::filesystem;

using test::Sql;
using test::Stored;
using testing::HasSubstr;

/// The files beside the database whose names hold `part`, logs left out.
std::vector<fs::path> beside(const Stored& stored, const std::string& part) {
  std::vector<fs::path> found;
  for (const auto& entry : fs::directory_iterator(stored.file().parent_path())) {
    const auto name = entry.path().filename().string();
    if (name.find(part) != std::string::npos && !name.ends_with("-wal")) found.push_back(entry.path());
  }
  std::ranges::sort(found);
  return found;
}

fs::path side(const Stored& stored, const char* suffix) {
  return stored.file().string() + suffix;
}

/// Overwrites bytes of a file that others have open.
void scribble(const fs::path& file, off_t at, std::size_t bytes) {
  const int descriptor = ::open(file.c_str(), O_WRONLY | O_CLOEXEC);
  ASSERT_GE(descriptor, 0);
  const std::string junk(bytes, '\xA7');
  EXPECT_EQ(::pwrite(descriptor, junk.data(), junk.size(), at), std::ssize(junk));
  ::close(descriptor);
}

/// Twenty results, of which fifteen have arrived; five more and a skipped slot wait in memory.
class TakenAway : public testing::Test {
 protected:
  TakenAway() {
    stored_.add(15);
    stored_.export_all();
    stored_.add(5);
    stored_.wait(stored_.store().agree());  // what was taken until now is nobody else's
    first_agent_ = agent();
    stored_.append(5);
    const auto now = stored_.clock().wall();
    stored_.store().append(Skipped{.definition = stored_.service(), .from = now, .to = now, .count = 1});
  }

  std::string agent() { return stored_.wait(stored_.store().identity()).agent_id; }
  /// Commits until that works, as run() does.
  void commit() {
    for (int i = 0; i < 5; ++i) stored_.wait(stored_.store().commit());
    EXPECT_FALSE(stored_.store().health().degraded) << stored_.store().health().problem;
    EXPECT_EQ(stored_.store().health().waiting, 0U);
    EXPECT_EQ(stored_.store().health().dropped, 0U);
  }
  /// Nothing is lost: what was not exported goes under the old agent, what is new under another.
  void expect_all_here() {
    commit();
    const auto old = stored_.wait(stored_.store().next_batch(100));
    EXPECT_EQ(old.agent_id, first_agent_);
    EXPECT_EQ(old.results.size(), 5U);
    EXPECT_EQ(old.results.front().seq, 16);
    EXPECT_TRUE(old.gaps.empty());
    stored_.store().mark_exported({.results = 20});
    expect_new_ones(21);
  }
  /// What was not exported is a gap of the old agent; what waited in memory goes under another.
  void expect_gap() {
    commit();
    const auto old = stored_.wait(stored_.store().next_batch(100));
    EXPECT_EQ(old.agent_id, first_agent_);
    EXPECT_TRUE(old.results.empty());
    ASSERT_EQ(old.gaps.size(), 1U);
    EXPECT_EQ(old.gaps[0].reason, GapReason::kFileLost);
    EXPECT_EQ(old.gaps[0].first_seq, 16);
    EXPECT_EQ(old.gaps[0].last_seq, 20);
    EXPECT_EQ(old.gaps[0].count, 5);
    stored_.store().mark_exported({.results = old.behind.results, .gaps = old.gaps[0].id});
    expect_new_ones(21);
  }
  void expect_new_ones(Seq first) {
    const auto fresh = stored_.wait(stored_.store().next_batch(100));
    EXPECT_EQ(fresh.agent_id, agent());
    EXPECT_NE(fresh.agent_id, first_agent_);
    ASSERT_EQ(fresh.results.size(), 5U);
    EXPECT_EQ(fresh.results.front().seq, first);
    EXPECT_EQ(fresh.results.back().seq, first + 4);
    EXPECT_EQ(fresh.skipped.size(), 1U);
    ASSERT_EQ(fresh.definitions.size(), 1U);
    EXPECT_EQ(fresh.definitions[0]->name, "shop");
    EXPECT_EQ(Sql(stored_.file())("PRAGMA integrity_check"), "ok");
  }
  /// It goes on after a stop and a start, too.
  void expect_to_start_again() {
    const auto agent_now = agent();
    stored_.close();
    stored_.open();
    EXPECT_EQ(agent(), agent_now);
    stored_.add(1);
    EXPECT_EQ(stored_.wait(stored_.store().identity()).head.results, 26);
  }

  Stored stored_;
  std::string first_agent_;
};

TEST_F(TakenAway, DeletedItIsWrittenAnewWithAllItHeld) {
  fs::remove(stored_.file());
  common::log::start(common::log::Level::kWarning);
  common::log::stop();  // from here on lines are written at once
  testing::internal::CaptureStderr();
  expect_all_here();
  EXPECT_THAT(testing::internal::GetCapturedStderr(),
              HasSubstr("was deleted or renamed while we run; it is written anew, with all it held"));
  expect_to_start_again();
}

TEST_F(TakenAway, DeletedWithItsLogItIsWrittenAnewWithAllItHeld) {
  for (const char* suffix : {"", "-wal", "-shm"}) fs::remove(side(stored_, suffix));
  expect_all_here();
  expect_to_start_again();
}

TEST_F(TakenAway, RenamedItIsWrittenAnewAndTheOtherIsWhole) {
  fs::rename(stored_.file(), side(stored_, ".moved"));
  expect_all_here();
  EXPECT_EQ(Sql(side(stored_, ".moved"))("SELECT count(*) FROM results"), "20");
  EXPECT_EQ(Sql(side(stored_, ".moved"))("PRAGMA integrity_check"), "ok");
  expect_to_start_again();
}

TEST_F(TakenAway, ReplacedByAnotherDatabaseItIsWrittenAnewAndTheOtherIsKept) {
  {
    Stored other(stored_.folder() / "other.sqlite3");
    other.add(7);
  }
  fs::rename(stored_.folder() / "other.sqlite3", stored_.file());
  expect_all_here();
  const auto kept = beside(stored_, ".replaced-");
  ASSERT_EQ(kept.size(), 1U);
  EXPECT_EQ(Sql(kept[0])("SELECT count(*) FROM results"), "7");
  expect_to_start_again();
}

TEST_F(TakenAway, OfWhatWasInItsPlaceTheNewestThreeAreKept) {
  for (int i = 1; i <= 5; ++i) {
    std::ofstream(stored_.folder() / "notes") << std::string(static_cast<std::size_t>(i), 'x');
    fs::rename(stored_.folder() / "notes", stored_.file());
    stored_.clock().advance(std::chrono::seconds{1});
    stored_.add(1);
    commit();
  }
  const auto kept = beside(stored_, ".replaced-");
  ASSERT_EQ(kept.size(), 3U);
  for (std::size_t i = 0; i < 3; ++i) EXPECT_EQ(fs::file_size(kept[i]), i + 3);
}

TEST_F(TakenAway, ReplacedBySomethingElseItIsWrittenAnewAndThatIsKept) {
  std::ofstream(stored_.folder() / "notes") << "mine";
  fs::rename(stored_.folder() / "notes", stored_.file());
  expect_all_here();
  EXPECT_EQ(fs::file_size(beside(stored_, ".replaced-").at(0)), 4U);
}

TEST_F(TakenAway, ItsLogAloneIsMadeAnew) {
  fs::remove(side(stored_, "-wal"));
  commit();
  EXPECT_EQ(agent(), first_agent_);
  // As another process sees it, which has only what the files hold.
  fs::copy(stored_.file(), stored_.folder() / "copy.sqlite3");
  fs::copy(side(stored_, "-wal"), stored_.folder() / "copy.sqlite3-wal");
  EXPECT_EQ(Sql(stored_.folder() / "copy.sqlite3")("SELECT count(*), max(seq) FROM results"), "25|25");
}

TEST_F(TakenAway, ItsLogThatAnotherReadsIsNotClosedBeforeAllOfItIsElsewhere) {
  Sql reader(stored_.file());
  reader("BEGIN; SELECT count(*) FROM results");
  stored_.add(3);
  fs::remove(side(stored_, "-wal"));
  stored_.append(2);
  commit();
  stored_.close();
  EXPECT_EQ(Sql(stored_.file())("SELECT count(*), max(seq) FROM results"), "30|30");
}

TEST_F(TakenAway, WhatCannotBePutBackYetIsPutBackLater) {
  fs::remove(stored_.file());
  ASSERT_EQ(::mknod(stored_.file().c_str(), S_IFSOCK | 0600, 0), 0);  // it can be neither opened nor synced
  for (int i = 0; i < 2; ++i) stored_.wait(stored_.store().commit());
  EXPECT_TRUE(stored_.store().health().degraded);
  fs::remove(stored_.file());
  expect_all_here();
}

TEST_F(TakenAway, TruncatedItGoesOnInANewFileAndWhatIsGoneIsAGap) {
  fs::resize_file(stored_.file(), 0);
  expect_gap();
  const auto kept = beside(stored_, ".corrupt-");
  ASSERT_EQ(kept.size(), 1U);
  EXPECT_GT(fs::file_size(kept[0].string() + "-wal"), 0U) << "what the log held is kept for recovery";
  expect_to_start_again();
}

TEST_F(TakenAway, WhatWasRefusedIsAGapOfTheNewFile) {
  stored_.wait(stored_.store().quarantine({{.seq = 4, .sqlstate = "22021", .reason = "bad"},
                                           {.seq = 5, .sqlstate = "22021", .reason = "bad"},
                                           {.seq = 9, .sqlstate = "22021", .reason = "bad"}}));
  fs::resize_file(stored_.file(), 0);
  commit();
  EXPECT_EQ(Sql(stored_.file())("SELECT reason, first_seq, last_seq, count FROM gaps ORDER BY id"),
            "6|4|5|2\n6|9|9|1\n7|16|20|5");
}

TEST_F(TakenAway, DamagedItGoesOnInANewFileAndWhatIsGoneIsAGap) {
  stored_.wait(stored_.store().compact());
  stored_.append(5);
  const auto size = fs::file_size(stored_.file());
  scribble(stored_.file(), 0, size);
  scribble(side(stored_, "-wal"), 0, std::max<std::size_t>(1, fs::file_size(side(stored_, "-wal"))));
  fs::remove(side(stored_, "-shm"));
  for (int i = 0; i < 5; ++i) stored_.wait(stored_.store().commit());
  EXPECT_FALSE(stored_.store().health().degraded) << stored_.store().health().problem;
  EXPECT_FALSE(beside(stored_, ".corrupt-").empty());
  const auto old = stored_.wait(stored_.store().next_batch(100));
  EXPECT_EQ(old.agent_id, first_agent_);
  ASSERT_EQ(old.gaps.size(), 1U);
  EXPECT_EQ(old.gaps[0].reason, GapReason::kFileLost);
}

TEST_F(TakenAway, ItsLockFileIsLockedAnew) {
  fs::remove(side(stored_, ".lock"));
  commit();
  boost::asio::io_context io;
  EXPECT_THROW(Store::open(io.get_executor(), {.path = stored_.file(), .max_size = {}}, stored_.clock()),
               common::Error);
}

TEST_F(TakenAway, ItIsNotWrittenWhileAnotherProcessHasItsLock) {
  fs::remove(side(stored_, ".lock"));
  const LockFile theirs(stored_.file());
  stored_.wait(stored_.store().commit());
  EXPECT_TRUE(stored_.store().health().degraded);
  EXPECT_THAT(stored_.store().health().problem, HasSubstr("in use by process"));
  EXPECT_EQ(stored_.store().health().waiting, 5U);
}

TEST_F(TakenAway, NothingOfItIsTouchedWhileAnotherProcessHasItsLock) {
  fs::remove(side(stored_, ".lock"));
  const auto numbers = [this] { return Sql(stored_.file())("SELECT value FROM meta WHERE key = 'commit_number'"); };
  const auto before = numbers();
  const LockFile theirs(stored_.file());
  const auto now = stored_.clock().wall();
  EXPECT_THROW(stored_.wait(stored_.store().purge(now + std::chrono::minutes{1}, false, 100)), common::Error);
  EXPECT_THROW(stored_.wait(stored_.store().tidy()), common::Error);
  EXPECT_THROW(stored_.wait(stored_.store().compact()), common::Error);
  EXPECT_THROW(stored_.wait(stored_.store().quarantine({{.seq = 16, .sqlstate = "22021", .reason = "x"}})),
               common::Error);
  EXPECT_THROW(stored_.wait(stored_.store().new_epoch({})), common::Error);
  EXPECT_THROW(stored_.wait(stored_.store().rewind({})), common::Error);
  const auto log = fs::file_size(side(stored_, "-wal"));
  EXPECT_GT(log, 0U);
  EXPECT_EQ(stored_.close(), 5U);
  EXPECT_EQ(fs::file_size(side(stored_, "-wal")), log) << "the stop leaves the log to the other";
  EXPECT_EQ(numbers(), before);
  EXPECT_EQ(Sql(stored_.file())("SELECT count(*) FROM results"), "20");
}

TEST(FullDisk, ARenamedFileIsWholeThoughThereIsNoRoomForACopy) {
  const test::TempDir folder;
  test::in_child([&] {
    test::mount_disk(folder.path(), "3m");
    Stored stored(folder / "local.sqlite3");
    stored.add(10);
    fs::rename(stored.file(), side(stored, ".moved"));
    for (int i = 0; i < 3; ++i) stored.add(1);
    EXPECT_FALSE(stored.store().health().degraded) << stored.store().health().problem;
    EXPECT_EQ(Sql(side(stored, ".moved"))("SELECT count(*) FROM results"), "10");
    EXPECT_EQ(Sql(stored.file())("SELECT min(seq), max(seq) FROM results"), "11|13");
  });
}

/// All of its rows are in the log alone.
TEST(DamagedLog, OfAYoungFileNoNumberIsGivenTwiceEither) {
  Stored stored;
  stored.add(10);
  const auto agent = stored.wait(stored.store().identity()).agent_id;
  fs::resize_file(side(stored, "-wal"), 0);
  fs::remove(side(stored, "-shm"));
  stored.append(3);
  for (int i = 0; i < 5; ++i) stored.wait(stored.store().commit());
  EXPECT_FALSE(stored.store().health().degraded) << stored.store().health().problem;
  const auto batch = stored.wait(stored.store().next_batch(100));
  EXPECT_EQ(batch.agent_id, agent);
  ASSERT_EQ(batch.results.size(), 3U);
  EXPECT_EQ(batch.results.front().seq, 11);
  ASSERT_EQ(batch.definitions.size(), 1U);
  EXPECT_EQ(batch.definitions[0]->name, "shop");
  ASSERT_EQ(batch.gaps.size(), 1U);
  EXPECT_EQ(batch.gaps[0].first_seq, 1);
  EXPECT_EQ(batch.gaps[0].last_seq, 10);
  EXPECT_EQ(batch.gaps[0].count, 10);
}

TEST(DamagedLog, LosesItsEndAloneAndNoNumberIsGivenTwice) {
  Stored stored;
  stored.add(10);
  stored.wait(stored.store().compact());
  stored.add(10);
  const auto agent = stored.wait(stored.store().identity()).agent_id;
  // The log and its index, so that what is read next comes from the file.
  scribble(side(stored, "-wal"), 0, fs::file_size(side(stored, "-wal")));
  fs::remove(side(stored, "-shm"));
  stored.append(3);
  for (int i = 0; i < 5; ++i) stored.wait(stored.store().commit());
  EXPECT_FALSE(stored.store().health().degraded) << stored.store().health().problem;
  std::int64_t told = 0;
  std::vector<Seq> seqs;
  for (;;) {
    const auto batch = stored.wait(stored.store().next_batch(100));
    if (batch.empty()) break;
    Cursor through = batch.behind;
    for (const auto& result : batch.results) seqs.push_back(through.results = result.seq);
    for (const auto& gap : batch.gaps) {
      EXPECT_EQ(gap.reason, GapReason::kFileLost);
      told += gap.count;
      through.gaps = gap.id;
    }
    stored.store().mark_exported(through);
  }
  EXPECT_EQ(std::int64_t(seqs.size()) + told, 23);
  EXPECT_EQ(seqs.back(), 23);
  EXPECT_TRUE(std::ranges::is_sorted(seqs));
}

/// Opens what is left of a database after `damage`, which had twenty results, fifteen of them exported.
class DamagedAtStart : public testing::Test {
 protected:
  DamagedAtStart() {
    stored_.add(15);
    stored_.export_all();
    stored_.add(5);
    agent_ = stored_.wait(stored_.store().identity()).agent_id;
    stored_.close();
  }
  void expect_new(bool known) {
    stored_.open();
    stored_.add(1);
    EXPECT_NE(stored_.wait(stored_.store().identity()).agent_id, agent_);
    EXPECT_EQ(beside(stored_, ".corrupt-").size(), 1U);
    const auto batch = stored_.wait(stored_.store().next_batch(100));
    ASSERT_EQ(batch.gaps.size(), 1U);
    EXPECT_EQ(batch.gaps[0].reason, GapReason::kFileLost);
    EXPECT_EQ(batch.gaps[0].count, known ? 5 : 0);
    EXPECT_EQ(batch.gaps[0].first_seq, known ? 16 : 0);
    if (!known) EXPECT_EQ(stored_.wait(stored_.store().identity()).first.gaps, 1) << "the gap is the new agent's";
    EXPECT_EQ(Sql(stored_.file())("PRAGMA integrity_check"), "ok");
    EXPECT_EQ(Sql(stored_.file())("SELECT count(*) FROM results"), "1");
  }

  Stored stored_;
  std::string agent_;
};

TEST_F(DamagedAtStart, WithoutAHeaderItIsSetAside) {
  scribble(stored_.file(), 0, 16);
  expect_new(false);
}

TEST_F(DamagedAtStart, WithABadPageItIsSetAsideAndItsNumbersGoOn) {
  const auto root = std::stoll(Sql(stored_.file())("SELECT rootpage FROM sqlite_master WHERE name = 'results'"));
  scribble(stored_.file(), (root - 1) * 4096, 4096);
  expect_new(true);
}

TEST_F(DamagedAtStart, CutShortItIsSetAside) {
  fs::resize_file(stored_.file(), 4096);
  expect_new(false);
}

TEST_F(DamagedAtStart, WhatWasRefusedAndSkippedIsInGaps) {
  stored_.open();
  const auto now = stored_.clock().wall();
  stored_.store().append(Skipped{.definition = stored_.service(), .from = now, .to = now, .count = 4});
  stored_.wait(stored_.store().commit());
  stored_.wait(stored_.store().quarantine({{.seq = 7, .sqlstate = "22021", .reason = "bad"}}));
  stored_.close();
  const auto root = std::stoll(Sql(stored_.file())("SELECT rootpage FROM sqlite_master WHERE name = 'results'"));
  scribble(stored_.file(), (root - 1) * 4096, 4096);
  stored_.open();
  EXPECT_EQ(Sql(stored_.file())("SELECT reason, first_seq, last_seq, count FROM gaps ORDER BY id"),
            "6|7|7|1\n7|16|20|6");
}

/// What a power cut or a person leaves while nobody runs.
TEST_F(DamagedAtStart, GoneOrEmptyItIsAGapOfAnUnknownNumber) {
  for (const bool empty : {true, false}) {
    if (empty) {
      fs::resize_file(stored_.file(), 0);
      std::ofstream(side(stored_, "-wal")) << "what a log holds";
    } else {
      fs::remove(stored_.file());
    }
    stored_.open();
    EXPECT_EQ(Sql(stored_.file())("SELECT reason, first_seq, last_seq, count FROM gaps"), "7|0|0|0");
    EXPECT_EQ(stored_.wait(stored_.store().identity()).first.gaps, 1);
    stored_.close();
    stored_.open();
    EXPECT_EQ(Sql(stored_.file())("SELECT count(*) FROM gaps"), "1") << "it is told once";
    stored_.close();
  }
  const auto kept = beside(stored_, ".corrupt-");
  ASSERT_EQ(kept.size(), 1U);
  EXPECT_EQ(fs::file_size(kept[0].string() + "-wal"), 16U);
}

TEST_F(DamagedAtStart, ATornLogIsReadAsFarAsItIsWhole) {
  fs::path copy = stored_.folder() / "torn.sqlite3";
  {
    Stored living(stored_.folder() / "living.sqlite3");
    living.add(10);
    living.add(10);
    fs::copy(living.file(), copy);
    fs::copy(side(living, "-wal"), copy.string() + "-wal");
  }
  fs::resize_file(copy.string() + "-wal", fs::file_size(copy.string() + "-wal") - 1000);
  Stored torn(copy);
  EXPECT_EQ(torn.next_seqs().size(), 10U);
  EXPECT_EQ(Sql(copy)("PRAGMA integrity_check"), "ok");
}

}  // namespace
}  // namespace monitor::storage
