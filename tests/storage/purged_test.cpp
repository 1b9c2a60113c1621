// What is purged is not lost: results and skipped slots are here or in the roll-ups, and outages go on across purges.
#include <csignal>
#include <random>
#include <sys/wait.h>
#include <unistd.h>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "storage/ledger.h"
#include "storage/purger.h"
#include "storage/session.h"
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
using testing::IsEmpty;

/// A store that is given checks of all kinds by chance, with a ledger of them.
class Chance {
 public:
  explicit Chance(unsigned seed) : engine_(seed) {
    stored_.close();
    stored_.cap(std::uint64_t{160} << 10);
    open();
  }
  void open() {
    stored_.open();
    auto changed = test::definition_named("shop");
    changed.timeout = seconds{7};
    ids_ =
        stored_.wait(stored_.store().define({test::definition_named("shop"), changed, test::definition_named("blog")}));
  }
  void add(int count) {
    for (int i = 0; i < count; ++i) {
      stored_.clock().advance(common::Micros{1 + below(100'000'000)});
      const auto which = below(3);
      if (below(20) == 0) {
        skip(which);
      } else {
        check(which);
      }
    }
    stored_.wait(stored_.store().commit());
  }
  void purge() {
    const auto rows = 1 + below(300);
    switch (below(4)) {
      case 0:
        mark();
        [[fallthrough]];
      case 1:
      case 2:
        stored_.wait(stored_.store().purge(stored_.clock().wall() - minutes{below(3000)}, below(2) == 0, rows));
        break;
      default:
        capped_ += stored_.wait(stored_.store().purge_to_cap(rows)).results;
    }
  }
  std::int64_t capped() const { return capped_; }
  void restart() {
    stored_.close();
    open();
  }
  std::uint64_t below(std::uint64_t bound) { return engine_() % bound; }
  Stored& stored() { return stored_; }
  const test::Ledger& ledger() const { return ledger_; }

 private:
  void check(std::size_t which) {
    // Now and then the clock is wrong.
    const auto error = below(100) == 0 ? hours{below(2) == 0 ? 5 : -5} : hours{0};
    auto result = test::passed_check(ids_[which], stored_.clock().wall() + error);
    result.total = common::Micros{below(3'000'000)};
    result.lateness = common::Micros{below(2000)};
    result.attempt = static_cast<std::uint16_t>(below(10) == 0 ? 1 + below(2) : 0);
    if (below(2) == 0) result.tls.reset();
    using common::Outcome;
    constexpr std::array kOutcomes{
        Outcome::kUp,       Outcome::kUp,           Outcome::kStatus, Outcome::kStatus, Outcome::kConnectRefused,
        Outcome::kDegraded, Outcome::kLocalResource};
    result.outcome = kOutcomes.at(below(kOutcomes.size()));
    if (result.outcome != Outcome::kUp) result.reason = "reason " + std::to_string(below(1000));
    if (result.outcome == Outcome::kConnectRefused) result.status.reset();
    ledger_.add(which == 2 ? "blog" : "shop", result);
    stored_.wait(stored_.store().append(result));
  }
  /// Some more of it has arrived.
  void mark() {
    const auto identity = stored_.wait(stored_.store().identity());
    auto to = identity.exported;
    to.results += static_cast<Seq>(below(static_cast<std::uint64_t>(identity.head.results - to.results) + 1));
    to.skipped = identity.head.skipped;
    stored_.store().mark_exported(to);
    stored_.wait(stored_.store().commit());
  }
  void skip(std::size_t which) {
    const auto from = stored_.clock().wall();
    const Skipped skipped{.definition = ids_[which],
                          .from = from,
                          .to = from + seconds{below(20'000)},
                          .count = static_cast<std::int64_t>(1 + below(50)),
                          .reason = static_cast<SkipReason>(1 + below(6))};
    ledger_.add(skipped);
    stored_.store().append(skipped);
  }

  std::mt19937_64 engine_;
  std::int64_t capped_ = 0;
  Stored stored_;
  std::vector<DefinitionId> ids_;
  test::Ledger ledger_;
};

TEST(Purged, EveryCheckAndEverySlotIsHereOrRolledUpWhateverThePurges) {
  for (unsigned seed = 1; seed <= 4; ++seed) {
    SCOPED_TRACE(seed);
    Chance chance(seed);
    for (int round = 0; round < 25; ++round) {
      chance.add(static_cast<int>(chance.below(700)));
      for (std::uint64_t i = chance.below(4); i > 0; --i) chance.purge();
      if (chance.below(6) == 0) chance.restart();
      if (round % 5 == 4) chance.ledger().expect_same(chance.stored().file());
    }
    Sql sql(chance.stored().file());
    EXPECT_NE(sql("SELECT count(*) FROM rollups"), "0");
    EXPECT_GT(chance.capped(), 0);
    EXPECT_NE(sql("SELECT count(*) FROM outages WHERE to_at IS NOT NULL"), "0");
    const auto sum = std::stoll(sql("SELECT sum(length(body) + 24) FROM rollups"));
    EXPECT_EQ(sql("SELECT value FROM meta WHERE key = 'rollup_bytes'"), std::to_string(sum));
  }
}

TEST(Purged, CountsEachOutcomeOfAnHourAndADay) {
  Stored stored;
  const auto start = start_of(Tier::kDay, stored.clock().wall());
  for (int minute = 0; minute < 120; ++minute) {
    const auto at = start + minutes{minute};
    stored.wait(stored.store().append(minute % 10 == 0 ? test::failed_check(stored.service(), at, "refused")
                                                       : test::passed_check(stored.service(), at)));
  }
  stored.wait(stored.store().commit());
  stored.wait(stored.store().purge(start + minutes{90}, false, 1000));
  Reader reader(stored.file());
  std::vector<std::pair<common::WallTime, Rollup>> found;
  for (auto tier : {Tier::kHour, Tier::kDay}) {
    reader.for_each_rollup(tier, start, start + hours{24}, [&](const PackedRollup& rollup) {
      EXPECT_EQ(rollup.definition, stored.service());
      ASSERT_TRUE(rollup.add_to(found.emplace_back(rollup.start, Rollup{}).second));
    });
  }
  ASSERT_EQ(found.size(), 3U);
  const auto expect = [&](std::size_t i, common::WallTime at, std::uint64_t up, std::uint64_t refused) {
    EXPECT_EQ(found[i].first, at);
    EXPECT_EQ(found[i].second.outcomes, (std::map<std::uint8_t, std::uint64_t>{{1, up}, {20, refused}}));
    EXPECT_EQ(found[i].second.measure(Measure::kTotal).count(), up) << "what had no response has no total";
    EXPECT_EQ(found[i].second.measure(Measure::kLateness).count(), up + refused);
    EXPECT_EQ(found[i].second.total_sum, up * common::Micros{67'875});
    EXPECT_EQ(found[i].second.lateness_max, common::Micros{183});
  };
  expect(0, start, 54, 6);
  expect(1, start + hours{1}, 27, 3);
  expect(2, start, 81, 9);
  EXPECT_EQ(reader.oldest_rollup(Tier::kHour), start);
  EXPECT_EQ(reader.outages(start, start + hours{1}).size(), 6U);
  reader.for_each_rollup(Tier::kHour, start + minutes{1}, start + hours{1},
                         [](const PackedRollup&) { ADD_FAILURE() << "none starts in there"; });
}

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

class Tiers : public testing::Test {
 protected:
  /// A check an hour for `days` days, all purged. Gives the end.
  common::WallTime purge_days(int days) {
    const auto start = start_of(Tier::kDay, stored_.clock().wall());
    for (int hour = 0; hour < 24 * days; ++hour) {
      stored_.wait(stored_.store().append(test::passed_check(stored_.service(), start + hours{hour})));
    }
    stored_.wait(stored_.store().commit());
    stored_.wait(stored_.store().purge(common::WallTime::max(), false, 100'000));
    return start + hours{24 * days};
  }
  std::string counts() {
    return Sql(stored_.file())(
        "SELECT (SELECT count(*) FROM rollups WHERE tier = 1), (SELECT count(*) FROM rollups "
        "WHERE tier = 2), (SELECT count(*) FROM gaps)");
  }
  Stored stored_;
};

TEST_F(Tiers, StayAsLongAsEachIsTold) {
  const auto end = purge_days(10);
  EXPECT_EQ(counts(), "240|10|0");
  EXPECT_FALSE(stored_.wait(stored_.store().forget(end - hours{48}, end - hours{96}, false, 1000)));
  EXPECT_EQ(counts(), "48|4|0");
  EXPECT_FALSE(stored_.wait(stored_.store().forget(end - hours{48}, end - hours{73}, false, 1000)));
  EXPECT_EQ(counts(), "48|4|0") << "a day that has not ended by then stays";
}

TEST_F(Tiers, AreForgottenInBoundedSteps) {
  const auto end = purge_days(10);
  EXPECT_TRUE(stored_.wait(stored_.store().forget(end, end - hours{96}, false, 100)));
  EXPECT_EQ(counts(), "140|4|0");
  EXPECT_TRUE(stored_.wait(stored_.store().forget(end, end - hours{96}, false, 100)));
  EXPECT_FALSE(stored_.wait(stored_.store().forget(end, end - hours{96}, false, 100)));
  EXPECT_EQ(counts(), "0|4|0");
  EXPECT_EQ(Sql(stored_.file())("SELECT value - (SELECT sum(length(body) + 24) FROM rollups) FROM meta "
                                "WHERE key = 'rollup_bytes'"),
            "0");
}

TEST_F(Tiers, GapsStayAsLongAsDaysAndUntilTheyHaveArrived) {
  const auto now = stored_.clock().wall();
  stored_.store().append(Gap{.from = now, .to = now, .count = 1});
  stored_.add(1);
  const auto later = now + hours{1};
  const auto gaps = [&] { return Sql(stored_.file())("SELECT count(*) FROM gaps"); };
  stored_.wait(stored_.store().purge(later, false, 100));
  EXPECT_EQ(gaps(), "1");
  stored_.wait(stored_.store().forget(now, later, true, 100));
  EXPECT_EQ(gaps(), "1");
  stored_.export_all();
  stored_.wait(stored_.store().forget(now, now, true, 100));
  EXPECT_EQ(gaps(), "1");
  stored_.wait(stored_.store().forget(now, later, true, 100));
  EXPECT_EQ(gaps(), "0");
}

TEST_F(Tiers, OfTooManyGapsTheNewestStay) {
  for (int i = 0; i < Purger::kMaxGaps + 5; ++i) {
    stored_.store().append(Gap{.from = stored_.clock().wall(), .to = stored_.clock().wall(), .count = i});
    if (i % 5000 == 0) stored_.wait(stored_.store().commit());
  }
  stored_.wait(stored_.store().commit());
  stored_.wait(stored_.store().forget({}, {}, false, 100));
  EXPECT_EQ(Sql(stored_.file())("SELECT count(*), min(count) FROM gaps"), std::to_string(Purger::kMaxGaps) + "|5");
}

TEST(RollupTable, BeginsAnewWhereWhatIsStoredIsDamaged) {
  Stored stored;
  stored.add(3);
  const auto until = stored.clock().wall() + hours{1};
  stored.wait(stored.store().purge(until, false, 2));
  Sql(stored.file())("UPDATE rollups SET body = x'0107' WHERE tier = 1");
  stored.wait(stored.store().purge(until, false, 2));
  Reader reader(stored.file());
  std::vector<std::uint64_t> checks;
  for (auto tier : {Tier::kHour, Tier::kDay}) {
    reader.for_each_rollup(tier, {}, common::WallTime::max(), [&](const PackedRollup& rollup) {
      Rollup sum;
      ASSERT_TRUE(rollup.add_to(sum));
      checks.push_back(sum.outcomes[1]);
    });
  }
  EXPECT_THAT(checks, testing::ElementsAre(1, 3));
}

TEST(RollupsAtTheSizeCap, GoBeforeResultsWhereTheyTakeMoreThanHalfOfIt) {
  Stored stored;
  stored.close();
  stored.cap(std::uint64_t{1} << 20);
  stored.open();
  const auto start = start_of(Tier::kDay, stored.clock().wall());
  for (int hour = 0; hour < 12'000; ++hour) {
    stored.wait(stored.store().append(test::passed_check(stored.service(), start + hours{hour})));
    if (hour % 1000 == 999) stored.wait(stored.store().commit());
  }
  stored.wait(stored.store().purge(common::WallTime::max(), false, 100'000));
  stored.add(5000);
  for (int i = 0; i < 1000 && stored.wait(stored.store().purge_to_cap(1000)).more; ++i) {
  }
  Sql sql(stored.file());
  EXPECT_EQ(sql("SELECT count(*) FROM results"), "5000");
  EXPECT_GT(std::stoi(sql("SELECT count(*) FROM rollups WHERE tier = 1")), 1000);
  EXPECT_EQ(sql("SELECT count(*) FROM rollups WHERE tier = 2"), "500") << "days are worth more than hours";
  const auto pages = std::stoi(sql("PRAGMA page_count")) - std::stoi(sql("PRAGMA freelist_count"));
  EXPECT_LE(4096 * pages, 1 << 20);
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

TEST(PurgeBounds, EndAStepAndTheNextOneGoesOnFromThere) {
  Stored stored;
  test::Ledger ledger;
  const auto add = [&](minutes apart, int count) {
    for (int i = 0; i < count; ++i) {
      stored.clock().advance(apart);
      const auto result = test::passed_check(stored.service(), stored.clock().wall());
      ledger.add("shop", result);
      stored.wait(stored.store().append(result));
    }
    stored.wait(stored.store().commit());
  };
  add(minutes{2}, 600);
  add(minutes{60}, 600);
  const auto file = stored.file();
  stored.close();
  {
    Session session(file);
    const auto step = [&](std::size_t sums, common::Micros spent) {
      Transaction transaction(session.database);
      const Bounds bounds{.rows = 100'000, .sums = sums, .spent = [spent] { return spent; }};
      const auto done = session.purger.by_age({.before = common::WallTime::max(),
                                               .plausible_until = common::WallTime::max(),
                                               .through = std::nullopt,
                                               .bounds = bounds});
      transaction.commit();
      return done.results;
    };
    const auto of_sums = step(3, {});
    EXPECT_GT(of_sums, 30) << "two hours, the first of them not whole, and the beginning of a third";
    EXPECT_LE(of_sums, 61);
    constexpr std::int64_t kRowsBetweenLooks = 256;
    EXPECT_EQ(step(1000, Purger::kTime), kRowsBetweenLooks);
    EXPECT_EQ(step(1000, Purger::kMostTime), kRowsBetweenLooks);
    EXPECT_EQ(step(1000, Purger::kTime), 1200 - of_sums - 2 * kRowsBetweenLooks) << "each sum is of a row alone";
  }
  ledger.expect_same(file);
}

TEST(PurgeCrash, LeavesEveryCheckHereOrRolledUpWhereverItIsKilled) {
  const test::TempDir folder;
  const auto file = folder / "local.sqlite3";
  test::Ledger ledger;
  {
    Stored stored(file);
    for (int i = 0; i < 6000; ++i) {
      const auto at = stored.clock().wall() + seconds{20 * i};
      const auto result =
          i % 50 < 5 ? test::failed_check(stored.service(), at, "refused") : test::passed_check(stored.service(), at);
      ledger.add("shop", result);
      stored.wait(stored.store().append(result));
      if (i % 1000 == 999) stored.wait(stored.store().commit());
    }
  }
  for (int round = 0; round < 5; ++round) {
    std::array<int, 2> pipe{};
    ASSERT_EQ(::pipe(pipe.data()), 0);
    const pid_t child = ::fork();
    ASSERT_GE(child, 0);
    if (child == 0) {
      Stored stored(file);
      const char done = 0;
      for (;;) {
        stored.wait(stored.store().purge(common::WallTime::max(), false, 7));
        if (::write(pipe[1], &done, 1) != 1) ::_exit(1);
      }
    }
    ::close(pipe[1]);
    char done = 0;
    for (int steps = 0; ::read(pipe[0], &done, 1) == 1; ++steps) {
      if (steps == 5 + 9 * round) ::kill(child, SIGKILL);
    }
    ::close(pipe[0]);
    int status = 0;
    ASSERT_EQ(::waitpid(child, &status, 0), child);
    ASSERT_TRUE(WIFSIGNALED(status)) << status;
    ledger.expect_same(file);
  }
  EXPECT_NE(Sql(file)("SELECT count(*) FROM results"), "0");
}

}  // namespace
}  // namespace monitor::storage
