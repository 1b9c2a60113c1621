#include "agent/polling_agent.h"

#include <algorithm>
#include <array>
#include <new>

#include <boost/asio/error.hpp>
#include <boost/system/system_error.hpp>

#include "agent/row.h"
#include "common/error.h"
#include "common/log.h"
#include "common/memory.h"
#include "common/text.h"

namespace monitor::agent {

namespace asio = boost::asio;
namespace log = common::log;

using common::Verdict;

namespace {

/// The loop turns at least this often, so that a watchdog sees it live.
constexpr std::chrono::seconds kLongestWait{1};
/// And at most this often: what comes due meanwhile begins in one turn, so that a wake-up serves many.
constexpr std::chrono::milliseconds kTick{1};
/// After a start that found no memory comes another: it makes every service ready anew, so each is waited for twice as
/// long as the one before.
constexpr std::chrono::milliseconds kStartAgain{500};
constexpr std::chrono::milliseconds kLongestStartAgain{30'000};

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

PollingAgent::PollingAgent(asio::any_io_executor io, const Options& options, std::size_t max_running,
                           probe::Prober& prober, storage::Store& store, const async::Clock& clock)
    : options_(options),
      max_running_(max_running),
      prober_(prober),
      store_(store),
      clock_(clock),
      wake_(io),
      start_tried_(io),
      workers_(io, [this](const std::string&, std::exception_ptr failure) {
        // Nothing a check does may throw; if it does, that is a bug, and run() ends with it.
        failure_ = std::move(failure);
        wake_.notify();
      }) {}

common::SteadyTime PollingAgent::step() {
  ++steps_;
  const auto moment = now();
  ready_.clear();
  missed_.clear();
  const bool stalled = has_stood_still(moment);
  late_turns_ += late(moment);
  if (stalled) rechecks_.clear();
  if (polite_) admit(moment);  // what has waited until its service's next slot comes gives way to that
  expected_ = moment;
  schedule_->take_due(moment, stalled, ready_, missed_);
  account_for_missed(moment);
  watch_punctuality(moment);
  for (const auto& slot : ready_) take(slot);
  if (polite_) admit(moment);
  start_workers();
  start_rechecks(moment);
  expected_ = std::min({schedule_->next_due().value_or(common::SteadyTime::max()),
                        rechecks_.next_due().value_or(common::SteadyTime::max()), moment + kLongestWait});
  if (polite_) expected_ = std::min(expected_, polite_->next().value_or(common::SteadyTime::max()));
  expected_ = std::max(expected_, moment + kTick);
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
  end_recheck(slot.service);
}

void PollingAgent::enqueue(const Slot& slot) {
  waiting_.push_back(slot);
  if (running_ < max_running_) {
    start_worker();
  } else {
    cancel_rechecks(waiting_.size());
  }
}

/// One that has nothing to wait for is over when this returns, while its task is still to be cleared away. False: there
/// is no memory for it, and its slot is the next worker's.
bool PollingAgent::start_worker() {
  ++running_;
  try {
    workers_.spawn("check", work());
    return true;
  } catch (const std::bad_alloc&) {
    --running_;
    say_no_memory(now());
    return false;
  }
}

/// For slots that wait though there is room: of more, after a reload or a re-check, or for want of memory until now.
void PollingAgent::start_workers() {
  while (!waiting_.empty() && running_ < max_running_ && start_worker()) {
  }
}

void PollingAgent::stop() {
  stopping_ = true;
  rechecks_.clear();
  cancel_rechecks(rechecking_.size());
  wake_.notify();
}

/// Nothing runs yet that could be spoilt, and the process has more to do than to poll: so it goes on without, until
/// there is memory for it.
asio::awaitable<void> PollingAgent::start_at_last() {
  auto pause = kStartAgain;
  auto next = std::chrono::steady_clock::now();
  while (!schedule_ && !stopping_) {
    if (!starting_ && std::chrono::steady_clock::now() >= next) {
      if (const auto want = co_await want_at_start()) say_no_start(*want);
      next = std::chrono::steady_clock::now() + std::exchange(pause, std::min(2 * pause, kLongestStartAgain));
    }
    ++steps_;
    if (!schedule_) co_await wake_.wait_until(std::chrono::steady_clock::now() + kStartAgain);
  }
  if (tell_no_start_ && schedule_) say_start_at_last();
}

/// Of memory, in the words of whoever found none, if they have any; nothing: the services are ready.
asio::awaitable<std::optional<std::string>> PollingAgent::want_at_start() {
  try {
    co_await start();
  } catch (const std::bad_alloc&) {
    co_return "";
  } catch (const common::Error& error) {  // SQLite's, say
    if (!common::is_memory_short()) throw;
    co_return error.what();
  }
  co_return std::nullopt;
}

asio::awaitable<void> PollingAgent::run() {
  if (!schedule_) co_await start_at_last();
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
  for (const auto& slot : left) skip_stopping(slot);
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

asio::awaitable<void> PollingAgent::work() {
  while (!waiting_.empty() && running_ <= max_running_) {
    const Slot slot = waiting_.front();
    waiting_.pop_front();
    schedule_->started(slot.service);
    auto& began = members_[slot.service].began.emplace(now());
    if (polite_) polite_->began(slot.service, began);
    bool cut = false;
    bool no_memory = common::is_memory_short();
    try {
      if (!no_memory) co_await run_slot(slot);
    } catch (const boost::system::system_error& error) {
      if (error.code() != asio::error::operation_aborted) throw;
      cut = true;
    } catch (const std::bad_alloc&) {
      no_memory = true;
    }
    schedule_->finished(slot.service);
    members_[slot.service].began.reset();
    leave(slot.service);
    if (no_memory) give_up_for_memory(slot);
    if (cut) {
      skip_stopping(slot);
      clear_away(slot.service);
      break;
    }
    clear_away(slot.service);
  }
  --running_;
}

asio::awaitable<void> PollingAgent::run_slot(Slot slot) {
  Member& member = members_[slot.service];
  const Terms terms = member.terms;  // a reload may change them meanwhile
  const auto& spec = terms.spec();
  const auto lateness = std::chrono::duration_cast<common::Micros>(*member.began - slot.due);
  const auto stood_still_before = stood_still(*member.began);
  auto seen = co_await ask(slot.service, terms);
  const auto ended = now();
  const auto stood = stood_still(ended) - stood_still_before;
  member.took = std::chrono::duration_cast<common::Micros>(ended - *member.began - stood);
  excuse(seen, stood);
  leave_alone(slot.service, seen, ended);
  const Verdict verdict = common::verdict_of(seen.outcome);
  const bool again = followed(spec.recheck, 0, verdict) && member.history.is_news() && !stopping_ && !member.gone &&
                     seen.retry_after.value_or(std::chrono::seconds{0}) <= spec.recheck.every;
  if (!member.gone) {
    count(member.history.last(), verdict);
    say(member, member.history.slot(verdict, again), seen.reason);
  }
  log::debug("{}: {} after {:.1f} ms{}{}", member.label, common::name_of(seen.outcome),
             std::chrono::duration<double, std::milli>(seen.total).count(), seen.reason.empty() ? "" : ": ",
             seen.reason);
  co_await store_.append(to_result(std::move(seen), terms.definition, std::max(lateness, common::Micros{0})));
  ++checks_;
  if (again && !member.gone) plan_next({slot.service, 1}, ended);
}

asio::awaitable<probe::Observation> PollingAgent::ask(std::size_t service, Terms terms) {
  const Probing::Turn turn(probing_, service, clock_.steady(), terms.timeout);
  co_return co_await prober_.probe(terms.check, members_[service].history.keep(terms.spec().evidence));
}

/// How long this turn has been due; nothing where it is no more than usual.
common::SteadyTime::duration PollingAgent::late(common::SteadyTime now) const {
  constexpr std::chrono::milliseconds kUsual{100};
  const auto by = now - expected_;
  return by > kUsual ? by : by.zero();
}

/// In all, since the start.
common::SteadyTime::duration PollingAgent::stood_still(common::SteadyTime now) const {
  return stopping_ ? late_turns_ : late_turns_ + late(now);
}

/// A check that took too long, or was given up by the server, while we stood still for much of it says nothing of its
/// server.
void PollingAgent::excuse(probe::Observation& seen, common::SteadyTime::duration stood_still) const {
  constexpr std::chrono::milliseconds kLeast{500};
  const auto much = std::clamp<common::SteadyTime::duration>(seen.total / 4, kLeast, kStall);
  if (stood_still <= much || !is_about_time(seen.outcome)) return;
  seen.outcome = common::Outcome::kLocalResource;
  seen.reason = fmt::format("the monitor stood still during the check, which then seemed to fail: {}", seen.reason);
}

void PollingAgent::leave_alone(std::size_t service, const probe::Observation& seen, common::SteadyTime ended) {
  if (seen.retry_after && !members_[service].gone) schedule_->leave_alone(service, ended + *seen.retry_after);
}

void PollingAgent::skip(const MissedSlots& missed) {
  skipped_ += static_cast<std::uint64_t>(missed.count);
  // Both clocks are read once, so that the range is as long on one as on the other.
  const auto wall = clock_.wall();
  const auto boot = now();
  const auto wall_of = [&](common::SteadyTime moment) {
    return wall - std::chrono::duration_cast<common::Micros>(boot - moment);
  };
  store_.append(storage::Skipped{members_[missed.service].terms.definition, wall_of(missed.first), wall_of(missed.last),
                                 missed.count, missed.reason});
}

void PollingAgent::skip_stopping(const Slot& slot) {
  skip({slot.service, slot.due, slot.due, 1, storage::SkipReason::kStopping});
}

/// It was not begun, or what came of it could not be kept: nothing is known of that slot.
void PollingAgent::give_up_for_memory(const Slot& slot) {
  skip({slot.service, slot.due, slot.due, 1, storage::SkipReason::kPoolExhausted});
  say_no_memory(now());
}

void PollingAgent::count(std::optional<Verdict> before, Verdict after) {
  if (before) --by_verdict_.at(static_cast<std::size_t>(*before));
  ++by_verdict_.at(static_cast<std::size_t>(after));
}

std::string PollingAgent::problem() const {
  if (common::is_memory_short()) return "memory is short: no check begins";
  return tell_no_start_ && !schedule_ ? "no memory to make the services ready: none is checked" : "";
}

Health PollingAgent::health() const {
  const auto of = [this](Verdict verdict) { return by_verdict_.at(static_cast<std::size_t>(verdict)); };
  std::optional<Overdue> overdue;
  const auto moment = clock_.steady();  // timeouts run on it
  if (const auto probe = probing_.overdue(moment)) {
    overdue = {probe->number, members_[probe->service].label,
               std::chrono::floor<std::chrono::seconds>(moment - probe->began), probe->timeout};
  }
  return {.checks = checks_,
          .rechecks = rechecked_,
          .skipped = skipped_,
          .steps = steps_,
          .running = running_,
          .overdue = std::move(overdue),
          .problem = problem(),
          .late = punctuality_.late(),
          .up = of(Verdict::kUp),
          .degraded = of(Verdict::kDegraded),
          .down = of(Verdict::kDown),
          .unknown = of(Verdict::kUnknown)};
}

std::unique_ptr<Agent> Agent::create(asio::any_io_executor io, const Options& options, std::size_t max_running,
                                     probe::Prober& prober, storage::Store& store, const async::Clock& clock) {
  return std::make_unique<PollingAgent>(std::move(io), options, max_running, prober, store, clock);
}

}  // namespace monitor::agent
