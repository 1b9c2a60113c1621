#include "agent/polling_agent.h"

#include <algorithm>
#include <array>

#include <boost/asio/error.hpp>
#include <boost/system/system_error.hpp>

#include "agent/row.h"
#include "common/log.h"
#include "common/text.h"

namespace monitor::agent {

namespace asio = boost::asio;
namespace log = common::log;

using common::Verdict;

namespace {

/// Above this interval the last run is remembered across restarts (DESIGN: "Slot").
constexpr std::chrono::minutes kRememberAbove{5};
/// The loop turns at least this often, so that a watchdog sees it live.
constexpr std::chrono::seconds kLongestWait{1};
/// A turn that comes this much too late means that the process stood still (stopped, suspended, starved of CPU).
constexpr std::chrono::seconds kStall{2};
/// So long must limits keep nothing from running before that is said.
constexpr std::chrono::minutes kCalm{10};

/// Whether standing still ourselves could have made it: what a server says of itself, it says all the same.
bool is_about_time(common::Outcome outcome) {
  using common::Outcome;
  constexpr std::array kAboutTime{
      Outcome::kDegraded,         Outcome::kTooSlow,         Outcome::kDnsTimeout,       Outcome::kConnectTimeout,
      Outcome::kConnectionClosed, Outcome::kConnectionReset, Outcome::kTlsHandshake,     Outcome::kTlsTimeout,
      Outcome::kWriteTimeout,     Outcome::kTruncated,       Outcome::kFirstByteTimeout, Outcome::kBodyTimeout,
      Outcome::kProxyFailure,
  };
  return std::ranges::find(kAboutTime, outcome) != kAboutTime.end();
}

}  // namespace

void say(const Member& member, Notice notice, const std::string& reason) {
  switch (notice) {
    case Notice::kNone:
      break;
    case Notice::kUp:
      log::warning("{} is up again.", member.label);
      break;
    case Notice::kDegraded:
      log::warning("{} is degraded: {}", member.label, reason);
      break;
    case Notice::kDown:
      log::warning("{} is down: {}", member.label, reason);
      break;
    case Notice::kUnjudged:
      log::warning("{} could not be judged: {}", member.label, reason);
      break;
    case Notice::kUnconfirmed:
      log::info("{} was down, which a re-check did not confirm.", member.label);
      break;
  }
}

PollingAgent::PollingAgent(asio::any_io_executor io, const Options& options, std::size_t max_running,
                           probe::Prober& prober, storage::Store& store, const async::Clock& clock)
    : options_(options),
      max_running_(max_running),
      prober_(prober),
      store_(store),
      clock_(clock),
      wake_(io),
      workers_(io, [this](const std::string&, std::exception_ptr failure) {
        // Nothing a check does may throw; if it does, that is a bug, and run() ends with it.
        failure_ = std::move(failure);
        wake_.notify();
      }) {}

asio::awaitable<Schedule> PollingAgent::prepare() {
  std::vector<storage::Definition> definitions;
  definitions.reserve(options_.services.size());
  members_.reserve(options_.services.size());
  bool any_remembered = false;
  for (const auto& service : options_.services) {
    definitions.push_back(to_definition(service));
    members_.push_back({service.log_label(), prober_.prepare(service)});
    any_remembered = any_remembered || service.interval > kRememberAbove;
  }
  const auto ids = co_await store_.define(definitions);
  std::unordered_map<std::string, common::WallTime> last_runs;
  if (any_remembered) last_runs = co_await store_.last_runs();
  const auto verdicts = co_await store_.last_verdicts();

  std::vector<Phase> phases;
  phases.reserve(members_.size());
  const auto start = now();
  const auto wall = clock_.wall();
  for (std::size_t i = 0; i < members_.size(); ++i) {
    members_[i].definition = ids[i];
    const auto verdict = verdicts.find(definitions[i].key);
    if (verdict != verdicts.end()) members_[i].history.remember(verdict->second);
    const auto& service = options_.services[i];
    std::optional<common::Micros> ago;
    const auto last = last_runs.find(definitions[i].key);
    if (service.interval > kRememberAbove && last != last_runs.end() && last->second <= wall) ago = wall - last->second;
    phases.push_back(first_slots(start, common::stable_hash(definitions[i].key), service.interval, ago));
  }
  co_return Schedule(phases);
}

void PollingAgent::say_what_runs() const {
  double per_minute = 0;
  for (const auto& service : options_.services) per_minute += 60.0 / static_cast<double>(service.interval.count());
  const auto count = static_cast<double>(std::max<std::size_t>(1, options_.services.size()));
  log::info("Average requests per minute (RPM) across all services: {:.2f}", per_minute / count);
  log::info("Total requests per minute (RPM) across all services: {:.2f}", per_minute);
}

asio::awaitable<void> PollingAgent::start() {
  say_what_runs();
  schedule_.emplace(co_await prepare());
  make_polite();
  expected_ = now();
}

void PollingAgent::make_polite() {
  if (!options_.limits.any()) return;
  std::vector<std::chrono::seconds> intervals;
  intervals.reserve(options_.services.size());
  for (const auto& service : options_.services) intervals.push_back(service.interval);
  auto hosts = hosts_of(options_.services);
  hosts_ = hosts.of;
  host_names_ = std::move(hosts.names);
  polite_.emplace(options_.limits, std::move(hosts.of), std::move(intervals));
}

common::SteadyTime PollingAgent::step() {
  ++steps_;
  const auto moment = now();
  ready_.clear();
  missed_.clear();
  const bool stalled = moment - expected_ > kStall;
  if (stalled) {
    rechecks_.clear();
    ++stalls_;
  }
  if (polite_) admit(moment);  // what has waited until its service's next slot comes gives way to that
  expected_ = moment;
  schedule_->take_due(moment, stalled, ready_, missed_);
  account_for_missed(moment);
  for (const auto& slot : ready_) take(slot);
  if (polite_) admit(moment);
  start_rechecks(moment);
  expected_ = std::min({schedule_->next_due().value_or(common::SteadyTime::max()),
                        rechecks_.next_due().value_or(common::SteadyTime::max()), moment + kLongestWait});
  if (polite_) expected_ = std::min(expected_, polite_->next().value_or(common::SteadyTime::max()));
  return expected_;
}

void PollingAgent::take(const Slot& slot) {
  rechecks_.give_way(slot.service);
  Member& member = members_[slot.service];
  if (member.recheck == 0) {
    polite_ ? hold(slot) : enqueue(slot);
    return;
  }
  member.held = slot;
  schedule_->started(slot.service);  // as far as the slots after it go, the service is being checked
  workers_.cancel(member.recheck);
}

/// To be followed by admit().
void PollingAgent::hold(const Slot& slot) {
  schedule_->held(slot.service);
  polite_->hold(slot);
}

/// Sets going what waited for its host's sake and has its turn, and gives up what waited too long.
void PollingAgent::admit(common::SteadyTime now) {
  // A check that has nothing to wait for is over while it is set going: who set it going goes on.
  if (std::exchange(admitting_, true)) return;
  do {
    admitted_.clear();
    given_up_.clear();
    polite_->take(now, admitted_, given_up_);
    for (const auto& missed : given_up_) give_up(missed, now);
    for (const auto& slot : admitted_) {
      schedule_->queued(slot.service);
      enqueue(slot);
    }
  } while (!admitted_.empty());
  admitting_ = false;
  // Re-checks make room for slots at a host as they do in the pool.
  for (std::size_t i = 0; i < rechecking_.size(); ++i) {
    if (polite_->is_crowded(rechecking_[i])) workers_.cancel(members_[rechecking_[i]].recheck);
  }
  const auto next = polite_->next();
  if (next && *next < expected_) wake_.notify();
}

void PollingAgent::give_up(MissedSlots missed, common::SteadyTime now) {
  schedule_->finished(missed.service);
  if (now - expected_ > kStall) missed.reason = storage::SkipReason::kSuspended;  // it had no turn at all
  if (missed.reason == storage::SkipReason::kRateLimited) say_limited(missed, now);
  if (missed.reason == storage::SkipReason::kPoolExhausted) say_exhausted(now);
  skip(missed);
}

/// The check, or the re-check, of this service has ended.
void PollingAgent::leave(std::size_t service) {
  if (!polite_) return;
  polite_->ended(service);
  if (!stopping_) admit(now());
}

void PollingAgent::enqueue(const Slot& slot) {
  waiting_.push_back(slot);
  if (running_ < max_running_) {
    start_worker();
  } else {
    cancel_rechecks(waiting_.size());
  }
}

/// One that has nothing to wait for is over when this returns, while its task is still to be cleared away.
void PollingAgent::start_worker() {
  ++running_;
  workers_.spawn("check", work());
}

void PollingAgent::stop() {
  stopping_ = true;
  rechecks_.clear();
  cancel_rechecks(rechecking_.size());
  wake_.notify();
}

asio::awaitable<void> PollingAgent::run() {
  if (!schedule_) co_await start();
  while (!stopping_ && !failure_) {
    const auto until = step();
    // A notice before that is the stop, or something that is due sooner.
    co_await wake_.wait_until(clock_.steady() + (until - now()));
  }
  stopping_ = true;
  if (failure_) workers_.cancel();
  std::vector<Slot> left(waiting_.begin(), waiting_.end());
  waiting_.clear();
  if (polite_) polite_->take_all(left);
  for (const auto& slot : left) skip({slot.service, slot.due, slot.due, 1, storage::SkipReason::kStopping});
  co_await workers_.join();
  if (failure_) std::rethrow_exception(failure_);
}

void PollingAgent::close_books() {
  if (!schedule_) return;
  ready_.clear();
  missed_.clear();
  schedule_->take_due(now(), true, ready_, missed_);
  for (auto& missed : missed_) {
    missed.reason = storage::SkipReason::kStopping;
    skip(missed);
  }
}

void PollingAgent::account_for_missed(common::SteadyTime now) {
  bool pool_exhausted = false;
  std::int64_t suspended = 0;
  for (const auto& missed : missed_) {
    skip(missed);
    pool_exhausted = pool_exhausted || missed.reason == storage::SkipReason::kPoolExhausted;
    if (missed.reason == storage::SkipReason::kSuspended) suspended += missed.count;
  }
  if (suspended > 0) {
    log::warning("The process stood still; {} slots that were due meanwhile were skipped, not run late.", suspended);
  }
  if (pool_exhausted) say_exhausted(now);
  if (exhausted_ && waiting_.empty() && !pool_exhausted) {
    exhausted_ = false;
    log::warning("The pool of checks has room again.");
  }
  if (limited_at_ && now - *limited_at_ > kCalm) {
    limited_at_.reset();
    log::warning("The limits per host keep no slot from running any more.");
  }
}

/// What the services keep busy, or those of one host.
std::vector<Load> PollingAgent::loads(common::SteadyTime now, std::optional<std::uint32_t> host) const {
  std::vector<Load> loads;
  for (std::size_t i = 0; i < members_.size(); ++i) {
    if (host && hosts_[i] != *host) continue;
    const auto& member = members_[i];
    auto takes = member.took;
    if (member.began) {
      const auto so_far = std::chrono::duration_cast<common::Micros>(now - *member.began);
      takes = std::max(takes.value_or(so_far), so_far);
    }
    loads.push_back({options_.services[i].interval, takes});
  }
  return loads;
}

void PollingAgent::say_exhausted(common::SteadyTime now) {
  if (std::exchange(exhausted_, true)) return;
  const auto needed = std::max(checks_needed(loads(now, std::nullopt)), max_running_ + 1);
  const auto cure = needed <= kMostChecksAtOnce
                        ? fmt::format("raise the limit of open files to {} (LimitNOFILE= of the unit, or ulimit -n)",
                                      needed + kReservedFiles)
                        : fmt::format("that is above the {} of one monitor, so share the services out among several",
                                      kMostChecksAtOnce);
  log::warning(
      "All {} checks that may run at once are running, so slots are being skipped. About {} at once are needed: {}, "
      "shorten timeouts or poll less often.",
      max_running_, needed, cure);
}

void PollingAgent::say_limited(const MissedSlots& missed, common::SteadyTime now) {
  const bool news = !limited_at_;
  limited_at_ = now;
  if (!news) return;
  const auto host = hosts_[missed.service];
  double rate = 0;
  const auto asked = loads(now, host);
  for (const auto& load : asked) rate += 1.0 / static_cast<double>(load.interval.count());
  log::warning(
      "The limits keep slots of {} from running: {} services ask for {:.1f} checks a second there and need about {} at "
      "once. Raise limits.per_host_rate or limits.per_host_concurrency to that, or poll less often.",
      host_names_[host], asked.size(), rate, checks_needed(asked));
}

asio::awaitable<void> PollingAgent::work() {
  while (!waiting_.empty()) {
    const Slot slot = waiting_.front();
    waiting_.pop_front();
    schedule_->started(slot.service);
    auto& began = members_[slot.service].began.emplace(now());
    if (polite_) polite_->began(slot.service, began);
    bool cut = false;
    try {
      co_await run_slot(slot);
    } catch (const boost::system::system_error& error) {
      if (error.code() != asio::error::operation_aborted) throw;
      cut = true;
    }
    schedule_->finished(slot.service);
    members_[slot.service].began.reset();
    leave(slot.service);
    if (cut) {
      skip({slot.service, slot.due, slot.due, 1, storage::SkipReason::kStopping});
      break;
    }
  }
  --running_;
}

asio::awaitable<void> PollingAgent::run_slot(Slot slot) {
  Member& member = members_[slot.service];
  const auto& spec = spec_of(slot.service);
  const auto lateness = std::chrono::duration_cast<common::Micros>(*member.began - slot.due);
  const auto stalls = stalls_;
  auto seen = co_await prober_.probe(member.check, member.history.keep(spec.evidence));
  const auto ended = now();
  member.took = std::chrono::duration_cast<common::Micros>(ended - *member.began);
  if (stood_still_since(stalls, ended)) excuse(seen);
  leave_alone(slot.service, seen, ended);
  const Verdict verdict = common::verdict_of(seen.outcome);
  const bool again = followed(spec.recheck, 0, verdict) && member.history.is_news() && !stopping_ &&
                     seen.retry_after.value_or(std::chrono::seconds{0}) <= spec.recheck.every;
  say(member, member.history.slot(verdict, again), seen.reason);
  log::debug("{}: {} after {:.1f} ms{}{}", member.label, common::name_of(seen.outcome),
             std::chrono::duration<double, std::milli>(seen.total).count(), seen.reason.empty() ? "" : ": ",
             seen.reason);
  co_await store_.append(to_result(std::move(seen), member.definition, std::max(lateness, common::Micros{0})));
  ++checks_;
  if (again) plan_next({slot.service, 1}, ended);
}

/// Whether the process has stood still since there were so many stalls, or does until this very turn.
bool PollingAgent::stood_still_since(std::uint64_t stalls, common::SteadyTime now) const {
  return stalls != stalls_ || (!stopping_ && now - expected_ > kStall);
}

/// A check that took too long, or was given up by the server, while we stood still says nothing of its server.
void PollingAgent::excuse(probe::Observation& seen) const {
  if (!is_about_time(seen.outcome)) return;
  seen.outcome = common::Outcome::kLocalResource;
  seen.reason = fmt::format("the monitor stood still during the check, which then seemed to fail: {}", seen.reason);
}

void PollingAgent::leave_alone(std::size_t service, const probe::Observation& seen, common::SteadyTime ended) {
  if (seen.retry_after) schedule_->leave_alone(service, ended + *seen.retry_after);
}

void PollingAgent::skip(const MissedSlots& missed) {
  skipped_ += static_cast<std::uint64_t>(missed.count);
  // Both clocks are read once, so that the range is as long on one as on the other.
  const auto wall = clock_.wall();
  const auto boot = now();
  const auto wall_of = [&](common::SteadyTime moment) {
    return wall - std::chrono::duration_cast<common::Micros>(boot - moment);
  };
  store_.append(storage::Skipped{members_[missed.service].definition, wall_of(missed.first), wall_of(missed.last),
                                 missed.count, missed.reason});
}

Health PollingAgent::health() const {
  Health health{.checks = checks_, .rechecks = rechecked_, .skipped = skipped_, .steps = steps_, .running = running_};
  for (const auto& member : members_) {
    const auto last = member.history.last();
    if (!last) continue;
    switch (*last) {
      case Verdict::kUp:
        ++health.up;
        break;
      case Verdict::kDegraded:
        ++health.degraded;
        break;
      case Verdict::kDown:
        ++health.down;
        break;
      case Verdict::kUnknown:
        ++health.unknown;
        break;
    }
  }
  return health;
}

std::unique_ptr<Agent> Agent::create(asio::any_io_executor io, const Options& options, std::size_t max_running,
                                     probe::Prober& prober, storage::Store& store, const async::Clock& clock) {
  return std::make_unique<PollingAgent>(std::move(io), options, max_running, prober, store, clock);
}

}  // namespace monitor::agent
