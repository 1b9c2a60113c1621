#include "report/hours.h"

#include <gtest/gtest.h>

#include "report/pieces.h"
#include "report/remote_rollup.h"

namespace monitor::report {
namespace {

using std::chrono::hours;
using std::chrono::minutes;
using std::chrono::seconds;

constexpr common::WallTime kStart{std::chrono::sys_days{std::chrono::days{20'000}}};

common::WallTime at(int hour, int minute = 0) {
  return kStart + hours{hour} + minutes{minute};
}

HourState touched(storage::Seq first, storage::Seq last) {
  return {.touched = true, .rolled = false, .kept = false, .sealed = false, .seqs = Seqs{first, last}};
}
constexpr HourState kRolled{.touched = false, .rolled = true, .kept = true, .sealed = false, .seqs = Seqs{1, 9}};

TEST(RawHours, TouchedOnesThatFollowEachOtherAreOneRun) {
  const HourStates states{{{1, at(1)}, kRolled},
                          {{1, at(2)}, touched(10, 19)},
                          {{1, at(3)}, touched(20, 29)},
                          {{1, at(5)}, touched(40, 49)},
                          {{2, at(3)}, touched(7, 8)}};
  const auto raw = raw_hours(states, {}, at(2, 30), at(99));
  ASSERT_EQ(raw.runs.size(), 3U);
  EXPECT_EQ(raw.runs[0].from, at(2, 30));
  EXPECT_EQ(raw.runs[0].to, at(4));
  EXPECT_EQ(raw.runs[0].seqs->first, 10);
  EXPECT_EQ(raw.runs[0].seqs->last, 29);
  EXPECT_EQ(raw.runs[1].from, at(5));
  EXPECT_EQ(raw.runs[2].agent, 2);
  EXPECT_TRUE(raw.stale.empty());
}

TEST(RawHours, WhatTheRollUpsHoldOfATouchedHourIsTakenOffUnlessItsResultsAreGone) {
  auto again = kRolled;
  again.touched = true;
  auto sealed = again;
  sealed.sealed = true;
  auto gone = again;
  gone.kept = false;
  const auto raw = raw_hours({{{1, at(1)}, again}, {{1, at(3)}, sealed}, {{1, at(5)}, gone}}, {}, at(0), at(99));
  ASSERT_EQ(raw.runs.size(), 2U) << "results of an hour whose own roll-up is gone are left out";
  EXPECT_EQ(raw.runs[0].from, at(1));
  EXPECT_EQ(raw.runs[1].from, at(3));
  EXPECT_EQ(raw.stale, (std::set<AgentHour>{{1, at(1)}}));
}

TEST(RawHours, OfAnAgentWithoutMarksEverythingThatIsNotRolledUp) {
  const HourStates states{{{1, at(2)}, kRolled}, {{1, at(3)}, touched(1, 2)}, {{1, at(5)}, kRolled}};
  const auto raw = raw_hours(states, {1}, at(0, 30), at(9));
  ASSERT_EQ(raw.runs.size(), 3U);
  EXPECT_EQ(raw.runs[0].from, at(0, 30));
  EXPECT_EQ(raw.runs[0].to, at(2));
  EXPECT_EQ(raw.runs[1].from, at(3));
  EXPECT_EQ(raw.runs[1].to, at(5));
  EXPECT_EQ(raw.runs[2].from, at(6));
  EXPECT_EQ(raw.runs[2].to, at(9));
  for (const auto& run : raw.runs) EXPECT_FALSE(run.has_seqs);
}

Piece piece(int hour, int from_minute, std::optional<int> to_minute, bool from_start = false) {
  Piece piece;
  piece.span_from = at(hour);
  piece.span_to = at(hour + 1);
  piece.from_start = from_start;
  piece.outage.from = at(hour, from_minute);
  piece.outage.last = piece.outage.from;
  if (to_minute) piece.outage.to = at(hour, *to_minute);
  piece.outage.checks = 1;
  return piece;
}

Outages put_together(std::vector<Piece> pieces) {
  Outages outages(kStart);
  add_pieces(outages, std::move(pieces));
  return outages;
}

TEST(Pieces, OneGoesOnInTheNextHourIfThatBeginsDown) {
  const auto outages = put_together({piece(2, 1, 20, true), piece(1, 0, {}, true), piece(0, 40, {})});
  ASSERT_EQ(outages.count(), 1U);
  EXPECT_EQ(outages.longest().at(0).from, at(0, 40));
  EXPECT_EQ(outages.longest().at(0).to, at(2, 20));
  EXPECT_EQ(outages.longest().at(0).checks, 3U);
}

TEST(Pieces, OneThatDoesNotGoOnEndedAtTheNextCheckThatWasJudged) {
  auto first = piece(0, 40, {});
  first.next_judged = at(1, 2);
  const auto outages = put_together({first, piece(1, 30, 50)});
  ASSERT_EQ(outages.count(), 2U);
  EXPECT_EQ(outages.longest().at(0).to, at(1, 2));
  EXPECT_EQ(outages.length(), minutes{42});
}

TEST(Pieces, OneGoesOnOverHoursInWhichNothingWasJudged) {
  auto first = piece(0, 40, {});
  first.next_judged = at(5, 3);
  const auto outages = put_together({first, piece(5, 3, 10, true)});
  ASSERT_EQ(outages.count(), 1U);
  EXPECT_EQ(outages.longest().at(0).to, at(5, 10));
}

TEST(Pieces, AnHourThatWasFineDividesTwo) {
  auto first = piece(0, 40, {});
  first.next_judged = at(1, 0);
  const auto outages = put_together({first, piece(2, 0, 10, true)});
  ASSERT_EQ(outages.count(), 2U);
  EXPECT_EQ(outages.longest().at(0).to, at(1, 0));
}

TEST(Pieces, TheLastOneMayLast) {
  const auto outages = put_together({piece(0, 40, {})});
  ASSERT_EQ(outages.count(), 1U);
  EXPECT_FALSE(outages.longest().at(0).to);
}

TEST(RemoteRollup, BucketsBeginWhereTheHistogramSays) {
  const auto text = bucket_begins();
  std::vector<std::int64_t> begins;
  for (std::string_view rest(text.data() + 1, text.size() - 2); !rest.empty();) {
    begins.push_back(std::stoll(std::string(rest.substr(0, rest.find(',')))));
    rest.remove_prefix(std::min(rest.size(), rest.find(',') + 1 == 0 ? rest.size() : rest.find(',') + 1));
  }
  ASSERT_EQ(begins.size(), static_cast<std::size_t>(common::Histogram::kBuckets - 1));
  for (std::size_t i = 0; i < begins.size(); ++i) {
    const int bucket = static_cast<int>(i) + 1;
    EXPECT_EQ(common::Histogram::bucket_of(begins[i]), bucket);
    EXPECT_EQ(common::Histogram::bucket_of(begins[i] - 1), bucket - 1);
  }
}

TEST(RemoteRollup, HistogramsThatAreDamagedAddWhatCanBeRead) {
  storage::Rollup sum;
  const std::vector<std::uint8_t> good{0, 20, 0, 0, 1, 2, 6, 231, 0, 0, 0, 1};
  EXPECT_TRUE(add_histograms(good, sum));
  EXPECT_EQ(sum.measure(storage::Measure::kTotal).count(), 258U);
  EXPECT_EQ(sum.measure(storage::Measure::kLateness).count(), 1U);
  EXPECT_FALSE(add_histograms(std::vector<std::uint8_t>{7, 1, 0, 0, 0, 1}, sum)) << "a measure that is none";
  EXPECT_FALSE(add_histograms(std::vector<std::uint8_t>{1, 232, 0, 0, 0, 1}, sum)) << "a bucket that is none";
  EXPECT_FALSE(add_histograms(std::vector<std::uint8_t>{1, 2, 0}, sum));
  EXPECT_EQ(sum.measure(storage::Measure::kDns).count(), 0U);
}

TEST(RemoteRollup, WhatIsTakenOffAgainLeavesTheRest) {
  storage::Rollup one;
  one.outcomes = {{1, 5}, {2, 1}};
  one.skipped = {{3, 2}};
  one.rechecks = 4;
  one.total_sum = seconds{9};
  one.measure(storage::Measure::kTotal).add_bucket(100, 5);
  one.measure(storage::Measure::kDns).add_bucket(7, 2);
  storage::Rollup other;
  other.outcomes = {{1, 2}, {20, 3}};
  other.total_sum = seconds{1};
  other.measure(storage::Measure::kTotal).add_bucket(90, 1);
  other.measure(storage::Measure::kTotal).add_bucket(100, 1);
  auto sum = one;
  sum.merge(other);
  subtract(sum, one);
  EXPECT_EQ(sum, other);
}

TEST(RemoteRollup, AReasonOfANewerVersionIsNoneThatIsKnown) {
  EXPECT_EQ(skip_reason_of("retry_after"), storage::SkipReason::kRetryAfter);
  EXPECT_EQ(name_of(skip_reason_of("moon_phase")), "unknown");
}

}  // namespace
}  // namespace monitor::report
