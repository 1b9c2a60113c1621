#include "storage/rollup.h"

#include <random>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "storage/roller.h"

namespace monitor::storage {
namespace {

using std::chrono::hours;
using std::chrono::minutes;
using std::chrono::seconds;
using testing::ElementsAre;
using testing::IsEmpty;
using testing::Pair;

constexpr common::WallTime kNoon = std::chrono::sys_days{std::chrono::year{2026} / 3 / 1} + hours{12};

/// A day of one check every 5 s, as a service with quiet neighbours has it.
Rollup usual_day() {
  std::mt19937 engine(7);
  std::lognormal_distribution<double> spread(0, 0.25);
  Rollup day;
  day.outcomes = {{1, 17'260}, {2, 20}};
  for (int i = 0; i < 17'280; ++i) {
    const auto micros = [&](double middle) {
      return common::Micros{static_cast<std::int64_t>(middle * spread(engine))};
    };
    day.measure(Measure::kDns).add(micros(800));
    day.measure(Measure::kConnect).add(micros(10'000));
    day.measure(Measure::kTls).add(micros(24'000));
    day.measure(Measure::kFirstByte).add(micros(32'000));
    day.measure(Measure::kTransfer).add(micros(400));
    day.measure(Measure::kTotal).add(micros(68'000));
    day.measure(Measure::kLateness).add(micros(180));
    day.total_sum += common::Micros{68'000};
  }
  day.lateness_max = common::Micros{9000};
  return day;
}

std::optional<Rollup> unpacked(std::span<const std::uint8_t> body) {
  Rollup rollup;
  if (!PackedRollup{.body = body}.add_to(rollup)) return std::nullopt;
  return rollup;
}

TEST(Rollup, ComesBackAsItWasStored) {
  EXPECT_EQ(unpacked(pack({})), Rollup{});
  EXPECT_EQ(unpacked(pack(usual_day())), usual_day());
  Rollup sparse;
  sparse.skipped = {{3, 70'000}, {6, 1}};
  sparse.rechecks = 5;
  sparse.measure(Measure::kLateness).add(common::Micros{0});
  sparse.measure(Measure::kLateness).add(common::Micros{40}, 3);
  sparse.measure(Measure::kLateness).add(common::Micros{common::Histogram::kLongest}, std::uint64_t{1} << 40);
  EXPECT_EQ(unpacked(pack(sparse)), sparse);
}

TEST(Rollup, AddedUpIsTheSameAsMerged) {
  Rollup other;
  other.outcomes = {{1, 3}, {20, 1}};
  other.skipped = {{1, 4}};
  other.measure(Measure::kTotal).add(common::Micros{5'000'000}, 3);
  other.lateness_max = common::Micros{20'000};
  Rollup merged = usual_day();
  merged.merge(other);
  Rollup added = other;
  ASSERT_TRUE(PackedRollup{.body = pack(usual_day())}.add_to(added));
  EXPECT_EQ(added, merged);
  EXPECT_EQ(added.outcomes.at(1), 17'263U);
}

TEST(Rollup, OfADayTakesAFewHundredBytes) {
  EXPECT_LT(pack(usual_day()).size(), 400U);
  RecordProperty("day_bytes", static_cast<int>(pack(usual_day()).size()));
}

TEST(Rollup, CutShortOrLongerThanItSaysIsDamagedAndAddsNothing) {
  auto body = pack(usual_day());
  Rollup sum;
  for (std::size_t size = 0; size < body.size(); ++size) {
    EXPECT_FALSE((PackedRollup{.body = std::span(body).first(size)}.add_to(sum))) << size;
  }
  body.push_back(0);
  EXPECT_FALSE(PackedRollup{.body = body}.add_to(sum));
  EXPECT_EQ(sum, Rollup{});
}

TEST(Rollup, ThatIsDamagedIsReadWithinItsBounds) {
  std::mt19937 engine(11);
  const auto whole = pack(usual_day());
  Rollup sum;
  std::size_t damaged = 0;
  for (int i = 0; i < 20'000; ++i) {
    auto body = whole;
    for (int change = 0; change < 3; ++change) body[engine() % body.size()] = static_cast<std::uint8_t>(engine());
    if (!PackedRollup{.body = body}.add_to(sum)) ++damaged;
  }
  EXPECT_GT(damaged, 0U);
  for (const auto& measure : sum.measures) {
    EXPECT_LE(measure.first_bucket() + std::ssize(measure.times()), common::Histogram::kBuckets);
  }
}

TEST(Rollup, RefusesWhatNoVersionOfThisProgramWrites) {
  const auto refused = [](const std::vector<std::uint8_t>& body) { return !unpacked(body); };
  const auto with_histogram = [](const std::vector<std::uint8_t>& runs) {
    std::vector<std::uint8_t> body{1, 0, 0, 0, 0, 0};
    body.insert(body.end(), runs.begin(), runs.end());
    body.insert(body.end(), 7, 0);
    return body;
  };
  EXPECT_FALSE(refused(with_histogram({})));
  EXPECT_FALSE(refused(with_histogram({2, 10, 1, 5, 5})));
  EXPECT_FALSE(refused(with_histogram({2, 10, 2, 0, 5, 0, 5, 1, 231, 1, 9})));
  EXPECT_TRUE(refused(with_histogram({2, 10, 1, 0, 5}))) << "begins with an empty bucket";
  EXPECT_TRUE(refused(with_histogram({2, 10, 1, 5, 0}))) << "ends with one";
  EXPECT_TRUE(refused(with_histogram({2, 231, 1, 5, 5}))) << "the last bucket is beyond the end";
  EXPECT_TRUE(refused(with_histogram({1, 10, 3, 5, 5, 5}))) << "no such width";
  EXPECT_TRUE(refused(with_histogram({1, 10, 0}))) << "nor that";
  EXPECT_TRUE(refused(with_histogram({1, 10, 16, 5}))) << "nor that";
  EXPECT_TRUE(refused(with_histogram({1, 10, 8, 0, 0, 0, 0, 0, 0, 0, 1}))) << "too large";
  EXPECT_TRUE(refused({1, 0, 0, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0x7F, 0, 0, 0, 0, 0, 0, 0, 0, 0}));
  EXPECT_TRUE(refused({1, 200, 1, 1})) << "fewer outcomes than it says";
  EXPECT_TRUE(refused({2, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0})) << "another version";
  EXPECT_FALSE(refused({1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0}));
}

TEST(Rollup, HoursAndDaysBeginInUtcBeforeTheEpochToo) {
  EXPECT_EQ(start_of(Tier::kHour, kNoon + minutes{59}), kNoon);
  EXPECT_EQ(start_of(Tier::kDay, kNoon + minutes{59}), kNoon - hours{12});
  EXPECT_EQ(start_of(Tier::kDay, common::from_unix_micros(-1)), common::from_unix_micros(0) - hours{24});
}

TEST(SkippedSlots, AreCountedInTheHourThatEachWasDueIn) {
  const auto at = [](auto from, auto to, std::int64_t count) {
    return slots_by_hour({.definition = 1, .from = kNoon + from, .to = kNoon + to, .count = count});
  };
  EXPECT_THAT(at(minutes{5}, minutes{5}, 1), ElementsAre(Pair(kNoon, 1)));
  EXPECT_THAT(at(minutes{5}, minutes{500}, 1), ElementsAre(Pair(kNoon, 1)));
  EXPECT_THAT(at(minutes{5}, minutes{5}, 9), ElementsAre(Pair(kNoon, 9)));
  EXPECT_THAT(at(minutes{5}, minutes{1}, 9), ElementsAre(Pair(kNoon, 9))) << "the clock was set back";
  EXPECT_THAT(at(minutes{50}, minutes{70}, 3), ElementsAre(Pair(kNoon, 1), Pair(kNoon + hours{1}, 2)));
  EXPECT_THAT(at(minutes{30}, minutes{30} + hours{4}, 3),
              ElementsAre(Pair(kNoon, 1), Pair(kNoon + hours{2}, 1), Pair(kNoon + hours{4}, 1)));
  EXPECT_THAT(at(seconds{0}, seconds{7200}, 7201),
              ElementsAre(Pair(kNoon, 3600), Pair(kNoon + hours{1}, 3600), Pair(kNoon + hours{2}, 1)));
  EXPECT_THAT(at(seconds{0}, seconds{1}, 0), IsEmpty());
  EXPECT_THAT(at(seconds{0}, seconds{1}, -5), IsEmpty());
}

TEST(SkippedSlots, AreAllCountedWhateverTheRange) {
  std::mt19937_64 engine(3);
  for (int i = 0; i < 2000; ++i) {
    const auto from = common::from_unix_micros(static_cast<std::int64_t>(engine() % 4'000'000'000'000'000));
    const auto to = from + common::Micros{static_cast<std::int64_t>(engine() % (std::uint64_t{1} << (engine() % 50)))};
    const auto count = static_cast<std::int64_t>(engine() % (std::uint64_t{1} << (engine() % 40)));
    std::uint64_t sum = 0;
    common::WallTime last = common::WallTime::min();
    for (const auto& [hour, slots] : slots_by_hour({.definition = 1, .from = from, .to = to, .count = count})) {
      ASSERT_GT(hour, last);
      ASSERT_GT(slots, 0U);
      last = hour;
      sum += slots;
    }
    ASSERT_EQ(sum, count);
  }
}

}  // namespace
}  // namespace monitor::storage
