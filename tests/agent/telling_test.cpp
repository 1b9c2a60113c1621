#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "fixture.h"

namespace monitor::agent {
namespace {

using common::Outcome;
using std::chrono::milliseconds;
using std::chrono::seconds;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::Not;

TEST_F(AgentTest, TimeThatWeStoodStillIsNotTakenForTheTimeOfACheck) {
  limits_.per_host_concurrency = 1;
  make(20, 100, seconds{60});
  live(seconds{70});
  const auto hold_one = [&] {
    prober_.hold = true;
    live_until([&] { return !prober_.gates.empty(); });
  };
  hold_one();
  clock_.advance(seconds{60});
  release_all();
  prober_.hold = false;
  step();
  const auto lines = logged([&] {
    hold_one();
    live_until([&] { return count(stored().skipped, storage::SkipReason::kRateLimited) > 0; });
  });
  EXPECT_THAT(lines, HasSubstr("need about 1 at once. Set limits.per_host_concurrency to 2,"));
}

TEST_F(AgentTest, OverloadIsSaidOnceWithTheNumberThatWouldCureIt) {
  make(100, 4);
  prober_.hold = true;
  const auto lines = logged([&] { live(seconds{20}); });
  EXPECT_THAT(lines, testing::HasSubstr("All 4 checks that may run at once are running"));
  EXPECT_THAT(lines, testing::HasSubstr("About 100 at once are needed: raise the limit of open files to 228"));
  EXPECT_EQ(lines.find("All 4 checks"), lines.rfind("All 4 checks")) << lines;
  prober_.hold = false;
  release_all();
  EXPECT_THAT(logged([&] { live(seconds{50}); }), IsEmpty()) << "it may be short of room again soon";
  EXPECT_THAT(logged([&] { live(seconds{20}); }), HasSubstr("The pool of checks has room again."));
}

TEST_F(AgentTest, ConnectionsThatAreKeptOpenNeedFilesToo) {
  auto spec = std::make_shared<probe::Spec>();
  spec->reuse = true;
  spec_ = std::move(spec);
  make(100, 4);
  prober_.hold = true;
  EXPECT_THAT(logged([&] { live(seconds{20}); }), HasSubstr("raise the limit of open files to 303"));
}

TEST_F(AgentTest, APoolThatRunsShortAgainAndAgainIsSaidOnce) {
  make(6, 4);
  const auto lines = logged([&] {
    for (int round = 0; round < 10; ++round) {
      prober_.hold = true;
      live(seconds{11});
      prober_.hold = false;
      release_all();
      live(seconds{20});
    }
  });
  EXPECT_GE(count(stored().skipped, storage::SkipReason::kPoolExhausted), 10);
  EXPECT_THAT(lines, HasSubstr("All 4 checks"));
  EXPECT_EQ(lines.find("All 4 checks"), lines.rfind("All 4 checks")) << lines;
  EXPECT_THAT(lines, Not(HasSubstr("room again")));
}

TEST_F(AgentTest, SlotsThatBeginLateAreSaidOnceAndWhenThatIsOver) {
  make(100, 100);
  const auto lines = logged([&] {
    for (int turn = 0; turn < 300; ++turn) {
      step();
      clock_.advance(milliseconds{700});
    }
  });
  EXPECT_THAT(lines, HasSubstr("by more than 500 ms. 20.0 checks a second are asked for, and the process had CPU for"));
  EXPECT_EQ(lines.find("begin late"), lines.rfind("begin late")) << lines;
  EXPECT_TRUE(agent_->health().late);
  EXPECT_THAT(logged([&] { live(seconds{130}); }), HasSubstr("Checks begin on time again."));
  EXPECT_FALSE(agent_->health().late);
}

TEST_F(AgentTest, AProcessThatStandsStillAgainAndAgainIsSaidOnce) {
  make(10, 100);
  live(seconds{20});
  const auto stand_still = [&] {
    clock_.advance(seconds{10});
    live(seconds{20});
  };
  const auto lines = logged([&] {
    stand_still();
    stand_still();
  });
  EXPECT_THAT(lines, HasSubstr("The process stood still; "));
  EXPECT_THAT(lines, HasSubstr("not enough CPU for 2.0 checks a second."));
  EXPECT_EQ(lines.find("stood still"), lines.rfind("stood still")) << lines;
  const auto skipped_so_far = std::to_string(count(stored().skipped, storage::SkipReason::kSuspended));
  EXPECT_THAT(logged([&] { live(seconds{90}); }),
              HasSubstr("before, it did 2 times, and " + skipped_so_far + " slots were skipped."));
}

TEST_F(AgentTest, LimitsThatKeepSlotsFromRunningAreSaidOnceWithWhatIsAskedFor) {
  limits_.per_host_rate = 2;
  make(20, 100);
  const auto lines = logged([&] { live(seconds{120}); });
  EXPECT_THAT(lines,
              testing::HasSubstr("The limits keep slots of 127.0.0.1 from running: 20 services ask for 4.0 checks "
                                 "a second there"));
  EXPECT_EQ(lines.find("The limits"), lines.rfind("The limits")) << lines;
}

TEST_F(AgentTest, TheRateThatIsToldLeavesNoSlotToBeSkipped) {
  struct Case {
    int services;
    seconds interval;
    double asked;
    std::string told;
  };
  for (const auto& [services, interval, asked, told] :
       {Case{20, seconds{5}, 3, "7.3"}, Case{60, seconds{30}, 2, "4.7"}, Case{300, seconds{60}, 5, "8.6"}}) {
    const auto skipped_at = [&](double limit) {
      agent_.reset();
      limits_.per_host_rate = limit;
      make(services, 100, interval);
      live(interval + seconds{60});  // the first checks come closer than all others
      const auto before = skipped(stored());
      live(4 * interval);
      return skipped(stored()) - before;
    };
    std::int64_t too_little = 0;
    const auto lines = logged([&] { too_little = skipped_at(asked); });
    EXPECT_GT(too_little, 0) << "what is asked for on average does not do where slots come together";
    EXPECT_THAT(lines, HasSubstr("Set limits.per_host_rate to " + told + ", or poll less often."));
    EXPECT_EQ(skipped_at(std::stod(told)), 0) << services;
  }
}

TEST_F(AgentTest, FirstChecksThatCrowdOnceAreNoReasonToRaiseALimit) {
  limits_.per_host_rate = 8.6;
  make(300, 100, seconds{60});
  EXPECT_THAT(logged([&] { live(seconds{150}); }), Not(HasSubstr("The limits")));
  EXPECT_GT(skipped(stored()), 0) << "they are counted all the same";
}

TEST_F(AgentTest, TheLimitThatIsTooLowIsTheOneToRaise) {
  const auto told = [&](Limits limits) {
    agent_.reset();
    limits_ = limits;
    make(20, 100);
    prober_.hold = true;
    auto lines = logged([&] { live(seconds{80}); });
    prober_.hold = false;
    release_all();
    return lines;
  };
  EXPECT_THAT(told({.per_host_concurrency = 1, .per_host_rate = 100}),
              HasSubstr("Set limits.per_host_concurrency to 20, or poll"));
  EXPECT_THAT(told({.per_host_concurrency = 1, .per_host_rate = 1}),
              HasSubstr("Set limits.per_host_rate to 7.3 and limits.per_host_concurrency to 20, or poll"));
}

TEST_F(AgentTest, AFailureIsSaidOnceItIsConfirmed) {
  recheck(2, seconds{2});
  make(1, 100, seconds{30});
  prober_.outcome = Outcome::kConnectRefused;
  const auto first = logged([&] { live_until([&] { return agent_->health().rechecks == 1; }); });
  EXPECT_THAT(first, Not(HasSubstr("is down")));
  const auto then = logged([&] { live(seconds{60}); });
  EXPECT_THAT(then, HasSubstr("GET " + kFirst + " is down: it said so"));
  EXPECT_EQ(then.find("is down"), then.rfind("is down")) << then;
  prober_.outcome = Outcome::kUp;
  EXPECT_THAT(logged([&] { live(seconds{60}); }), HasSubstr("GET " + kFirst + " is up again."));
}

TEST_F(AgentTest, AFailureThatIsNotConfirmedIsALineOfInformation) {
  recheck(2, seconds{2});
  make(1, 100, seconds{30});
  prober_.next = {Outcome::kConnectRefused, Outcome::kUp};
  const auto lines = logged([&] { live(seconds{60}); });
  EXPECT_THAT(lines, HasSubstr("INFO"));
  EXPECT_THAT(lines, HasSubstr("was down, which a re-check did not confirm"));
  EXPECT_THAT(lines, Not(HasSubstr("WARNING")));
}

TEST_F(AgentTest, EachChangeOfStateIsOneWarning) {
  make(1, 100, seconds{5});
  const auto lines_of = [&](Outcome outcome) {
    prober_.outcome = outcome;
    return logged([&] { live(seconds{15}); });
  };
  EXPECT_THAT(lines_of(Outcome::kUp), IsEmpty());
  EXPECT_THAT(lines_of(Outcome::kDegraded), testing::AllOf(HasSubstr("WARNING"), HasSubstr("is degraded: it said so")));
  EXPECT_THAT(lines_of(Outcome::kDegraded), IsEmpty());
  EXPECT_THAT(lines_of(Outcome::kUp), HasSubstr("is up again."));
  EXPECT_THAT(lines_of(Outcome::kStatus), HasSubstr("is down: it said so"));
  EXPECT_THAT(lines_of(Outcome::kCertExpiresSoon), HasSubstr("is degraded: it said so"));
}

}  // namespace
}  // namespace monitor::agent
