#include "agent/agent.h"

#include <deque>
#include <map>
#include <set>

#include <boost/asio/io_context.hpp>
#include <boost/asio/post.hpp>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "async/event.h"
#include "async/task_group.h"
#include "common/log.h"
#include "support/io.h"
#include "support/manual_clock.h"
#include "support/temp_dir.h"

namespace monitor::agent {
namespace {

namespace asio = boost::asio;
using std::chrono::milliseconds;
using std::chrono::seconds;

/// Holds every check until the test lets it end, so that overlap and exhaustion are provoked and not timed.
class HeldProber final : public probe::Prober {
 public:
  HeldProber(asio::any_io_executor io, const async::Clock& clock) : io_(std::move(io)), clock_(clock) {}

  std::shared_ptr<const probe::Check> prepare(const probe::Service& service) override {
    // The agent only hands a check from prepare() to probe(); what stands behind the pointer is nobody else's business.
    auto url = std::make_shared<std::string>(service.url);
    return {url, reinterpret_cast<const probe::Check*>(url.get())};
  }
  using probe::Prober::probe;
  asio::awaitable<probe::Observation> probe(std::shared_ptr<const probe::Check> check, probe::Keep keep) override {
    const std::string url = *reinterpret_cast<const std::string*>(check.get());
    const InFlight counted(*this, url);
    probe::Observation seen;
    seen.started = clock_.wall();
    seen.outcome = outcome_of(url);
    seen.reason = common::verdict_of(seen.outcome) == common::Verdict::kUp ? "" : "it said so";
    seen.retry_after = retry_after;
    if (broken) throw std::logic_error("a bug");
    begun.push_back(url);
    kept.push_back(keep);
    if (hold && (held_url.empty() || held_url == url)) {
      auto& gate = *gates.emplace_back(std::make_unique<async::Event>(io_));
      co_await gate.wait();
    }
    co_return seen;
  }
  std::size_t begun_of(const std::string& url) const {
    return static_cast<std::size_t>(std::ranges::count(begun, url));
  }

  bool hold = false;
  std::string held_url;                       ///< empty: each
  std::map<std::string, common::Outcome> of;  ///< what differs from `outcome`
  std::deque<common::Outcome> next;           ///< these come before either
  std::optional<seconds> retry_after;
  std::vector<probe::Keep> kept;
  std::size_t most_at_once = 0;
  bool overlapped = false;  ///< two of one service ran at once
  bool broken = false;
  common::Outcome outcome = common::Outcome::kUp;
  std::vector<std::string> begun;
  std::deque<std::unique_ptr<async::Event>> gates;

 private:
  struct InFlight {
    InFlight(HeldProber& of, std::string of_url) : prober(of), url(std::move(of_url)) {
      prober.overlapped = prober.overlapped || !prober.running_.insert(url).second;
      prober.most_at_once = std::max(prober.most_at_once, prober.running_.size());
    }
    ~InFlight() { prober.running_.erase(url); }
    InFlight(const InFlight&) = delete;
    InFlight& operator=(const InFlight&) = delete;
    HeldProber& prober;
    std::string url;
  };
  common::Outcome outcome_of(const std::string& url) {
    if (!next.empty()) {
      const auto first = next.front();
      next.pop_front();
      return first;
    }
    const auto own = of.find(url);
    return own == of.end() ? outcome : own->second;
  }

  asio::any_io_executor io_;
  const async::Clock& clock_;
  std::set<std::string> running_;
};

const std::string kFirst = "http://127.0.0.1/0";
const std::string kSecond = "http://127.0.0.1/1";

class AgentTest : public testing::Test {
 protected:
  AgentTest() {
    store_ = storage::Store::open(io_.get_executor(), {.path = folder_ / "db.sqlite3", .max_size = {}}, clock_);
  }
  ~AgentTest() override {
    prober_.hold = false;
    release_all();  // a check in flight holds on to the prober
    agent_.reset();
    if (store_) test::run(io_, store_->close());
  }
  void make(int services, std::size_t max_running, seconds interval = seconds{5}) {
    Options options;
    options.limits = limits_;
    for (int i = 0; i < services; ++i) {
      probe::Service service;
      service.url = service.target = "http://127.0.0.1/" + std::to_string(i);
      service.method = "GET";
      service.interval = interval;
      service.extra = spec_;
      options.services.push_back(service);
    }
    agent_ = Agent::create(io_.get_executor(), options, max_running, prober_, *store_, clock_);
    test::run(io_, agent_->start());
  }
  /// Goes on in small steps of time, as the loop would.
  void live(common::Micros duration) {
    const auto end = clock_.boot() + duration;
    while (clock_.boot() < end) {
      const auto next = std::min(step(), end);
      clock_.advance(std::max(common::Micros{1}, std::chrono::ceil<common::Micros>(next - clock_.boot())));
    }
  }
  /// As the loop does, on the io thread: there a check that has nothing to wait for is over before spawn() returns.
  common::SteadyTime step() {
    common::SteadyTime next{};
    asio::post(io_, [&] { next = agent_->step(); });
    settle();
    return next;
  }
  void settle() {
    io_.restart();
    while (io_.poll() > 0) {
    }
  }
  void release_all() {
    while (!prober_.gates.empty()) {
      prober_.gates.front()->notify();
      settle();
      prober_.gates.pop_front();
    }
  }
  storage::Batch stored() {
    test::run(io_, store_->commit());
    return test::run(io_, store_->next_batch(100'000));
  }
  void recheck(int times, seconds every) {
    auto spec = std::make_shared<probe::Spec>();
    spec->recheck = {times, every};
    spec_ = std::move(spec);
  }
  static std::vector<int> attempts(const storage::Batch& batch) {
    std::vector<int> found;
    found.reserve(batch.results.size());
    for (const auto& row : batch.results) found.push_back(row.attempt);
    return found;
  }
  template <typename Done>
  void live_until(Done done) {
    for (int i = 0; i < 600 && !done(); ++i) live(seconds{1});
    ASSERT_TRUE(done());
  }
  /// What was logged, from `info` on.
  template <typename Work>
  static std::string logged(Work work) {
    common::log::start(common::log::Level::kInfo);
    common::log::stop();  // from here on lines are written at once
    testing::internal::CaptureStderr();
    work();
    return testing::internal::GetCapturedStderr();
  }
  static std::int64_t count(const std::vector<storage::StoredSkipped>& rows, storage::SkipReason reason) {
    std::int64_t sum = 0;
    for (const auto& row : rows) sum += row.reason == reason ? row.count : 0;
    return sum;
  }

  static std::int64_t skipped(const storage::Batch& batch) {
    std::int64_t sum = 0;
    for (const auto& row : batch.skipped) sum += row.count;
    return sum;
  }
  /// When each slot was due, of those that ran and of those that did not.
  static std::map<storage::DefinitionId, std::set<common::WallTime>> due(const storage::Batch& batch,
                                                                         seconds interval) {
    std::map<storage::DefinitionId, std::set<common::WallTime>> due;
    for (const auto& row : batch.results) due[row.definition].insert(row.requested_at - row.lateness);
    for (const auto& row : batch.skipped) {
      for (std::int64_t i = 0; i < row.count; ++i) due[row.definition].insert(row.from + i * interval);
    }
    return due;
  }

  std::shared_ptr<const probe::Spec> spec_;
  Limits limits_;
  test::TempDir folder_;
  asio::io_context io_{1};
  test::ManualClock clock_;
  HeldProber prober_{io_.get_executor(), clock_};
  std::unique_ptr<storage::Store> store_;
  std::unique_ptr<Agent> agent_;
};

TEST_F(AgentTest, RunsEverySlotOnceAndStoresItWithItsLateness) {
  make(20, 100);
  live(seconds{50});
  const auto batch = stored();
  EXPECT_EQ(batch.results.size(), 200U);
  EXPECT_TRUE(batch.skipped.empty());
  for (const auto& row : batch.results) EXPECT_LT(row.lateness, milliseconds{1});
}

TEST_F(AgentTest, AServiceNeverOverlapsItselfAndItsMissedSlotsAreStored) {
  make(1, 100);
  prober_.hold = true;
  live(seconds{25});
  EXPECT_EQ(prober_.begun.size(), 1U);
  release_all();
  prober_.hold = false;
  live(seconds{25});
  const auto batch = stored();
  EXPECT_EQ(count(batch.skipped, storage::SkipReason::kStillRunning), 4);
  EXPECT_EQ(batch.results.size() + 4, 10U) << "slots due = run + skipped";
}

TEST_F(AgentTest, NeverRunsMoreAtOnceThanAllowedAndSlotsDueAreRunOrSkipped) {
  make(100, 4);
  prober_.hold = true;
  for (int round = 0; round < 60; ++round) {
    live(seconds{1});
    EXPECT_LE(agent_->health().running, 4U);
    if (round % 9 == 8) release_all();
  }
  prober_.hold = false;
  release_all();
  settle();
  const auto batch = stored();
  EXPECT_GT(count(batch.skipped, storage::SkipReason::kPoolExhausted), 0);
  EXPECT_EQ(static_cast<std::int64_t>(batch.results.size()) + skipped(batch), 100 * 12);
  for (const auto& [service, moments] : due(batch, seconds{5})) EXPECT_EQ(moments.size(), 12U) << "each of them once";
}

TEST_F(AgentTest, ChecksThatAreOverAtOnceLeaveTheirPlaceAtOnce) {
  make(2000, 4);
  step();
  clock_.advance(milliseconds{1900});
  step();
  const auto batch = stored();
  EXPECT_GT(batch.results.size(), 600U);
  EXPECT_EQ(prober_.begun.size(), batch.results.size());
  EXPECT_EQ(agent_->health().running, 0U);
}

TEST_F(AgentTest, AfterStandingStillNothingBursts) {
  make(50, 1000);
  live(seconds{10});
  const auto before = prober_.begun.size();
  clock_.advance(seconds{60});
  agent_->step();
  settle();
  EXPECT_EQ(prober_.begun.size(), before) << "no burst";
  const auto batch = stored();
  EXPECT_EQ(count(batch.skipped, storage::SkipReason::kSuspended), 50 * 12);
}

TEST_F(AgentTest, AfterTheMachineSleptNothingBurstsAndEverySlotIsOnItsPhase) {
  make(50, 1000);
  live(seconds{10});
  const auto before = prober_.begun.size();
  clock_.sleep(seconds{63});  // the steady clock stands still
  agent_->step();
  settle();
  EXPECT_EQ(prober_.begun.size(), before) << "no burst";
  live(seconds{17});
  const auto batch = stored();
  EXPECT_EQ(batch.results.size() + static_cast<std::size_t>(count(batch.skipped, storage::SkipReason::kSuspended)),
            50U * 18);
  EXPECT_EQ(count(batch.skipped, storage::SkipReason::kSuspended), skipped(batch));
  for (const auto& [service, moments] : due(batch, seconds{5})) {
    EXPECT_EQ(moments.size(), 18U);
    for (const auto moment : moments) EXPECT_EQ((moment - *moments.begin()) % seconds{5}, seconds{0});
  }
}

TEST_F(AgentTest, AStepOfTheWallClockMovesNoSlot) {
  make(20, 100);
  live(seconds{10});
  for (const auto step : {std::chrono::hours{5}, std::chrono::hours{-10}}) {
    clock_.step_wall(step);
    agent_->step();
    settle();
  }
  live(seconds{10});
  const auto batch = stored();
  EXPECT_EQ(batch.results.size(), 80U);
  EXPECT_TRUE(batch.skipped.empty());
  for (const auto& row : batch.results) EXPECT_LT(row.lateness, milliseconds{1});
}

TEST_F(AgentTest, ACheckThatFailedWhileWeStoodStillSaysNothing) {
  make(2, 100, seconds{300});
  prober_.of = {{kFirst, common::Outcome::kFirstByteTimeout}};
  prober_.hold = true;
  live(seconds{31});
  ASSERT_EQ(prober_.begun.size(), 2U);
  clock_.advance(seconds{60});
  release_all();  // before the loop has turned
  const auto batch = stored();
  ASSERT_EQ(batch.results.size(), 2U);
  for (const auto& row : batch.results) {
    if (row.outcome == common::Outcome::kUp) continue;
    EXPECT_EQ(row.outcome, common::Outcome::kLocalResource);
    EXPECT_THAT(row.reason, testing::HasSubstr("stood still during the check"));
    EXPECT_THAT(row.reason, testing::EndsWith("it said so"));
  }
  EXPECT_EQ(agent_->health().up, 1U);
  EXPECT_EQ(agent_->health().unknown, 1U);
}

TEST_F(AgentTest, WhatAServerSaidStandsThoughWeStoodStillMeanwhile) {
  make(1, 100, seconds{300});
  prober_.outcome = common::Outcome::kStatus;
  prober_.hold = true;
  live(seconds{31});
  clock_.advance(seconds{60});
  release_all();
  EXPECT_EQ(agent_->health().down, 1U);
  EXPECT_EQ(stored().results.at(0).outcome, common::Outcome::kStatus);
}

TEST_F(AgentTest, ACheckThatFailedAfterTheLoopHasTurnedAgainIsExcusedToo) {
  make(1, 100, seconds{300});
  prober_.outcome = common::Outcome::kFirstByteTimeout;
  prober_.hold = true;
  live(seconds{31});
  clock_.advance(seconds{60});
  agent_->step();
  release_all();
  EXPECT_EQ(agent_->health().unknown, 1U);
}

TEST_F(AgentTest, AServerThatAsksToBeLeftAloneIsSparedOneSlot) {
  make(1, 100);
  prober_.outcome = common::Outcome::kStatus;
  prober_.retry_after = seconds{3600};
  live(seconds{60});
  const auto batch = stored();
  EXPECT_EQ(batch.results.size(), 6U);
  EXPECT_EQ(count(batch.skipped, storage::SkipReason::kRetryAfter), 6);
  EXPECT_EQ(skipped(batch), 6);
  EXPECT_EQ(due(batch, seconds{5}).begin()->second.size(), 12U);
}

TEST_F(AgentTest, ASlotAfterTheMomentThatTheServerNamesRuns) {
  make(1, 100);
  prober_.retry_after = seconds{4};
  live(seconds{60});
  const auto batch = stored();
  EXPECT_EQ(batch.results.size(), 12U);
  EXPECT_TRUE(batch.skipped.empty());
}

TEST_F(AgentTest, AServerThatAsksToBeLeftAloneIsNotCheckedAgainBefore) {
  recheck(2, seconds{5});
  make(1, 100, seconds{60});
  prober_.outcome = common::Outcome::kStatus;
  prober_.retry_after = seconds{6};
  live(seconds{60});
  EXPECT_EQ(agent_->health().rechecks, 0U);
}

TEST_F(AgentTest, OfOneHostSoManyChecksRunAtOnceAsItsLimitSays) {
  limits_.per_host_concurrency = 3;
  make(30, 100);
  prober_.hold = true;
  for (int round = 0; round < 60; ++round) {
    live(seconds{1});
    EXPECT_LE(agent_->health().running, 3U);
    if (round % 2 == 1) release_all();
  }
  prober_.hold = false;
  release_all();
  settle();
  EXPECT_EQ(prober_.most_at_once, 3U);
  const auto batch = stored();
  EXPECT_GT(count(batch.skipped, storage::SkipReason::kRateLimited), 0);
  EXPECT_GE(batch.results.size(), 80U);
  EXPECT_FALSE(prober_.overlapped);
  agent_->stop();
  agent_->close_books();
  const auto rest = stored();
  // Those that still wait are counted by run(), which this test does without.
  EXPECT_LE(static_cast<std::int64_t>(rest.results.size()) + skipped(rest), 30 * 12);
  EXPECT_GE(static_cast<std::int64_t>(rest.results.size()) + skipped(rest), 30 * 12 - 30);
}

TEST_F(AgentTest, ChecksOfOneHostBeginNoFasterThanItsLimitSays) {
  limits_.per_host_rate = 2;
  make(20, 100);
  live(seconds{60});
  const auto batch = stored();
  EXPECT_LE(batch.results.size(), 121U);
  EXPECT_GE(batch.results.size(), 115U);
  EXPECT_EQ(count(batch.skipped, storage::SkipReason::kRateLimited), skipped(batch));
  std::map<storage::DefinitionId, int> runs;
  std::set<common::WallTime> begun;
  for (const auto& row : batch.results) {
    ++runs[row.definition];
    begun.insert(row.requested_at);
    EXPECT_LE(row.lateness, seconds{5});
  }
  EXPECT_EQ(runs.size(), 20U) << "none is starved";
  for (const auto& [service, count] : runs) EXPECT_GE(count, 3) << service;
  ASSERT_EQ(begun.size(), batch.results.size());
  for (auto at = std::next(begun.begin()); at != begun.end(); ++at) {
    EXPECT_GE(*at - *std::prev(at), milliseconds{489});
  }
}

TEST_F(AgentTest, WhatWaitsForItsHostWhileTheProcessStandsStillIsSkippedForThat) {
  limits_.per_host_concurrency = 1;
  make(2, 100);
  prober_.hold = true;
  live_until([&] { return count(stored().skipped, storage::SkipReason::kRateLimited) == 1; });
  const auto rows = stored().skipped;
  const auto other = *std::ranges::find(rows, storage::SkipReason::kRateLimited, &storage::StoredSkipped::reason);
  live(other.from + seconds{5} + milliseconds{200} - clock_.wall());  // its next slot waits
  clock_.advance(seconds{60});
  agent_->step();
  const auto batch = stored();
  EXPECT_EQ(count(batch.skipped, storage::SkipReason::kRateLimited), 1);
  const auto moments = due(batch, seconds{5})[other.definition];
  EXPECT_EQ(moments.size(), 14U);
  EXPECT_EQ(*moments.begin() + 13 * seconds{5}, *moments.rbegin());
}

TEST_F(AgentTest, LimitsThatAreWideEnoughChangeNothing) {
  limits_ = {.per_host_concurrency = 20, .per_host_rate = 100};
  make(20, 100);
  live(seconds{50});
  const auto batch = stored();
  EXPECT_EQ(batch.results.size(), 200U);
  EXPECT_TRUE(batch.skipped.empty());
  for (const auto& row : batch.results) EXPECT_LT(row.lateness, milliseconds{100});
}

TEST_F(AgentTest, ManySlotsOfOneHostWhoseChecksAreOverAtOnceAllHaveTheirTurn) {
  limits_.per_host_concurrency = 1;
  make(2000, 4);
  step();
  clock_.advance(milliseconds{900});
  step();
  const auto batch = stored();
  EXPECT_GT(batch.results.size(), 300U);
  EXPECT_TRUE(batch.skipped.empty());
  EXPECT_EQ(prober_.most_at_once, 1U);
  EXPECT_EQ(prober_.begun.size(), batch.results.size());
}

TEST_F(AgentTest, ARecheckMakesRoomForASlotAtItsHost) {
  limits_.per_host_concurrency = 1;
  recheck(3, seconds{1});
  make(2, 100, seconds{30});
  prober_.of = {{kFirst, common::Outcome::kConnectRefused}};
  live_until([&] { return prober_.begun_of(kFirst) == 1; });
  prober_.hold = true;
  prober_.held_url = kFirst;
  live_until([&] { return prober_.begun_of(kFirst) == 2; });
  const auto before = prober_.begun_of(kSecond);
  live_until([&] { return prober_.begun_of(kSecond) > before; });
  EXPECT_TRUE(stored().skipped.empty());
  EXPECT_EQ(prober_.most_at_once, 1U);
}

TEST_F(AgentTest, WhatWaitsForItsHostWhenTheAgentStopsIsCounted) {
  limits_.per_host_concurrency = 1;
  make(8, 100, seconds{1});
  prober_.hold = true;
  async::TaskGroup tasks(io_.get_executor(), [](const std::string& name, std::exception_ptr) { FAIL() << name; });
  live(seconds{1});
  ASSERT_EQ(prober_.begun.size(), 1U);
  io_.restart();
  tasks.spawn("agent", agent_->run());
  settle();
  agent_->stop();
  agent_->cut();
  settle();
  EXPECT_EQ(tasks.size(), 0U);
  const auto batch = stored();
  EXPECT_EQ(due(batch, seconds{1}).size(), 8U) << "of each there is a slot that ran, was given up, or was left";
  EXPECT_GT(count(batch.skipped, storage::SkipReason::kStopping), 1);
}

TEST_F(AgentTest, OverloadIsSaidOnceWithTheNumberThatWouldCureIt) {
  make(100, 4);
  prober_.hold = true;
  const auto lines = logged([&] { live(seconds{20}); });
  EXPECT_THAT(lines, testing::HasSubstr("All 4 checks that may run at once are running"));
  EXPECT_THAT(lines, testing::HasSubstr("About 100 at once are needed: raise the limit of open files to 164"));
  EXPECT_EQ(lines.find("All 4 checks"), lines.rfind("All 4 checks")) << lines;
  prober_.hold = false;
  const auto then = logged([&] {
    for (int i = 0; i < 20; ++i) {
      release_all();
      live(seconds{1});
    }
  });
  EXPECT_THAT(then, testing::HasSubstr("The pool of checks has room again."));
}

TEST_F(AgentTest, LimitsThatKeepSlotsFromRunningAreSaidOnceWithWhatIsAskedFor) {
  limits_.per_host_rate = 2;
  make(20, 100);
  const auto lines = logged([&] { live(seconds{60}); });
  EXPECT_THAT(lines,
              testing::HasSubstr("The limits keep slots of 127.0.0.1 from running: 20 services ask for 4.0 checks "
                                 "a second there"));
  EXPECT_EQ(lines.find("The limits"), lines.rfind("The limits")) << lines;
}

TEST_F(AgentTest, StoppingCutsWhatRunsAndCountsIt) {
  make(3, 2);
  prober_.hold = true;
  bool ended = false;
  async::TaskGroup tasks(io_.get_executor(), [](const std::string& name, std::exception_ptr) { FAIL() << name; });
  live(seconds{5});
  EXPECT_EQ(agent_->health().running, 2U);
  agent_->stop();
  agent_->cut();
  auto waits = [&]() -> asio::awaitable<void> {
    while (agent_->health().running > 0) co_await asio::post(asio::use_awaitable);
    ended = true;
  };
  test::run(io_, waits());
  EXPECT_TRUE(ended);
  const auto batch = stored();
  EXPECT_TRUE(batch.results.empty());
  EXPECT_EQ(count(batch.skipped, storage::SkipReason::kStopping), 2);
}

TEST_F(AgentTest, SlotsThatCameDueWhileStoppingAreCounted) {
  make(10, 100);
  live(seconds{5});
  agent_->stop();
  clock_.advance(seconds{12});
  agent_->close_books();
  const auto batch = stored();
  EXPECT_EQ(batch.results.size(), 10U);
  const auto stopping = count(batch.skipped, storage::SkipReason::kStopping);
  EXPECT_GE(stopping, 20);
  EXPECT_LE(stopping, 30);
  for (const auto& row : batch.skipped) EXPECT_EQ(row.to - row.from, (row.count - 1) * seconds{5});
}

TEST_F(AgentTest, ABugInACheckEndsTheAgentInsteadOfTheProcess) {
  make(1, 100);
  prober_.broken = true;
  std::string ended_with;
  async::TaskGroup tasks(io_.get_executor(), [&](const std::string&, std::exception_ptr failure) {
    try {
      std::rethrow_exception(failure);
    } catch (const std::logic_error& error) {
      ended_with = error.what();
    }
  });
  const auto guard = asio::make_work_guard(io_);
  io_.restart();
  tasks.spawn("agent", agent_->run());
  while (agent_->health().steps == 0) io_.run_one_for(seconds{1});
  live(seconds{5});
  while (tasks.size() > 0) io_.run_one_for(seconds{1});
  EXPECT_EQ(ended_with, "a bug");
}

TEST_F(AgentTest, HealthCountsServicesByTheirLastVerdict) {
  make(4, 100);
  prober_.outcome = common::Outcome::kConnectRefused;
  live(seconds{5});
  EXPECT_EQ(agent_->health().down, 4U);
  prober_.outcome = common::Outcome::kLocalResource;
  live(seconds{5});
  EXPECT_EQ(agent_->health().unknown, 4U);
  prober_.outcome = common::Outcome::kUp;
  live(seconds{5});
  EXPECT_EQ(agent_->health().up, 4U);
  EXPECT_EQ(agent_->health().checks, 12U);
}

using common::Outcome;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::Not;

TEST_F(AgentTest, AFailureIsCheckedAgainUntilACheckIsNotDown) {
  recheck(5, seconds{7});
  make(1, 100, seconds{300});
  prober_.next = {Outcome::kConnectRefused, Outcome::kStatus, Outcome::kUp};
  live(seconds{120});
  const auto batch = stored();
  EXPECT_THAT(attempts(batch), ElementsAre(0, 1, 2));
  EXPECT_EQ(batch.results[1].requested_at - batch.results[0].requested_at, seconds{7});
  EXPECT_EQ(batch.results[2].requested_at - batch.results[1].requested_at, seconds{7});
  EXPECT_EQ(batch.results[2].lateness, common::Micros{0});
  EXPECT_EQ(batch.results[2].outcome, Outcome::kUp);
  EXPECT_EQ(batch.definitions.size(), 1U);
  EXPECT_TRUE(batch.skipped.empty());
  const auto health = agent_->health();
  EXPECT_EQ(health.checks, 1U);
  EXPECT_EQ(health.rechecks, 2U);
  EXPECT_EQ(health.down, 1U) << "the slot's verdict stands";
}

TEST_F(AgentTest, AFailureIsCheckedAgainSoManyTimesAndNoMore) {
  recheck(2, seconds{1});
  make(1, 100, seconds{20});
  prober_.outcome = Outcome::kConnectRefused;
  live(seconds{40});
  EXPECT_THAT(attempts(stored()), ElementsAre(0, 1, 2, 0)) << "known to be down, it is polled no faster";
}

TEST_F(AgentTest, AFailureAfterARecoveryIsCheckedAgain) {
  recheck(1, seconds{1});
  make(1, 100, seconds{20});
  prober_.next = {Outcome::kStatus, Outcome::kStatus, Outcome::kUp, Outcome::kStatus, Outcome::kUp};
  live(seconds{60});
  EXPECT_THAT(attempts(stored()), ElementsAre(0, 1, 0, 0, 1));
}

TEST_F(AgentTest, WithoutRecheckAFailureIsLeftToTheNextSlot) {
  make(1, 100, seconds{20});
  prober_.outcome = Outcome::kConnectRefused;
  live(seconds{40});
  EXPECT_THAT(attempts(stored()), ElementsAre(0, 0));
}

TEST_F(AgentTest, ARecheckThatWaitsGivesWayToTheNextSlot) {
  recheck(3, seconds{7});
  make(1, 100, seconds{5});
  prober_.outcome = Outcome::kConnectRefused;
  live(seconds{50});
  EXPECT_THAT(attempts(stored()), testing::AllOf(testing::SizeIs(10), testing::Each(0)));
}

TEST_F(AgentTest, ARecheckThatRunsGivesWayToTheNextSlot) {
  recheck(3, seconds{2});
  make(1, 100, seconds{20});
  prober_.outcome = Outcome::kConnectRefused;
  live_until([&] { return prober_.begun.size() == 1; });
  prober_.hold = true;
  live_until([&] { return prober_.begun.size() == 2; });
  EXPECT_EQ(agent_->health().running, 1U);
  live_until([&] { return prober_.begun.size() == 3; });
  prober_.hold = false;
  release_all();
  const auto batch = stored();
  EXPECT_THAT(attempts(batch), ElementsAre(0, 0)) << "of what was cut there is no row";
  EXPECT_EQ(batch.results[1].requested_at - batch.results[0].requested_at, seconds{20});
  EXPECT_LT(batch.results[1].lateness, milliseconds{1});
  EXPECT_TRUE(batch.skipped.empty());
  EXPECT_FALSE(prober_.overlapped);
}

TEST_F(AgentTest, ARecheckMakesRoomForTheSlotOfAnotherService) {
  recheck(3, seconds{1});
  make(2, 1, seconds{30});
  prober_.of = {{kFirst, Outcome::kConnectRefused}};
  live_until([&] { return prober_.begun_of(kFirst) == 1; });
  prober_.hold = true;
  prober_.held_url = kFirst;
  live_until([&] { return prober_.begun_of(kFirst) == 2; });
  const auto before = prober_.begun_of(kSecond);
  live_until([&] { return prober_.begun_of(kSecond) > before; });
  const auto batch = stored();
  EXPECT_TRUE(batch.skipped.empty());
  for (const auto& row : batch.results) {
    EXPECT_EQ(row.attempt, 0);
    EXPECT_LT(row.lateness, milliseconds{1});
  }
  EXPECT_EQ(prober_.most_at_once, 1U);
}

TEST_F(AgentTest, ARecheckWaitsForRoomWhileSlotsRun) {
  recheck(1, seconds{1});
  make(2, 1, seconds{300});
  prober_.outcome = Outcome::kConnectRefused;
  prober_.hold = true;
  live_until([&] { return prober_.begun.size() == 1; });
  const std::string other = prober_.begun[0] == kFirst ? kSecond : kFirst;
  live(seconds{31});  // by then the other's slot waits
  prober_.gates.front()->notify();
  settle();
  ASSERT_EQ(prober_.begun_of(other), 1U);
  const auto begun = prober_.begun.size();
  live(seconds{10});
  EXPECT_EQ(prober_.begun.size(), begun);
  prober_.hold = false;
  release_all();
  live(seconds{3});
  EXPECT_EQ(agent_->health().rechecks, 2U);
  EXPECT_EQ(prober_.most_at_once, 1U);
  EXPECT_TRUE(stored().skipped.empty());
}

TEST_F(AgentTest, AStopEndsRechecksAtOnceAndStoresNothingOfThem) {
  recheck(3, seconds{2});
  make(2, 100, seconds{60});
  prober_.outcome = Outcome::kConnectRefused;
  live_until([&] { return prober_.begun.size() >= 2 && agent_->health().running == 0; });
  prober_.hold = true;
  live_until([&] { return agent_->health().running > 0; });
  const auto begun = prober_.begun.size();
  agent_->stop();
  settle();
  EXPECT_EQ(agent_->health().running, 0U);
  const auto rows = stored().results.size();
  live(seconds{10});
  const auto batch = stored();
  EXPECT_EQ(batch.results.size(), rows);
  EXPECT_TRUE(batch.skipped.empty());
  EXPECT_EQ(prober_.begun.size(), begun);
}

TEST_F(AgentTest, ASlotThatWaitsForARecheckToEndWhileStoppingIsCounted) {
  recheck(3, seconds{2});
  make(1, 100, seconds{20});
  prober_.outcome = Outcome::kConnectRefused;
  live_until([&] { return prober_.begun.size() == 1; });
  prober_.hold = true;
  live_until([&] { return prober_.begun.size() == 2; });
  for (int i = 0; i < 40; ++i) {
    clock_.advance(milliseconds{500});
    agent_->step();  // nothing settles: the re-check is asked to end and has not yet
  }
  agent_->stop();
  settle();
  EXPECT_EQ(prober_.begun.size(), 2U);
  const auto batch = stored();
  EXPECT_EQ(batch.results.size(), 1U);
  EXPECT_EQ(count(batch.skipped, storage::SkipReason::kStopping), 1);
}

TEST_F(AgentTest, AfterStandingStillNoRecheckIsMadeUpFor) {
  recheck(3, seconds{5});
  make(20, 100, seconds{300});
  prober_.outcome = Outcome::kConnectRefused;
  live_until([&] { return agent_->health().checks == 20; });
  live(seconds{60});
  prober_.begun.clear();
  live_until([&] { return !prober_.begun.empty(); });
  const auto begun = prober_.begun.size();
  clock_.advance(seconds{20});
  agent_->step();
  settle();
  EXPECT_EQ(prober_.begun.size(), begun);
}

TEST_F(AgentTest, AFailureIsSaidOnceItIsConfirmed) {
  recheck(2, seconds{2});
  make(1, 100, seconds{30});
  prober_.outcome = Outcome::kConnectRefused;
  const auto first = logged([&] { live_until([&] { return agent_->health().rechecks == 1; }); });
  EXPECT_THAT(first, Not(HasSubstr("is down")));
  const auto then = logged([&] { live(seconds{60}); });
  EXPECT_THAT(then, HasSubstr("GET " + kFirst + " is down: it said so"));
  EXPECT_EQ(then.find("is down"), then.rfind("is down")) << then;
  prober_.outcome = Outcome::kUp;
  EXPECT_THAT(logged([&] { live(seconds{60}); }), HasSubstr("GET " + kFirst + " is up again."));
}

TEST_F(AgentTest, AFailureThatIsNotConfirmedIsALineOfInformation) {
  recheck(2, seconds{2});
  make(1, 100, seconds{30});
  prober_.next = {Outcome::kConnectRefused, Outcome::kUp};
  const auto lines = logged([&] { live(seconds{60}); });
  EXPECT_THAT(lines, HasSubstr("INFO"));
  EXPECT_THAT(lines, HasSubstr("was down, which a re-check did not confirm"));
  EXPECT_THAT(lines, Not(HasSubstr("WARNING")));
}

TEST_F(AgentTest, EachChangeOfStateIsOneWarning) {
  make(1, 100, seconds{5});
  const auto lines_of = [&](Outcome outcome) {
    prober_.outcome = outcome;
    return logged([&] { live(seconds{15}); });
  };
  EXPECT_THAT(lines_of(Outcome::kUp), IsEmpty());
  EXPECT_THAT(lines_of(Outcome::kDegraded), testing::AllOf(HasSubstr("WARNING"), HasSubstr("is degraded: it said so")));
  EXPECT_THAT(lines_of(Outcome::kDegraded), IsEmpty());
  EXPECT_THAT(lines_of(Outcome::kUp), HasSubstr("is up again."));
  EXPECT_THAT(lines_of(Outcome::kStatus), HasSubstr("is down: it said so"));
  EXPECT_THAT(lines_of(Outcome::kCertExpiresSoon), HasSubstr("is degraded: it said so"));
}

TEST_F(AgentTest, TellsTheProberWhichResponsesAreWorthKeeping) {
  using probe::Keep;
  recheck(1, seconds{1});
  make(1, 100, seconds{5});
  prober_.next = {Outcome::kUp, Outcome::kStatus, Outcome::kUp, Outcome::kUp};
  live(seconds{15});
  EXPECT_THAT(prober_.kept, ElementsAre(Keep::kIfBad, Keep::kIfBad, Keep::kIfGood, Keep::kIfBad));
}

TEST_F(AgentTest, AStartGoesOnWithWhatIsWorthKeeping) {
  using probe::Keep;
  make(1, 100, seconds{5});
  prober_.outcome = Outcome::kStatus;
  live_until([&] { return !prober_.begun.empty(); });
  test::run(io_, store_->commit());
  prober_.kept.clear();
  make(1, 100, seconds{5});
  live(seconds{10});
  EXPECT_THAT(prober_.kept, ElementsAre(Keep::kIfGood, Keep::kIfGood)) << "the outage has its evidence";
}

}  // namespace
}  // namespace monitor::agent
