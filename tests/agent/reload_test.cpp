// The agent goes over to another configuration while it polls.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "async/task_group.h"
#include "fixture.h"

namespace monitor::agent {
namespace {

using common::Outcome;
using std::chrono::milliseconds;
using std::chrono::seconds;
using testing::HasSubstr;
using testing::Not;

class Reload : public AgentTest {
 protected:
  void begin(int services, std::size_t max_running = 1000, seconds interval = seconds{5}) {
    max_running_ = max_running;
    options_.limits = limits_;
    for (int i = 0; i < services; ++i) options_.services.push_back(service(i, interval));
    agent_ = Agent::create(io_.get_executor(), options_, max_running, prober_, *store_, clock_);
    test::run(io_, agent_->start());
  }
  probe::Service service(int number, seconds interval = seconds{5}) {
    probe::Service out;
    out.url = out.target = url(number);
    out.method = "GET";
    out.interval = interval;
    out.extra = spec_;
    return out;
  }
  static std::string url(int number) { return "http://127.0.0.1/" + std::to_string(number); }
  /// Goes over to what `edit` makes of the configuration.
  template <typename Edit>
  Change reload(Edit edit) {
    auto next = options_;
    edit(next);
    auto change = change_of(options_.services, std::move(next));
    options_ = change.options;
    test::run(io_, agent_->apply(change, max_running_));
    settle();
    return change;
  }
  /// Slots of each service, by its key, that ran or are counted as skipped.
  std::map<std::string, std::set<common::WallTime>> due_of_each(const storage::Batch& batch, seconds interval) {
    std::map<storage::DefinitionId, std::string> keys;
    for (const auto& definition : batch.definitions) keys[definition->id] = definition->key;
    std::map<std::string, std::set<common::WallTime>> out;
    for (const auto& [id, moments] : due(batch, interval)) out[keys.at(id)].insert(moments.begin(), moments.end());
    return out;
  }
  static void expect_regular(const std::set<common::WallTime>& moments, seconds interval) {
    for (auto at = std::next(moments.begin()); at != moments.end(); ++at) EXPECT_EQ(*at - *std::prev(at), interval);
  }

  Options options_;
  std::size_t max_running_ = 1000;
};

TEST_F(Reload, WhatStaysKeepsItsPhaseAndItsHistory) {
  begin(20);
  prober_.of[url(3)] = Outcome::kStatus;
  live(seconds{20});
  const auto log = logged([&] {
    reload([&](Options& next) {
      next.services.erase(next.services.begin());
      next.services.push_back(service(100));
    });
    live(seconds{20});
  });
  EXPECT_THAT(log, Not(HasSubstr("is down"))) << "that was said before";
  EXPECT_EQ(agent_->health().down, 1U);
  const auto each = due_of_each(stored(), seconds{5});
  ASSERT_EQ(each.size(), 21U);
  for (const auto& [key, moments] : each) expect_regular(moments, seconds{5});
  EXPECT_EQ(each.at(service(7).key()).size(), 8U);
}

TEST_F(Reload, AChangedServiceKeepsItsPhaseAndItsHistory) {
  begin(1);
  prober_.outcome = Outcome::kStatus;
  live(seconds{15});
  const auto log = logged([&] {
    reload([](Options& next) { next.services[0].timeout = seconds{2}; });
    live(seconds{15});
  });
  EXPECT_THAT(log, Not(HasSubstr("is down"))) << "that was said before";
  const auto batch = stored();
  EXPECT_EQ(due(batch, seconds{5}).size(), 2U) << "its results belong to what it was when its check began";
  const auto each = due_of_each(batch, seconds{5});
  ASSERT_EQ(each.size(), 1U);
  expect_regular(each.begin()->second, seconds{5});
  EXPECT_EQ(each.begin()->second.size(), 6U);
}

TEST_F(Reload, ARunningCheckIsStoredAsWhatItWasWhenItBegan) {
  begin(1);
  prober_.hold = true;
  live(seconds{5});
  ASSERT_EQ(agent_->health().running, 1U);
  reload([](Options& next) { next.services[0].timeout = seconds{2}; });
  EXPECT_EQ(agent_->health().running, 1U) << "it was not cut";
  prober_.hold = false;
  release_all();
  live(seconds{5});
  const auto batch = stored();
  ASSERT_EQ(batch.results.size(), 2U);
  EXPECT_NE(batch.results[0].definition, batch.results[1].definition);
}

TEST_F(Reload, ARemovedServiceEndsItsCheckAndIsNotCheckedAgain) {
  begin(2);
  prober_.hold = true;
  live(seconds{5});
  const auto log = logged([&] {
    prober_.outcome = Outcome::kStatus;
    reload([](Options& next) { next.services.erase(next.services.begin()); });
    prober_.hold = false;
    release_all();
    live(seconds{20});
  });
  EXPECT_EQ(prober_.begun_of(kFirst), 1U);
  EXPECT_EQ(due_of_each(stored(), seconds{5}).at(service(0).key()).size(), 1U);
  EXPECT_THAT(log, Not(HasSubstr(kFirst + " is down")));
  EXPECT_EQ(agent_->health().down, 1U);
  EXPECT_EQ(agent_->health().up, 0U);
}

TEST_F(Reload, ASlotThatWaitsForARemovedServiceIsCounted) {
  begin(2, 1);
  prober_.hold = true;
  live(seconds{6});
  ASSERT_EQ(prober_.begun.size(), 1U) << "the other one waits for a place";
  const bool first_runs = prober_.begun[0] == kFirst;
  reload([&](Options& next) { next.services.erase(next.services.begin() + (first_runs ? 1 : 0)); });
  EXPECT_EQ(count(stored().skipped, storage::SkipReason::kStopping), 1);
}

TEST_F(Reload, ASlotThatWaitsForTheHostOfARemovedServiceIsCountedAndTheOthersGoOnWaiting) {
  limits_.per_host_concurrency = 1;
  begin(3);
  prober_.hold = true;
  live(seconds{1});
  while (prober_.begun.empty()) live(milliseconds{100});
  const auto runs = prober_.begun[0];
  clock_.advance(milliseconds{1});
  agent_->step();
  reload([&](Options& next) {
    std::erase_if(next.services, [&](const auto& one) { return one.url != runs && one.url != url(2); });
  });
  EXPECT_EQ(prober_.begun.size(), 1U) << "the host still has one check";
  prober_.hold = false;
  release_all();
  live(seconds{20});
  for (const auto& [key, moments] : due_of_each(stored(), seconds{5})) expect_regular(moments, seconds{5});
  EXPECT_FALSE(prober_.overlapped);
  EXPECT_EQ(prober_.most_at_once, 1U);
}

TEST_F(Reload, NewServicesAreSpreadAsAtAStart) {
  begin(1);
  live(seconds{7});
  const auto before = prober_.begun.size();
  reload([&](Options& next) {
    for (int i = 10; i < 60; ++i) next.services.push_back(service(i, seconds{60}));
  });
  live(seconds{1});
  EXPECT_LE(prober_.begun.size() - before, 8U) << "a herd";
  live(seconds{29});
  for (int i = 10; i < 60; ++i) EXPECT_EQ(prober_.begun_of(url(i)), 1U);
}

TEST_F(Reload, AShorterIntervalBeginsSoonAndALongerOneNoLaterThanTheSlotItHad) {
  begin(40, 1000, seconds{20});
  live(seconds{30});
  prober_.begun.clear();
  reload([](Options& next) {
    for (auto& one : next.services) one.interval = seconds{5};
  });
  live(seconds{1});
  EXPECT_LE(prober_.begun.size(), 16U) << "a burst";
  live(seconds{19});
  for (int i = 0; i < 40; ++i) {
    EXPECT_GE(prober_.begun_of(url(i)), 3U) << i;
    EXPECT_LE(prober_.begun_of(url(i)), 5U) << i;
  }
  prober_.begun.clear();
  reload([](Options& next) {
    for (auto& one : next.services) one.interval = seconds{300};
  });
  live(seconds{5});
  for (int i = 0; i < 40; ++i) EXPECT_EQ(prober_.begun_of(url(i)), 1U) << i;
  EXPECT_EQ(skipped(stored()), 0);
}

TEST_F(Reload, AnIntervalThatChangesAllTheTimeKeepsNobodyFromRunning) {
  begin(50, 1000, seconds{10});
  live(seconds{10});
  prober_.begun.clear();
  for (int second = 0; second < 30; ++second) {
    reload([&](Options& next) {
      for (auto& one : next.services) one.interval = seconds{second % 2 == 0 ? 11 : 10};
    });
    live(seconds{1});
  }
  for (int i = 0; i < 50; ++i) {
    EXPECT_GE(prober_.begun_of(url(i)), 2U) << i;
    EXPECT_LE(prober_.begun_of(url(i)), 6U) << i << ": no closer than half an interval";
  }
}

TEST_F(Reload, FiveThousandChangesASecondLoseNoSlotAndNoStreak) {
  constexpr int kServices = 5000;
  prober_.outcome = Outcome::kStatus;
  begin(kServices, 20'000);
  live(seconds{6});
  const auto log = logged([&] {
    for (int second = 0; second < 12; ++second) {
      reload([&](Options& next) {
        for (auto& one : next.services) one.timeout = seconds{2 + second % 3};
      });
      live(seconds{1});
    }
  });
  EXPECT_THAT(log, Not(HasSubstr("is down")));
  EXPECT_EQ(agent_->health().down, std::size_t{kServices});
  const auto each = due_of_each(stored(), seconds{5});
  EXPECT_EQ(each.size(), std::size_t{kServices});
  for (const auto& [key, moments] : each) {
    expect_regular(moments, seconds{5});
    EXPECT_GE(moments.size(), 3U);
  }
  EXPECT_FALSE(prober_.overlapped);
}

TEST_F(Reload, LimitsComeAndGo) {
  begin(6, 1000, seconds{1});
  prober_.hold = true;
  live(seconds{1});
  ASSERT_EQ(agent_->health().running, 6U);
  reload([](Options& next) { next.limits.per_host_concurrency = 2; });
  prober_.hold = false;
  release_all();
  prober_.most_at_once = 0;
  prober_.hold = true;
  live(seconds{2});
  EXPECT_EQ(prober_.most_at_once, 2U);
  reload([](Options& next) { next.limits.per_host_concurrency = 3; });
  live(seconds{2});
  EXPECT_EQ(prober_.most_at_once, 3U);
  reload([](Options& next) { next.limits = {}; });
  live(seconds{2});
  EXPECT_EQ(prober_.most_at_once, 6U);
  prober_.hold = false;
  release_all();
  live(seconds{5});
  for (const auto& [key, moments] : due_of_each(stored(), seconds{1})) expect_regular(moments, seconds{1});
}

TEST_F(Reload, ARecheckThatWasPlannedComes) {
  recheck(1, seconds{2});
  begin(1, 10, seconds{10});
  prober_.next = {Outcome::kStatus, Outcome::kUp};
  live_until([&] { return !prober_.begun.empty(); });
  reload([](Options& next) { next.services[0].timeout = seconds{2}; });
  live(seconds{4});
  EXPECT_THAT(attempts(stored()), testing::ElementsAre(0, 1));
}

TEST_F(Reload, TheRecheckOfARemovedServiceEndsAndNoOtherFollows) {
  recheck(3, seconds{1});
  begin(1, 10, seconds{10});
  prober_.outcome = Outcome::kStatus;
  live_until([&] { return !prober_.begun.empty(); });
  prober_.hold = true;
  live_until([&] { return agent_->health().running == 1; });
  reload([](Options& next) { next.services.clear(); });
  prober_.hold = false;
  release_all();
  live(seconds{20});
  EXPECT_THAT(attempts(stored()), testing::ElementsAre(0, 1));
  EXPECT_EQ(agent_->health().running, 0U);
}

TEST_F(Reload, PlacesOfGoneServicesAreTakenAgain) {
  begin(3);
  for (int i = 0; i < 30; ++i) {
    reload([&](Options& next) {
      next.services.erase(next.services.begin());
      next.services.push_back(service(1000 + i, seconds{1}));
    });
    live(seconds{2});
  }
  EXPECT_EQ(prober_.begun_of(url(1029)), 2U);
  EXPECT_EQ(prober_.begun_of(url(1020)), 6U) << "three reloads, two seconds each";
  EXPECT_EQ(agent_->health().up, 3U);
}

TEST_F(Reload, AServiceThatComesAgainWhileItsCheckRunsIsNotCheckedTwiceAtOnce) {
  begin(1, 1000, seconds{1});
  prober_.hold = true;
  live(seconds{2});
  ASSERT_EQ(prober_.begun_of(url(0)), 1U);
  const auto services = options_.services;
  reload([](Options& next) { next.services.clear(); });
  reload([&](Options& next) { next.services = services; });
  prober_.most_at_once = 0;
  live(seconds{10});
  EXPECT_EQ(prober_.begun_of(url(0)), 1U);
  prober_.hold = false;
  release_all();
  live(seconds{5});
  EXPECT_GE(prober_.begun_of(url(0)), 4U);
  EXPECT_EQ(prober_.most_at_once, 1U);
  EXPECT_EQ(agent_->health().up, 1U);
}

TEST_F(Reload, ACheckOfAServiceThatIsGoneIsNobodysOnceLimitsComeBack) {
  limits_.per_host_concurrency = 1;
  begin(1, 1000, seconds{1});
  prober_.hold = true;
  live(seconds{2});
  ASSERT_EQ(agent_->health().running, 1U);
  reload([&](Options& next) {
    next.limits = {};
    next.services = {service(7, seconds{1})};
    next.services.front().url = next.services.front().target = "http://127.0.0.2/7";
  });
  reload([&](Options& next) { next.limits.per_host_concurrency = 1; });
  live(seconds{2});
  EXPECT_EQ(agent_->health().running, 2U) << "the other host has its place";
}

TEST_F(Reload, MoreRoomIsUsedAtOnceAndLessAsChecksEnd) {
  begin(6, 2, seconds{5});
  prober_.hold = true;
  live(seconds{5});
  ASSERT_EQ(agent_->health().running, 2U);
  max_running_ = 6;
  reload([](Options&) {});
  EXPECT_EQ(agent_->health().running, 6U);
  max_running_ = 1;
  reload([](Options&) {});
  live(seconds{5});
  prober_.hold = false;
  release_all();
  prober_.hold = true;
  prober_.most_at_once = 0;
  live(seconds{5});
  EXPECT_EQ(prober_.most_at_once, 1U);
}

TEST_F(Reload, WhatCannotBeMadeReadyChangesNothing) {
  begin(1);
  prober_.refused = url(7);
  auto next = options_;
  next.services = {service(8), service(7)};
  auto change = change_of(options_.services, std::move(next));
  EXPECT_THROW(test::run(io_, agent_->apply(change, 10)), common::UsageError);
  live(seconds{10});
  EXPECT_EQ(prober_.begun_of(url(0)), 2U);
  EXPECT_EQ(prober_.begun_of(url(8)), 0U);
}

TEST_F(Reload, AfterAStopNothingChanges) {
  begin(1);
  agent_->stop();
  reload([&](Options& next) { next.services.push_back(service(5)); });
  agent_->close_books();
  EXPECT_EQ(agent_->health().up, 0U);
}

}  // namespace
}  // namespace monitor::agent
