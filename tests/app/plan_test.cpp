#include "app/plan.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "agent/files.h"

namespace monitor::app {
namespace {

using std::chrono::days;
using std::chrono::hours;
using std::chrono::seconds;
using testing::Contains;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;

constexpr std::size_t kFiles = 1024;
constexpr std::size_t kTaken = agent::kReservedFiles + agent::kFewestSpare;
constexpr std::uint64_t kMaxSize = std::uint64_t{10} << 30;
constexpr const char* kUri = "postgresql://u@h/db";

/// Of five services with an interval of 5 s.
constexpr std::uint64_t kDaysRows = 86'400;
/// Bytes of a day of a service with an interval of 5 s, hours and day.
constexpr std::uint64_t kLocalRollups = 24 * 250 + 400, kRemoteRollups = 24 * 1200 + 1150;

class PlanTest : public testing::Test {
 protected:
  void add(std::size_t count, const std::string& host, seconds interval, seconds timeout = seconds{15}) {
    for (std::size_t i = 0; i < count; ++i) {
      probe::Service service;
      service.url = service.target = host + "/" + std::to_string(settings_.agent.services.size());
      service.method = "GET";
      service.interval = interval;
      service.timeout = timeout;
      settings_.agent.services.push_back(service);
    }
  }
  Plan plan(std::size_t files = kFiles) const { return plan_of(settings_, files, kMaxSize); }
  config::Settings settings_;
};

TEST_F(PlanTest, CountsChecksInAllAndForEachHost) {
  add(20, "https://a.example", seconds{5});
  add(10, "https://a.example:8443", seconds{10});
  add(30, "http://b.example", seconds{5});
  add(1, "http://c.example", seconds{300});
  const auto made = plan();
  EXPECT_EQ(made.services, 61U);
  EXPECT_NEAR(made.checks_a_second, 11.0033, 1e-4);
  ASSERT_EQ(made.hosts.size(), 3U);
  EXPECT_EQ(made.hosts[0].host, "b.example");
  EXPECT_NEAR(made.hosts[0].checks_a_second, 6, 1e-9);
  EXPECT_EQ(made.hosts[1].host, "a.example");
  EXPECT_EQ(made.hosts[1].services, 30U);
  EXPECT_NEAR(made.hosts[1].checks_a_second, 5, 1e-9);
  EXPECT_THAT(made.warnings, IsEmpty());
}

TEST_F(PlanTest, AServiceNeverOverlapsItselfSoAChecksPartIsOneAtMost) {
  add(100, "http://a.example", seconds{30}, seconds{15});
  add(10, "http://b.example", seconds{5}, seconds{15});
  const auto made = plan();
  EXPECT_EQ(made.at_once_worst, 60U);
  EXPECT_EQ(made.at_once_typical, 1U) << "5.3 checks a second of 100 ms";
  EXPECT_EQ(made.at_once_possible, kFiles - kTaken);
  EXPECT_EQ(made.open_files, kFiles);
}

TEST_F(PlanTest, WarnsOfAHostThatGetsMoreThanTenChecksASecond) {
  add(50, "http://calm.example", seconds{5});
  add(51, "http://busy.example", seconds{5});
  const auto made = plan();
  ASSERT_EQ(made.warnings.size(), 1U);
  EXPECT_THAT(made.warnings[0], HasSubstr("busy.example gets 10.2 checks a second from 51 services"));
}

TEST_F(PlanTest, NamesTenSuchHostsAndCountsTheOthers) {
  for (int i = 0; i < 13; ++i) add(51, "http://busy-" + std::to_string(i) + ".example", seconds{5}, seconds{1});
  settings_.collector.local_retention = days{1};
  const auto made = plan();
  ASSERT_EQ(made.warnings.size(), 11U);
  EXPECT_THAT(made.warnings[10], HasSubstr("3 more hosts get more than 10"));
}

TEST_F(PlanTest, WithALimitItWarnsOfWhatTheLimitWillSkip) {
  add(60, "http://busy.example", seconds{5});
  settings_.agent.limits.per_host_rate = 3;
  const auto made = plan();
  ASSERT_EQ(made.warnings.size(), 1U);
  EXPECT_THAT(made.warnings[0], HasSubstr("lets 3 checks a second go to one host, and the services of busy.example ask "
                                          "for 12.0: about 75 % of their slots will be skipped"));
  settings_.agent.limits.per_host_rate = 12;
  EXPECT_THAT(plan().warnings, ElementsAre(HasSubstr("gets 12.0 checks a second"))) << "no limit worth the name";
  EXPECT_THAT(plan().warnings, ElementsAre(HasSubstr("or lower limits.per_host_rate")));
  settings_.agent.limits.per_host_rate = 0;
  EXPECT_THAT(plan().warnings, ElementsAre(HasSubstr("or set limits.per_host_rate")));
}

TEST_F(PlanTest, WarnsOfAHostWhoseChecksNeedMoreRoomAtOnceThanTheyMayHave) {
  add(40, "http://a.example", seconds{1}, seconds{1});
  add(30, "http://b.example", seconds{1}, seconds{1});
  settings_.agent.limits.per_host_rate = 10;
  settings_.agent.limits.per_host_concurrency = 2;
  auto made = plan();
  EXPECT_THAT(made.warnings, Contains(HasSubstr("lets 2 checks of one host run at once, and those of a.example need "
                                                "about 4 even if each takes 100 ms: about 50 % of their slots will be "
                                                "skipped (some slots of 1 more hosts too)")));
  settings_.agent.limits.per_host_concurrency = 4;
  EXPECT_THAT(plan().warnings, testing::Each(testing::Not(HasSubstr("per_host_concurrency"))));
}

TEST_F(PlanTest, NoMoreRunAtOnceThanTheLimitsOfEachHostLet) {
  for (int i = 0; i < 3; ++i) add(100, "http://h-" + std::to_string(i) + ".example", seconds{5}, seconds{5});
  add(1, "http://small.example", seconds{5}, seconds{5});
  const auto without = plan();
  EXPECT_EQ(without.at_once_worst, 301U);
  settings_.agent.limits.per_host_concurrency = 4;
  EXPECT_EQ(plan().at_once_worst, 13U);
  EXPECT_LT(plan().memory_worst, without.memory_worst);
  settings_.agent.limits = {.per_host_concurrency = 1, .per_host_rate = 0};
  EXPECT_EQ(without.at_once_typical, 7U) << "two of each host, and a fiftieth";
  EXPECT_EQ(plan().at_once_typical, 4U);
}

TEST_F(PlanTest, ARateThatIsLimitedLetsFewerRunAtOnce) {
  add(100, "http://a.example", seconds{5}, seconds{5});
  settings_.agent.limits.per_host_rate = 2;
  EXPECT_EQ(plan().at_once_worst, 10U) << "two a second that hang for five";
  settings_.agent.limits.per_host_rate = 100;
  EXPECT_EQ(plan().at_once_worst, 100U);
}

TEST_F(PlanTest, WarnsWhenServersThatHangNeedMoreOpenFilesThanThereAre) {
  for (int i = 0; i < 20; ++i) add(10, "http://h-" + std::to_string(i) + ".example", seconds{5});
  EXPECT_THAT(plan(328).warnings, IsEmpty());
  EXPECT_THAT(plan(327).warnings, ElementsAre(HasSubstr("raise the limit of open files to 328")));
}

TEST_F(PlanTest, BeyondWhatOneMonitorRunsNoNumberOfFilesHelps) {
  for (int i = 0; i < 450; ++i) add(50, "http://h-" + std::to_string(i) + ".example", seconds{5});
  settings_.collector.local_retention = hours{1};
  const auto made = plan(1'000'000);
  EXPECT_EQ(made.at_once_possible, agent::kMostChecksAtOnce);
  EXPECT_THAT(made.warnings, ElementsAre(testing::Not(HasSubstr("raise"))));
}

TEST_F(PlanTest, RowsAndBytesOfADayAndAYear) {
  add(5, "http://a.example", seconds{5});
  const auto made = plan();
  EXPECT_EQ(made.local.rows_a_day, 86'400U);
  EXPECT_EQ(made.local.bytes_a_day, kDaysRows * 70 + 5 * kLocalRollups);
  EXPECT_EQ(made.local.rows_a_year, 31'536'000U);
  EXPECT_EQ(made.local.bytes_a_year, 365 * (kDaysRows * 70 + 5 * kLocalRollups));
  EXPECT_EQ(made.remote, std::nullopt);
}

TEST_F(PlanTest, WhatIsKeptFollowsTheRetentions) {
  add(5, "http://a.example", seconds{5});
  settings_.collector.local_retention = days{2};
  EXPECT_EQ(plan().local.rows_kept, 2U * 86'400);
  settings_.exporter.uri = kUri;
  settings_.exporter.remote_retention = days{90};
  auto made = plan();
  EXPECT_EQ(made.local.kept_for, hours{1});
  EXPECT_EQ(made.local.rows_kept, 3600U);
  ASSERT_TRUE(made.remote);
  EXPECT_EQ(made.remote->bytes_a_day, kDaysRows * 190 + 5 * kRemoteRollups);
  EXPECT_EQ(made.remote->rows_kept, 90U * 86'400);
  settings_.exporter.remote_retention.reset();
  EXPECT_EQ(plan().remote->rows_kept, 365U * 86'400) << "without end, so all of a year";
  settings_.exporter.remote_retention = days{4000};
  EXPECT_EQ(plan().remote->rows_kept, 365U * 86'400);
}

TEST_F(PlanTest, RollUpsStayWhenTheResultsHaveGone) {
  add(5, "http://a.example", seconds{5});
  settings_.collector = {.local_retention = days{2}, .rollup_hours = days{12}, .rollup_days = days{102}};
  EXPECT_EQ(plan().local.bytes_kept, 2 * kDaysRows * 70 + 5ULL * (10 * 24 * 250 + 100 * 400));
  settings_.exporter.uri = kUri;
  settings_.exporter.remote_retention = days{2};
  settings_.exporter.rollup_hours = days{10};
  settings_.exporter.rollup_days = days{4000};
  EXPECT_EQ(plan().remote->bytes_kept, 2 * kDaysRows * 190 + 5ULL * (10 * 24 * 1200 + 365 * 1150));
}

TEST_F(PlanTest, RollUpsOfFewChecksAreSmallerAndThoseOfNoneAreNotThere) {
  add(1, "http://a.example", hours{6});
  EXPECT_EQ(plan().local.bytes_a_day, 4U * 70 + 4 * (50 + 15) + (50 + 4 * 15));
}

TEST_F(PlanTest, RollUpsTakeHalfOfTheSizeLimitAtMost) {
  add(1000, "http://a.example", hours{1});
  settings_.storage.max_size = 1 << 20;
  const auto made = plan();
  EXPECT_LE(made.local.bytes_kept, 1U << 20);
  EXPECT_EQ(made.local.rows_kept, ((1U << 19) + 35) / 70);
}

TEST_F(PlanTest, WhatIsNotExportedOrPurgedStaysHere) {
  add(5, "http://a.example", seconds{5});
  settings_.exporter.uri = kUri;
  settings_.exporter.enabled = false;
  auto made = plan();
  EXPECT_EQ(made.local.kept_for, std::nullopt);
  EXPECT_EQ(made.local.rows_kept, 365U * 86'400);
  EXPECT_EQ(made.remote->rows_a_day, 0U);
  EXPECT_EQ(made.remote->bytes_a_year, 0U);
  EXPECT_EQ(made.local.bytes_a_day, kDaysRows * 70) << "nothing is rolled up but by a purge";
  settings_.exporter.uri.clear();
  settings_.collector.enabled = false;
  EXPECT_EQ(plan().local.kept_for, std::nullopt);
}

TEST_F(PlanTest, WarnsWhenTheSizeLimitComesBeforeTheRetention) {
  add(5, "http://a.example", seconds{5});
  settings_.storage.max_size = 86'400ULL * 70 * 10;
  const auto made = plan();
  EXPECT_LE(made.local.bytes_kept, kDaysRows * 70 * 10);
  EXPECT_GT(made.local.rows_kept, 700'000U);
  EXPECT_THAT(made.warnings, ElementsAre(HasSubstr("after about 10.0 days, before 30d are over")));
}

TEST_F(PlanTest, WhereNoSizeLimitIsConfiguredTheDiskSetsOne) {
  add(5, "http://a.example", seconds{5});
  const auto made = plan_of(settings_, kFiles, 86'400ULL * 70 * 10);
  EXPECT_LE(made.local.bytes_kept, kDaysRows * 70 * 10);
  EXPECT_THAT(made.warnings, ElementsAre(HasSubstr("after about 10.0 days, before 30d are over")));
}

TEST_F(PlanTest, AnAgentThatIsSwitchedOffChecksNothing) {
  add(5, "http://a.example", seconds{5});
  settings_.agent.enabled = false;
  const auto made = plan();
  EXPECT_EQ(made.checks_a_second, 0);
  EXPECT_EQ(made.at_once_worst, 0U);
  EXPECT_EQ(made.local.rows_a_year, 0U);
  EXPECT_THAT(made.hosts, IsEmpty());
  auto spec = std::make_shared<probe::Spec>();
  spec->reuse = true;
  settings_.agent.services.front().extra = spec;
  EXPECT_EQ(plan().idle_connections, 0U);
}

TEST_F(PlanTest, MemoryGrowsWithServicesAndWithWhatWaitsAtOnce) {
  const auto none = plan().memory_typical;
  add(10'000, "http://a.example", seconds{300}, seconds{300});
  const auto plain = plan(100'000);
  EXPECT_GT(plain.memory_typical, none + (10'000U << 10));
  EXPECT_GT(plain.memory_worst, plain.memory_typical);
  EXPECT_LT(plan(1024).memory_worst, plain.memory_worst) << "no more than can run";
  settings_.agent.services.clear();
  add(10'000, "https://a.example", seconds{300}, seconds{300});
  EXPECT_GT(plan(100'000).memory_worst, plain.memory_worst);
}

TEST_F(PlanTest, ConnectionsThatWaitToBeUsedAgainHaveABound) {
  auto spec = std::make_shared<probe::Spec>();
  spec->reuse = true;
  add(300, "http://a.example", seconds{300});
  EXPECT_EQ(plan().idle_connections, 0U);
  for (auto& service : settings_.agent.services) service.extra = spec;
  EXPECT_EQ(plan(4096).idle_connections, 300U) << "one for each service";
  spec->redirects.follow = true;
  EXPECT_EQ(plan(1 << 14).idle_connections, 3300U) << "and one for each redirect";
  EXPECT_EQ(plan(1024).idle_connections, 256U) << "files are needed for other things too";
}

TEST_F(PlanTest, ConnectionsThatWaitToBeUsedAgainTakeMemory) {
  constexpr std::uint64_t kServices = 10'000, kLeast = 32 << 10;  // bytes of a TLS session
  add(kServices, "https://a.example", seconds{300});
  const auto fresh = plan(100'000).memory_typical;
  auto spec = std::make_shared<probe::Spec>();
  spec->reuse = true;
  for (auto& service : settings_.agent.services) service.extra = spec;
  EXPECT_GT(plan(100'000).memory_typical, fresh + kServices * kLeast);
  EXPECT_LT(plan(1024).memory_typical, fresh + kServices * kLeast) << "no more than may wait";
}

TEST_F(PlanTest, ChecksAndConnectionsThatWaitShareTheOpenFiles) {
  auto spec = std::make_shared<probe::Spec>();
  spec->reuse = true;
  for (int i = 0; i < 20; ++i) add(50, "http://h-" + std::to_string(i) + ".example", seconds{5}, seconds{5});
  for (auto& service : settings_.agent.services) service.extra = spec;
  EXPECT_EQ(plan(1024).at_once_possible, 1024U - kTaken - 256U);
  EXPECT_EQ(plan(400).at_once_possible, 400U - kTaken - 100U);
  EXPECT_EQ(plan(128).at_once_possible, 1U);
  settings_.collector.local_retention = hours{1};
  EXPECT_THAT(plan(1400).warnings, ElementsAre(HasSubstr("raise the limit of open files to 1503")));
  EXPECT_THAT(plan(1503).warnings, IsEmpty());
}

}  // namespace
}  // namespace monitor::app
