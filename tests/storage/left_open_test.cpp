#include "storage/left_open.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "sql.h"
#include "support/stored.h"

namespace monitor::storage {
namespace {

using std::chrono::seconds;
using test::Stored;

const common::WallTime kBegan = common::from_unix_micros(1'750'000'000'000'000);

common::WallTime at(int after) {
  return kBegan + seconds{after};
}
Skipped skipped(int from, int to, SkipReason reason = SkipReason::kStillRunning) {
  return {.definition = 1, .from = at(from), .to = at(to), .count = (to - from) / 5 + 1, .reason = reason};
}
std::optional<common::WallTime> open_of(const Accounted& rows, int alive) {
  return left_open(rows, kBegan, at(alive));
}

TEST(LeftOpen, IsTheSlotAfterTheLastResultIfItWasDue) {
  const Accounted rows{.interval = seconds{5}, .ran = at(12), .skipped = {}};
  EXPECT_EQ(open_of(rows, 16), std::nullopt);
  EXPECT_EQ(open_of(rows, 17), at(17));
  EXPECT_EQ(open_of(rows, 100), at(17)) << "one at most: a service never overlaps itself";
}

TEST(LeftOpen, IsTheHoleBeforeSlotsThatWereSkippedForItsSake) {
  EXPECT_EQ(open_of({.interval = seconds{5}, .ran = at(12), .skipped = {skipped(22, 32)}}, 34), at(17));
  EXPECT_EQ(open_of({.interval = seconds{5}, .ran = at(12), .skipped = {skipped(17, 22), skipped(32, 32)}}, 34),
            at(27));
}

TEST(LeftOpen, IsNoneWhereEverySlotIsTold) {
  EXPECT_EQ(open_of({.interval = seconds{5}, .ran = at(12), .skipped = {skipped(17, 22), skipped(27, 32)}}, 34),
            std::nullopt);
  EXPECT_EQ(open_of({.interval = seconds{5}, .ran = at(32), .skipped = {skipped(2, 7)}}, 34), std::nullopt);
  EXPECT_EQ(open_of({.interval = seconds{5}, .ran = {}, .skipped = {}}, 34), std::nullopt);
}

TEST(LeftOpen, OfAServiceThatNeverRanIsTheSlotBeforeTheFirstOneThatIsTold) {
  EXPECT_EQ(open_of({.interval = seconds{5}, .ran = {}, .skipped = {skipped(8, 13)}}, 15), at(3));
  // It came with the first slot: its host had no room.
  EXPECT_EQ(open_of({.interval = seconds{5}, .ran = {}, .skipped = {skipped(3, 13, SkipReason::kPoolExhausted)}}, 15),
            std::nullopt);
  EXPECT_EQ(open_of({.interval = seconds{5}, .ran = {}, .skipped = {skipped(8, 13, SkipReason::kRateLimited)}}, 15),
            std::nullopt);
}

TEST(LeftOpen, IsNoneBeforeSkippedSlotsWhoseResultsMayHaveBeenPurged) {
  const Accounted rows{.interval = seconds{5}, .ran = {}, .skipped = {skipped(8, 13)}, .purged = true};
  EXPECT_EQ(open_of(rows, 15), std::nullopt);
  EXPECT_EQ(open_of(rows, 18), at(18)) << "what is due behind them is open all the same";
}

TEST(LeftOpen, TheSecondSlotOfALongIntervalMayComeHalfAnIntervalLater) {
  const Accounted rows{.interval = seconds{60}, .ran = at(10), .skipped = {}};
  EXPECT_EQ(open_of(rows, 99), std::nullopt);
  EXPECT_EQ(open_of(rows, 100), at(70));
  EXPECT_EQ(open_of({.interval = seconds{60}, .ran = at(40), .skipped = {}}, 100), at(100));
}

/// As a kill leaves it: nothing told of the stop.
void kill(Stored& stored, common::WallTime began, common::WallTime alive) {
  stored.close();
  const auto set = [&](const std::string& key, common::WallTime value) {
    test::Sql(stored.file())("UPDATE meta SET value = " + std::to_string(common::unix_micros(value)) +
                             " WHERE key = '" + key + "'");
  };
  set("running_since", began);
  set("alive_at", alive);
}

TEST(LeftOpen, IsSkippedOnceAtTheNextStart) {
  Stored stored;
  const auto began = stored.clock().wall();
  const auto other = stored.wait(stored.store().define({test::definition_named("other")})).front();
  stored.clock().advance(seconds{1});
  auto result = test::passed_check(stored.service(), stored.clock().wall());
  const auto due = result.requested_at - result.lateness;
  stored.wait(stored.store().append(result));
  result.attempt = 1;
  result.requested_at += seconds{4};
  stored.wait(stored.store().append(result));  // a check that confirms another is no slot
  stored.clock().advance(seconds{4});
  stored.store().append(Skipped{other, began + seconds{2}, began + seconds{2}, 1, SkipReason::kRateLimited});
  stored.wait(stored.store().commit());
  stored.clock().advance(seconds{1});
  kill(stored, began, stored.clock().wall());
  for (int start = 0; start < 2; ++start) {
    stored.clock().advance(seconds{30});
    stored.open();
    stored.wait(stored.store().commit());
    const auto rows = stored.wait(stored.store().next_batch(10)).skipped;
    ASSERT_EQ(rows.size(), 2U);
    EXPECT_EQ(rows[1].definition, stored.service());
    EXPECT_EQ(rows[1].from, due + seconds{5});
    EXPECT_EQ(rows[1].to, due + seconds{5});
    EXPECT_EQ(rows[1].count, 1);
    EXPECT_EQ(rows[1].reason, SkipReason::kStopping);
    stored.close();
  }
}

TEST(LeftOpen, IsFoundThoughTheLastResultOfALongIntervalWasPurged) {
  Stored stored;
  auto slow = test::definition_named("slow");
  slow.interval = std::chrono::minutes{10};
  const auto service = stored.wait(stored.store().define({slow})).front();
  const auto began = stored.clock().wall();
  stored.clock().advance(seconds{60});
  const auto ran = stored.clock().wall();
  stored.wait(stored.store().append(test::passed_check(service, ran)));
  stored.wait(stored.store().commit());
  stored.clock().advance(std::chrono::hours{2});
  stored.add(1);
  EXPECT_EQ(stored.wait(stored.store().purge(ran + seconds{1}, false, 10)).results, 1);
  kill(stored, began, stored.clock().wall());
  stored.clock().advance(seconds{30});
  stored.open();
  stored.wait(stored.store().commit());
  const auto rows = stored.wait(stored.store().next_batch(10)).skipped;
  ASSERT_EQ(rows.size(), 1U);
  EXPECT_EQ(rows[0].definition, service);
  EXPECT_EQ(rows[0].from, ran + std::chrono::minutes{10});
}

TEST(LeftOpen, IsNotMadeUpWhereTheResultBeforeASkippedSlotWasPurged) {
  Stored stored;
  const auto began = stored.clock().wall();
  stored.clock().advance(seconds{1});
  const auto ran = stored.clock().wall();
  stored.wait(stored.store().append(test::passed_check(stored.service(), ran)));
  stored.clock().advance(seconds{6});
  const auto due = ran + seconds{5};
  stored.store().append(Skipped{stored.service(), due, due, 1, SkipReason::kStillRunning});
  stored.wait(stored.store().commit());
  EXPECT_EQ(stored.wait(stored.store().purge(ran + seconds{1}, false, 10)).results, 1);
  kill(stored, began, stored.clock().wall());
  stored.clock().advance(seconds{30});
  stored.open();
  stored.wait(stored.store().commit());
  EXPECT_EQ(stored.wait(stored.store().next_batch(10)).skipped.size(), 1U);
}

TEST(LeftOpen, IsNotMadeUpWhereThatResultWasDueAtTheEndOfAnHourAndRanInTheNext) {
  Stored stored;
  const auto began = stored.clock().wall();
  const common::WallTime hour = std::chrono::ceil<std::chrono::hours>(began);
  constexpr common::Micros kMoment = std::chrono::milliseconds{100};
  stored.clock().advance(hour + kMoment - began);
  auto result = test::passed_check(stored.service(), hour + kMoment);
  result.lateness = 2 * kMoment;
  stored.wait(stored.store().append(result));
  stored.clock().advance(seconds{6});
  const auto next = hour - kMoment + seconds{5};
  stored.store().append(Skipped{stored.service(), next, next, 1, SkipReason::kStillRunning});
  stored.wait(stored.store().commit());
  EXPECT_EQ(stored.wait(stored.store().purge(hour + seconds{1}, false, 10)).results, 1);
  kill(stored, began, stored.clock().wall());
  stored.clock().advance(seconds{30});
  stored.open();
  stored.wait(stored.store().commit());
  EXPECT_EQ(stored.wait(stored.store().next_batch(10)).skipped.size(), 1U);
}

TEST(LeftOpen, IsNoneOfAServiceThatWasNotCheckedInThatRun) {
  Stored stored;
  stored.add(1);
  stored.clock().advance(seconds{60});
  kill(stored, stored.clock().wall(), stored.clock().wall() + seconds{60});
  stored.clock().advance(seconds{90});
  stored.open();
  stored.wait(stored.store().commit());
  EXPECT_TRUE(stored.wait(stored.store().next_batch(10)).skipped.empty());
}

TEST(LeftOpen, IsNoneAfterAStop) {
  Stored stored;
  stored.add(1);
  stored.clock().advance(seconds{60});
  stored.close();
  stored.open();
  stored.wait(stored.store().commit());
  EXPECT_TRUE(stored.wait(stored.store().next_batch(10)).skipped.empty());
}

}  // namespace
}  // namespace monitor::storage
