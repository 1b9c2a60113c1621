// Outages go on across purges, and go when they are old or too many.
#include <gtest/gtest.h>

#include "storage/outage_table.h"
#include "storage/reader.h"
#include "storage/sql.h"
#include "storage/store.h"
#include "support/stored.h"

namespace monitor::storage {
namespace {

using std::chrono::hours;
using std::chrono::minutes;
using std::chrono::seconds;
using test::Sql;
using test::Stored;

/// Checks of one service, a minute apart: up, down, unknown (`U`, `D`, `?`), in a definition each; committed.
class Outages : public testing::Test {
 protected:
  void checks(const std::string& verdicts, DefinitionId definition = 0) {
    for (const char verdict : verdicts) {
      clock_ += minutes{1};
      auto result = test::failed_check(definition == 0 ? stored_.service() : definition, clock_,
                                       "at " + std::to_string((clock_ - start_) / minutes{1}));
      if (verdict == 'U') result.outcome = common::Outcome::kUp;
      if (verdict == '?') result.outcome = common::Outcome::kLocalResource;
      stored_.wait(stored_.store().append(result));
    }
    stored_.wait(stored_.store().commit());
  }
  void purge(std::size_t rows = 1000) { stored_.wait(stored_.store().purge(clock_ + hours{1}, false, rows)); }
  /// `from-to xchecks reason` in minutes.
  std::string outages(minutes from = minutes{0}, minutes to = minutes{1000}) {
    std::string out;
    for (const auto& outage : Reader(stored_.file()).outages(start_ + from, start_ + to)) {
      const auto minute = [&](common::WallTime at) { return std::to_string((at - start_) / minutes{1}); };
      out += minute(outage.from) + "-" + (outage.to ? minute(*outage.to) : "") + "(" + minute(outage.last) + ") x" +
             std::to_string(outage.checks) + " " + outage.reason + "; ";
    }
    return out;
  }
  Stored stored_;
  common::WallTime start_ = stored_.clock().wall();
  common::WallTime clock_ = start_;
};

TEST_F(Outages, BeginWithTheFirstCheckThatIsDownAndEndWithTheFirstThatIsUp) {
  checks("UDD?DUUDU");
  purge();
  EXPECT_EQ(outages(), "2-6(5) x3 at 2; 8-9(8) x1 at 8; ");
  EXPECT_EQ(outages(minutes{6}, minutes{8}), "2-6(5) x3 at 2; ");
  EXPECT_EQ(outages(minutes{7}, minutes{8}), "");
}

TEST_F(Outages, GoOnAcrossPurgesAndRestarts) {
  checks("UDDD");
  purge(3);
  EXPECT_EQ(outages(), "2-(3) x2 at 2; ");
  stored_.close();
  stored_.open();
  purge();
  EXPECT_EQ(outages(), "2-(4) x3 at 2; ");
  EXPECT_EQ(outages(minutes{700}), "2-(4) x3 at 2; ") << "one that has not ended touches all that comes after";
  checks("?");
  purge();
  stored_.close();
  stored_.open();
  checks("DU");
  purge();
  EXPECT_EQ(outages(), "2-7(6) x4 at 2; ");
}

TEST_F(Outages, GoOnWhenTheSettingsOfTheServiceChange) {
  checks("DD");
  purge();
  auto changed = test::definition_named("shop");
  changed.timeout = seconds{3};
  const auto ids = stored_.wait(stored_.store().define({changed, test::definition_named("blog")}));
  checks("U", ids[1]);
  checks("D", ids[0]);
  purge();
  EXPECT_EQ(outages(), "1-(4) x3 at 1; ");
  checks("U", ids[0]);
  purge();
  EXPECT_EQ(outages(), "1-5(4) x3 at 1; ");
}

TEST_F(Outages, AreNotOfReChecks) {
  auto recheck = test::failed_check(stored_.service(), start_, "again");
  recheck.attempt = 1;
  stored_.wait(stored_.store().append(recheck));
  stored_.wait(stored_.store().commit());
  purge();
  EXPECT_EQ(outages(), "");
}

TEST_F(Outages, GoWhenTheyAreOlderThanTheDaysAreToBe) {
  checks("DUDU");
  purge();
  stored_.wait(stored_.store().forget(start_, start_ + minutes{3}, false, 100));
  EXPECT_EQ(outages(), "3-4(3) x1 at 3; ");
}

TEST_F(Outages, GoInBoundedSteps) {
  checks("DUDUDU");
  purge();
  EXPECT_TRUE(stored_.wait(stored_.store().forget(start_, clock_ + hours{1}, false, 2)));
  EXPECT_EQ(outages(), "5-6(5) x1 at 5; ");
  EXPECT_FALSE(stored_.wait(stored_.store().forget(start_, clock_ + hours{1}, false, 2)));
  EXPECT_EQ(outages(), "");
}

TEST(OutageTable, KeepsTheNewestOfTooMany) {
  Stored stored;
  const std::filesystem::path file = stored.file();
  stored.close();
  Database database(file, Database::Mode::kReadWrite);
  OutageTable table(database, 3);
  const Transaction transaction(database);
  for (int i = 0; i < 10; ++i) {
    const auto at = common::from_unix_micros(i);
    table.add({.seq = 1, .definition = 1, .at = at, .outcome = common::Outcome::kStatus});
    table.add({.seq = 1, .definition = 1, .at = at, .outcome = common::Outcome::kUp});
  }
  table.save();
  EXPECT_TRUE(table.forget(common::WallTime::min(), 5));
  EXPECT_EQ(database.integer("SELECT min(from_at) FROM outages"), 5) << "in bounded steps";
  EXPECT_FALSE(table.forget(common::WallTime::min(), 5));
  EXPECT_EQ(database.integer("SELECT count(*) FROM outages"), 3);
  EXPECT_EQ(database.integer("SELECT min(from_at) FROM outages"), 7);
}

TEST(OutagesAtTheSizeCap, GoBeforeResults) {
  Stored stored;
  stored.close();
  constexpr std::uint64_t kCap = std::uint64_t{1} << 20;
  stored.cap(kCap);
  stored.open();
  stored.add(1000);
  stored.close();
  Sql(stored.file())(
      "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 5000) INSERT INTO outages "
      "(definition, from_at, to_at, last_at, checks, outcome, reason) SELECT 1, i, i + 1, i, 1, 2, "
      "printf('%.*c', 250, 'x') FROM n");
  stored.open();
  for (int i = 0; i < 1000 && stored.wait(stored.store().purge_to_cap(1000)).more; ++i) {
  }
  Sql sql(stored.file());
  EXPECT_EQ(sql("SELECT count(*) FROM results"), "1000");
  EXPECT_LT(std::stoi(sql("SELECT count(*) FROM outages")), 5000);
  EXPECT_EQ(sql("SELECT max(from_at) FROM outages"), "5000") << "the newest stay";
}

}  // namespace
}  // namespace monitor::storage
