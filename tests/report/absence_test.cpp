#include "report/absence.h"

#include <gtest/gtest.h>

#include "report/window.h"

namespace monitor::report {
namespace {

using std::chrono::hours;
using std::chrono::minutes;
using std::chrono::seconds;

constexpr common::WallTime kNoon{std::chrono::sys_days{std::chrono::days{20'000}} + hours{12}};
constexpr Span kDay{kNoon - hours{24}, kNoon};
constexpr seconds kInterval{10};

common::WallTime before(common::Micros time) {
  return kNoon - time;
}

TEST(Absence, CountsTheSlotsOfAGapForThoseActiveOnBothSides) {
  const Absence absence({{before(minutes{30}), before(minutes{20})}}, kDay);
  Absence::Activity both;
  both.mark(absence, before(minutes{31}), before(minutes{31}), kInterval);
  both.mark(absence, before(minutes{19}), before(minutes{19}), kInterval);
  EXPECT_DOUBLE_EQ(both.slots(absence), 60);
  Absence::Activity removed;
  removed.mark(absence, before(minutes{31}), before(minutes{31}), kInterval);
  EXPECT_DOUBLE_EQ(removed.slots(absence), 0);
  Absence::Activity added;
  added.mark(absence, before(minutes{19}), before(minutes{19}), kInterval);
  EXPECT_DOUBLE_EQ(added.slots(absence), 0);
}

TEST(Absence, ActivityLongBeforeOrAfterIsNotAroundIt) {
  const Absence absence({{before(hours{10}), before(hours{9})}}, kDay);
  Absence::Activity activity;
  activity.mark(absence, before(hours{12}), before(hours{12}), kInterval);
  activity.mark(absence, before(hours{1}), before(hours{1}), kInterval);
  EXPECT_DOUBLE_EQ(activity.slots(absence), 0);
  Absence::Activity rare;
  rare.mark(absence, before(hours{12}), before(hours{12}), hours{1});
  rare.mark(absence, before(hours{8}), before(hours{8}), hours{1});
  EXPECT_DOUBLE_EQ(rare.slots(absence), 1) << "two of its intervals are longer than an hour";
}

TEST(Absence, OnlyThePartInTheWindowCounts) {
  const Absence absence({{kDay.from - minutes{10}, kDay.from + minutes{10}}}, kDay);
  const auto look_back = absence.look_back(kInterval);
  EXPECT_EQ(look_back.from, kDay.from - minutes{10} - Absence::kAround);
  EXPECT_EQ(look_back.to, kDay.from - minutes{10} + common::Micros{1}) << "the last check may be the last sign of life";
  Absence::Activity activity;
  activity.mark(absence, look_back.from, look_back.from, kInterval);
  activity.mark(absence, kDay.from + minutes{11}, kDay.from + minutes{11}, kInterval);
  EXPECT_DOUBLE_EQ(activity.slots(absence), 60);
}

TEST(Absence, LooksBackOnlyForAGapNearTheStart) {
  EXPECT_EQ(Absence({}, kDay).look_back(kInterval).from, kDay.from);
  const auto late = Absence({{before(hours{2}), before(hours{1})}}, kDay).look_back(kInterval);
  EXPECT_EQ(late.from, late.to);
  const auto soon = Absence({{kDay.from + minutes{10}, kDay.from + minutes{20}}}, kDay).look_back(kInterval);
  EXPECT_EQ(soon.from, kDay.from - minutes{50});
  EXPECT_EQ(soon.to, kDay.from);
}

TEST(Absence, AGapUntilNowHasNoOtherSide) {
  const Absence absence({{before(minutes{5}), kNoon}}, kDay);
  Absence::Activity activity;
  activity.mark(absence, before(minutes{6}), before(minutes{6}), kInterval);
  EXPECT_DOUBLE_EQ(activity.slots(absence), 30);
}

TEST(Absence, ManyShortGapsAddUp) {
  std::vector<Span> gaps;
  for (int i = 10; i > 0; --i) gaps.push_back({before(minutes{i}), before(minutes{i}) + seconds{4}});
  gaps.push_back(gaps.front());  // the same one twice
  const Absence absence(gaps, kDay);
  Absence::Activity activity;
  for (int i = 11; i > 0; --i) activity.mark(absence, before(minutes{i}) - seconds{5}, before(minutes{i}), kInterval);
  activity.mark(absence, kNoon - seconds{1}, kNoon - seconds{1}, kInterval);
  EXPECT_NEAR(activity.slots(absence), 4, 1e-9);
}

TEST(Absence, ARollUpThatEnclosesAGapIsOnBothSides) {
  const Absence absence({{before(minutes{30}), before(minutes{20})}}, kDay);
  Absence::Activity activity;
  activity.mark(absence, before(hours{1}), kNoon - common::Micros{1}, kInterval);
  EXPECT_DOUBLE_EQ(activity.slots(absence), 60);
}

TEST(Window, BeginsWhereItIsToldWithoutARollUpThere) {
  const auto wanted = kNoon + minutes{7};
  const auto window = window_from(wanted, {});
  EXPECT_EQ(window.from, wanted);
  EXPECT_EQ(window.days_from, kNoon + hours{12});
}

TEST(Window, BeginsWithTheHourWhoseRollUpHoldsItsStart) {
  const auto window = window_from(kNoon + minutes{7}, {.hour = true, .all_hours = true, .day = true});
  EXPECT_EQ(window.from, kNoon);
  EXPECT_EQ(window.days_from, kNoon + hours{12});
}

TEST(Window, BeginsWithTheDayWhereHoursAreGone) {
  const auto window = window_from(kNoon + minutes{7}, {.hour = false, .all_hours = false, .day = true});
  EXPECT_EQ(window.from, kNoon - hours{12});
  EXPECT_EQ(window.days_from, kNoon - hours{12});
}

TEST(Window, OfWholeDaysNeedsNoHours) {
  const auto midnight = kNoon - hours{12};
  const auto window = window_from(midnight, {.hour = true, .all_hours = true, .day = true});
  EXPECT_EQ(window.from, midnight);
  EXPECT_EQ(window.days_from, midnight);
}

}  // namespace
}  // namespace monitor::report
