#include "report/outages.h"

#include <gtest/gtest.h>

namespace monitor::report {
namespace {

using common::Outcome;
using std::chrono::seconds;

constexpr common::WallTime kStart{seconds{1'750'000'000}};

common::WallTime at(int second) {
  return kStart + seconds{second};
}

class OutagesTest : public testing::Test {
 protected:
  void check(int second, Outcome outcome, std::string_view reason = "why") {
    outages_.add(at(second), static_cast<std::uint8_t>(outcome), reason);
  }
  Outages outages_{kStart};
};

TEST_F(OutagesTest, OneLastsFromTheFirstBadCheckToTheFirstGoodOne) {
  check(0, Outcome::kUp);
  check(5, Outcome::kConnectRefused, "nobody listens");
  check(10, Outcome::kStatus, "status 500");
  check(15, Outcome::kDegraded);
  ASSERT_EQ(outages_.count(), 1U);
  const auto outage = outages_.longest().at(0);
  EXPECT_EQ(outage.from, at(5));
  EXPECT_EQ(outage.to, at(15));
  EXPECT_EQ(outage.length, seconds{10});
  EXPECT_EQ(outage.checks, 2U);
  EXPECT_EQ(outage.outcome, "connect_refused");
  EXPECT_EQ(outage.reason, "nobody listens");
}

TEST_F(OutagesTest, UnknownNeitherBeginsNorEndsOne) {
  check(0, Outcome::kLocalResource);
  check(5, Outcome::kStatus);
  check(10, Outcome::kLocalClock);
  check(15, Outcome::kStatus);
  check(20, Outcome::kUp);
  check(25, Outcome::kLocalResource);
  ASSERT_EQ(outages_.count(), 1U);
  EXPECT_EQ(outages_.longest().at(0).length, seconds{15});
  EXPECT_EQ(outages_.longest().at(0).checks, 2U);
}

TEST_F(OutagesTest, OneThatHasNotEndedLastsToTheLastBadCheck) {
  check(5, Outcome::kStatus);
  check(65, Outcome::kStatus);
  EXPECT_EQ(outages_.count(), 1U);
  EXPECT_EQ(outages_.length(), seconds{60});
  EXPECT_FALSE(outages_.longest().at(0).to);
}

TEST_F(OutagesTest, KeepsTheLongestAndCountsAll) {
  int second = 0;
  for (const int length : {5, 50, 1, 20, 40}) {
    check(second, Outcome::kStatus);
    second += length;
    check(second++, Outcome::kUp);
  }
  EXPECT_EQ(outages_.count(), 5U);
  EXPECT_EQ(outages_.length(), seconds{116});
  const auto longest = outages_.longest();
  ASSERT_EQ(longest.size(), kLongestOutages);
  EXPECT_EQ(longest[0].length, seconds{50});
  EXPECT_EQ(longest[1].length, seconds{40});
  EXPECT_EQ(longest[2].length, seconds{20});
}

TEST_F(OutagesTest, AStoredOneThatHasNotEndedGoesOnWithTheResults) {
  storage::Outage stored;
  stored.from = at(10);
  stored.last = at(40);
  stored.checks = 7;
  stored.outcome = Outcome::kConnectTimeout;
  stored.reason = "no answer";
  outages_.add(stored);
  check(45, Outcome::kStatus);
  check(50, Outcome::kUp);
  ASSERT_EQ(outages_.count(), 1U);
  const auto outage = outages_.longest().at(0);
  EXPECT_EQ(outage.from, at(10));
  EXPECT_EQ(outage.to, at(50));
  EXPECT_EQ(outage.checks, 8U);
  EXPECT_EQ(outage.reason, "no answer");
}

TEST_F(OutagesTest, OnlyWhatIsInTheWindowCounts) {
  storage::Outage stored;
  stored.from = at(-100);
  stored.last = at(20);
  stored.to = at(30);
  stored.checks = 20;
  outages_.add(stored);
  stored.from = at(-300);
  stored.to = at(-200);
  outages_.add(stored);
  ASSERT_EQ(outages_.count(), 1U);
  EXPECT_EQ(outages_.longest().at(0).from, kStart);
  EXPECT_EQ(outages_.length(), seconds{30});
}

TEST_F(OutagesTest, OneThatNobodyLooksAtMayHaveEnded) {
  check(0, Outcome::kStatus);
  check(10, Outcome::kUp);
  check(20, Outcome::kStatus);
  check(30, Outcome::kStatus);
  outages_.lose_sight(at(30));
  EXPECT_TRUE(outages_.longest().at(0).watched);
  outages_.lose_sight(at(31));
  Outages all{kStart};
  all.merge(outages_);
  ASSERT_EQ(all.count(), 2U);
  for (const auto& outage : all.longest()) EXPECT_EQ(outage.watched, outage.to.has_value());
}

TEST_F(OutagesTest, AServiceMayBeSilentForTwoIntervals) {
  EXPECT_EQ(longest_silence(seconds{5}), std::chrono::hours{2});
  EXPECT_EQ(longest_silence(std::chrono::hours{3}), std::chrono::hours{6});
}

TEST_F(OutagesTest, ThoseOfSeveralAgentsAreCountedApart) {
  check(0, Outcome::kStatus);
  check(10, Outcome::kUp);
  Outages other{kStart};
  other.add(at(2), static_cast<std::uint8_t>(Outcome::kStatus), "elsewhere");
  other.add(at(32), static_cast<std::uint8_t>(Outcome::kStatus), "elsewhere");
  outages_.merge(other);
  EXPECT_EQ(outages_.count(), 2U);
  EXPECT_EQ(outages_.length(), seconds{40});
  EXPECT_EQ(outages_.longest().at(0).reason, "elsewhere");
  EXPECT_FALSE(outages_.longest().at(0).to);
}

}  // namespace
}  // namespace monitor::report
