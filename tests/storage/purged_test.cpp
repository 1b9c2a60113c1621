// What is purged is not lost: results and skipped slots are here or in the roll-ups.
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
