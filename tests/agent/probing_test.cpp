#include "agent/fixture.h"

namespace monitor::agent {
namespace {

using std::chrono::seconds;

class ProbingTest : public AgentTest {
 protected:
  std::optional<Overdue> overdue() const { return agent_->health().overdue; }
};

TEST_F(ProbingTest, ACheckThatHangsIsNamedOnceItsTimeAndThatOfItsSearchAreOver) {
  prober_.hold = true;
  make(1, 4, seconds{60});
  live_until([&] { return !prober_.begun.empty(); });
  live(seconds{28});
  EXPECT_FALSE(overdue()) << "15 s to ask, and as long to search";
  live(seconds{4});
  ASSERT_TRUE(overdue());
  EXPECT_EQ(overdue()->service, "GET " + kFirst);
  EXPECT_GE(overdue()->since, seconds{30});
  EXPECT_EQ(overdue()->timeout, seconds{15});
  prober_.hold = false;
  release_all();
  EXPECT_FALSE(overdue()) << "it has ended after all";
}

TEST_F(ProbingTest, OthersThatEndDoNotHideIt) {
  prober_.hold = true;
  prober_.held_url = kFirst;
  make(2, 4);
  live(seconds{90});
  ASSERT_TRUE(overdue());
  const auto number = overdue()->number;
  live(seconds{30});
  ASSERT_TRUE(overdue());
  EXPECT_EQ(overdue()->number, number);
  EXPECT_EQ(overdue()->service, "GET " + kFirst);
  EXPECT_GT(prober_.begun_of(kSecond), 10U);
}

TEST_F(ProbingTest, AMachineThatSleepsTakesNoTimeFromACheck) {
  prober_.hold = true;
  make(1, 4, seconds{60});
  live_until([&] { return !prober_.begun.empty(); });
  clock_.sleep(std::chrono::hours{1});
  step();
  EXPECT_FALSE(overdue());
}

TEST_F(ProbingTest, AReCheckThatHangsIsNamedToo) {
  recheck(1, seconds{1});
  prober_.outcome = common::Outcome::kStatus;
  make(1, 4, seconds{300});
  live_until([&] { return prober_.begun.size() == 1; });
  prober_.hold = true;
  live_until([&] { return prober_.begun.size() == 2; });
  live(seconds{31});
  ASSERT_TRUE(overdue());
  EXPECT_EQ(overdue()->service, "GET " + kFirst);
}

}  // namespace
}  // namespace monitor::agent
