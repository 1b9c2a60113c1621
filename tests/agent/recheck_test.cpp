#include "agent/recheck.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace monitor::agent {
namespace {

using common::SteadyTime;
using common::Verdict;
using std::chrono::seconds;
using testing::ElementsAre;
using testing::FieldsAre;

const SteadyTime kStart{std::chrono::hours{1000}};

std::vector<Recheck> take(Rechecks& rechecks, SteadyTime now) {
  std::vector<Recheck> ready;
  rechecks.take_due(now, ready);
  return ready;
}

TEST(Recheck, FollowsAFailureAloneAndSoManyTimes) {
  const probe::Recheck rule{.times = 2, .every = seconds{5}};
  EXPECT_TRUE(followed(rule, 0, Verdict::kDown));
  EXPECT_TRUE(followed(rule, 1, Verdict::kDown));
  EXPECT_FALSE(followed(rule, 2, Verdict::kDown));
  for (const auto verdict : {Verdict::kUp, Verdict::kDegraded, Verdict::kUnknown}) {
    EXPECT_FALSE(followed(rule, 0, verdict));
  }
  EXPECT_FALSE(followed({}, 0, Verdict::kDown)) << "off by default";
}

TEST(Rechecks, AreTakenWhenTheyAreDueTheEarliestFirst) {
  Rechecks rechecks;
  EXPECT_EQ(rechecks.next_due(), std::nullopt);
  rechecks.plan({7, 1}, kStart + seconds{9});
  rechecks.plan({3, 2}, kStart + seconds{5});
  rechecks.plan({4, 1}, kStart + seconds{5});
  EXPECT_EQ(rechecks.next_due(), kStart + seconds{5});
  EXPECT_THAT(take(rechecks, kStart + seconds{4}), ElementsAre());
  EXPECT_THAT(take(rechecks, kStart + seconds{6}), ElementsAre(FieldsAre(3, 2), FieldsAre(4, 1)));
  EXPECT_EQ(rechecks.next_due(), kStart + seconds{9});
  EXPECT_THAT(take(rechecks, kStart + seconds{9}), ElementsAre(FieldsAre(7, 1)));
  EXPECT_EQ(rechecks.next_due(), std::nullopt);
}

TEST(Rechecks, GiveWayToTheServicesOwnSlotAlone) {
  Rechecks rechecks;
  rechecks.plan({1, 1}, kStart);
  rechecks.plan({2, 1}, kStart);
  rechecks.give_way(1);
  rechecks.give_way(5);
  EXPECT_THAT(take(rechecks, kStart), ElementsAre(FieldsAre(2, 1)));
}

TEST(Rechecks, OfOneServiceAreNeverTwo) {
  Rechecks rechecks;
  rechecks.plan({1, 1}, kStart);
  rechecks.plan({1, 2}, kStart + seconds{1});
  EXPECT_THAT(take(rechecks, kStart + seconds{2}), ElementsAre(FieldsAre(1, 2)));
  rechecks.plan({1, 1}, kStart);
  rechecks.clear();
  EXPECT_EQ(rechecks.next_due(), std::nullopt);
}

}  // namespace
}  // namespace monitor::agent
