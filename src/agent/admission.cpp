// The agent's slots that wait for the sake of the host they go to: when each has its turn, and when it is given up.
#include <algorithm>
#include <utility>

#include "agent/polling_agent.h"

namespace monitor::agent {

void PollingAgent::make_polite() {
  if (!options_.limits.any()) return;
  std::vector<std::chrono::seconds> intervals;
  intervals.reserve(options_.services.size());
  for (const auto& service : options_.services) intervals.push_back(service.interval);
  auto hosts = hosts_of(options_.services);
  hosts_ = hosts.of;
  host_names_ = std::move(hosts.names);
  settled_at_ = now() + 2 * kFirstCheckWithin;
  polite_.emplace(options_.limits, std::move(hosts.of), std::move(intervals));
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
    if (polite_->is_crowded(rechecking_[i])) end_recheck(rechecking_[i]);
  }
  const auto next = polite_->next();
  if (next && *next < expected_) wake_.notify();
}

void PollingAgent::give_up(MissedSlots missed, common::SteadyTime now) {
  schedule_->finished(missed.service);
  if (has_stood_still(now)) missed.reason = storage::SkipReason::kSuspended;  // it had no turn at all
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

}  // namespace monitor::agent
