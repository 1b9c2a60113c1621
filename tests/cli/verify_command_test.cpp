#include <boost/json/parse.hpp>

#include "cli/session.h"
#include "cli/verify_text.h"

namespace monitor::cli {
namespace {

using testing::HasSubstr;
using testing::Not;

class VerifyCommand : public Session {};

/// One unexplained result beside what is explained.
report::Verification some() {
  report::Ledgers ledgers{
      .agent_id = "11111111-2222-3333-4444-555555555555", .here = report::LedgerHere{}, .there = report::LedgerThere{}};
  ledgers.here->numbers = {1, 100};
  ledgers.here->results = report::SeqSet{{51, 100}};
  ledgers.here->exported = 90;
  ledgers.here->quarantined = report::SeqSet{{60, 60}};
  ledgers.here->refused = {{.seq = 60, .sqlstate = "23514", .reason = "bad \x1b[31m\nrow"}};
  ledgers.here->newest = common::from_unix_micros(1'700'000'010'500'000);
  ledgers.here->gaps = {{.id = 1, .reason = "not_running", .count = 12}};
  ledgers.there->head.results = 90;
  ledgers.there->later = 90;
  ledgers.there->results = report::SeqSet{{1, 6}, {8, 59}, {61, 90}};
  ledgers.there->newest = common::from_unix_micros(1'700'000'000'000'000);
  report::Verification found;
  found.other_agents = 2;
  found.agents.push_back(report::compare(std::move(ledgers)));
  return found;
}

TEST_F(VerifyCommand, TellsAPerson) {
  const auto text = verify_tables(some());
  EXPECT_THAT(text, HasSubstr("Agent 11111111-2222-3333-4444-555555555555 (this file's)"));
  EXPECT_THAT(text, HasSubstr("1-6, 8-59, 61-90"));
  EXPECT_THAT(text, HasSubstr("not_running"));
  EXPECT_THAT(text, HasSubstr("Lag: 10 results wait to be sent; PostgreSQL is 10.5 s behind"));
  EXPECT_THAT(text, HasSubstr("seq 60: 23514 bad \\x1b[31m\\nrow"));
  EXPECT_THAT(text, HasSubstr("UNEXPLAINED: 1 result is neither here nor in PostgreSQL, and nothing says why: seq 7."));
  EXPECT_THAT(text, HasSubstr("2 agents of other files"));
  EXPECT_THAT(text, HasSubstr("1 finding is not explained."));
}

TEST_F(VerifyCommand, TellsAProgram) {
  const auto json = boost::json::parse(verify_json(some()));
  EXPECT_FALSE(json.at("explained").as_bool());
  const auto& agent = json.at("agents").at(0);
  EXPECT_EQ(agent.at("local").at("seq"), boost::json::parse("[[51, 100]]"));
  EXPECT_EQ(agent.at("postgresql").at("results"), 88);
  EXPECT_EQ(agent.at("quarantine").at(0).at("sqlstate"), "23514");
  EXPECT_EQ(agent.at("lag").at("results"), 10);
  EXPECT_EQ(agent.at("unexplained").as_array().size(), 1U);
  EXPECT_EQ(agent.at("missing").at(2).at("reason"), "unexplained");
  EXPECT_EQ(agent.at("not_compared"), 0);
  EXPECT_TRUE(json.at("since").is_null());
}

TEST_F(VerifyCommand, WrongUsageIsTwo) {
  write_config("local_database_path: /tmp/x\nservices: []\n");
  const auto none = run({"verify"});
  EXPECT_EQ(none.status, kWrongUsage);
  EXPECT_THAT(none.err, HasSubstr("names no external database to compare with"));
  EXPECT_EQ(run({"verify", "--last", "never"}).status, kWrongUsage);
  EXPECT_EQ(run({"verify", "--agent", "7"}).status, kWrongUsage);
  EXPECT_EQ(run({"verify", "--all-agents", "--agent", "11111111-2222-3333-4444-555555555555"}).status, kWrongUsage);
}

TEST_F(VerifyCommand, ADatabaseThatCannotBeReadIsOne) {
  write_config(
      "local_database_path: /nowhere/x\nexternal_database_uri: postgresql://a:hunter22@127.0.0.1:1/x\n"
      "services: []\n");
  const auto ended = run({"verify"});
  EXPECT_EQ(ended.status, kFailed);
  EXPECT_THAT(ended.err, HasSubstr("there is no local database /nowhere/x"));
  EXPECT_THAT(ended.err, Not(HasSubstr("hunter22")));
}

class AdoptCommand : public Session {
 protected:
  void SetUp() override {
    write_config("external_database_uri: postgresql://a:hunter22@127.0.0.1:1/x\nservices: []\n");
  }
};

TEST_F(AdoptCommand, AsksFirst) {
  const auto ended = run({"config", "databases", "adopt"}, "n\n");
  EXPECT_EQ(ended.status, kFailed);
  EXPECT_THAT(ended.out, HasSubstr("monitoring_original"));
  EXPECT_THAT(ended.err, HasSubstr("Aborted!"));
}

TEST_F(AdoptCommand, SaysWhyItCannotWithoutThePassword) {
  const auto ended = run({"config", "databases", "adopt", "--yes"});
  EXPECT_EQ(ended.status, kFailed);
  EXPECT_THAT(ended.err, HasSubstr("onnection refused"));
  EXPECT_THAT(ended.err, Not(HasSubstr("hunter22")));
}

}  // namespace
}  // namespace monitor::cli
