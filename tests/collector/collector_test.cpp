#include "collector/collector.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "async/task_group.h"
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

TEST(Collector, PurgesInBoundedSteps) {
  Stored stored;
  stored.add(12'000);
  stored.export_all();
  const auto worker = collector(stored, {.keep_exported = std::chrono::seconds{0}}, true);
  EXPECT_TRUE(stored.wait(worker->step()));
  EXPECT_EQ(worker->health().purged, 5000U);
  EXPECT_TRUE(stored.wait(worker->step()));
  EXPECT_FALSE(stored.wait(worker->step()));
  EXPECT_EQ(worker->health().purged, 12'000U);
}

TEST(Collector, PurgesNothingByAgeWhileTheClockIsInDoubt) {
  Stored stored;
  stored.add(10);
  stored.export_all();
  const auto worker = collector(stored, {.keep_exported = hours{1}}, true);
  stored.wait(worker->step());
  stored.clock().step_wall(hours{48});
  stored.add(1);
  stored.wait(worker->step());
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
