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
              HasSubstr("|          service           | checks |  up % | p50 ms | p95 ms | skipped |   last "
                        "outcome  |        reason        |\n"));
  EXPECT_THAT(report.out, HasSubstr("| GET http://localhost:8000/ |   3    | 66.66 | "));
  EXPECT_THAT(report.out, HasSubstr(" |    2    | connect_refused | nobody listens there |\n"));
  EXPECT_THAT(report.out, HasSubstr("|            web             |   0    |  None |  None  |  None  |    0    |       "
                                    "None      |         None         |\n"));
}

TEST_F(ReportCommand, IsJsonWithStableKeys) {
  store_three_and_two_skipped();
  const auto report = must({"report", "--json", "--last", "1h"});
  const auto value = json::parse(report.out);
  const auto& services = value.at("services").as_array();
  ASSERT_EQ(services.size(), 2U);
  const auto& front = services[0].as_object();
  std::vector<std::string> keys;
  for (const auto& item : front) keys.emplace_back(item.key());
  EXPECT_EQ(keys,
            (std::vector<std::string>{"service", "checks", "up", "degraded", "down", "unknown", "skipped", "up_percent",
                                      "p50_ms", "p95_ms", "last_outcome", "last_reason", "last_at", "rechecks"}));
  EXPECT_EQ(front.at("rechecks").as_int64(), 0);
  EXPECT_EQ(front.at("service").as_string(), "GET http://localhost:8000/");
  EXPECT_EQ(front.at("checks").as_int64(), 3);
  EXPECT_EQ(front.at("up").as_int64(), 2);
  EXPECT_EQ(front.at("down").as_int64(), 1);
  EXPECT_EQ(front.at("skipped").as_int64(), 2);
  EXPECT_NEAR(front.at("up_percent").to_number<double>(), 66.67, 0.01);
  EXPECT_EQ(front.at("last_reason").as_string(), "nobody listens there");
  EXPECT_TRUE(std::string_view(front.at("last_at").as_string()).ends_with("Z"));
  for (const auto* key : {"up_percent", "p50_ms", "p95_ms", "last_outcome", "last_reason", "last_at"}) {
    EXPECT_TRUE(services[1].at(key).is_null()) << key;
  }
  EXPECT_LT(value.at("from").as_string(), value.at("to").as_string());
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
  EXPECT_EQ(must({"report", "--service", "0"}).out, front.out);
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

TEST_F(ReportCommand, WithoutADatabaseIsAFailure) {
  const auto ended = run({"report"});
  EXPECT_EQ(ended.status, kFailed);
  EXPECT_THAT(ended.err, testing::StartsWith("monitor: "));
  EXPECT_THAT(ended.err, HasSubstr("local-database.sqlite3"));
}

}  // namespace
}  // namespace monitor::cli
