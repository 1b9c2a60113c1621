#include <boost/json/parse.hpp>

#include "cli/session.h"

namespace monitor::cli {
namespace {

namespace json = boost::json;
using testing::HasSubstr;
using testing::Not;

class PlanCommand : public Session {
 protected:
  void many(int services, const std::string& more = "") {
    std::string text = more + "services:\n";
    for (int i = 0; i < services; ++i) {
      text += "  - {url: 'http://busy.example/" + std::to_string(i) + "', interval_sec: 5, timeout: 5}\n";
    }
    write_config(text);
  }
};

TEST_F(PlanCommand, TellsWhatAConfigurationWillDo) {
  many(5);
  const auto page = must({"plan"}).out;
  const auto row = [&](const std::string& what, const std::string& much) {
    EXPECT_THAT(page, testing::ContainsRegex("\\| +" + what + " +\\| +" + much + " +\\|"));
  };
  row("services", "5");
  row("hosts", "1");
  row("checks a second", "1.00");
  row("sockets: checks at once, of 100 ms each", "1");
  row("sockets: checks at once when no server answers", "5");
  EXPECT_THAT(page, HasSubstr("86400 rows, 5.7 MiB | 31536000 rows, 2 GiB | 30d  | 2592000 rows, 175.3 MiB"));
  EXPECT_THAT(page, Not(HasSubstr("PostgreSQL")));
  EXPECT_THAT(page, HasSubstr("busy.example"));
  EXPECT_THAT(page, Not(HasSubstr("Warning")));
}

TEST_F(PlanCommand, WarnsOfAHostThatGetsMany) {
  many(60);
  EXPECT_THAT(must({"plan"}).out, HasSubstr("Warning: busy.example gets 12.0 checks a second from 60 services"));
  many(60, "limits: {per_host_rate: 6}\n");
  EXPECT_THAT(must({"plan"}).out, HasSubstr("about 50 % of their slots will be skipped"));
}

TEST_F(PlanCommand, SaysItAsJson) {
  many(60, "external_database_uri: postgresql://u:s3cret@h/db\n");
  const auto out = must({"plan", "--json"}).out;
  EXPECT_THAT(out, Not(HasSubstr("s3cret")));
  const auto plan = json::parse(out).as_object();
  EXPECT_EQ(plan.at("services").as_int64(), 60);
  EXPECT_EQ(plan.at("checks_per_second").as_double(), 12.0);
  EXPECT_EQ(plan.at("hosts").at(0).at("host").as_string(), "busy.example");
  EXPECT_EQ(plan.at("at_once").at("worst").as_int64(), 60);
  EXPECT_EQ(plan.at("local").at("kept_seconds").as_int64(), 3600);
  EXPECT_EQ(plan.at("local").at("rows_kept").as_int64(), 43'200);
  EXPECT_TRUE(plan.at("remote").at("kept_seconds").is_null());
  EXPECT_EQ(plan.at("remote").at("bytes_per_day").as_int64(), 12 * 86'400 * 190 + 60 * (24 * 1200 + 1150))
      << "with roll-ups";
  EXPECT_EQ(plan.at("warnings").as_array().size(), 1U);
  many(1);
  EXPECT_TRUE(json::parse(must({"plan", "--json"}).out).at("remote").is_null());
}

TEST_F(PlanCommand, OfAConfigurationThatCannotBeUsedItIsAUsageError) {
  write_config("services: 5\n");
  EXPECT_EQ(run({"plan"}).status, kWrongUsage);
  EXPECT_EQ(run({"plan", "--config-path", "/nowhere/x"}).status, kWrongUsage);
  EXPECT_EQ(run({"plan", "extra"}).status, kWrongUsage);
}

TEST_F(PlanCommand, NeedsNoService) {
  write_config("services: []\n");
  EXPECT_THAT(must({"plan"}).out, testing::ContainsRegex("services +\\| +0 "));
}

}  // namespace
}  // namespace monitor::cli
