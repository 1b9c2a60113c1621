#include "report/summary.h"

#include <gtest/gtest.h>

namespace monitor::report {
namespace {

using common::Outcome;
using std::chrono::milliseconds;
using std::chrono::seconds;
using storage::SkipReason;

constexpr common::WallTime kStart{seconds{1'750'000'000}};
/// A percentile is the middle of a bucket.
constexpr double kTolerance = 0.0625;

storage::ReportRow row(Outcome outcome, int second, int total_ms, bool responded = true) {
  storage::ReportRow row;
  row.requested_at = kStart + seconds{second};
  row.outcome = outcome;
  if (responded) row.status = 200;
  row.total = milliseconds{total_ms};
  row.reason = "why";
  return row;
}

ServiceReport finished(const Summary& summary) {
  return summary.finish("a", Outages{kStart});
}

TEST(Summary, UnknownIsNeitherUpNorDown) {
  Summary summary;
  for (int i = 0; i < 8; ++i) summary.add(row(Outcome::kUp, i, 10));
  summary.add(row(Outcome::kStatus, 8, 10));
  summary.add(row(Outcome::kConnectRefused, 9, 1, false));
  for (int i = 10; i < 20; ++i) summary.add(row(Outcome::kLocalResource, i, 1, false));
  const auto report = finished(summary);
  EXPECT_EQ(report.checks, 20);
  EXPECT_EQ(report.up, 8);
  EXPECT_EQ(report.down, 2);
  EXPECT_EQ(report.unknown, 10);
  EXPECT_DOUBLE_EQ(report.up_percent.value(), 80.0);
  EXPECT_DOUBLE_EQ(report.coverage_percent.value(), 50.0) << "what is unknown was not covered";
}

TEST(Summary, DegradedCountsAsUpAndIsToldApart) {
  Summary summary;
  summary.add(row(Outcome::kUp, 0, 10));
  summary.add(row(Outcome::kDegraded, 1, 10));
  summary.add(row(Outcome::kCertExpiresSoon, 2, 10));
  summary.add(row(Outcome::kStatus, 3, 10));
  const auto report = finished(summary);
  EXPECT_EQ(report.up, 1);
  EXPECT_EQ(report.degraded, 2);
  EXPECT_DOUBLE_EQ(report.up_percent.value(), 75.0);
}

TEST(Summary, SlotsDueAreThoseThatRanAndThoseThatWereSkipped) {
  Summary summary;
  for (int i = 0; i < 6; ++i) summary.add(row(Outcome::kUp, i, 10));
  summary.add_skipped(SkipReason::kStillRunning, 2);
  summary.add_skipped(SkipReason::kPoolExhausted, 1);
  summary.add_skipped(SkipReason::kStillRunning, 1);
  summary.add_not_running(1.5);
  summary.add_not_running(0.75);
  const auto report = finished(summary);
  EXPECT_EQ(report.skipped, 4);
  EXPECT_EQ(report.slots_due(), 10);
  EXPECT_EQ(report.not_running, 2);
  EXPECT_DOUBLE_EQ(report.coverage_percent.value(), 50.0);
  ASSERT_EQ(report.skipped_by_reason.size(), 6U) << "every reason has its place, also those that never occurred";
  EXPECT_EQ(report.skipped_by_reason[0], std::pair(std::string("still_running"), std::int64_t{3}));
  EXPECT_EQ(report.skipped_by_reason[1], std::pair(std::string("pool_exhausted"), std::int64_t{1}));
}

TEST(Summary, ReasonsOfANewerVersionAreCountedToo) {
  Summary summary;
  summary.add_skipped(static_cast<SkipReason>(99), 3);
  summary.add(row(static_cast<Outcome>(250), 0, 10));
  const auto report = finished(summary);
  EXPECT_EQ(report.skipped, 3);
  EXPECT_EQ(report.skipped_by_reason.back(), std::pair(std::string("unknown"), std::int64_t{3}));
  EXPECT_EQ(report.unknown, 1);
}

TEST(Summary, PercentilesAreOfChecksThatHadAResponse) {
  Summary summary;
  for (int ms = 1; ms <= 100; ++ms) summary.add(row(Outcome::kUp, ms, 101 - ms));
  for (int i = 0; i < 50; ++i) summary.add(row(Outcome::kConnectTimeout, 200 + i, 15000, false));
  const auto report = finished(summary);
  EXPECT_EQ(report.total.checks, 100U);
  EXPECT_NEAR(report.total.p50_ms.value(), 50.0, 50.0 * kTolerance);
  EXPECT_NEAR(report.total.p95_ms.value(), 95.0, 95.0 * kTolerance);
  EXPECT_NEAR(report.total.p99_ms.value(), 99.0, 99.0 * kTolerance);
  EXPECT_DOUBLE_EQ(report.mean_ms.value(), 50.5) << "the mean is exact";
}

TEST(Summary, PhasesAreOfChecksInWhichTheyTookPlace) {
  Summary summary;
  auto one = row(Outcome::kUp, 0, 10);
  one.dns = milliseconds{1};
  one.connect = milliseconds{2};
  one.first_byte = milliseconds{4};
  one.transfer = milliseconds{5};
  summary.add(one);
  one = row(Outcome::kTlsUntrusted, 1, 10, false);
  one.connect = milliseconds{2};
  one.tls = milliseconds{3};
  summary.add(one);
  const auto report = finished(summary);
  const std::vector<std::uint64_t> checks{1, 2, 1, 1, 1};
  const std::vector<double> values{1, 2, 3, 4, 5};
  for (std::size_t i = 0; i < kPhases.size(); ++i) {
    EXPECT_EQ(report.phases.at(i).checks, checks[i]) << kPhases.at(i);
    EXPECT_NEAR(report.phases.at(i).p50_ms.value(), values[i], values[i] * kTolerance) << kPhases.at(i);
  }
}

TEST(Summary, LatenessIsOfEveryCheckAndItsMaximumExact) {
  Summary summary;
  for (int i = 0; i < 99; ++i) {
    auto check = row(Outcome::kConnectRefused, i, 1, false);
    check.lateness = milliseconds{2};
    summary.add(check);
  }
  auto late = row(Outcome::kUp, 99, 1);
  late.lateness = common::Micros{123'457};
  summary.add(late);
  const auto report = finished(summary);
  EXPECT_EQ(report.lateness.checks, 100U);
  EXPECT_NEAR(report.lateness.p99_ms.value(), 2.0, 2.0 * kTolerance);
  EXPECT_DOUBLE_EQ(report.lateness_max_ms.value(), 123.457);
}

TEST(Summary, TheLastOutcomeIsTheNewestNotTheLastRead) {
  Summary summary;
  summary.add(row(Outcome::kStatus, 5, 1));
  summary.add(row(Outcome::kUp, 4, 1));
  const auto report = finished(summary);
  EXPECT_EQ(report.last_outcome, "status");
  EXPECT_EQ(report.last_reason, "why");
  EXPECT_EQ(report.last_at, kStart + seconds{5});
}

TEST(Summary, RechecksAreCountedApart) {
  Summary summary;
  summary.add(row(Outcome::kStatus, 5, 1));
  auto again = row(Outcome::kUp, 6, 1);
  again.attempt = 1;
  summary.add(again);
  again.attempt = 2;
  summary.add(again);
  const auto report = finished(summary);
  EXPECT_EQ(report.checks, 1);
  EXPECT_EQ(report.rechecks, 2);
  EXPECT_EQ(report.up_percent, 0.0);
  EXPECT_EQ(report.last_outcome, "status");
}

TEST(Summary, WithoutACheckThereIsNoPercentage) {
  Summary summary;
  EXPECT_TRUE(summary.empty());
  summary.add_skipped(SkipReason::kSuspended, 3);
  EXPECT_FALSE(summary.empty());
  const auto report = finished(summary);
  EXPECT_EQ(report.checks, 0);
  EXPECT_EQ(report.skipped, 3);
  EXPECT_FALSE(report.up_percent);
  EXPECT_EQ(report.coverage_percent, 0.0);
  EXPECT_FALSE(report.total.p50_ms);
  EXPECT_FALSE(report.mean_ms);
  EXPECT_FALSE(report.lateness_max_ms);
  EXPECT_TRUE(report.last_outcome.empty());
}

TEST(Summary, RollUpsAndResultsGiveTheSameFigures) {
  Summary results;
  std::array<Summary, 3> hours;
  for (int i = 0; i < 300; ++i) {
    auto check = row(i % 7 == 0 ? Outcome::kStatus : Outcome::kUp, i, 5 + i * i % 997);
    check.dns = common::Micros{i * 13};
    check.tls = common::Micros{i * 257};
    check.lateness = common::Micros{i * 31 % 5000};
    check.attempt = i % 50 == 1 ? 1 : 0;
    results.add(check);
    hours.at(static_cast<std::size_t>(i / 100)).add(check);
  }
  Summary rolled;
  for (auto& hour : hours) rolled.add(hour.sum());
  EXPECT_EQ(rolled.sum(), results.sum());
  const auto one = finished(results);
  const auto other = finished(rolled);
  EXPECT_EQ(one.checks, other.checks);
  EXPECT_EQ(one.total.p95_ms, other.total.p95_ms);
  EXPECT_EQ(one.mean_ms, other.mean_ms);
  EXPECT_EQ(one.phases[2].p99_ms, other.phases[2].p99_ms);
  EXPECT_EQ(one.lateness_max_ms, other.lateness_max_ms);
  EXPECT_EQ(one.rechecks, other.rechecks);
}

storage::Skipped range(int from, int to, std::int64_t count) {
  return {1, kStart + seconds{from}, kStart + seconds{to}, count, SkipReason::kStillRunning};
}

TEST(SlotsInside, CountsTheSlotsOfARangeThatAreInTheWindow) {
  const auto inside = [](const storage::Skipped& skipped, int from, int to) {
    return slots_inside(skipped, kStart + seconds{from}, kStart + seconds{to});
  };
  const auto ten = range(0, 90, 10);  // at 0, 10, … 90
  EXPECT_EQ(inside(ten, -5, 200), 10);
  EXPECT_EQ(inside(ten, 0, 90), 9) << "the end is not in it";
  EXPECT_EQ(inside(ten, 1, 90), 8);
  EXPECT_EQ(inside(ten, 20, 50), 3);
  EXPECT_EQ(inside(ten, 91, 200), 0);
  EXPECT_EQ(inside(ten, -9, 0), 0);
  EXPECT_EQ(inside(range(5, 5, 1), 5, 6), 1);
  EXPECT_EQ(inside(range(5, 5, 1), 6, 9), 0);
  EXPECT_EQ(inside(range(9, 5, 4), 0, 7), 4) << "a clock that was set back: all of them where it ends";
}

TEST(SlotsInside, DividesARangeWithoutLosingOrDoublingASlot) {
  const auto odd = range(0, 100, 37);
  std::int64_t sum = 0;
  for (int second = -1; second < 102; ++second) {
    sum += slots_inside(odd, kStart + seconds{second}, kStart + seconds{second + 1});
  }
  EXPECT_EQ(sum, 37);
}

}  // namespace
}  // namespace monitor::report
