// The agent's checks that confirm a failure. They go where there is room, and make room for slots.
#include <algorithm>
#include <new>
#include <utility>

#include <boost/asio/error.hpp>
#include <boost/system/system_error.hpp>

#include "agent/polling_agent.h"
#include "agent/row.h"
#include "common/memory.h"

namespace monitor::agent {

namespace asio = boost::asio;

using common::Verdict;

void PollingAgent::plan_next(const Recheck& next, common::SteadyTime ended) {
  const Member& member = members_[next.service];
  if (stopping_ || member.held || member.gone) return;
  const auto due = ended + member.terms.spec().recheck.every;
  try {
    rechecks_.plan(next, due);
  } catch (const std::bad_alloc&) {  // the check before it counts all the same
    return say_no_memory(now());
  }
  if (due < expected_) wake_.notify();
}

void PollingAgent::start_rechecks(common::SteadyTime now) {
  due_rechecks_.clear();
  rechecks_.take_due(now, due_rechecks_);
  for (const auto& due : due_rechecks_) {
    const bool room = running_ < max_running_ && waiting_.empty() && !common::is_memory_short();
    if (!room || (polite_ && !polite_->admit_recheck(due.service, now))) {
      // Slots come first; there may be room later.
      rechecks_.plan(due, now + std::max(std::chrono::seconds{1}, members_[due.service].terms.spec().recheck.every));
      continue;
    }
    ++running_;
    rechecking_.push_back(due.service);
    std::uint64_t task = 0;
    try {
      task = workers_.spawn("re-check", confirm(due));
    } catch (const std::bad_alloc&) {
      recheck_ended(due.service);
      say_no_memory(now);
    }
    // A check that has nothing to wait for (an address without a route) is over by now.
    if (std::ranges::find(rechecking_, due.service) != rechecking_.end()) members_[due.service].recheck = task;
  }
}

asio::awaitable<void> PollingAgent::confirm(Recheck recheck) {
  try {
    co_await run_recheck(recheck);
  } catch (const boost::system::system_error& error) {
    // Cut, as a slot came or the agent stops: of that there is nothing to store.
    if (error.code() != asio::error::operation_aborted) throw;
  } catch (const std::bad_alloc&) {  // nor is there of one whose outcome could not be kept
    say_no_memory(now());
  }
  recheck_ended(recheck.service);
}

asio::awaitable<void> PollingAgent::run_recheck(Recheck recheck) {
  Member& member = members_[recheck.service];
  const Terms terms = member.terms;  // a reload may change them meanwhile
  const auto& spec = terms.spec();
  const auto stood_still_before = stood_still(now());
  auto seen = co_await ask(recheck.service, terms);
  const auto ended = now();
  excuse(seen, stood_still(ended) - stood_still_before);
  leave_alone(recheck.service, seen, ended);
  const Verdict verdict = common::verdict_of(seen.outcome);
  const bool again = followed(spec.recheck, recheck.attempt, verdict) &&
                     seen.retry_after.value_or(std::chrono::seconds{0}) <= spec.recheck.every;
  if (!member.gone) say(member, member.history.recheck(verdict, !again), seen.reason);
  co_await store_.append(to_result(std::move(seen), terms.definition, common::Micros{0}, recheck.attempt));
  ++rechecked_;
  if (again) plan_next({recheck.service, static_cast<std::uint16_t>(recheck.attempt + 1)}, ended);
}

void PollingAgent::recheck_ended(std::size_t service) {
  --running_;
  Member& member = members_[service];
  member.recheck = 0;
  member.recheck_ends = false;
  std::erase(rechecking_, service);
  if (const auto slot = std::exchange(member.held, std::nullopt)) {
    if (stopping_) {
      skip_stopping(*slot);
    } else if (polite_) {
      hold(*slot);
    } else {
      waiting_.push_back(*slot);
    }
  }
  leave(service);
  clear_away(service);
  if (!stopping_) start_workers();
}

/// Asks it once: while many slots wait, each that joins them comes here for all.
void PollingAgent::end_recheck(std::size_t service) {
  Member& member = members_[service];
  if (member.recheck == 0 || std::exchange(member.recheck_ends, true)) return;
  workers_.cancel(member.recheck);
}

/// Those that began first.
void PollingAgent::cancel_rechecks(std::size_t count) {
  for (std::size_t i = 0; i < std::min(count, rechecking_.size()); ++i) end_recheck(rechecking_[i]);
}

}  // namespace monitor::agent
