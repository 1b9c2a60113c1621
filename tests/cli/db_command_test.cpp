#include <boost/json/parse.hpp>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sqlite3.h>

#include "cli/session.h"
#include "support/stored.h"

namespace monitor::cli {
namespace {

namespace json = boost::json;
using testing::HasSubstr;

/// A local database with three results, of which the second was refused, and no daemon on it.
class DbCommands : public Session {
 protected:
  DbCommands() {
    write_config("local_database_path: " + database().string() + "\nservices: []\n");
    std::filesystem::create_directories(database().parent_path());
    test::Stored stored(database());
    stored.add(3);
    stored.wait(stored.store().quarantine({{2, "22P05", "a character that the database has not"}}));
    stored.export_all();
  }

  std::filesystem::path database() const { return home_ / "data/local.sqlite3"; }
  /// As a hand or a bug would.
  void spoil(const std::string& sql) const {
    sqlite3* connection = nullptr;
    ASSERT_EQ(sqlite3_open(database().c_str(), &connection), SQLITE_OK);
    EXPECT_EQ(sqlite3_exec(connection, sql.c_str(), nullptr, nullptr, nullptr), SQLITE_OK)
        << sqlite3_errmsg(connection);
    sqlite3_close(connection);
  }
  json::object answer(const std::vector<std::string>& arguments) {
    return json::parse(must(arguments).out).as_object();
  }
};

TEST_F(DbCommands, CheckFindsNothingInASoundDatabase) {
  EXPECT_THAT(must({"db", "check"}).out, HasSubstr("is sound"));
  EXPECT_EQ(answer({"db", "check", "--json"}).at("sound"), json::value(true));
}

struct Damage {
  const char* sql;
  const char* finding;
};

class Damaged : public DbCommands, public testing::WithParamInterface<Damage> {};

TEST_P(Damaged, CheckNamesIt) {
  spoil(GetParam().sql);
  const auto ended = run({"db", "check"});
  EXPECT_EQ(ended.status, kFailed);
  EXPECT_THAT(ended.out, HasSubstr(GetParam().finding));
}

INSTANTIATE_TEST_SUITE_P(
    Of, Damaged,
    testing::Values(Damage{"DELETE FROM definitions", "3 results have no definition, the first is 1"},
                    Damage{"UPDATE results SET outcome = 99 WHERE seq = 2", "1 results have an outcome"},
                    Damage{"UPDATE results SET total_us = -1 WHERE seq = 3", "negative duration, the first is 3"},
                    Damage{"UPDATE sqlite_sequence SET seq = 1 WHERE name = 'results'", "number that was never given"},
                    Damage{"DELETE FROM peers", "remote address that is missing"},
                    Damage{"INSERT INTO rollups VALUES (1, 0, 1, x'ff00')", "1 roll-ups cannot be read"},
                    Damage{"INSERT INTO gaps (reason, from_at, to_at, first_seq, last_seq, count) "
                           "VALUES (2, 0, 1, 5, 4, 1)",
                           "gaps tell of numbers that cannot be"},
                    Damage{"INSERT INTO skipped (definition, from_at, to_at, count, reason) VALUES (1, 5, 4, 1, 1)",
                           "end before they begin"},
                    Damage{"INSERT INTO quarantine VALUES (77, '22000', 'no', 0)", "quarantine have a number"},
                    Damage{"DELETE FROM epochs", "no agent id"}));

TEST_F(DbCommands, CheckNamesADamagedFile) {
  {
    std::fstream file(database(), std::ios::in | std::ios::out | std::ios::binary);
    file.seekp(4096);
    file << std::string(4096, '\x5a');
  }
  const auto ended = run({"db", "check"});
  EXPECT_EQ(ended.status, kFailed);
}

TEST_F(DbCommands, StatsSayWhatIsThere) {
  const auto stats = answer({"db", "stats", "--json"});
  EXPECT_EQ(stats.at("results").at("here"), json::value(3));
  EXPECT_EQ(stats.at("quarantined"), json::value(1));
  EXPECT_THAT(must({"db", "stats"}).out, HasSubstr("Oldest result"));
}

TEST_F(DbCommands, CompactSaysWhatItGaveBack) {
  spoil("CREATE TABLE big (x); INSERT INTO big VALUES (zeroblob(1000000)); DROP TABLE big");
  const auto compacted = answer({"db", "compact", "--json"});
  EXPECT_GT(compacted.at("freed_bytes").to_number<std::int64_t>(), 900'000);
  EXPECT_EQ(compacted.at("more"), json::value(false));
}

TEST_F(DbCommands, WithoutADatabaseThereIsASentence) {
  std::filesystem::remove_all(database().parent_path());
  for (const auto* command : {"stats", "check", "compact"}) {
    const auto ended = run({"db", command});
    EXPECT_EQ(ended.status, kFailed);
    EXPECT_THAT(ended.err, HasSubstr("there is no local database")) << command;
  }
  EXPECT_FALSE(std::filesystem::exists(database()));
}

TEST_F(DbCommands, QuarantineListsWhatWasRefusedAndWhy) {
  const auto list = must({"quarantine", "list"});
  EXPECT_THAT(list.out, HasSubstr("a character that the database has not"));
  EXPECT_THAT(list.out, HasSubstr("shop"));
  EXPECT_EQ(answer({"quarantine", "list", "--json"}).at("rows").as_array().size(), 1U);
}

TEST_F(DbCommands, QuarantineIsEmptyAfterARetry) {
  EXPECT_THAT(must({"quarantine", "retry", "2"}).out, HasSubstr("1 results go to PostgreSQL again"));
  EXPECT_THAT(must({"quarantine", "list"}).out, HasSubstr("No result is in quarantine"));
  EXPECT_EQ(run({"quarantine", "retry", "2"}).status, kFailed) << "it is not there any more";
  EXPECT_EQ(run({"quarantine", "retry", "--all"}).status, kDone);
}

TEST_F(DbCommands, WhatIsDroppedBecomesAGap) {
  EXPECT_EQ(run({"quarantine", "drop", "2"}, "n\n").status, kFailed) << "it asks first";
  EXPECT_EQ(answer({"quarantine", "drop", "--all", "--yes", "--json"}).at("count"), json::value(1));
  EXPECT_EQ(answer({"db", "stats", "--json"}).at("gaps").at("newest"), json::value(1));
  EXPECT_THAT(must({"db", "check"}).out, HasSubstr("is sound"));
}

TEST_F(DbCommands, QuarantineWantsToKnowWhichOnes) {
  for (const auto& arguments : std::vector<std::vector<std::string>>{{"quarantine", "retry"},
                                                                     {"quarantine", "retry", "x"},
                                                                     {"quarantine", "retry", "0"},
                                                                     {"quarantine", "drop", "1", "--all", "--yes"}}) {
    EXPECT_EQ(run(arguments).status, kWrongUsage);
  }
}

TEST_F(DbCommands, HealthFailsWhereNoMonitorRuns) {
  const auto ended = run({"health"});
  EXPECT_EQ(ended.status, kFailed);
  EXPECT_THAT(ended.err, HasSubstr("no monitor runs"));
  const auto machine = run({"health", "--json"});
  EXPECT_EQ(machine.status, kFailed);
  EXPECT_EQ(json::parse(machine.out).at("healthy"), json::value(false));
}

}  // namespace
}  // namespace monitor::cli
