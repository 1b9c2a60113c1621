#include <gmock/gmock.h>

#include "exporter/fixture.h"
#include "exporter/remote_schema.h"
#include "exporter/rollup_pass.h"
#include "report/report.h"

namespace monitor::report {
namespace {

using common::Outcome;
using std::chrono::days;
using std::chrono::hours;
using std::chrono::minutes;
using std::chrono::seconds;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::Not;

/// A local database that keeps everything is what PostgreSQL, filled by a real exporter, is compared with.
class ExternalReportTest : public exporter::ExporterTest {
 protected:
  /// A check of `service` now and then for `length`, up to `ago` before now; every third stretch is an outage.
  void store_checks(const std::string& service, common::Micros length, common::Micros ago, common::Micros every) {
    const auto id = define(definition(service));
    int number = 0;
    for (auto back = ago + length; back > ago; back -= every) {
      auto row = result(id, back);
      ++number;
      const bool down = number / 7 % 3 == 2;
      if (down) {
        row.outcome = number % 2 == 0 ? Outcome::kStatus : Outcome::kConnectTimeout;
        row.reason = fmt::format("bad check {}", number);
        if (row.outcome == Outcome::kConnectTimeout) row.status.reset();
      } else if (number % 11 == 0) {
        row.outcome = Outcome::kLocalResource;
        row.status.reset();
        row.reason = "no descriptor left";
      } else if (number % 13 == 0) {
        row.outcome = Outcome::kDegraded;
        row.reason = "slow";
      }
      row.total = common::Micros{1000 + number * number % 90'000};
      row.lateness = common::Micros{number * 37 % 5000};
      row.attempt = number % 17 == 0 ? 1 : 0;
      if (number % 5 == 0) row.tls.reset();
      append(row);
    }
    commit();
  }
  void store_skipped(const std::string& service, common::Micros from_ago, common::Micros to_ago, std::int64_t count) {
    const auto now = clock_.wall();
    const auto id = define(definition(service));
    store().append(storage::Skipped{id, now - from_ago, now - to_ago, count, storage::SkipReason::kRateLimited});
    commit();
  }
  void export_all() { ASSERT_EQ(drain(), exporter::Progress::kIdle); }

  Report external(seconds last, std::optional<std::string> service = {}) {
    return summarize_external(server().uri(), {.last = last, .service = std::move(service), .now = now_});
  }
  /// The same window, however far it had to be widened.
  Report local(const Report& other) {
    const auto last = std::chrono::ceil<seconds>(now_ - other.from);
    return summarize(file(), {.last = last, .service = {}, .now = other.from + last});
  }

  /// Everything that has settled, which is all but the hour that lasts.
  void roll_up() {
    server().exec("UPDATE monitoring_touched SET at = at - interval '1 hour'");
    exporter::Breaker breaker;
    const auto session = exporter::Session::open(server().uri(), limits_, breaker);
    exporter::RollupPass pass(options_);
    while (pass.step(*session)) {
    }
    EXPECT_NE(server().value("SELECT count(*) FROM monitoring_rolled"), "0");
  }

  static void expect_same(const Report& one, const Report& other) {
    ASSERT_EQ(one.services.size(), other.services.size());
    for (std::size_t i = 0; i < one.services.size(); ++i) {
      SCOPED_TRACE(one.services[i].service);
      expect_same(one.services[i], other.services[i]);
    }
  }
  static void expect_same(const Percentiles& one, const Percentiles& other) {
    EXPECT_EQ(one.checks, other.checks);
    EXPECT_EQ(one.p50_ms, other.p50_ms);
    EXPECT_EQ(one.p95_ms, other.p95_ms);
    EXPECT_EQ(one.p99_ms, other.p99_ms);
  }
  static void expect_same(const ServiceReport& one, const ServiceReport& other) {
    EXPECT_EQ(one.service, other.service);
    EXPECT_EQ(one.checks, other.checks);
    EXPECT_EQ(one.up, other.up);
    EXPECT_EQ(one.degraded, other.degraded);
    EXPECT_EQ(one.down, other.down);
    EXPECT_EQ(one.unknown, other.unknown);
    EXPECT_EQ(one.skipped_by_reason, other.skipped_by_reason);
    EXPECT_EQ(one.rechecks, other.rechecks);
    EXPECT_EQ(one.not_running, other.not_running);
    EXPECT_EQ(one.mean_ms, other.mean_ms);
    EXPECT_EQ(one.lateness_max_ms, other.lateness_max_ms);
    expect_same(one.total, other.total);
    expect_same(one.lateness, other.lateness);
    for (std::size_t i = 0; i < kPhases.size(); ++i) expect_same(one.phases.at(i), other.phases.at(i));
    EXPECT_EQ(one.outage_count, other.outage_count);
    EXPECT_EQ(one.outage_length, other.outage_length);
    ASSERT_EQ(one.outages.size(), other.outages.size());
    for (std::size_t i = 0; i < one.outages.size(); ++i) {
      EXPECT_EQ(one.outages[i].length, other.outages[i].length);
      EXPECT_EQ(one.outages[i].checks, other.outages[i].checks);
      EXPECT_EQ(one.outages[i].to.has_value(), other.outages[i].to.has_value());
    }
    EXPECT_EQ(one.last_at, other.last_at);
    EXPECT_EQ(one.last_outcome, other.last_outcome);
    EXPECT_EQ(one.last_reason, other.last_reason);
  }

  void store_three_days() {
    store_checks("shop", hours{70}, minutes{1}, minutes{13});
    store_checks("api", hours{30}, hours{2}, minutes{7});
    store_skipped("shop", hours{60}, hours{3}, 777);
    store_skipped("api", minutes{100}, minutes{20}, 33);
    store().append(storage::Gap{
        .reason = storage::GapReason::kNotRunning, .from = clock_.wall() - hours{20}, .to = clock_.wall() - hours{19}});
    commit();
    now_ = std::chrono::floor<common::Micros>(clock_.wall());
    export_all();
  }

  common::WallTime now_ = std::chrono::floor<common::Micros>(clock_.wall());
};

TEST_F(ExternalReportTest, SaysOfResultsWhatTheLocalDatabaseSays) {
  store_three_days();
  const auto report = external(hours{24});
  EXPECT_EQ(report.from, now_ - hours{24});
  expect_same(report, local(report));
  ASSERT_EQ(report.services.size(), 2U);
  EXPECT_GT(report.services[0].outage_count, 3U);
  EXPECT_EQ(report.services[0].not_running, 720);
  EXPECT_THAT(report.notes, IsEmpty());
}

TEST_F(ExternalReportTest, RollUpsGiveTheSameFigures) {
  store_three_days();
  roll_up();
  for (const auto last : {hours{5}, hours{24}, hours{69}}) {
    SCOPED_TRACE(last.count());
    const auto report = external(last);
    EXPECT_EQ(report.from, std::chrono::floor<hours>(now_ - last));
    expect_same(report, local(report));
  }
  const auto report = external(hours{1000});
  EXPECT_EQ(report.from, now_ - hours{1000}) << "no roll-up holds its start";
  expect_same(report, local(report));
}

TEST_F(ExternalReportTest, LateResultsAreInEveryFigureBeforeTheyAreRolledUp) {
  store_three_days();
  // As if these batches had not come yet: some of an hour, all of another one.
  const std::string late =
      "date_trunc('hour', request_timestamp) IN (SELECT date_trunc('hour', timezone('utc', now()) "
      "- i * interval '1 hour') FROM unnest('{4,5,29,50}'::int[]) AS i) AND (seq % 2 = 0 OR "
      "request_timestamp < timezone('utc', now()) - interval '40 hours')";
  server().exec("CREATE TABLE late AS SELECT * FROM monitoring_results WHERE " + late +
                "; DELETE FROM monitoring_results WHERE " + late);
  roll_up();
  server().exec(
      "INSERT INTO monitoring_results SELECT * FROM late; INSERT INTO monitoring_touched (hour, agent, "
      "first_seq, last_seq) SELECT date_trunc('hour', request_timestamp), agent, min(seq), max(seq) FROM late "
      "GROUP BY 1, 2");
  const auto before = external(hours{69});
  expect_same(before, local(before));
  roll_up();
  const auto after = external(hours{69});
  expect_same(after, local(after));
}

TEST_F(ExternalReportTest, AnOutageThatNobodyWatchedLastsUntilTheNextCheckAndNoLonger) {
  const auto id = define(definition("shop"));
  const auto add = [&](minutes ago, bool down) {
    auto row = result(id, ago);
    if (down) {
      row.outcome = Outcome::kStatus;
      row.reason = "HTTP 503";
    }
    append(row);
  };
  for (minutes ago{82 * 60}; ago > hours{80}; ago -= minutes{10}) add(ago, ago < hours{81});
  for (minutes ago{5 * 60}; ago > minutes{0}; ago -= minutes{10}) add(ago, false);
  commit();
  now_ = std::chrono::floor<common::Micros>(clock_.wall());
  export_all();
  roll_up();
  const auto report = external(hours{100});
  expect_same(report, local(report));
  ASSERT_EQ(report.services.size(), 1U);
  ASSERT_EQ(report.services[0].outages.size(), 1U);
  EXPECT_TRUE(report.services[0].outages[0].to);
  // The same if the results of its hours are read, and what follows is rolled up.
  server().exec(
      "INSERT INTO monitoring_touched (hour, agent, first_seq, last_seq) SELECT hour, agent, first_seq, last_seq "
      "FROM monitoring_rolled WHERE hour < timezone('utc', now()) - interval '50 hours'");
  const auto again = external(hours{100});
  expect_same(again, local(again));
}

TEST_F(ExternalReportTest, AnOutageOfAnAgentThatIsGoneMayHaveEnded) {
  const auto id = define(definition("shop"));
  for (minutes ago{4 * 60}; ago > minutes{0}; ago -= minutes{10}) {
    auto row = result(id, ago);
    row.outcome = Outcome::kStatus;
    append(row);
  }
  commit();
  now_ = std::chrono::floor<common::Micros>(clock_.wall());
  export_all();
  const auto watched = [&](seconds last) {
    const auto report = external(last);
    return report.services.at(0).outages.at(0).watched;
  };
  EXPECT_TRUE(watched(hours{10}));
  roll_up();
  EXPECT_TRUE(watched(hours{10}));
  server().exec("UPDATE monitoring_agents SET exported_at = exported_at - interval '16 minutes'");
  EXPECT_FALSE(watched(hours{10})) << "it is silent";
  server().exec("UPDATE monitoring_agents SET exported_at = exported_at + interval '1 day'");
  now_ += hours{3};
  EXPECT_FALSE(watched(hours{10})) << "it goes on, with other services";
}

TEST_F(ExternalReportTest, WhatWasDroppedRemainsInTheRollUps) {
  store_three_days();
  options_.remote_retention = hours{24};
  roll_up();
  exporter::Breaker breaker;
  const auto session = exporter::Session::open(server().uri(), limits_, breaker);
  while (exporter::drop_expired(*session, *options_.remote_retention).state == exporter::Dropping::kDropped) {
  }
  EXPECT_EQ(server().value("SELECT count(*) FROM monitoring_results WHERE request_timestamp < timezone('utc', now()) - "
                           "interval '2 days'"),
            "0");
  const auto report = external(hours{69});
  expect_same(report, local(report));
}

TEST_F(ExternalReportTest, ADatabaseWithoutRollUpsIsReadWhole) {
  store_three_days();
  server().exec(
      "DROP TABLE monitoring_hours, monitoring_days, monitoring_months, monitoring_outages, monitoring_rolled, "
      "monitoring_touched; ALTER TABLE monitoring_agents DROP results_marked, DROP skipped_marked; "
      "UPDATE monitoring_schema SET version = 2");
  const auto report = external(hours{50});
  expect_same(report, local(report));
  ASSERT_EQ(report.notes.size(), 1U);
  EXPECT_THAT(report.notes[0], HasSubstr("no roll-ups"));
}

TEST_F(ExternalReportTest, ANewerSchemaIsRead) {
  store_three_days();
  server().exec("UPDATE monitoring_schema SET version = 99; ALTER TABLE monitoring_results ADD COLUMN news text");
  const auto report = external(hours{24});
  expect_same(report, local(report));
}

TEST_F(ExternalReportTest, RestrictsItselfToOneService) {
  store_three_days();
  roll_up();
  const auto all = external(hours{48});
  const auto one = external(hours{48}, "shop");
  ASSERT_EQ(one.services.size(), 1U);
  expect_same(one.services[0], all.services.at(1));
  EXPECT_THAT(external(hours{48}, "nothing of that name").services, IsEmpty());
}

TEST_F(ExternalReportTest, NeedsNothingButSelect) {
  store_three_days();
  server().exec("CREATE ROLE reader LOGIN PASSWORD 'r3ader'; GRANT SELECT ON ALL TABLES IN SCHEMA public TO reader");
  auto uri = server().uri();
  uri.replace(uri.find("monitor:"), std::string(test::Postgres::kPassword).size() + 8, "reader:r3ader");
  EXPECT_EQ(summarize_external(uri, {.last = hours{24}, .service = {}, .now = now_}).services.size(), 2U);
  server().exec("REVOKE SELECT ON monitoring_results FROM reader");
  try {
    summarize_external(uri, {.last = hours{24}, .service = {}, .now = now_});
    FAIL();
  } catch (const common::Error& error) {
    EXPECT_THAT(error.what(), HasSubstr("grant SELECT"));
  }
  server().exec("DROP OWNED BY reader; DROP ROLE reader");
}

std::string error_of(const std::string& uri) {
  try {
    summarize_external(uri, {.last = hours{1}, .service = {}, .now = {}});
  } catch (const common::Error& error) {
    return error.what();
  }
  return "no error";
}

TEST_F(ExternalReportTest, SaysWhatIsWrongWithoutThePassword) {
  const auto empty = error_of(server().uri());
  EXPECT_THAT(empty, HasSubstr("no results of a monitor"));
  auto wrong = server().uri();
  wrong.replace(wrong.find(test::Postgres::kPassword), 3, "wr0");
  const auto refused = error_of(wrong);
  EXPECT_THAT(refused, HasSubstr("authentication failed"));
  EXPECT_THAT(refused, Not(HasSubstr("canary")));
  EXPECT_THAT(error_of("postgresql://u:s3cret@127.0.0.1:1/x"), HasSubstr("cannot be reached"));
  EXPECT_THAT(error_of("postgresql://u:s3cret@127.0.0.1:1/x"), Not(HasSubstr("s3cret")));
}

TEST_F(ExternalReportTest, TellsOfAnAgentThatFellSilent) {
  store_three_days();
  server().exec("UPDATE monitoring_agents SET exported_at = exported_at - interval '1 hour'");
  const auto report = external(hours{24});
  ASSERT_EQ(report.notes.size(), 1U);
  EXPECT_THAT(report.notes[0], HasSubstr("has sent nothing since"));
}

}  // namespace
}  // namespace monitor::report
