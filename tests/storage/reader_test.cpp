#include "storage/reader.h"

#include <fstream>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "common/error.h"
#include "storage/small_disk.h"
#include "storage/sql.h"
#include "support/stored.h"

namespace monitor::storage {
namespace {

using std::chrono::hours;
using std::chrono::minutes;
using test::Stored;
using testing::ElementsAre;

std::vector<Seq> seqs(Reader& reader, common::WallTime from, common::WallTime to,
                      const std::optional<std::string>& service = std::nullopt) {
  std::vector<Seq> found;
  reader.for_each_result(from, to, service, [&](const ReportRow& row) { found.push_back(row.seq); });
  return found;
}

TEST(Reader, ReadsWhatWasThereWhenItBeganWhileTheStoreWrites) {
  Stored stored;
  stored.add(2);
  Reader reader(stored.file());
  stored.add(1);
  EXPECT_THAT(seqs(reader, common::WallTime{}, stored.clock().wall() + hours{1}), ElementsAre(1, 2));
  stored.wait(stored.store().purge(stored.clock().wall(), false, 2));
  EXPECT_THAT(seqs(reader, common::WallTime{}, stored.clock().wall() + hours{1}), ElementsAre(1, 2));
  Reader later(stored.file());
  EXPECT_THAT(seqs(later, common::WallTime{}, stored.clock().wall() + hours{1}), ElementsAre(3));
  EXPECT_EQ(reader.definitions().at(stored.service()).name, "shop");
}

TEST(Reader, ReadsAfterTheStoreHasStopped) {
  Stored stored;
  stored.add(2);
  stored.close();
  Reader reader(stored.file());
  EXPECT_THAT(seqs(reader, common::WallTime{}, stored.clock().wall() + hours{1}), ElementsAre(1, 2));
}

TEST(Reader, GivesRangeServiceAndReason) {
  Stored stored;
  const auto other = stored.wait(stored.store().define({test::definition_named("blog")})).front();
  const auto start = stored.clock().wall();
  for (int i = 0; i < 4; ++i) {
    const auto at = start + minutes{i};
    stored.wait(stored.store().append(i == 2 ? test::failed_check(other, at, "refused")
                                             : test::passed_check(stored.service(), at)));
  }
  stored.wait(stored.store().commit());
  Reader reader(stored.file());
  EXPECT_THAT(seqs(reader, start + minutes{1}, start + minutes{3}), ElementsAre(2, 3));
  EXPECT_THAT(seqs(reader, start, start + hours{1}, "shop"), ElementsAre(1, 2, 4));
  EXPECT_THAT(seqs(reader, start, start + hours{1}, "GET https://blog.example/"), ElementsAre(3));
  std::vector<std::string> reasons;
  reader.for_each_result(start, start + hours{1}, std::nullopt,
                         [&](const ReportRow& row) { reasons.push_back(reason_text(row)); });
  EXPECT_THAT(reasons, ElementsAre("HTTP 200 in 67.9 ms", "HTTP 200 in 67.9 ms", "refused", "HTTP 200 in 67.9 ms"));
}

TEST(Reader, FindsEveryRowOfARangeThoughTheClockWasSetBack) {
  Stored stored;
  const auto start = stored.clock().wall();
  constexpr int kRows = 30'000;
  std::vector<common::WallTime> times;
  times.reserve(kRows);
  for (int i = 0; i < kRows; ++i) {
    times.push_back(start + std::chrono::seconds{i} - (i >= kRows / 2 ? hours{3} : hours{0}));
  }
  for (const auto at : times) {
    stored.wait(stored.store().append(test::passed_check(stored.service(), at)));
    if (stored.store().health().waiting >= 1000) stored.wait(stored.store().commit());
  }
  stored.wait(stored.store().commit());
  Reader reader(stored.file());
  for (const auto& [from, to] : {std::pair{hours{2}, hours{3}}, {hours{4}, hours{5}}, {hours{0}, hours{1}}}) {
    const auto wanted = std::ranges::count_if(times, [&](auto at) { return at >= start + from && at < start + to; });
    EXPECT_EQ(std::ssize(seqs(reader, start + from, start + to)), wanted);
  }
}

TEST(Reader, GivesSkippedSlotsAndGapsThatTouchTheRange) {
  Stored stored;
  const auto start = stored.clock().wall();
  stored.store().append(Skipped{.definition = stored.service(), .from = start, .to = start + minutes{5}, .count = 7});
  stored.store().append(Gap{.reason = GapReason::kSizeCap, .from = start, .to = start + minutes{5}, .count = 9});
  stored.wait(stored.store().commit());
  Reader reader(stored.file());
  ASSERT_EQ(reader.skipped(start + minutes{5}, start + minutes{6}).size(), 1U);
  EXPECT_EQ(reader.skipped(start + minutes{5}, start + minutes{6})[0].count, 7);
  EXPECT_EQ(reader.skipped(start + minutes{6}, start + minutes{7}).size(), 0U);
  ASSERT_EQ(reader.gaps(start - minutes{1}, start + minutes{1}).size(), 1U);
  EXPECT_EQ(reader.gaps(start - minutes{1}, start + minutes{1})[0].reason, GapReason::kSizeCap);
  EXPECT_EQ(reader.gaps(start - minutes{1}, start).size(), 0U);
}

TEST(Reader, ReadsOnADiskThatCannotBeWritten) {
  const test::TempDir disk;
  test::in_child([&] {
    test::mount_disk(disk.path(), "16m");
    Stored stored(disk / "local.sqlite3");
    stored.add(2);
    stored.close();
    ASSERT_EQ(::mount(nullptr, disk.path().c_str(), nullptr, MS_REMOUNT | MS_RDONLY, nullptr), 0);
    Reader reader(stored.file());
    EXPECT_THAT(seqs(reader, common::WallTime{}, stored.clock().wall() + hours{1}), ElementsAre(1, 2));
    ASSERT_EQ(::mount(nullptr, disk.path().c_str(), nullptr, MS_REMOUNT, nullptr), 0);
  });
}

TEST(Reader, RefusesWhatIsNotOurs) {
  const test::TempDir folder;
  EXPECT_THROW(Reader(folder / "missing"), common::Error);
  EXPECT_FALSE(std::filesystem::exists(folder / "missing"));
  std::ofstream(folder / "text") << std::string(5000, 'x');
  EXPECT_THROW(Reader(folder / "text"), common::Error);
  test::Sql(folder / "foreign")("CREATE TABLE songs (title)");
  EXPECT_THROW(Reader(folder / "foreign"), common::Error);
}

}  // namespace
}  // namespace monitor::storage
