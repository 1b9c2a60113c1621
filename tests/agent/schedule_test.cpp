#include "agent/schedule.h"

#include <algorithm>
#include <map>
#include <ranges>
#include <set>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "common/text.h"

namespace monitor::agent {
namespace {

using common::SteadyTime;
using std::chrono::milliseconds;
using std::chrono::seconds;
using storage::SkipReason;
using testing::IsEmpty;
using testing::SizeIs;

const SteadyTime kStart{std::chrono::hours{1000}};
constexpr common::Micros kFine{1};

struct Turn {
  std::vector<Slot> ready;
  std::vector<MissedSlots> missed;
};

Turn take(Schedule& schedule, SteadyTime now, bool stalled = false) {
  Turn turn;
  schedule.take_due(now, stalled, turn.ready, turn.missed);
  return turn;
}

Phase every(seconds interval, SteadyTime first = kStart) {
  return {first, first + interval, interval};
}

TEST(FirstSlots, ComeWithinTheIntervalOrHalfAMinuteSpreadByTheKey) {
  std::set<SteadyTime> starts;
  for (int i = 0; i < 1000; ++i) {
    const auto hash = common::stable_hash("service " + std::to_string(i));
    const auto often = first_slots(kStart, hash, seconds{5}, kFine, std::nullopt);
    EXPECT_GE(often.first, kStart);
    EXPECT_LT(often.first, kStart + seconds{5});
    EXPECT_EQ(often.then, often.first + seconds{5});
    const auto seldom = first_slots(kStart, hash, seconds{300}, kFine, std::nullopt);
    EXPECT_LT(seldom.first, kStart + seconds{30});
    EXPECT_GE(seldom.then - seldom.first, seconds{150});
    EXPECT_LT(seldom.then - seldom.first, seconds{450});
    starts.insert(often.first);
  }
  EXPECT_GT(starts.size(), 990U) << "a start must not fire a herd";
}

TEST(FirstSlots, SpreadLongIntervalsOverTheWholeInterval) {
  int late = 0;
  for (int i = 0; i < 1000; ++i) {
    const auto phase = first_slots(kStart, common::stable_hash(std::to_string(i)), seconds{300}, kFine, std::nullopt);
    if (phase.then > kStart + seconds{200}) ++late;
  }
  EXPECT_GT(late, 500) << "the herd of the first half minute must not come back every interval";
}

TEST(FirstSlots, OfManyServicesComeTogetherAFewAtATime) {
  EXPECT_EQ(grid_for(0.1), milliseconds{50});
  EXPECT_EQ(grid_for(100), milliseconds{50});
  EXPECT_EQ(grid_for(200), milliseconds{25});
  for (const double rate : {50.0, 777.0, 20'000.0, 1e6, 1e9}) {
    const auto grid = grid_for(rate);
    EXPECT_GT(grid.count(), 0);
    if (rate < 1e6) EXPECT_LE(rate * std::chrono::duration<double>(grid).count(), 6) << rate;
  }
  std::map<SteadyTime, int> together;
  for (int i = 0; i < 500; ++i) {
    const auto hash = common::stable_hash("service " + std::to_string(i));
    const auto phase = first_slots(kStart, hash, seconds{5}, grid_for(100), std::nullopt);
    EXPECT_LE(first_slots(kStart, hash, seconds{5}, kFine, std::nullopt).first - phase.first, milliseconds{50});
    ++together[phase.first];
  }
  EXPECT_LE(together.size(), 100U);
  EXPECT_GT(together.size(), 90U);
  EXPECT_LT(std::ranges::max(together | std::views::values), 20) << "a start must not fire a herd";
}

TEST(FirstSlots, GoOnFromARememberedRun) {
  const auto phase = first_slots(kStart, 7, seconds{3600}, kFine, common::Micros{seconds{3000}});
  EXPECT_EQ(phase.first, kStart + seconds{600});
  const auto overdue = first_slots(kStart, 7, seconds{3600}, kFine, common::Micros{seconds{7200}});
  EXPECT_LT(overdue.first, kStart + seconds{30});
}

TEST(Schedule, NeverDriftsHoweverLateATurnComes) {
  Schedule schedule({every(seconds{5})});
  SteadyTime due = kStart;
  for (int k = 0; k < 1000; ++k, due += seconds{5}) {
    ASSERT_EQ(schedule.next_due(), due);
    const auto turn = take(schedule, due + milliseconds{1 + k % 997});
    ASSERT_THAT(turn.ready, SizeIs(1));
    EXPECT_EQ(turn.ready[0].due, due);
    EXPECT_THAT(turn.missed, IsEmpty());
    schedule.started(0);
    schedule.finished(0);
  }
}

TEST(Schedule, ASlotThatComesWhileTheLastOneRunsIsMissedNotQueued) {
  Schedule schedule({every(seconds{5})});
  ASSERT_THAT(take(schedule, kStart).ready, SizeIs(1));
  schedule.started(0);
  auto turn = take(schedule, kStart + seconds{5});
  EXPECT_THAT(turn.ready, IsEmpty());
  ASSERT_THAT(turn.missed, SizeIs(1));
  EXPECT_EQ(turn.missed[0].reason, SkipReason::kStillRunning);
  EXPECT_EQ(turn.missed[0].count, 1);
  schedule.finished(0);
  turn = take(schedule, kStart + seconds{10});
  ASSERT_THAT(turn.ready, SizeIs(1));
  EXPECT_EQ(turn.ready[0].due, kStart + seconds{10}) << "back on its phase";
}

TEST(Schedule, AFailingServiceIsNeverPolledFaster) {
  Schedule schedule({every(seconds{5})});
  ASSERT_THAT(take(schedule, kStart).ready, SizeIs(1));
  schedule.started(0);
  schedule.finished(0);  // failed at once
  EXPECT_THAT(take(schedule, kStart + milliseconds{4999}).ready, IsEmpty());
}

TEST(Schedule, ASlotThatWaitsForAWorkerCountsAsPoolExhausted) {
  Schedule schedule({every(seconds{5})});
  ASSERT_THAT(take(schedule, kStart).ready, SizeIs(1));
  const auto turn = take(schedule, kStart + seconds{5});
  ASSERT_THAT(turn.missed, SizeIs(1));
  EXPECT_EQ(turn.missed[0].reason, SkipReason::kPoolExhausted);
}

TEST(Schedule, ASlotThatWaitsForItsHostsSakeCountsAsRateLimited) {
  Schedule schedule({every(seconds{5})});
  ASSERT_THAT(take(schedule, kStart).ready, SizeIs(1));
  schedule.held(0);
  const auto turn = take(schedule, kStart + seconds{5});
  ASSERT_THAT(turn.missed, SizeIs(1));
  EXPECT_EQ(turn.missed[0].reason, SkipReason::kRateLimited);
}

TEST(Schedule, OneSlotBeforeTheMomentThatTheServerNamesIsMissedAndNoOther) {
  Schedule schedule({every(seconds{5}), every(seconds{5})});
  take(schedule, kStart);
  schedule.finished(0);
  schedule.finished(1);
  schedule.leave_alone(0, kStart + seconds{60});
  auto turn = take(schedule, kStart + seconds{5});
  ASSERT_THAT(turn.missed, SizeIs(1));
  EXPECT_EQ(turn.missed[0].reason, SkipReason::kRetryAfter);
  EXPECT_EQ(turn.missed[0].service, 0U);
  EXPECT_EQ(turn.missed[0].count, 1);
  ASSERT_THAT(turn.ready, SizeIs(1));
  EXPECT_EQ(turn.ready[0].service, 1U);
  schedule.finished(1);
  turn = take(schedule, kStart + seconds{10});
  EXPECT_THAT(turn.ready, SizeIs(2));
  EXPECT_THAT(turn.missed, IsEmpty());
}

TEST(Schedule, AMomentBeforeTheNextSlotSparesNothing) {
  Schedule schedule({every(seconds{5})});
  take(schedule, kStart);
  schedule.finished(0);
  schedule.leave_alone(0, kStart + seconds{5});
  EXPECT_THAT(take(schedule, kStart + seconds{5}).ready, SizeIs(1));
  schedule.finished(0);
  EXPECT_THAT(take(schedule, kStart + seconds{10}).ready, SizeIs(1)) << "and nothing of it stays";
}

TEST(Schedule, WhatRanThroughAStallMissesItsSlotsForTheStall) {
  Schedule schedule({every(seconds{5})});
  take(schedule, kStart);
  schedule.started(0);
  const auto turn = take(schedule, kStart + seconds{60}, true);
  ASSERT_THAT(turn.missed, SizeIs(1));
  EXPECT_EQ(turn.missed[0].reason, SkipReason::kSuspended);
  EXPECT_EQ(turn.missed[0].count, 12);
}

TEST(Schedule, AfterAStallNothingBurstsAndEverySlotIsCounted) {
  std::vector<Phase> phases;
  for (int i = 0; i < 100; ++i) phases.push_back(every(seconds{5}, kStart + milliseconds{50 * i}));
  Schedule schedule(phases);
  const auto now = kStart + seconds{62};
  const auto turn = take(schedule, now, true);
  EXPECT_THAT(turn.ready, IsEmpty());
  std::int64_t missed = 0;
  for (const auto& range : turn.missed) {
    EXPECT_EQ(range.reason, SkipReason::kSuspended);
    EXPECT_EQ((range.last - range.first) / seconds{5} + 1, range.count);
    missed += range.count;
  }
  std::int64_t due = 0;
  for (const auto& phase : phases) due += (now - phase.first) / seconds{5} + 1;
  EXPECT_EQ(missed, due);
  const auto next = schedule.next_due();
  ASSERT_TRUE(next);
  EXPECT_GT(*next, now);
  EXPECT_EQ((*next - kStart) % milliseconds{50}, milliseconds{0}) << "still on its phase";
}

TEST(Schedule, AShortLatenessRunsTheNewestSlotAndCountsTheOlderOnes) {
  Schedule schedule({Phase{kStart, kStart + seconds{3}, seconds{5}}});
  const auto turn = take(schedule, kStart + seconds{9});
  ASSERT_THAT(turn.ready, SizeIs(1));
  EXPECT_EQ(turn.ready[0].due, kStart + seconds{8});
  ASSERT_THAT(turn.missed, SizeIs(1));
  EXPECT_EQ(turn.missed[0].first, kStart);
  EXPECT_EQ(turn.missed[0].last, kStart + seconds{3});
  EXPECT_EQ(turn.missed[0].count, 2);
}

TEST(Schedule, SlotsDueEqualSlotsReadyPlusSlotsMissed) {
  std::vector<Phase> phases;
  for (int i = 0; i < 50; ++i) {
    phases.push_back(
        first_slots(kStart, common::stable_hash(std::to_string(i)), seconds{1 + i % 40}, kFine, std::nullopt));
  }
  Schedule schedule(phases);
  std::int64_t ready = 0;
  std::int64_t missed = 0;
  std::vector<int> running(phases.size(), 0);
  SteadyTime now = kStart;
  for (int step = 0; step < 5000; ++step) {
    now += milliseconds{37 + step % 113};
    const auto turn = take(schedule, now, step % 501 == 500);
    ready += static_cast<std::int64_t>(turn.ready.size());
    for (const auto& range : turn.missed) missed += range.count;
    for (const auto& slot : turn.ready) {
      schedule.started(slot.service);
      running[slot.service] = 1 + static_cast<int>(slot.service) % 60;
    }
    for (std::size_t i = 0; i < running.size(); ++i) {
      if (running[i] > 0 && --running[i] == 0) schedule.finished(i);
    }
  }
  std::int64_t due = 0;
  for (const auto& phase : phases) {
    if (phase.first <= now) ++due;
    if (phase.then <= now) due += (now - phase.then) / phase.interval + 1;
  }
  EXPECT_EQ(ready + missed, due);
  EXPECT_GT(missed, 0);
}

}  // namespace
}  // namespace monitor::agent
