#include "report/summary.h"

#include <gtest/gtest.h>

namespace monitor::report {
namespace {

using common::Outcome;

Sample sample(Outcome outcome, int second, int total_ms, bool responded = true) {
  return {common::from_unix_micros(second * 1'000'000LL), static_cast<std::uint8_t>(outcome), responded,
          std::chrono::milliseconds{total_ms}, "why"};
}

TEST(Summary, UnknownIsNeitherUpNorDown) {
  Summary summary;
  for (int i = 0; i < 8; ++i) summary.add(sample(Outcome::kUp, i, 10));
  summary.add(sample(Outcome::kStatus, 8, 10));
  summary.add(sample(Outcome::kConnectRefused, 9, 1, false));
  for (int i = 10; i < 20; ++i) summary.add(sample(Outcome::kLocalResource, i, 1, false));
  const auto report = summary.finish("a");
  EXPECT_EQ(report.checks, 20);
  EXPECT_EQ(report.up, 8);
  EXPECT_EQ(report.down, 2);
  EXPECT_EQ(report.unknown, 10);
  ASSERT_TRUE(report.up_percent);
  EXPECT_DOUBLE_EQ(*report.up_percent, 80.0);
}

TEST(Summary, PercentilesAreOfChecksThatHadAResponse) {
  Summary summary;
  for (int ms = 1; ms <= 100; ++ms) summary.add(sample(Outcome::kUp, ms, 101 - ms));
  for (int i = 0; i < 50; ++i) summary.add(sample(Outcome::kConnectTimeout, 200 + i, 15000, false));
  const auto report = summary.finish("a");
  EXPECT_DOUBLE_EQ(report.p50_ms.value(), 50.0);
  EXPECT_DOUBLE_EQ(report.p95_ms.value(), 95.0);
}

TEST(Summary, TheLastOutcomeIsTheNewestNotTheLastRead) {
  Summary summary;
  summary.add(sample(Outcome::kStatus, 5, 1));
  summary.add(sample(Outcome::kUp, 4, 1));
  const auto report = summary.finish("a");
  EXPECT_EQ(report.last_outcome, "status");
  EXPECT_EQ(report.last_reason, "why");
}

TEST(Summary, RechecksAreCountedApart) {
  Summary summary;
  summary.add(sample(Outcome::kStatus, 5, 1));
  summary.add_recheck();
  summary.add_recheck();
  const auto report = summary.finish("a");
  EXPECT_EQ(report.checks, 1);
  EXPECT_EQ(report.rechecks, 2);
  EXPECT_EQ(report.up_percent, 0.0);
}

TEST(Summary, WithoutACheckThereIsNoPercentage) {
  Summary summary;
  summary.add_skipped(3);
  const auto report = summary.finish("a");
  EXPECT_EQ(report.checks, 0);
  EXPECT_EQ(report.skipped, 3);
  EXPECT_FALSE(report.up_percent);
  EXPECT_FALSE(report.p50_ms);
  EXPECT_TRUE(report.last_outcome.empty());
}

}  // namespace
}  // namespace monitor::report
