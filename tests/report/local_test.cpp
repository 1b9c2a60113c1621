#include <gtest/gtest.h>

#include "report/report.h"
#include "storage/sql.h"
#include "support/stored.h"

namespace monitor::report {
namespace {

using common::Outcome;
using std::chrono::hours;
using std::chrono::milliseconds;
using std::chrono::minutes;
using std::chrono::seconds;
using storage::SkipReason;

class LocalReportTest : public testing::Test {
 protected:
  void check(Outcome outcome, std::string reason = "a slot", std::uint16_t attempt = 0) {
    auto row = test::passed_check(stored_.service(), stored_.clock().wall());
    row.outcome = outcome;
    row.reason = std::move(reason);
    row.attempt = attempt;
    stored_.wait(stored_.store().append(row));
  }
  void go_on(common::Micros time) { stored_.clock().advance(time); }
  void commit() { stored_.wait(stored_.store().commit()); }
  /// Of the only service there is.
  ServiceReport report(seconds last = hours{1}) {
    commit();
    const auto reports = whole(last).services;
    return reports.size() == 1 ? reports[0] : nothing_of("not one");
  }
  Report whole(seconds last = hours{1}) {
    return summarize(stored_.file(), {.last = last, .service = {}, .now = stored_.clock().wall()});
  }
  /// What is older than `age` is purged, and remains in the roll-ups.
  void purge(common::Micros age) {
    commit();
    while (stored_.wait(stored_.store().purge(stored_.clock().wall() - age, false, 10'000)).more) {
    }
  }

  test::Stored stored_;
};

TEST_F(LocalReportTest, ChecksThatConfirmAFailureAreInNoFigureButTheirOwn) {
  for (int i = 0; i < 3; ++i, go_on(seconds{1})) check(Outcome::kUp);
  check(Outcome::kStatus);
  go_on(seconds{1});
  check(Outcome::kStatus, "a re-check", 1);
  check(Outcome::kUp, "a re-check", 2);
  const auto shop = report();
  EXPECT_EQ(shop.service, "shop");
  EXPECT_EQ(shop.checks, 4);
  EXPECT_EQ(shop.up, 3);
  EXPECT_EQ(shop.down, 1);
  EXPECT_EQ(shop.up_percent, 75.0);
  EXPECT_EQ(shop.rechecks, 2);
  EXPECT_EQ(shop.last_outcome, "status") << "of the last slot";
  EXPECT_EQ(shop.last_reason, "a slot");
  EXPECT_EQ(shop.lateness.checks, 4U);
  EXPECT_FALSE(shop.outages.at(0).to) << "a re-check does not end an outage";
}

TEST_F(LocalReportTest, AnOutageMayHaveEndedSinceTheLastSignOfLife) {
  check(Outcome::kStatus);
  go_on(seconds{10});
  EXPECT_TRUE(report().outages.at(0).watched);
  go_on(seconds{16});
  EXPECT_FALSE(whole().services.at(0).outages.at(0).watched);
}

TEST_F(LocalReportTest, TellsTimesOfEachPhase) {
  check(Outcome::kUp);
  const auto shop = report();
  EXPECT_NEAR(shop.total.p99_ms.value(), 67.875, 67.875 * 0.0625);
  EXPECT_NEAR(shop.phases[0].p50_ms.value(), 0.812, 0.812 * 0.0625);
  EXPECT_NEAR(shop.phases[2].p50_ms.value(), 24.333, 24.333 * 0.0625);
  EXPECT_DOUBLE_EQ(shop.lateness_max_ms.value(), 0.183);
}

TEST_F(LocalReportTest, ASkippedRangeCountsOnlyItsSlotsInTheWindow) {
  check(Outcome::kUp);
  const auto now = stored_.clock().wall();
  stored_.store().append(
      storage::Skipped{stored_.service(), now - minutes{90}, now - minutes{31}, 60, SkipReason::kPoolExhausted});
  const auto shop = report();
  EXPECT_EQ(shop.skipped, 30);
  EXPECT_EQ(shop.slots_due(), 31);
}

TEST_F(LocalReportTest, TimeInWhichTheAgentDidNotRunIsNotCovered) {
  check(Outcome::kUp);
  const auto from = stored_.clock().wall();
  go_on(minutes{10});
  stored_.store().append(
      storage::Gap{.reason = storage::GapReason::kNotRunning, .from = from + seconds{1}, .to = stored_.clock().wall()});
  go_on(seconds{1});
  check(Outcome::kUp);
  const auto shop = report();
  EXPECT_EQ(shop.not_running, 120) << "599 s at an interval of 5 s";
  EXPECT_NEAR(shop.coverage_percent.value(), 100.0 * 2 / 122, 0.01);
  EXPECT_EQ(shop.up_percent, 100.0);
}

TEST_F(LocalReportTest, AnAgentThatIsNotRunningNowIsNotCoveringEither) {
  check(Outcome::kUp);
  commit();
  go_on(minutes{5});
  EXPECT_EQ(whole().services.at(0).not_running, 60);
  go_on(hours{10});
  const auto later = whole().services.at(0);
  EXPECT_EQ(later.service, "shop") << "though it has no check in the window";
  EXPECT_EQ(later.checks, 0);
  EXPECT_EQ(later.not_running, 720);
  EXPECT_EQ(later.coverage_percent, 0.0);
}

TEST_F(LocalReportTest, AResultFromTheFutureIsNoSignOfLife) {
  check(Outcome::kUp);
  commit();
  test::Sql(stored_.file())("INSERT OR REPLACE INTO meta VALUES ('alive_at', (SELECT max(requested_at) FROM results))");
  auto ahead = test::passed_check(stored_.service(), stored_.clock().wall() + std::chrono::days{365});
  stored_.wait(stored_.store().append(ahead));
  commit();
  go_on(minutes{5});
  EXPECT_EQ(whole().services.at(0).not_running, 60);
}

TEST_F(LocalReportTest, SaysWhatIsLost) {
  check(Outcome::kUp);
  const auto now = stored_.clock().wall();
  stored_.store().append(
      storage::Gap{.reason = storage::GapReason::kDiskFull, .from = now - seconds{9}, .to = now, .count = 7});
  commit();
  const auto lost = whole().lost;
  ASSERT_EQ(lost.size(), 1U);
  EXPECT_EQ(lost[0].reason, "disk_full");
  EXPECT_EQ(lost[0].count, 7);
}

TEST_F(LocalReportTest, PurgedResultsAreStillInEveryFigure) {
  stored_.store().append(storage::Skipped{stored_.service(), stored_.clock().wall(), stored_.clock().wall() + hours{2},
                                          9, SkipReason::kStillRunning});
  for (int i = 0; i < 300; ++i, go_on(minutes{1})) {
    const bool down = i % 60 > 50 || i > 290;
    check(down ? Outcome::kConnectTimeout : Outcome::kUp, down ? "no answer" : "", i % 37 == 1 ? 1 : 0);
  }
  const auto raw = report(hours{24});
  purge(minutes{45});
  ASSERT_LT(stored_.next_seqs().size(), 300U);
  const auto rolled = report(hours{24});
  EXPECT_EQ(rolled.checks, raw.checks);
  EXPECT_EQ(rolled.up, raw.up);
  EXPECT_EQ(rolled.down, raw.down);
  EXPECT_EQ(rolled.skipped, 9);
  EXPECT_EQ(rolled.slots_due(), raw.slots_due());
  EXPECT_EQ(rolled.rechecks, raw.rechecks);
  EXPECT_EQ(rolled.up_percent, raw.up_percent);
  EXPECT_EQ(rolled.coverage_percent, raw.coverage_percent);
  EXPECT_EQ(rolled.mean_ms, raw.mean_ms);
  EXPECT_EQ(rolled.total.p99_ms, raw.total.p99_ms);
  EXPECT_EQ(rolled.phases[1].p95_ms, raw.phases[1].p95_ms);
  EXPECT_EQ(rolled.lateness.p99_ms, raw.lateness.p99_ms);
  EXPECT_EQ(rolled.outage_count, raw.outage_count);
  EXPECT_EQ(rolled.outage_length, raw.outage_length);
  ASSERT_EQ(rolled.outages.size(), raw.outages.size());
  for (std::size_t i = 0; i < raw.outages.size(); ++i) {
    EXPECT_EQ(rolled.outages[i].from, raw.outages[i].from);
    EXPECT_EQ(rolled.outages[i].to, raw.outages[i].to);
    EXPECT_EQ(rolled.outages[i].checks, raw.outages[i].checks);
  }
  EXPECT_EQ(rolled.last_at, raw.last_at);
}

TEST_F(LocalReportTest, AWindowThatStartsInARollUpBeginsWithIt) {
  for (int i = 0; i < 180; ++i, go_on(minutes{1})) check(Outcome::kUp);
  commit();
  EXPECT_EQ(whole(minutes{90}).from, stored_.clock().wall() - minutes{90});
  purge(minutes{10});
  const auto rolled = whole(minutes{90});
  EXPECT_EQ(rolled.from, std::chrono::floor<hours>(stored_.clock().wall() - minutes{90}));
  ASSERT_EQ(rolled.services.size(), 1U);
  EXPECT_EQ(rolled.services[0].checks, (stored_.clock().wall() - rolled.from) / minutes{1});
}

TEST_F(LocalReportTest, WhereHoursAreGoneTheWindowBeginsWithADay) {
  for (int i = 0; i < 72; ++i, go_on(hours{1})) check(Outcome::kUp);
  purge(hours{1});
  const auto now = stored_.clock().wall();
  while (stored_.wait(stored_.store().forget(now - hours{6}, now - hours{1000}, false, 10'000))) {
  }
  const auto two_days = whole(hours{48});
  EXPECT_EQ(two_days.from, std::chrono::floor<std::chrono::days>(now - hours{48}));
  EXPECT_EQ(two_days.services.at(0).checks, (now - two_days.from) / hours{1});
  const auto recent = whole(hours{3});
  EXPECT_EQ(recent.from, std::chrono::floor<hours>(now - hours{3})) << "these hours are still there";
}

}  // namespace
}  // namespace monitor::report
