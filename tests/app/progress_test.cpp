#include "app/progress.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace monitor::app {
namespace {

using std::chrono::seconds;
using testing::ElementsAre;
using testing::IsEmpty;

const common::SteadyTime kStart{std::chrono::hours{1}};
constexpr seconds kLimit{10};

/// The workers that have not moved for more than the limit, as of a look now.
std::vector<std::string> stalled(Progress& progress, common::SteadyTime now, const std::vector<Pulse>& pulses) {
  progress.look(now, pulses);
  std::vector<std::string> names;
  for (const auto& pulse : pulses) {
    if (progress.still(pulse.worker) > kLimit) names.push_back(pulse.worker);
  }
  return names;
}

TEST(Progress, AWorkerThatMovesIsNeverStalled) {
  Progress progress(kLimit);
  for (int i = 0; i < 100; ++i) {
    EXPECT_THAT(stalled(progress, kStart + seconds{i * 9}, {{"agent", static_cast<std::uint64_t>(i), false}}),
                IsEmpty());
  }
}

TEST(Progress, AnUndeclaredStallIsNamedOnceTheLimitHasPassedAndForgottenWhenItMoves) {
  Progress progress(kLimit);
  const auto look = [&](int second, std::uint64_t agent, std::uint64_t store) {
    return stalled(progress, kStart + seconds{second}, {{"agent", agent, false}, {"store", store, false}});
  };
  EXPECT_THAT(look(0, 1, 1), IsEmpty());
  EXPECT_THAT(look(5, 1, 2), IsEmpty());
  EXPECT_THAT(look(10, 1, 2), IsEmpty());
  EXPECT_THAT(look(11, 1, 3), ElementsAre("agent"));
  EXPECT_THAT(look(12, 2, 4), IsEmpty());
}

TEST(Progress, NobodyIsStalledBecauseTheWholeProcessStoodStill) {
  Progress progress(kLimit);
  const auto look = [&](int second) { return stalled(progress, kStart + seconds{second}, {{"agent", 1, false}}); };
  EXPECT_THAT(look(0), IsEmpty());
  EXPECT_THAT(look(4), IsEmpty());
  EXPECT_THAT(look(64), IsEmpty());
  EXPECT_THAT(look(69), IsEmpty());
  EXPECT_THAT(look(71), ElementsAre("agent")) << "what came before counts, and what comes after";
}

TEST(Progress, ADeclaredStateExcusesAndTheClockStartsAnewAfterIt) {
  Progress progress(kLimit);
  EXPECT_THAT(stalled(progress, kStart, {{"exporter", 1, true}}), IsEmpty());
  EXPECT_THAT(stalled(progress, kStart + seconds{100}, {{"exporter", 1, true}}), IsEmpty());
  EXPECT_THAT(stalled(progress, kStart + seconds{105}, {{"exporter", 1, false}}), IsEmpty());
  EXPECT_THAT(stalled(progress, kStart + seconds{110}, {{"exporter", 1, false}}), IsEmpty());
  EXPECT_THAT(stalled(progress, kStart + seconds{111}, {{"exporter", 1, false}}), ElementsAre("exporter"));
}

TEST(Progress, AWorkerThatWasReplacedBeginsAnew) {
  Progress progress(kLimit);
  EXPECT_THAT(stalled(progress, kStart, {{"exporter", 1, false}}), IsEmpty());
  EXPECT_THAT(stalled(progress, kStart + seconds{4}, {}), IsEmpty());
  EXPECT_THAT(stalled(progress, kStart + seconds{8}, {{"exporter", 1, false}}), IsEmpty());
  EXPECT_THAT(stalled(progress, kStart + seconds{13}, {{"exporter", 1, false}}), IsEmpty());
  EXPECT_THAT(stalled(progress, kStart + seconds{18}, {{"exporter", 1, false}}), IsEmpty());
  EXPECT_THAT(stalled(progress, kStart + seconds{19}, {{"exporter", 1, false}}), ElementsAre("exporter"));
}

}  // namespace
}  // namespace monitor::app
