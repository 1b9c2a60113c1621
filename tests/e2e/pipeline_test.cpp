// The promise as a whole: PostgreSQL away for a while, a kill -9, and every slot accounted for. A short form here;
// MONITOR_E2E_SERVICES=300 MONITOR_E2E_INTERVAL=5 MONITOR_E2E_SECONDS=300 is the long one.
#include <cstdlib>
#include <sstream>
#include <string>
#include <vector>

#include <gmock/gmock.h>

#include "e2e/world.h"
#include "support/postgres.h"

namespace monitor::test {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;

int parameter(const char* name, int otherwise) {
  const char* value = std::getenv(name);
  return value == nullptr ? otherwise : std::stoi(value);
}

/// Of CSV whose fields up to there have no commas; `column` counts from 0.
std::int64_t sum_of_column(const std::string& csv, int column) {
  std::istringstream lines(csv);
  std::int64_t sum = 0;
  std::string line;
  std::getline(lines, line);
  while (std::getline(lines, line)) {
    std::istringstream fields(line);
    std::string field;
    for (int i = 0; i <= column; ++i) std::getline(fields, field, ',');
    sum += std::stoll(field);
  }
  return sum;
}

class Pipeline : public testing::Test {
 protected:
  const int services_ = parameter("MONITOR_E2E_SERVICES", 100);
  const int interval_ = parameter("MONITOR_E2E_INTERVAL", 1);
  const int seconds_ = parameter("MONITOR_E2E_SECONDS", 21);

  void write_config(const std::string& more = "") {
    std::string text = "external_database_uri: \"" + postgres_.uri() + "\"\ninterval_limits: {min: 1, max: 300}\n" +
                       more + "services:\n";
    for (int i = 0; i < services_; ++i) {
      text += "  - {name: s-" + std::to_string(i) + ", url: \"" + example_.url() + (i % 10 == 9 ? "/flaky" : "/") +
              "\", interval_sec: " + std::to_string(interval_) + ", timeout: 5}\n";
    }
    world_.write_config(text);
  }
  void live_for(seconds duration) { std::this_thread::sleep_for(duration); }  // the run itself takes this long
  /// Also the run itself, while somebody looks again and again.
  void verify_for(seconds duration) {
    const auto end = std::chrono::steady_clock::now() + duration;
    for (int i = 0; i < 5 || std::chrono::steady_clock::now() < end; ++i) {
      const auto found = world_.monitor({"verify"});
      EXPECT_EQ(found.status, 0) << found.out << found.err;
      std::this_thread::sleep_for(milliseconds{100});
    }
  }
  bool drained() {
    const auto local = world_.local("SELECT coalesce(max(seq), 0) FROM results").at(0).at(0);
    return eventually([&] { return postgres_.value("SELECT coalesce(max(seq), 0) FROM monitoring_results") >= local; });
  }

  Postgres postgres_;
  Example example_;
  World world_;
};

TEST_F(Pipeline, AnOutageAndAKillLoseNothingButTheCommitWindow) {
  write_config();
  auto first = world_.start();
  ASSERT_TRUE(first->wait_for("Exported ")) << first->err();
  verify_for(seconds{seconds_ / 3});
  postgres_.stop();
  live_for(seconds{seconds_ / 5});
  postgres_.start();
  live_for(seconds{seconds_ / 5});
  const auto killed_at =
      std::chrono::duration_cast<std::chrono::microseconds>(std::chrono::system_clock::now().time_since_epoch())
          .count();
  first->signal(SIGKILL);
  ASSERT_EQ(first->wait(), 128 + SIGKILL);

  auto second = world_.start();
  verify_for(seconds{seconds_ / 4});
  second->signal(SIGTERM);
  ASSERT_EQ(second->wait(), 0) << second->err();

  // Once in PostgreSQL, in an unbroken row, and the same as here.
  const auto local_rows = world_.local_number("SELECT count(*) FROM results");
  EXPECT_EQ(world_.local_number("SELECT max(seq) - min(seq) + 1 FROM results"), local_rows);
  EXPECT_EQ(postgres_.value("SELECT count(*) FROM monitoring_results"), std::to_string(local_rows));
  EXPECT_EQ(postgres_.value("SELECT max(seq) - min(seq) + 1 FROM monitoring_results"), std::to_string(local_rows));
  EXPECT_EQ(postgres_.value("SELECT count(DISTINCT seq) FROM monitoring_results"), std::to_string(local_rows));
  EXPECT_EQ(postgres_.value("SELECT count(*) FROM monitoring"), std::to_string(local_rows));
  const auto arrived = postgres_.value("SELECT coalesce(max(id), 0) FROM monitoring_skipped");
  EXPECT_EQ(postgres_.value("SELECT coalesce(sum(count), 0) FROM monitoring_skipped"),
            world_.local("SELECT coalesce(sum(count), 0) FROM skipped WHERE id <= " + arrived).at(0).at(0));
  // Only slots that came due after the last export, while it stopped, wait for the next start.
  EXPECT_EQ(world_.local_number("SELECT count(*) FROM skipped WHERE reason <> 4 AND id > " + arrived), 0);
  EXPECT_EQ(world_.local("PRAGMA integrity_check").at(0).at(0), "ok");

  // The report says of both databases what is in them.
  for (const auto& arguments : {std::vector<std::string>{"report", "--csv"}, {"report", "--csv", "--external"}}) {
    const auto report = world_.monitor(arguments);
    EXPECT_EQ(report.status, 0) << report.err;
    EXPECT_EQ(sum_of_column(report.out, 3), local_rows) << report.out;
  }
  postgres_.value("DELETE FROM monitoring_results WHERE seq = 7 RETURNING seq");
  const auto found = world_.monitor({"verify"});
  EXPECT_EQ(found.status, 1) << found.out << found.err;
  EXPECT_THAT(found.out, testing::HasSubstr("had arrived in PostgreSQL and is there no more"));

  // Every slot ran or is skipped: a service's due moments are an interval apart, but for the one hole at the kill.
  const std::int64_t interval_us = interval_ * 1'000'000LL;
  const auto due = due_moments(world_, interval_us);
  ASSERT_EQ(due.size(), static_cast<std::size_t>(services_));
  for (const auto& [definition, moments] : due) {
    for (std::size_t i = 1; i < moments.size(); ++i) {
      const auto step = moments[i] - moments[i - 1];
      const bool over_the_kill = moments[i - 1] <= killed_at && moments[i] >= killed_at - 500'000;
      if (over_the_kill) {
        EXPECT_GE(moments[i - 1], killed_at - interval_us - 500'000) << "service " << definition << " lost too much";
      } else {
        EXPECT_NEAR(static_cast<double>(step), static_cast<double>(interval_us), 20'000) << "service " << definition;
      }
    }
  }
}

TEST_F(Pipeline, UnderOverloadEverySlotStillRanOrIsSkippedWithAReason) {
  std::string text = "interval_limits: {min: 1, max: 300}\nservices:\n";
  for (int i = 0; i < 100; ++i) {
    text += "  - {name: s-" + std::to_string(i) + ", url: \"" + example_.url() + "/slow?ms=700\", interval_sec: 1}\n";
  }
  world_.write_config(text);
  // 132 descriptors leave room for four checks at once.
  Child monitor(
      {.command = {"/bin/sh", "-c", "ulimit -n 132; exec " + std::string{MONITOR_BINARY} + " start -vvvv --yes"},
       .environment = {{"HOME", world_.home().string()}}});
  ASSERT_TRUE(monitor.wait_for("At most 4 checks run at once")) << monitor.err();
  ASSERT_TRUE(monitor.wait_for("slots are being skipped")) << monitor.err();
  EXPECT_THAT(monitor.err(),
              testing::ContainsRegex("About [0-9]+ at once are needed: raise the limit of open files to"));
  ASSERT_TRUE(eventually([&] { return world_.local_number("SELECT count(*) FROM results") > 40; }));
  monitor.signal(SIGTERM);
  ASSERT_EQ(monitor.wait(), 0) << monitor.err();
  EXPECT_GT(world_.local_number("SELECT count(*) FROM skipped"), 40);
  const auto report = world_.monitor({"report", "--json"}).out;
  EXPECT_THAT(report, testing::ContainsRegex("\"pool_exhausted\": [1-9]"));
  EXPECT_THAT(report, testing::Not(testing::HasSubstr("\"coverage_percent\": 100")));
  for (const auto& [definition, moments] : due_moments(world_, 1'000'000)) {
    for (std::size_t i = 1; i < moments.size(); ++i) {
      EXPECT_NEAR(static_cast<double>(moments[i] - moments[i - 1]), 1e6, 20'000) << "service " << definition;
    }
  }
}

TEST_F(Pipeline, WhatHasArrivedIsPurgedAndTheRestIsKept) {
  write_config("keep_exported: 0\n");
  auto monitor = world_.start();
  ASSERT_TRUE(monitor->wait_for("processed records deleted.")) << monitor->err();
  postgres_.stop();
  ASSERT_TRUE(eventually([&] { return world_.local_number("SELECT count(*) FROM results") > 2 * services_; }))
      << "nothing is purged that has not arrived";
  const auto waiting = std::to_string(world_.local_number("SELECT max(seq) FROM results"));
  postgres_.start();
  ASSERT_TRUE(eventually(
      [&] { return world_.local_number("SELECT count(*) FROM results WHERE seq <= " + waiting) == 0; }, seconds{60}))
      << monitor->err();
  monitor->signal(SIGTERM);
  EXPECT_EQ(monitor->wait(), 0) << monitor->err();
  const auto seen = postgres_.value("SELECT count(*) FROM monitoring_results");
  EXPECT_EQ(postgres_.value("SELECT max(seq) - min(seq) + 1 FROM monitoring_results"), seen);
}

TEST_F(Pipeline, APostgresThatHangsHoldsUpNeitherThePollingNorTheStop) {
  write_config();
  postgres_.pause();  // the kernel still accepts connections for it
  auto monitor = world_.start();
  ASSERT_TRUE(eventually([&] {
    return std::filesystem::exists(world_.database()) &&
           world_.local_number("SELECT count(*) FROM results") > 2 * services_;
  })) << monitor->err();
  monitor->signal(SIGTERM);
  EXPECT_EQ(monitor->wait(seconds{15}), 0) << monitor->err();
  postgres_.resume();
  EXPECT_EQ(world_.local("PRAGMA integrity_check").at(0).at(0), "ok");
}

TEST_F(Pipeline, EachWorkerGoesOnWithoutTheOthers) {
  write_config("workers: {agent: true, exporter: false, collector: false}\n");
  auto agent_alone = world_.start();
  ASSERT_TRUE(eventually([&] {
    return std::filesystem::exists(world_.database()) &&
           world_.local_number("SELECT count(*) FROM results") >= services_;
  })) << agent_alone->err();
  agent_alone->signal(SIGTERM);
  ASSERT_EQ(agent_alone->wait(), 0) << agent_alone->err();
  const auto taken = world_.local_number("SELECT count(*) FROM results");

  write_config("workers: {agent: false, exporter: true, collector: false}\n");
  auto exporter_alone = world_.start();
  ASSERT_TRUE(eventually([&] {
    return postgres_.value("SELECT to_regclass('monitoring_results') IS NOT NULL") == "t" &&
           postgres_.value("SELECT count(*) FROM monitoring_results") == std::to_string(taken);
  })) << exporter_alone->err();
  exporter_alone->signal(SIGTERM);
  ASSERT_EQ(exporter_alone->wait(), 0) << exporter_alone->err();

  write_config("workers: {agent: false, exporter: false, collector: true}\nkeep_exported: 0\n");
  auto collector_alone = world_.start();
  ASSERT_TRUE(eventually([&] { return world_.local_number("SELECT count(*) FROM results") <= 1; }))
      << collector_alone->err();
  collector_alone->signal(SIGTERM);
  ASSERT_EQ(collector_alone->wait(), 0) << collector_alone->err();
}

}  // namespace
}  // namespace monitor::test
