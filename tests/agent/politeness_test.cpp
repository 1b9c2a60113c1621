#include "agent/politeness.h"

#include <algorithm>
#include <map>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace monitor::agent {
namespace {

using common::SteadyTime;
using std::chrono::milliseconds;
using std::chrono::seconds;
using storage::SkipReason;
using testing::ElementsAre;
using testing::IsEmpty;

constexpr SteadyTime kStart{std::chrono::hours{1000}};

/// Services that all go to one host, unless the test says otherwise.
class Gate {
 public:
  Gate(Limits limits, std::size_t services, seconds interval = seconds{5}, std::vector<std::uint32_t> hosts = {})
      : polite(limits, hosts.empty() ? std::vector<std::uint32_t>(services) : std::move(hosts),
               std::vector<seconds>(services, interval)) {}
  void hold(std::size_t service, SteadyTime due) { polite.hold({service, due}); }
  /// The services that begin at `now`.
  std::vector<std::size_t> begin(SteadyTime now) {
    std::vector<Slot> ready;
    given_up.clear();
    polite.take(now, ready, given_up);
    std::vector<std::size_t> services;
    for (const auto& slot : ready) {
      polite.began(slot.service, now);
      services.push_back(slot.service);
    }
    return services;
  }
  std::vector<std::size_t> gave_up() const {
    std::vector<std::size_t> services;
    services.reserve(given_up.size());
    for (const auto& missed : given_up) services.push_back(missed.service);
    return services;
  }
  Politeness polite;
  std::vector<MissedSlots> given_up;
};

TEST(Politeness, SoManyChecksOfAHostRunAtOnceAndNoMore) {
  Gate gate({2, 0}, 3);
  for (std::size_t i = 0; i < 3; ++i) gate.hold(i, kStart);
  EXPECT_THAT(gate.begin(kStart), ElementsAre(0, 1));
  EXPECT_THAT(gate.begin(kStart + milliseconds{100}), IsEmpty());
  gate.polite.ended(1);
  EXPECT_THAT(gate.begin(kStart + milliseconds{200}), ElementsAre(2));
  EXPECT_EQ(gate.polite.next(), std::nullopt);
}

TEST(Politeness, HostsDoNotHinderEachOther) {
  Gate gate({1, 1}, 3, seconds{5}, {0, 1, 0});
  for (std::size_t i = 0; i < 3; ++i) gate.hold(i, kStart);
  EXPECT_THAT(gate.begin(kStart), testing::UnorderedElementsAre(0, 1));
}

TEST(Politeness, ChecksOfAHostBeginApart) {
  Gate gate({0, 4}, 3);
  for (std::size_t i = 0; i < 3; ++i) gate.hold(i, kStart);
  EXPECT_THAT(gate.begin(kStart), ElementsAre(0));
  EXPECT_EQ(gate.polite.next(), kStart + milliseconds{250});
  EXPECT_THAT(gate.begin(kStart + milliseconds{249}), IsEmpty());
  EXPECT_THAT(gate.begin(kStart + milliseconds{250}), ElementsAre(1));
  EXPECT_THAT(gate.begin(kStart + milliseconds{500}), ElementsAre(2));
}

TEST(Politeness, ABeginningThatIsALittleLatePutsNoOtherOff) {
  Gate gate({0, 4}, 4);
  for (std::size_t i = 0; i < 4; ++i) gate.hold(i, kStart);
  EXPECT_THAT(gate.begin(kStart), ElementsAre(0));
  EXPECT_THAT(gate.begin(kStart + milliseconds{255}), ElementsAre(1));
  EXPECT_EQ(gate.polite.next(), kStart + milliseconds{500});
  EXPECT_THAT(gate.begin(kStart + milliseconds{520}), ElementsAre(2));
  EXPECT_EQ(gate.polite.next(), kStart + milliseconds{770});
}

TEST(Politeness, ARestGivesNoRightToABurst) {
  Gate gate({0, 4}, 3);
  gate.hold(0, kStart);
  EXPECT_THAT(gate.begin(kStart), ElementsAre(0));
  const auto later = kStart + std::chrono::hours{1};
  gate.hold(1, later);
  gate.hold(2, later);
  EXPECT_THAT(gate.begin(later), ElementsAre(1));
  EXPECT_THAT(gate.begin(later + milliseconds{200}), IsEmpty());
}

TEST(Politeness, WhereTheOneThatFillsAHostWaitsForAPlaceItIsThePlaceThatIsMissing) {
  Gate gate({1, 0}, 3);
  gate.hold(0, kStart);
  gate.hold(1, kStart);
  std::vector<Slot> ready;
  std::vector<MissedSlots> given_up;
  gate.polite.take(kStart, ready, given_up);
  ASSERT_EQ(ready.size(), 1U);
  gate.polite.take(kStart + seconds{1}, ready, given_up);
  ASSERT_EQ(given_up.size(), 1U);
  EXPECT_EQ(given_up[0].reason, SkipReason::kPoolExhausted);
  gate.polite.began(0, kStart + seconds{2});
  gate.hold(2, kStart + seconds{2});
  gate.polite.take(kStart + seconds{3}, ready, given_up);
  ASSERT_EQ(given_up.size(), 2U);
  EXPECT_EQ(given_up[1].reason, SkipReason::kRateLimited);
}

TEST(Politeness, TheNextOneIsNotTakenBeforeTheLastHasBegun) {
  Gate gate({0, 1000}, 2);
  gate.hold(0, kStart);
  gate.hold(1, kStart);
  std::vector<Slot> ready;
  std::vector<MissedSlots> given_up;
  gate.polite.take(kStart, ready, given_up);
  ASSERT_EQ(ready.size(), 1U);
  // It waits for a place among all checks.
  gate.polite.take(kStart + milliseconds{999}, ready, given_up);
  EXPECT_EQ(ready.size(), 1U);
  gate.polite.take(kStart + seconds{1}, ready, given_up);
  ASSERT_EQ(given_up.size(), 1U);
  EXPECT_EQ(given_up[0].reason, SkipReason::kPoolExhausted);
}

TEST(Politeness, ASlotIsGivenUpAfterASecondOrHalfItsInterval) {
  for (const auto& [interval, patience] :
       {std::pair{seconds{60}, milliseconds{1000}}, {seconds{1}, milliseconds{500}}}) {
    Gate gate({1, 0}, 2, interval);
    gate.hold(0, kStart);
    gate.hold(1, kStart);
    EXPECT_THAT(gate.begin(kStart), ElementsAre(0));
    EXPECT_EQ(gate.polite.next(), kStart + patience);
    EXPECT_THAT(gate.begin(kStart + patience), IsEmpty());
    ASSERT_EQ(gate.given_up.size(), 1U);
    const auto& missed = gate.given_up[0];
    EXPECT_EQ(missed.service, 1U);
    EXPECT_EQ(missed.reason, SkipReason::kRateLimited);
    EXPECT_EQ(missed.first, kStart);
    EXPECT_EQ(missed.last, kStart);
    EXPECT_EQ(missed.count, 1);
    EXPECT_EQ(gate.polite.next(), std::nullopt);
  }
}

TEST(Politeness, WhoWasPassedOverTwiceWaitsUntilItsNextSlot) {
  Gate gate({1, 0}, 2);
  gate.hold(0, kStart);
  EXPECT_THAT(gate.begin(kStart), ElementsAre(0));  // and does not end
  for (const auto due : {kStart, kStart + seconds{5}}) {
    gate.hold(1, due);
    EXPECT_EQ(gate.polite.next(), due + seconds{1});
    EXPECT_THAT(gate.begin(due + seconds{1}), IsEmpty());
    EXPECT_THAT(gate.gave_up(), ElementsAre(1));
  }
  gate.hold(1, kStart + seconds{10});
  EXPECT_EQ(gate.polite.next(), kStart + seconds{15});
  gate.polite.ended(0);
  EXPECT_THAT(gate.begin(kStart + seconds{14}), ElementsAre(1));
  gate.polite.ended(1);
  gate.hold(0, kStart + seconds{15});
  EXPECT_THAT(gate.begin(kStart + seconds{15}), ElementsAre(0));
  gate.hold(1, kStart + seconds{15});
  EXPECT_EQ(gate.polite.next(), kStart + seconds{16}) << "it ran, so it waits like others again";
}

TEST(Politeness, WhoWasPassedOverGoesFirst) {
  Gate gate({1, 0}, 3);
  gate.hold(2, kStart);
  gate.hold(1, kStart);
  EXPECT_THAT(gate.begin(kStart), ElementsAre(1));
  gate.begin(kStart + seconds{1});
  EXPECT_THAT(gate.gave_up(), ElementsAre(2));
  const auto next = kStart + seconds{5};
  gate.hold(0, next);
  gate.hold(2, next);
  EXPECT_THAT(gate.begin(next), IsEmpty());
  gate.polite.ended(1);
  EXPECT_THAT(gate.begin(next), ElementsAre(2));
}

/// Each service comes every `interval` on a phase of its own, and each check takes `takes`; how often each ran.
std::vector<int> run_for(Limits limits, std::size_t services, seconds interval, milliseconds takes, int intervals) {
  Gate gate(limits, services, interval);
  std::vector<int> runs(services), due(services);
  std::multimap<SteadyTime, std::size_t> ends;
  std::vector<bool> busy(services);
  std::size_t skipped = 0, most_running = 0;
  const auto step = milliseconds{10};
  for (SteadyTime now = kStart; now < kStart + intervals * interval; now += step) {
    while (!ends.empty() && ends.begin()->first <= now) {
      busy[ends.begin()->second] = false;
      gate.polite.ended(ends.begin()->second);
      ends.erase(ends.begin());
    }
    std::vector<std::size_t> begun = gate.begin(now);
    for (const auto service : gate.gave_up()) busy[service] = false, ++skipped;
    for (std::size_t i = 0; i < services; ++i) {
      const auto phase = i * milliseconds{interval} / services / step * step;
      if ((now - kStart) % interval != phase) continue;
      ++due[i];
      if (busy[i]) {
        ++skipped;
      } else {
        busy[i] = true;
        gate.hold(i, now);
      }
    }
    std::ranges::copy(gate.begin(now), std::back_inserter(begun));
    for (const auto service : gate.gave_up()) busy[service] = false, ++skipped;
    for (const auto service : begun) {
      ++runs[service];
      ends.emplace(now + takes, service);
    }
    most_running = std::max(most_running, ends.size());
  }
  if (limits.per_host_concurrency > 0) EXPECT_LE(most_running, limits.per_host_concurrency);
  const auto total = [](const std::vector<int>& counts) {
    int sum = 0;
    for (const int count : counts) sum += count;
    return sum;
  };
  const auto waiting = static_cast<int>(std::ranges::count(busy, true)) - static_cast<int>(ends.size());
  EXPECT_EQ(total(due), total(runs) + static_cast<int>(skipped) + waiting) << "slots due = run + skipped";
  return runs;
}

TEST(Politeness, NothingIsSkippedWhereThereIsRoomForAll) {
  for (const int runs : run_for({0, 25}, 100, seconds{5}, milliseconds{20}, 10)) EXPECT_EQ(runs, 10);
  for (const int runs : run_for({2, 0}, 100, seconds{5}, milliseconds{20}, 10)) EXPECT_EQ(runs, 10);
}

TEST(Politeness, AHostThatIsAskedForTooMuchStarvesNoService) {
  // Half, a tenth, and a hundredth of what is asked for; the last is less than one check an interval.
  for (const auto& [rate, least, most] : {std::tuple{10.0, 40, 60}, {2.0, 5, 15}, {0.1, 1, 3}}) {
    const std::size_t services = rate < 1 ? 50 : 100;
    const int intervals = rate < 1 ? 1000 * static_cast<int>(services) / 500 : 100;
    for (const int runs : run_for({0, rate}, services, seconds{5}, milliseconds{20}, intervals)) {
      EXPECT_GE(runs, least) << rate;
      EXPECT_LE(runs, most * (rate < 1 ? 2 : 1)) << rate;
    }
  }
  for (const int runs : run_for({2, 0}, 40, seconds{5}, milliseconds{500}, 100)) {
    EXPECT_GE(runs, 40);
    EXPECT_LE(runs, 60);
  }
}

TEST(Politeness, TheRateIsKeptOverAnyTime) {
  const auto runs = run_for({0, 3}, 100, seconds{5}, milliseconds{20}, 20);
  int sum = 0;
  for (const int count : runs) sum += count;
  EXPECT_LE(sum, 3 * 100 + 2);
  EXPECT_GE(sum, 3 * 100 - 10);
}

TEST(Politeness, ARecheckUsesUpItsShareOfASecondToo) {
  Gate gate({0, 4}, 2);
  EXPECT_TRUE(gate.polite.admit_recheck(0, kStart));
  EXPECT_FALSE(gate.polite.admit_recheck(1, kStart + milliseconds{249}));
  gate.hold(1, kStart);
  EXPECT_THAT(gate.begin(kStart + milliseconds{249}), IsEmpty());
  EXPECT_THAT(gate.begin(kStart + milliseconds{250}), ElementsAre(1));
}

TEST(Politeness, ARecheckTakesOnlyWhatNoSlotWaitsFor) {
  Gate gate({1, 2}, 3);
  EXPECT_TRUE(gate.polite.admit_recheck(0, kStart));
  EXPECT_FALSE(gate.polite.admit_recheck(1, kStart)) << "one runs";
  gate.hold(2, kStart);
  EXPECT_TRUE(gate.polite.is_crowded(0));
  EXPECT_THAT(gate.begin(kStart), IsEmpty());
  gate.polite.ended(0);
  EXPECT_FALSE(gate.polite.is_crowded(0));
  EXPECT_FALSE(gate.polite.admit_recheck(1, kStart + milliseconds{600})) << "a slot waits";
  EXPECT_THAT(gate.begin(kStart + milliseconds{500}), ElementsAre(2));
  gate.polite.ended(2);
  EXPECT_FALSE(gate.polite.admit_recheck(1, kStart + milliseconds{600})) << "too soon";
  EXPECT_TRUE(gate.polite.admit_recheck(1, kStart + milliseconds{1000}));
}

TEST(Politeness, WhatWaitsCanBeTaken) {
  Gate gate({1, 0}, 3);
  for (std::size_t i = 0; i < 3; ++i) gate.hold(i, kStart);
  gate.begin(kStart);
  std::vector<Slot> left;
  gate.polite.take_all(left);
  EXPECT_EQ(left.size(), 2U);
  EXPECT_EQ(gate.polite.next(), std::nullopt);
}

probe::Service to(const std::string& url, std::optional<probe::HostPort> instead = std::nullopt) {
  probe::Service service;
  service.url = service.target = url;
  auto spec = std::make_shared<probe::Spec>();
  spec->connect_to = std::move(instead);
  service.extra = std::move(spec);
  return service;
}

TEST(Politeness, AHostIsWhereTheConnectionIsToEndWithoutThePort) {
  EXPECT_EQ(host_of(to("https://Shop.Example:8443/x?y")), "shop.example");
  EXPECT_EQ(host_of(to("http://[2001:DB8::1]:80/")), "2001:db8::1");
  EXPECT_EQ(host_of(to("https://shop.example/", probe::HostPort{"Backend-7.Example", 8443})), "backend-7.example");
  EXPECT_EQ(host_of(to("https://shop.example/", probe::HostPort{"2001:DB8::1", 8443})), "2001:db8::1");
  EXPECT_EQ(host_of(to("https://shop.example/", probe::HostPort{"bücher.example", 443})), "xn--bcher-kva.example");
  EXPECT_EQ(host_of(to("http://shop.example./")), "shop.example") << "with and without the last dot it is one host";
  EXPECT_EQ(host_of(to("no url")), "");
  const auto hosts = hosts_of({to("http://a.example/1"), to("https://b.example/"), to("https://a.example:444/2")});
  EXPECT_THAT(hosts.names, ElementsAre("a.example", "b.example"));
  EXPECT_THAT(hosts.of, ElementsAre(0, 1, 0));
}

}  // namespace
}  // namespace monitor::agent
