#include "collector/retention.h"

#include <gtest/gtest.h>

#include "support/manual_clock.h"

namespace monitor::collector {
namespace {

using std::chrono::hours;
using std::chrono::minutes;
using std::chrono::seconds;

/// A clock and a store that always has a result of just now.
struct Watched {
  std::optional<common::WallTime> cut_off() {
    return retention.cut_off({.wall = clock.wall(), .steady = clock.steady(), .newest = clock.wall()});
  }
  Retention retention{hours{1}, false};
  test::ManualClock clock;
};

TEST(Retention, CountsAgesAgainstTheNewestResultNotTheClock) {
  test::ManualClock clock;
  Retention retention(hours{1}, false);
  const auto newest = clock.wall() - minutes{30};
  EXPECT_EQ(retention.cut_off({.wall = clock.wall(), .steady = clock.steady(), .newest = newest}),
            newest - hours{1} + common::Micros{1});
}

TEST(Retention, KeepsEverythingWhileThereIsNoResult) {
  test::ManualClock clock;
  Retention retention(seconds{0}, false);
  EXPECT_EQ(retention.cut_off({.wall = clock.wall(), .steady = clock.steady(), .newest = std::nullopt}), std::nullopt);
}

TEST(Retention, SeesAStepThatComesBeforeTheFirstResult) {
  Watched watched;
  watched.retention.cut_off({.wall = watched.clock.wall(), .steady = watched.clock.steady(), .newest = std::nullopt});
  watched.clock.step_wall(hours{24});
  EXPECT_FALSE(watched.cut_off());
  EXPECT_TRUE(watched.retention.suspended());
}

TEST(Retention, OfZeroLetsTheNewestGo) {
  test::ManualClock clock;
  Retention retention(seconds{0}, false);
  const auto cut_off = retention.cut_off({.wall = clock.wall(), .steady = clock.steady(), .newest = clock.wall()});
  EXPECT_GT(*cut_off, clock.wall());
}

TEST(Retention, FollowsAClockThatIsKeptRight) {
  Watched watched;
  for (int i = 0; i < 100; ++i) {
    watched.clock.advance(minutes{10});
    watched.clock.step_wall(minutes{i % 2 == 0 ? 59 : 1});
    EXPECT_TRUE(watched.cut_off());
  }
}

TEST(Retention, IsSuspendedByAStepOfMoreThanAnHourEitherWay) {
  for (const auto step : {hours{-24}, hours{24}}) {
    Watched watched;
    EXPECT_TRUE(watched.cut_off());
    watched.clock.step_wall(step);
    EXPECT_FALSE(watched.cut_off());
    EXPECT_TRUE(watched.retention.suspended());
    EXPECT_EQ(watched.retention.step(), step);
  }
}

TEST(Retention, GoesOnWhenTheNewTimeHasStoodForAnHour) {
  Watched watched;
  watched.cut_off();
  watched.clock.step_wall(hours{24});
  watched.cut_off();
  watched.clock.advance(minutes{59});
  EXPECT_FALSE(watched.cut_off());
  watched.clock.advance(minutes{1});
  EXPECT_TRUE(watched.cut_off());
  watched.clock.advance(hours{5});
  EXPECT_TRUE(watched.cut_off());
}

TEST(Retention, BeginsAnewWithEachFurtherStep) {
  Watched watched;
  watched.cut_off();
  watched.clock.step_wall(hours{24});
  watched.cut_off();
  watched.clock.advance(minutes{59});
  watched.clock.step_wall(hours{24});
  watched.cut_off();
  watched.clock.advance(minutes{59});
  EXPECT_FALSE(watched.cut_off());
}

TEST(Retention, GoesOnAtOnceWhenTheOldTimeIsBack) {
  Watched watched;
  watched.cut_off();
  watched.clock.step_wall(hours{24});
  EXPECT_FALSE(watched.cut_off());
  watched.clock.advance(minutes{1});
  watched.clock.step_wall(hours{-24});
  EXPECT_TRUE(watched.cut_off());
  EXPECT_FALSE(watched.retention.suspended());
}

TEST(Retention, DoubtsTheClockOfAStartOnlyWhereItHoldsTheOnlyCopy) {
  const test::ManualClock clock;
  const Moment moment{.wall = clock.wall(), .steady = clock.steady(), .newest = clock.wall() - hours{24 * 365}};
  EXPECT_FALSE(Retention(hours{720}, true).cut_off(moment));
  EXPECT_TRUE(Retention(hours{720}, false).cut_off(moment));
}

}  // namespace
}  // namespace monitor::collector
