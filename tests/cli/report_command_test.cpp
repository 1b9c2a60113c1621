#include <algorithm>

#include <boost/asio/io_context.hpp>
#include <boost/json/parse.hpp>

#include "async/clock.h"
#include "cli/session.h"
#include "storage/store.h"
#include "support/io.h"

namespace monitor::cli {
namespace {

namespace json = boost::json;
using testing::HasSubstr;
using testing::Not;

constexpr std::chrono::minutes kJustNow{1};
constexpr std::chrono::hours kLongAgo{30};

class ReportCommand : public Session {
 protected:
  void SetUp() override {
    must({"config", "create"});
    must({"config", "services", "add", "http://localhost:8000/", "GET", "-q"});
    must({"config", "services", "add", "http://localhost:8000/b", "GET", "-q", "--name", "web"});
  }

  struct Check {
    common::Outcome outcome = common::Outcome::kUp;
    common::Micros total{};
    std::string reason;
    common::Micros age = kJustNow;
    std::uint16_t attempt = 0;
  };

  /// Stores checks and skipped slots of the service GET http://localhost:8000/ as the agent does.
  void store(const std::vector<Check>& checks, std::int64_t skipped) {
    boost::asio::io_context io(1);
    const async::SystemClock clock;
    storage::Options options;
    options.path = home_ / ".monitoring/local-database.sqlite3";
    const auto store = storage::Store::open(io.get_executor(), options, clock);
    storage::Definition definition;
    definition.url = "http://localhost:8000/";
    definition.method = "GET";
    definition.key = "GET\nhttp://localhost:8000/\nfalse\n";
    const auto id = test::run(io, store->define({definition})).front();
    for (const auto& check : checks) {
      storage::Result result;
      result.definition = id;
      result.requested_at = clock.wall() - check.age;
      result.outcome = check.outcome;
      if (check.outcome == common::Outcome::kUp) result.status = 200;
      result.total = check.total;
      result.reason = check.reason;
      result.attempt = check.attempt;
      result.dns = common::Micros{310};
      result.lateness = common::Micros{1500};
      test::run(io, store->append(std::move(result)));
    }
    if (skipped > 0) {
      storage::Skipped range{id, clock.wall() - kJustNow, clock.wall(), skipped, storage::SkipReason::kStillRunning};
      store->append(range);
    }
    test::run(io, store->close());
  }
  void store_three_and_two_skipped() {
    store({{common::Outcome::kUp, common::Micros{10'000}, {}},
           {common::Outcome::kUp, common::Micros{20'000}, {}},
           {common::Outcome::kConnectRefused, common::Micros{100}, "nobody listens there"}},
          2);
  }
};

TEST_F(ReportCommand, LooksAtTheDefaultDatabaseWhereNoneIsGiven) {
  store_three_and_two_skipped();
  write_config("services: [{url: 'http://localhost:8000/'}]\n");
  EXPECT_THAT(must({"report"}).out, HasSubstr("nobody listens there"));
}

TEST_F(ReportCommand, ShowsEveryServiceAlsoThoseWithoutResults) {
  store_three_and_two_skipped();
  const auto report = must({"report"});
  EXPECT_THAT(report.out,
              HasSubstr("|          service           | checks |  up % | coverage % | up | degraded | down | "
                        "unknown | skipped |\n"));
  EXPECT_THAT(report.out,
              HasSubstr("| GET http://localhost:8000/ |   3    | 66.66 |   60.00    | 2  |    0     |  1   |    "
                        "0    |    2    |\n"));
  EXPECT_THAT(report.out, HasSubstr("\nskipped: 2 still_running\n"));
  EXPECT_THAT(report.out,
              HasSubstr("|            web             |   0    |  None |    None    | 0  |    0     |  0   |    "
                        "0    |    0    |\n"));
  EXPECT_THAT(report.out, HasSubstr("| p50 ms | p95 ms | p99 ms | late p99 ms |   last outcome  |        reason"));
  EXPECT_THAT(report.out, HasSubstr("| connect_refused | nobody listens there |\n"));
  EXPECT_THAT(report.out, HasSubstr("longest outages"));
  EXPECT_THAT(report.out, HasSubstr("| still down |"));
  EXPECT_THAT(report.out, Not(HasSubstr("first_byte")));
  for (std::string_view rest = report.out; !rest.empty(); rest.remove_prefix(rest.find('\n') + 1)) {
    EXPECT_LE(rest.find('\n'), 120U) << rest.substr(0, rest.find('\n'));
  }
}

TEST_F(ReportCommand, CutsAPercentageOnlyWhereItHasMoreThanTwoDigits) {
  std::vector<Check> checks(125, {common::Outcome::kConnectRefused, common::Micros{100}, "nobody listens there"});
  std::fill_n(checks.begin(), 23, Check{common::Outcome::kUp, common::Micros{10'000}, {}});
  store(checks, 0);
  EXPECT_THAT(must({"report"}).out, HasSubstr("|  125   | 18.40 |   100.00   |"));
}

TEST_F(ReportCommand, ShowsPhasesOfOneServiceOrWhenTold) {
  store_three_and_two_skipped();
  const auto told = must({"report", "--phases"}).out;
  EXPECT_THAT(told, HasSubstr("|            web             |  lateness  |   0    |  None  |  None  |  None  |"));
  const auto one = must({"report", "--service", "0"}).out;
  EXPECT_THAT(one, HasSubstr("| GET http://localhost:8000/ |    dns     |   3    |"));
  EXPECT_THAT(one, HasSubstr("| GET http://localhost:8000/ |    tls     |   0    |  None  |"));
}

TEST_F(ReportCommand, IsJsonWithStableKeys) {
  store_three_and_two_skipped();
  const auto report = must({"report", "--json", "--last", "1h"});
  const auto value = json::parse(report.out);
  const auto& services = value.at("services").as_array();
  ASSERT_EQ(services.size(), 2U);
  const auto& front = services[0].as_object();
  const std::vector<std::string> expected{"service",
                                          "checks",
                                          "up",
                                          "degraded",
                                          "down",
                                          "unknown",
                                          "skipped",
                                          "up_percent",
                                          "p50_ms",
                                          "p95_ms",
                                          "last_outcome",
                                          "last_reason",
                                          "last_at",
                                          "rechecks",
                                          "coverage_percent",
                                          "slots_due",
                                          "skipped_by_reason",
                                          "not_running",
                                          "p99_ms",
                                          "mean_ms",
                                          "phases",
                                          "lateness",
                                          "outage_count",
                                          "outage_seconds",
                                          "outages"};
  for (const auto& service : services) {
    std::vector<std::string> keys;
    for (const auto& item : service.as_object()) keys.emplace_back(item.key());
    EXPECT_EQ(keys, expected);
    EXPECT_EQ(service.at("skipped_by_reason").as_object().size(), 6U);
    EXPECT_EQ(service.at("phases").as_object().size(), 5U);
  }
  EXPECT_EQ(front.at("rechecks").as_int64(), 0);
  EXPECT_EQ(front.at("service").as_string(), "GET http://localhost:8000/");
  EXPECT_EQ(front.at("checks").as_int64(), 3);
  EXPECT_EQ(front.at("up").as_int64(), 2);
  EXPECT_EQ(front.at("down").as_int64(), 1);
  EXPECT_EQ(front.at("skipped").as_int64(), 2);
  EXPECT_EQ(front.at("skipped_by_reason").at("still_running").as_int64(), 2);
  EXPECT_EQ(front.at("slots_due").as_int64(), 5);
  EXPECT_NEAR(front.at("up_percent").to_number<double>(), 66.67, 0.01);
  EXPECT_EQ(front.at("coverage_percent").to_number<double>(), 60.0);
  EXPECT_EQ(front.at("mean_ms").to_number<double>(), 15.0);
  EXPECT_EQ(front.at("phases").at("dns").at("checks").as_int64(), 3);
  EXPECT_NEAR(front.at("lateness").at("max_ms").to_number<double>(), 1.5, 1e-9);
  EXPECT_EQ(front.at("outage_count").as_int64(), 1);
  EXPECT_EQ(front.at("outages").at(0).at("reason").as_string(), "nobody listens there");
  EXPECT_TRUE(front.at("outages").at(0).at("to").is_null());
  EXPECT_TRUE(front.at("outages").at(0).at("watched").as_bool());
  EXPECT_EQ(front.at("last_reason").as_string(), "nobody listens there");
  EXPECT_TRUE(std::string_view(front.at("last_at").as_string()).ends_with("Z"));
  for (const auto* key : {"up_percent", "coverage_percent", "p50_ms", "p95_ms", "p99_ms", "mean_ms", "last_outcome",
                          "last_reason", "last_at"}) {
    EXPECT_TRUE(services[1].at(key).is_null()) << key;
  }
  EXPECT_LT(value.at("from").as_string(), value.at("to").as_string());
  EXPECT_EQ(value.at("source").as_string(), "local");
  EXPECT_TRUE(value.at("lost").as_array().empty());
  EXPECT_TRUE(value.at("notes").as_array().empty());
}

TEST_F(ReportCommand, IsCsvWithOneRowForEachService) {
  store({{common::Outcome::kConnectRefused, common::Micros{100}, "said \"no\", twice\nand \x1b[31mloudly"}}, 2);
  const auto report = must({"report", "--csv"}).out;
  std::vector<std::string> lines;
  for (std::string_view rest = report; !rest.empty(); rest.remove_prefix(rest.find("\r\n") + 2)) {
    lines.emplace_back(rest.substr(0, rest.find("\r\n")));
  }
  ASSERT_EQ(lines.size(), 3U);
  EXPECT_THAT(lines[0], HasSubstr(",lateness_max_ms,skipped_still_running,skipped_pool_exhausted,"));
  EXPECT_THAT(lines[0],
              testing::StartsWith(
                  "service,from,to,checks,up,degraded,down,unknown,skipped,slots_due,not_running,rechecks,"
                  "up_percent,coverage_percent,mean_ms,p50_ms,p95_ms,p99_ms,dns_p50_ms,dns_p95_ms,dns_p99_ms,"));
  EXPECT_THAT(lines[0],
              testing::EndsWith(",outage_1_reason,outage_2_from,outage_2_to,outage_2_watched,outage_2_seconds,"
                                "outage_2_reason,outage_3_from,outage_3_to,outage_3_watched,"
                                "outage_3_seconds,outage_3_reason,last_outcome,"
                                "last_reason,last_at"));
  EXPECT_THAT(lines[1], testing::StartsWith("GET http://localhost:8000/,2"));
  EXPECT_THAT(lines[1], HasSubstr(",1,0,0,1,0,2,3,0,0,0,33."));
  EXPECT_THAT(lines[1], HasSubstr(R"(,connect_refused,"said ""no"", twice\nand \x1b[31mloudly",2)"));
  EXPECT_EQ(std::ranges::count(lines[2], ','), std::ranges::count(lines[0], ','));
  EXPECT_THAT(lines[2], testing::EndsWith(",,,"));
  EXPECT_EQ(run({"report", "--csv", "--json"}).status, kWrongUsage);
}

TEST_F(ReportCommand, CountsRechecksApartWhereThereWereAny) {
  store({{common::Outcome::kUp, common::Micros{10'000}, {}},
         {common::Outcome::kConnectRefused, common::Micros{100}, "nobody listens there"},
         {common::Outcome::kUp, common::Micros{10'000}, {}, kJustNow, 1}},
        0);
  const auto report = must({"report"});
  EXPECT_THAT(report.out, HasSubstr("| checks | re-checks |  up % |"));
  EXPECT_THAT(report.out, HasSubstr("|   2    |     1     | 50.00 |"));
  EXPECT_THAT(report.out, HasSubstr("|   0    |     0     |  None |"));
  const auto json = json::parse(must({"report", "--json"}).out);
  const auto& front = json.at("services").as_array()[0];
  EXPECT_EQ(front.at("rechecks").as_int64(), 1);
  EXPECT_EQ(front.at("checks").as_int64(), 2);
}

TEST_F(ReportCommand, LooksBackAsFarAsItIsTold) {
  store({{common::Outcome::kUp, common::Micros{10'000}, {}, kLongAgo},
         {common::Outcome::kUp, common::Micros{10'000}, {}}},
        0);
  EXPECT_THAT(must({"report"}).out, HasSubstr("| GET http://localhost:8000/ |   1    | 100.00 |"));
  EXPECT_THAT(must({"report", "--last", "2d"}).out, HasSubstr("| GET http://localhost:8000/ |   2    | 100.00 |"));
  for (const auto* last : {"", "x", "0", "0s", "-1h", "1w"}) {
    EXPECT_EQ(run({"report", "--last", last}).status, kWrongUsage) << last;
  }
}

TEST_F(ReportCommand, RestrictsItselfToOneService) {
  store_three_and_two_skipped();
  const auto front = must({"report", "--service", "GET http://localhost:8000/"});
  EXPECT_THAT(front.out, HasSubstr("|   3    |"));
  EXPECT_THAT(front.out, Not(HasSubstr("web")));
  EXPECT_THAT(must({"report", "--service", "0"}).out, HasSubstr("|   3    | 66.66 |"));
  const auto web = must({"report", "--service", "web"});
  EXPECT_THAT(web.out, HasSubstr("|   web   |   0    |"));
  EXPECT_THAT(web.out, Not(HasSubstr("localhost")));
}

TEST_F(ReportCommand, NamesTheServicesThereAreWhenOneIsUnknown) {
  store_three_and_two_skipped();
  const auto ended = run({"report", "--service", "wbe"});
  EXPECT_EQ(ended.status, kWrongUsage);
  EXPECT_EQ(ended.out, "");
  EXPECT_EQ(ended.err, "monitor: there is no service \"wbe\" to report on; there is GET http://localhost:8000/, web\n");
  EXPECT_EQ(run({"report", "--service", "2"}).status, kWrongUsage);
  EXPECT_THAT(run({"report", "--service", "http://u:hunter2@localhost/"}).err,
              testing::StartsWith("monitor: there is no service \"http://…\" to report on; "));
}

TEST_F(ReportCommand, KnowsServicesThatAreNoLongerConfigured) {
  store_three_and_two_skipped();
  must({"config", "services", "remove", "0", "--yes"});
  EXPECT_THAT(must({"report"}).out, HasSubstr("GET http://localhost:8000/"));
}

TEST_F(ReportCommand, NeedsNoSecretOfTheDaemonsEnvironment) {
  store_three_and_two_skipped();
  write_config(
      "local_database_path: ~/.monitoring/local-database.sqlite3\n"
      "external_database_uri: ${MONITOR_TEST_UNSET_VARIABLE}\nservices: []\n");
  EXPECT_THAT(must({"report"}).out, HasSubstr("|   3    |"));
}

TEST_F(ReportCommand, ExternalNeedsAnExternalDatabase) {
  const auto none = run({"report", "--external"});
  EXPECT_EQ(none.status, kWrongUsage);
  EXPECT_THAT(none.err, HasSubstr("names no external database"));
  must({"config", "databases", "update", "--external-uri", "postgresql://monitor:s3cret@127.0.0.1:1/monitor"});
  const auto away = run({"report", "--external"});
  EXPECT_EQ(away.status, kFailed);
  EXPECT_THAT(away.err, HasSubstr("PostgreSQL cannot be reached"));
  EXPECT_THAT(away.err, Not(HasSubstr("s3cret")));
  EXPECT_EQ(away.out, "");
}

TEST_F(ReportCommand, WithoutADatabaseIsAFailure) {
  const auto ended = run({"report"});
  EXPECT_EQ(ended.status, kFailed);
  EXPECT_THAT(ended.err, testing::StartsWith("monitor: "));
  EXPECT_THAT(ended.err, HasSubstr("local-database.sqlite3"));
}

}  // namespace
}  // namespace monitor::cli
