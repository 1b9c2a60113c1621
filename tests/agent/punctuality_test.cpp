#include "agent/punctuality.h"

#include <gtest/gtest.h>

namespace monitor::agent {
namespace {

using std::chrono::seconds;

class PunctualityTest : public testing::Test {
 protected:
  /// A minute in turns of a second, and the first turn of the next.
  std::optional<Punctuality::Share> minute(std::size_t all, std::size_t late) {
    std::optional<Punctuality::Share> changed;
    for (int second = 0; second < 60; ++second, now_ += seconds{1}) {
      const auto of_turn = watch_.turn(now_, second == 0 ? all : 0, second == 0 ? late : 0);
      if (of_turn) changed = of_turn;
    }
    return changed;
  }
  Punctuality watch_;
  common::SteadyTime now_{std::chrono::hours{100}};
};

TEST_F(PunctualityTest, IsToldOfWithTheMinuteThatChangedIt) {
  EXPECT_FALSE(minute(1000, 10));
  EXPECT_FALSE(minute(1000, 11)) << "one of a hundred";
  const auto late = minute(1000, 500);
  ASSERT_TRUE(late);
  EXPECT_EQ(late->late, 11U);
  EXPECT_EQ(late->all, 1000U);
  EXPECT_TRUE(watch_.late());
  EXPECT_FALSE(minute(1000, 0)) << "it was late already";
  const auto on_time = minute(1000, 0);
  ASSERT_TRUE(on_time);
  EXPECT_EQ(on_time->late, 0U);
  EXPECT_FALSE(watch_.late());
}

TEST_F(PunctualityTest, AFewLateSlotsAreNothingToTell) {
  minute(5, 4);
  EXPECT_FALSE(minute(5, 5));
  EXPECT_FALSE(watch_.late());
  EXPECT_TRUE(minute(0, 0));
  EXPECT_TRUE(watch_.late());
}

TEST_F(PunctualityTest, AMinuteWithoutASlotIsOnTime) {
  minute(100, 100);
  minute(0, 0);
  EXPECT_TRUE(watch_.late());
  EXPECT_TRUE(minute(0, 0));
  EXPECT_FALSE(watch_.late());
}

}  // namespace
}  // namespace monitor::agent
