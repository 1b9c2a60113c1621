#include "collector/collector.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "async/task_group.h"
#include "common/log.h"
#include "storage/reader.h"
#include "support/stored.h"

namespace monitor::collector {
namespace {

using std::chrono::hours;
using std::chrono::minutes;
using test::Stored;

std::unique_ptr<Collector> collector(Stored& stored, const Options& options, bool exporting) {
  return Collector::create(stored.io().get_executor(), options, exporting, stored.store(), stored.clock());
}

std::size_t left(Stored& stored) {
  stored.store().mark_exported({});
  return stored.next_seqs().size();
}

TEST(Collector, DeletesWhatHasArrivedAndGrownOld) {
  Stored stored;
  stored.add(10);
  stored.export_all();
  stored.clock().advance(minutes{59});
  stored.add(1);
  const auto worker = collector(stored, {.keep_exported = hours{1}}, true);
  stored.wait(worker->step());
  EXPECT_EQ(worker->health().purged, 0U);
  stored.clock().advance(minutes{1});
  stored.add(1);
  stored.wait(worker->step());
  EXPECT_EQ(worker->health().purged, 10U);
  EXPECT_EQ(left(stored), 2U);
}

TEST(Collector, KeepsWhatHasNotArrivedHoweverOld) {
  Stored stored;
  stored.add(10);
  stored.store().mark_exported({.results = 4});
  stored.wait(stored.store().commit());
  stored.clock().advance(hours{1000});
  stored.add(1);
  const auto worker = collector(stored, {.keep_exported = std::chrono::seconds{0}}, true);
  stored.wait(worker->step());
  EXPECT_EQ(worker->health().purged, 4U);
}

TEST(Collector, KeepsAConfiguredAgeWhereNothingIsExported) {
  Stored stored;
  stored.add(10);
  stored.clock().advance(hours{24});
  stored.add(5);
  const auto worker = collector(stored, {.local_retention = hours{24}}, false);
  stored.wait(worker->step());
  EXPECT_EQ(worker->health().purged, 10U);
  EXPECT_EQ(left(stored), 5U);
}

TEST(Collector, RemovesTheOldestAtTheSizeCapThoughNothingIsOld) {
  Stored stored;
  stored.cap(std::uint64_t{1} << 20);
  stored.close();
  stored.open();
  for (int i = 0; i < 30; ++i) stored.add(1000);
  const auto worker = collector(stored, {.local_retention = hours{24}}, false);
  while (stored.wait(worker->step())) {
  }
  EXPECT_GT(worker->health().purged, 10'000U);
  EXPECT_LT(worker->health().purged, 20'000U);
}

TEST(Collector, PurgesInBoundedSteps) {
  Stored stored;
  for (int i = 0; i < 12; ++i) stored.add(10'000);
  stored.export_all();
  const auto worker = collector(stored, {.keep_exported = std::chrono::seconds{0}}, true);
  EXPECT_TRUE(stored.wait(worker->step()));
  EXPECT_EQ(worker->health().purged, 100'000U);
  EXPECT_FALSE(stored.wait(worker->step()));
  EXPECT_EQ(worker->health().purged, 120'000U);
}

TEST(Collector, PurgesASixtiethOfTheAgeApartSoThatManyResultsOfAServiceGoAtOnce) {
  Stored stored;
  stored.add(10);
  stored.export_all();
  const auto worker = collector(stored, {.keep_exported = minutes{30}}, true);
  stored.clock().advance(minutes{30} - std::chrono::seconds{1});
  stored.wait(worker->step());
  stored.clock().advance(std::chrono::seconds{1});
  stored.add(1);
  stored.export_all();
  stored.wait(worker->step());
  EXPECT_EQ(worker->health().purged, 0U);
  stored.clock().advance(std::chrono::seconds{29});
  stored.wait(worker->step());
  EXPECT_EQ(worker->health().purged, 10U);
}

struct Kept {
  int hours = 0;
  int days = 0;
  bool operator==(const Kept&) const = default;
};

Kept rollups(Stored& stored) {
  storage::Reader reader(stored.file());
  Kept kept;
  const auto until = common::WallTime::max();
  reader.for_each_rollup(storage::Tier::kHour, {}, until, [&](const storage::PackedRollup&) { ++kept.hours; });
  reader.for_each_rollup(storage::Tier::kDay, {}, until, [&](const storage::PackedRollup&) { ++kept.days; });
  return kept;
}

TEST(Collector, KeepsHoursAndDaysAsLongAsTheyAreToStay) {
  Stored stored;
  const Options options{.keep_exported = hours{1}, .rollup_hours = hours{48}, .rollup_days = hours{96}};
  const auto worker = collector(stored, options, true);
  for (int hour = 0; hour < 24 * 8; ++hour) {
    stored.add(1);
    stored.export_all();
    stored.wait(worker->step());
    stored.clock().advance(hours{1});
  }
  // That of the last hour is still a result. Of the fourth day before it the last hour is young enough.
  EXPECT_EQ(rollups(stored), (Kept{.hours = 48, .days = 5}));
}

TEST(Collector, LooksForOldRollUpsEveryTenMinutes) {
  Stored stored;
  const Options options{.keep_exported = minutes{1}, .rollup_hours = hours{1}, .rollup_days = hours{1}};
  const auto worker = collector(stored, options, true);
  const auto first_hour_ends = std::chrono::ceil<hours>(stored.clock().wall());
  std::vector<int> kept_too_long;
  for (int minute = 0; minute < 180; ++minute) {
    stored.add(1);
    stored.export_all();
    stored.wait(worker->step());
    int first_hours = 0;
    storage::Reader(stored.file())
        .for_each_rollup(storage::Tier::kHour, {}, first_hour_ends,
                         [&](const storage::PackedRollup&) { ++first_hours; });
    if (first_hours > 0 && stored.clock().wall() >= first_hour_ends + hours{1}) kept_too_long.push_back(minute);
    stored.clock().advance(minutes{1});
  }
  ASSERT_FALSE(kept_too_long.empty());
  EXPECT_LT(kept_too_long.size(), 10U);
  EXPECT_EQ(kept_too_long.back() % 10, 9) << "gone with the next look";
}

TEST(Collector, KeepsRollUpsWhileTheClockOfAStartIsInDoubt) {
  Stored stored;
  const Options options{.keep_exported = hours{1}, .rollup_hours = hours{48}, .rollup_days = hours{48}};
  {
    const auto worker = collector(stored, options, true);
    for (int hour = 0; hour < 5; ++hour) {
      stored.add(1);
      stored.export_all();
      stored.wait(worker->step());
      stored.clock().advance(hours{1});
    }
  }
  EXPECT_EQ(rollups(stored), (Kept{.hours = 4, .days = 1}));
  stored.clock().step_wall(hours{24 * 1000});
  const auto worker = collector(stored, options, true);
  stored.wait(worker->step());
  stored.add(1);
  stored.clock().advance(minutes{1});
  stored.wait(worker->step());
  EXPECT_FALSE(worker->health().suspended) << "what has arrived may go all the same";
  EXPECT_GE(rollups(stored).hours, 4);
  stored.clock().advance(hours{1});
  stored.wait(worker->step());
  EXPECT_LT(rollups(stored).hours, 4);
}

TEST(Collector, PurgesNothingByAgeWhileTheClockIsInDoubt) {
  Stored stored;
  stored.add(10);
  stored.export_all();
  const auto worker = collector(stored, {.keep_exported = hours{1}}, true);
  stored.wait(worker->step());
  stored.clock().step_wall(hours{48});
  stored.add(1);
  common::log::start(common::log::Level::kWarning);
  common::log::stop();  // from here on lines are written at once
  testing::internal::CaptureStderr();
  stored.wait(worker->step());
  EXPECT_THAT(testing::internal::GetCapturedStderr(),
              testing::HasSubstr("The clock is 172800 s from where it was expected: nothing is purged by age"));
  EXPECT_EQ(worker->health().purged, 0U);
  EXPECT_TRUE(worker->health().suspended);
  stored.clock().advance(hours{1});
  stored.wait(worker->step());
  EXPECT_EQ(worker->health().purged, 10U);
  EXPECT_FALSE(worker->health().suspended);
}

TEST(Collector, RunsUntilCancelled) {
  Stored stored;
  stored.add(6000);
  stored.export_all();
  const auto worker = collector(stored, {.keep_exported = std::chrono::seconds{0}}, true);
  bool failed = false;
  async::TaskGroup tasks(stored.io().get_executor(), [&](const std::string&, std::exception_ptr) { failed = true; });
  tasks.spawn("collector", worker->run());
  stored.io().restart();
  while (worker->health().purged < 6000) stored.io().run_one_for(std::chrono::seconds{10});
  tasks.cancel();
  stored.wait(tasks.join());
  EXPECT_FALSE(failed);
}

}  // namespace
}  // namespace monitor::collector
