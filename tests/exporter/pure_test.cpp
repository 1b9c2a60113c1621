#include <gtest/gtest.h>

#include "exporter/array_literal.h"
#include "exporter/backoff.h"
#include "exporter/batching.h"
#include "exporter/bisection.h"
#include "exporter/heads.h"
#include "exporter/remote_schema.h"
#include "exporter/sqlstate.h"

namespace monitor::exporter {
namespace {

using std::chrono::milliseconds;

TEST(Batching, ARowWaitsAtMostOneSecond) {
  const common::SteadyTime start{std::chrono::hours{5}};
  Batching batching;
  EXPECT_FALSE(batching.due(start, 10));
  EXPECT_EQ(batching.due_at(), common::SteadyTime::max());
  batching.arrived(start);
  batching.arrived(start + milliseconds{900});
  EXPECT_FALSE(batching.due(start + milliseconds{999}, 10));
  EXPECT_TRUE(batching.due(start + milliseconds{1000}, 10));
}

TEST(Batching, AFullBatchAndABacklogLeaveAtOnce) {
  const common::SteadyTime start{std::chrono::hours{5}};
  Batching batching;
  batching.arrived(start);
  EXPECT_FALSE(batching.due(start, 4999));
  EXPECT_TRUE(batching.due(start, 5000));
  batching.taken(true, start);
  EXPECT_TRUE(batching.due(start, 1));
  batching.taken(false, start);
  EXPECT_FALSE(batching.due(start + std::chrono::hours{1}, 0));
}

TEST(Backoff, DoublesToItsCapWithFullJitterAndStartsAgain) {
  double drawn = 1;
  Backoff backoff([&] { return drawn; });
  std::vector<milliseconds> waits;
  waits.reserve(9);
  for (int i = 0; i < 9; ++i) waits.push_back(backoff.next());
  EXPECT_EQ(waits.front(), milliseconds{500});
  EXPECT_EQ(waits.at(3), milliseconds{4000});
  EXPECT_EQ(waits.back(), milliseconds{30'000});
  drawn = 0;
  EXPECT_EQ(backoff.next(), Backoff::kFloor);
  drawn = 0.5;
  EXPECT_EQ(backoff.next(), milliseconds{15'000});
  backoff.reset();
  EXPECT_EQ(backoff.next(), milliseconds{250});
}

/// The bad rows that a bisection of `rows` finds, and the number of trips it takes.
std::pair<std::vector<std::size_t>, int> find_bad(std::size_t rows, const std::vector<std::size_t>& bad) {
  Bisection bisection(rows);
  int trips = 0;
  while (const auto range = bisection.next()) {
    ++trips;
    const bool refused = std::ranges::any_of(bad, [&](std::size_t i) { return i >= range->begin && i < range->end; });
    if (refused) {
      bisection.refused("22003", "too large");
    } else {
      bisection.landed();
    }
  }
  EXPECT_EQ(bisection.landed_rows(), rows - bad.size());
  std::vector<std::size_t> found;
  for (const auto& row : bisection.bad()) found.push_back(row.index);
  return {found, trips};
}

TEST(Bisection, FindsEveryBadRowWhereverItStands) {
  for (const std::size_t rows : {1U, 2U, 3U, 7U, 100U, 5000U}) {
    for (const std::size_t bad : {std::size_t{0}, rows / 2, rows - 1}) {
      const auto [found, trips] = find_bad(rows, {bad});
      EXPECT_EQ(found, std::vector{bad});
      EXPECT_LE(trips, 26) << rows;
    }
  }
  EXPECT_EQ(find_bad(5000, {0, 1, 2500, 4999}).first, (std::vector<std::size_t>{0, 1, 2500, 4999}));
  EXPECT_EQ(find_bad(3, {0, 1, 2}).first, (std::vector<std::size_t>{0, 1, 2}));
}

TEST(RefusalBudget, ManyAlikeAreTheTablesFault) {
  const auto bad = [](std::size_t count, const char* sqlstate) {
    return std::vector<BadRow>(count, BadRow{0, sqlstate, "no"});
  };
  RefusalBudget budget;
  EXPECT_TRUE(budget.allows(bad(10, "22003")));
  EXPECT_FALSE(budget.allows(bad(11, "22003")));
  budget.spend(bad(6, "22003"));
  budget.passed(20);
  EXPECT_FALSE(budget.allows(bad(5, "22003"))) << "small batches must not drain a faulty table's rows";
  EXPECT_TRUE(budget.allows(bad(5, "22P05")));
  budget.passed(5000);
  EXPECT_TRUE(budget.allows(bad(5, "22003")));
}

TEST(Sqlstate, IsReactedToByClass) {
  for (const char* state : {"", "08006", "57P01", "57014", "53100", "53300", "40001", "40P01", "55P03", "25006"}) {
    EXPECT_EQ(reaction_to(state), Reaction::kRetry) << state;
  }
  for (const char* state : {"23514", "23503", "23502"}) EXPECT_EQ(reaction_to(state), Reaction::kTable) << state;
  for (const char* state : {"22003", "22008", "22021", "22P05", "21000", "P0001"}) {
    EXPECT_EQ(reaction_to(state), Reaction::kRow) << state;
  }
  for (const char* state : {"28P01", "3D000", "42P01", "42703", "42501", "42804", "0A000", "ZZ999"}) {
    EXPECT_EQ(reaction_to(state), Reaction::kStop) << state;
  }
  EXPECT_NE(advice_for("42501"), "");
  EXPECT_EQ(advice_for("ZZ999"), "");
}

Comparison by_numbers(const storage::Identity& local, const storage::Cursor& remote, bool shared = false) {
  const auto behind = confirmed(local);
  return compare(local, remote, {Agreement(behind.results), Agreement(behind.skipped), Agreement(behind.gaps)}, shared);
}

TEST(Heads, AreComparedWithinTheEpoch) {
  storage::Identity local{"id", {101, 1, 1}, {160, 3, 0}, {140, 2, 0}, {150, 3, 0}};
  EXPECT_EQ(by_numbers(local, {140, 2, 0}).standing, Standing::kAsExpected);
  EXPECT_EQ(by_numbers(local, {150, 3, 0}).standing, Standing::kAsExpected) << "our own commit whose answer was lost";
  EXPECT_EQ(by_numbers(local, {150, 3, 0}, true).standing, Standing::kAhead) << "it need not be our own";
  EXPECT_EQ(by_numbers(local, {151, 3, 0}).standing, Standing::kAhead);
  EXPECT_EQ(by_numbers(local, {140, 2, 1}).standing, Standing::kAhead);
  EXPECT_EQ(by_numbers(local, {120, 3, 0}).standing, Standing::kBehind);
  EXPECT_EQ(by_numbers(local, {120, 3, 0}).arrived, (storage::Cursor{120, 2, 0}));
  EXPECT_EQ(by_numbers(local, {0, 0, 0}).arrived, (storage::Cursor{100, 0, 0})) << "not before the epoch's first row";
  local.exported = {100, 0, 0};
  local.ours = {100, 0, 0};
  EXPECT_EQ(by_numbers(local, {0, 0, 0}).standing, Standing::kAsExpected) << "a fresh epoch has lost nothing";
}

std::vector<storage::Mark> marks(std::initializer_list<std::pair<int, int>> rows) {
  std::vector<storage::Mark> out;
  for (const auto& [number, micros] : rows) {
    out.push_back({number, common::from_unix_micros(micros), common::from_unix_micros(micros)});
  }
  return out;
}

TEST(Heads, WhatIsTheSameIsOursWhoeverSentIt) {
  const storage::Identity local{"id", {1, 1, 1}, {30, 0, 0}, {10, 0, 0}, {10, 0, 0}};
  const auto found = [&](const std::vector<storage::Mark>& here, const std::vector<storage::Mark>& there) {
    Agreement results(10);
    results.take(here, there, 30);
    return compare(local, {13, 0, 0}, {results, Agreement(0), Agreement(0)}, true);
  };
  const auto here = marks({{11, 1}, {12, 2}, {13, 3}, {14, 4}});
  EXPECT_EQ(found(here, marks({{11, 1}, {12, 2}, {13, 3}})).standing, Standing::kAsExpected);
  EXPECT_EQ(found(here, marks({{13, 3}})).standing, Standing::kAsExpected) << "the others are gone there";
  EXPECT_EQ(found(here, marks({{11, 1}, {12, 7}, {13, 3}})).standing, Standing::kAhead);
  EXPECT_EQ(found(here, marks({{11, 1}, {12, 7}, {13, 3}})).through.results, 11) << "they parted there";
  EXPECT_EQ(found(marks({{13, 3}}), marks({{11, 1}, {12, 2}, {13, 3}})).standing, Standing::kAsExpected)
      << "the others are gone here";
  EXPECT_EQ(found(here, {}).standing, Standing::kAhead);
  EXPECT_EQ(found(here, {}).through.results, 10);
}

TEST(Heads, AnEarlierEpochMovesTheCursorOnlyForRowsThatAreHere) {
  const storage::EpochStand epoch{"id", {1, 1, 1}, {150, 0, 4}};
  EXPECT_EQ(back_to({161, 9, 4}, epoch, {150, 0, 4}), (storage::Cursor{161, 9, 4}));
  EXPECT_EQ(back_to({161, 9, 4}, epoch, {100, 0, 4}), (storage::Cursor{100, 9, 4}));
  EXPECT_EQ(back_to({161, 9, 4}, epoch, {}), (storage::Cursor{0, 9, 0}));
}

TEST(ArrayLiteral, EscapesWhatTheServerWouldRead) {
  ArrayLiteral array;
  EXPECT_EQ(array.close(), "{}");
  array.clear();
  array.add(std::int64_t{-5});
  array.add(std::optional<std::int64_t>{});
  array.add_text("NULL");
  array.add_text("");
  array.add_text("a\"b\\");
  EXPECT_EQ(array.close(), R"({-5,NULL,"NULL","","a\"b\\"})");
}

TEST(Encodable, KeepsWhatTheDatabaseCanHold) {
  EXPECT_EQ(encodable("ü… 😀", Repertoire::kAll), "ü… 😀");
  EXPECT_EQ(encodable("ü… 😀", Repertoire::kLatin), "ü\\u2026 \\U0001f600");
  EXPECT_EQ(encodable("ü… 😀", Repertoire::kAscii), "\\u00fc\\u2026 \\U0001f600");
  EXPECT_EQ(repertoire_of("SQL_ASCII"), Repertoire::kAll);
  EXPECT_EQ(repertoire_of("WIN1252"), Repertoire::kAscii);
}

TEST(Window, IsFourHundredDaysBackAndTwoAhead) {
  const auto now = common::WallTime{std::chrono::sys_days{std::chrono::year{2026} / 3 / 1}} + std::chrono::hours{23};
  EXPECT_TRUE(in_window(now - std::chrono::days{400}, now));
  EXPECT_FALSE(in_window(now - std::chrono::days{401}, now));
  EXPECT_TRUE(in_window(now + std::chrono::days{2}, now));
  EXPECT_FALSE(in_window(now + std::chrono::days{3}, now));
}

}  // namespace
}  // namespace monitor::exporter
