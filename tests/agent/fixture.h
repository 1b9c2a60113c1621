// What the tests of the agent share: a prober whose checks the test lets end, and an agent on a manual clock.
#pragma once

#include <algorithm>
#include <chrono>
#include <deque>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include <boost/asio/io_context.hpp>
#include <boost/asio/post.hpp>
#include <gtest/gtest.h>

#include "agent/agent.h"
#include "async/event.h"
#include "common/error.h"
#include "common/log.h"
#include "support/io.h"
#include "support/manual_clock.h"
#include "support/temp_dir.h"

namespace monitor::agent {

/// Holds every check until the test lets it end, so that overlap and exhaustion are provoked and not timed.
class HeldProber final : public probe::Prober {
 public:
  HeldProber(boost::asio::any_io_executor io, const async::Clock& clock) : io_(std::move(io)), clock_(clock) {}

  std::shared_ptr<const probe::Check> prepare(const probe::Service& service) override {
    // The agent only hands a check from prepare() to probe(); what stands behind the pointer is nobody else's business.
    if (no_memory_to_prepare > 0 && no_memory_to_prepare-- > 0) throw std::bad_alloc();
    if (!no_memory_for.empty() && service.url == no_memory_for) throw std::bad_alloc();
    if (service.url == refused) throw common::UsageError("no such thing");
    auto url = std::make_shared<std::string>(service.url);
    return {url, reinterpret_cast<const probe::Check*>(url.get())};
  }
  void adjust(const net::Options&) override {}
  using probe::Prober::probe;
  boost::asio::awaitable<probe::Observation> probe(std::shared_ptr<const probe::Check> check,
                                                   probe::Keep keep) override {
    const std::string url = *reinterpret_cast<const std::string*>(check.get());
    const InFlight counted(*this, url);
    probe::Observation seen;
    seen.started = clock_.wall();
    seen.outcome = outcome_of(url);
    seen.reason = common::verdict_of(seen.outcome) == common::Verdict::kUp ? "" : "it said so";
    seen.retry_after = retry_after;
    seen.total = takes;
    if (broken) throw std::logic_error("a bug");
    if (no_memory) throw std::bad_alloc();
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
  std::string refused;                        ///< not made ready
  std::string held_url;                       ///< empty: each
  std::map<std::string, common::Outcome> of;  ///< what differs from `outcome`
  std::deque<common::Outcome> next;           ///< these come before either
  std::optional<std::chrono::seconds> retry_after;
  common::Micros takes{};  ///< what is said of each check, whatever the clock says
  std::vector<probe::Keep> kept;
  std::size_t most_at_once = 0;
  bool overlapped = false;  ///< two of one service ran at once
  bool broken = false;
  bool no_memory = false;
  int no_memory_to_prepare = 0;  ///< so many times
  std::string no_memory_for;     ///< cannot be made ready
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

  boost::asio::any_io_executor io_;
  const async::Clock& clock_;
  std::set<std::string> running_;
};

inline const std::string kFirst = "http://127.0.0.1/0";
inline const std::string kSecond = "http://127.0.0.1/1";

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
  void make(int services, std::size_t max_running, std::chrono::seconds interval = std::chrono::seconds{5}) {
    make_idle(services, max_running, interval);
    test::run(io_, agent_->start());
  }
  /// To be started.
  void make_idle(int services, std::size_t max_running, std::chrono::seconds interval) {
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
    boost::asio::post(io_, [&] { next = agent_->step(); });
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
  void recheck(int times, std::chrono::seconds every) {
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
    for (int i = 0; i < 600 && !done(); ++i) live(std::chrono::seconds{1});
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
                                                                         std::chrono::seconds interval) {
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
  boost::asio::io_context io_{1};
  test::ManualClock clock_;
  HeldProber prober_{io_.get_executor(), clock_};
  std::unique_ptr<storage::Store> store_;
  std::unique_ptr<Agent> agent_;
};

}  // namespace monitor::agent
