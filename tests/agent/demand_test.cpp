#include "agent/demand.h"

#include <gtest/gtest.h>

namespace monitor::agent {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;

TEST(Demand, AServiceThatIsAlwaysBusyNeedsAPlaceOfItsOwn) {
  EXPECT_EQ(checks_needed(std::vector<Load>(100, Load{seconds{5}, seconds{15}})), 100U);
}

TEST(Demand, IsWhatRunsOnAverageAndRoomForThoseThatMeet) {
  // 200 checks a second of 100 ms each: 20 at once on average, 8.4 more twice the deviation.
  EXPECT_EQ(checks_needed(std::vector<Load>(1000, Load{seconds{5}, milliseconds{100}})), 29U);
}

TEST(Demand, OfWhomNothingIsKnownDoesAsTheOthersDo) {
  std::vector<Load> loads(500, Load{seconds{5}, milliseconds{100}});
  loads.resize(1000, Load{seconds{5}, std::nullopt});
  EXPECT_EQ(checks_needed(loads), 29U);
}

TEST(Demand, NothingKnownOfAnyMeansAllOfThem) {
  EXPECT_EQ(checks_needed(std::vector<Load>(7, Load{seconds{5}, std::nullopt})), 7U);
}

TEST(Demand, IsOneAtLeastAndNeverMoreThanThereAreServices) {
  EXPECT_EQ(checks_needed({Load{seconds{300}, milliseconds{1}}}), 1U);
  EXPECT_EQ(checks_needed(std::vector<Load>(3, Load{seconds{10}, seconds{9}})), 3U);
}

TEST(Demand, ARateIsWhatIsAskedForAndMoreTheLessTimeThereIs) {
  const std::vector<Load> loads(20, Load{seconds{5}, std::nullopt});
  EXPECT_DOUBLE_EQ(rate_asked(loads), 4);
  EXPECT_DOUBLE_EQ(rate_needed(loads, seconds{1}), 7.3);
  EXPECT_GT(rate_needed(loads, milliseconds{500}), 7);
  EXPECT_DOUBLE_EQ(rate_needed(std::vector<Load>(2000, Load{seconds{5}, std::nullopt}), seconds{1}), 406);
}

TEST(Demand, TwoServicesThatAreDueAtOneMomentNeedARateThatServesBoth) {
  EXPECT_DOUBLE_EQ(rate_needed(std::vector<Load>(2, Load{seconds{300}, std::nullopt}), seconds{1}), 1);
  EXPECT_DOUBLE_EQ(rate_needed({Load{seconds{300}, std::nullopt}}, seconds{1}), 0.2);
}

TEST(Cure, IsTheLimitThatIsTooLowAndNeverMoreThanItMaySay) {
  EXPECT_EQ(cure_of({.per_host_concurrency = 0, .per_host_rate = 5}, 7.3, 20), "Set limits.per_host_rate to 7.3");
  EXPECT_EQ(cure_of({.per_host_concurrency = 4, .per_host_rate = 5}, 4, 20), "Set limits.per_host_concurrency to 20");
  EXPECT_EQ(cure_of({.per_host_concurrency = 4, .per_host_rate = 5}, 7.3, 20),
            "Set limits.per_host_rate to 7.3 and limits.per_host_concurrency to 20");
  EXPECT_EQ(cure_of({.per_host_concurrency = 0, .per_host_rate = 5}, 10'000, 20),
            "Set limits.per_host_rate to 10000.0");
  EXPECT_EQ(cure_of({.per_host_concurrency = 4, .per_host_rate = 5}, 10'000.1, kMostChecksAtOnce + 1),
            "Set limits.per_host_rate to 0 (any number) and limits.per_host_concurrency to 0 (any number)");
}

TEST(Cure, OfLimitsThatSeemToDoIsMoreOfThem) {
  EXPECT_EQ(cure_of({.per_host_concurrency = 0, .per_host_rate = 0.1}, 0.1, 1), "Set limits.per_host_rate to 0.2");
  EXPECT_EQ(cure_of({.per_host_concurrency = 4, .per_host_rate = 5}, 1, 1),
            "Set limits.per_host_rate to 6.0 and limits.per_host_concurrency to 5");
}

}  // namespace
}  // namespace monitor::agent
