#include "app/progress.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace monitor::app {
namespace {

using std::chrono::seconds;
using testing::ElementsAre;
using testing::IsEmpty;

const common::SteadyTime kStart{std::chrono::hours{1}};

TEST(Progress, AWorkerThatMovesIsNeverStalled) {
  Progress progress(seconds{10});
  for (int i = 0; i < 100; ++i) {
    EXPECT_THAT(progress.stalled(kStart + seconds{i * 9}, {{"agent", static_cast<std::uint64_t>(i), false}}),
                IsEmpty());
  }
}

TEST(Progress, AnUndeclaredStallIsNamedOnceTheLimitHasPassedAndForgottenWhenItMoves) {
  Progress progress(seconds{10});
  const auto look = [&](int second, std::uint64_t agent, std::uint64_t store) {
    return progress.stalled(kStart + seconds{second}, {{"agent", agent, false}, {"store", store, false}});
  };
  EXPECT_THAT(look(0, 1, 1), IsEmpty());
  EXPECT_THAT(look(5, 1, 2), IsEmpty());
  EXPECT_THAT(look(10, 1, 2), IsEmpty());
  EXPECT_THAT(look(11, 1, 3), ElementsAre("agent"));
  EXPECT_THAT(look(12, 2, 4), IsEmpty());
}

TEST(Progress, NobodyIsStalledBecauseTheWholeProcessStoodStill) {
  Progress progress(seconds{10});
  const auto look = [&](int second) { return progress.stalled(kStart + seconds{second}, {{"agent", 1, false}}); };
  EXPECT_THAT(look(0), IsEmpty());
  EXPECT_THAT(look(4), IsEmpty());
  EXPECT_THAT(look(64), IsEmpty());
  EXPECT_THAT(look(69), IsEmpty());
  EXPECT_THAT(look(71), ElementsAre("agent")) << "what came before counts, and what comes after";
}

TEST(Progress, ADeclaredStateExcusesAndTheClockStartsAnewAfterIt) {
  Progress progress(seconds{10});
  EXPECT_THAT(progress.stalled(kStart, {{"exporter", 1, true}}), IsEmpty());
  EXPECT_THAT(progress.stalled(kStart + seconds{100}, {{"exporter", 1, true}}), IsEmpty());
  EXPECT_THAT(progress.stalled(kStart + seconds{105}, {{"exporter", 1, false}}), IsEmpty());
  EXPECT_THAT(progress.stalled(kStart + seconds{110}, {{"exporter", 1, false}}), IsEmpty());
  EXPECT_THAT(progress.stalled(kStart + seconds{111}, {{"exporter", 1, false}}), ElementsAre("exporter"));
}

}  // namespace
}  // namespace monitor::app
