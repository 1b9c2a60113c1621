// The agent's slots that wait for the sake of the host they go to: when each has its turn, and when it is given up.
#include <algorithm>
#include <unordered_map>
#include <utility>

#include "agent/polling_agent.h"

namespace monitor::agent {

/// Gives each service the number of its host among `hosts`, which those join that only services that are gone go to.
/// Returns, for each number, which one the host had before.
std::vector<std::optional<std::uint32_t>> PollingAgent::number_hosts(Hosts hosts) {
  std::unordered_map<std::string, std::uint32_t> before;
  for (std::uint32_t i = 0; i < host_names_.size(); ++i) before.emplace(host_names_[i], i);
  std::unordered_map<std::uint32_t, std::uint32_t> now;  // by the number before
  std::vector<std::optional<std::uint32_t>> out;
  const auto join = [&](const std::string& name) {
    const auto found = before.find(name);
    if (found != before.end()) now.emplace(found->second, static_cast<std::uint32_t>(out.size()));
    out.push_back(found == before.end() ? std::nullopt : std::optional(found->second));
  };
  for (const auto& name : hosts.names) join(name);
  for (auto& member : members_) {
    if (!member.gone || is_idle(member)) continue;
    if (member.host == Member::kNoHost) continue;  // without limits until now
    if (!now.contains(member.host)) {
      hosts.names.push_back(host_names_[member.host]);
      join(hosts.names.back());
    }
    member.host = now.at(member.host);
  }
  for (std::size_t i = 0; i < place_.size(); ++i) members_[place_[i]].host = hosts.of[i];
  host_names_ = std::move(hosts.names);
  return out;
}

/// The limits in force, from here on; `hosts` of options_.services. Slots that wait for their turn go on waiting, and
/// what runs counts, against the limits as they are now.
void PollingAgent::make_polite(Hosts hosts) {
  std::vector<Slot> held;
  if (polite_) polite_->take_all(held);
  if (!options_.limits.any()) {
    polite_.reset();
    host_names_.clear();
    for (auto& member : members_) member.host = Member::kNoHost;
    for (const auto& slot : held) {
      schedule_->queued(slot.service);
      waiting_.push_back(slot);
    }
    return;
  }
  const auto before = number_hosts(std::move(hosts));
  std::vector<std::uint32_t> host_of;
  std::vector<std::chrono::seconds> intervals;
  for (const auto& member : members_) {
    const bool known = member.host != Member::kNoHost;
    host_of.push_back(known ? member.host : static_cast<std::uint32_t>(host_names_.size()));  // nobody's
    intervals.push_back(member.interval);
  }
  Politeness next(options_.limits, std::move(host_of), std::move(intervals));
  if (polite_) next.inherit(*polite_, before);
  if (!polite_) settled_at_ = now() + 2 * kFirstCheckWithin;
  polite_.emplace(std::move(next));
  for (const auto& slot : waiting_) polite_->resume(slot.service, false);
  for (std::size_t i = 0; i < members_.size(); ++i) {
    if (members_[i].began) polite_->resume(i, true);
  }
  for (const auto service : rechecking_) polite_->resume(service, true);
  for (const auto& slot : held) polite_->hold(slot);
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
