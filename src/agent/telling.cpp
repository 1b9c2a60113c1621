// What the agent says in the log: each change once, with what would cure it.
#include <algorithm>
#include <utility>

#include <fmt/format.h>

#include "agent/files.h"
#include "agent/polling_agent.h"
#include "common/log.h"
#include "common/memory.h"

namespace monitor::agent {

namespace log = common::log;

namespace {

/// So long must nothing be kept from running before that is said: a pool, or a host's share, that is nearly enough runs
/// short again and again.
constexpr std::chrono::minutes kCalm{1};
constexpr std::chrono::minutes kCalmLimits{10};
/// What lasts is told again.
constexpr std::chrono::hours kTellAgain{1};

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

void PollingAgent::say_what_runs() const {
  double per_minute = 0;
  for (const auto& service : options_.services) per_minute += 60.0 / static_cast<double>(service.interval.count());
  const auto count = static_cast<double>(std::max<std::size_t>(1, options_.services.size()));
  log::info("Average requests per minute (RPM) across all services: {:.2f}", per_minute / count);
  log::info("Total requests per minute (RPM) across all services: {:.2f}", per_minute);
}

void PollingAgent::account_for_missed(common::SteadyTime now) {
  bool pool_exhausted = false;
  std::int64_t suspended = 0;
  for (const auto& missed : missed_) {
    skip(missed);
    pool_exhausted = pool_exhausted || missed.reason == storage::SkipReason::kPoolExhausted;
    if (missed.reason == storage::SkipReason::kSuspended) suspended += missed.count;
  }
  if (suspended > 0) say_stood_still(now, suspended);
  if (pool_exhausted) say_exhausted(now);
  say_calm(now);
}

void PollingAgent::say_stood_still(common::SteadyTime now, std::int64_t slots) {
  ++stalls_;
  stalled_slots_ += slots;
  if (std::exchange(stalled_at_, now)) return;
  log::warning(
      "The process stood still; {} slots that were due meanwhile were skipped, not run late. If the machine neither "
      "slept nor was stopped, it has not enough CPU for {:.1f} checks a second.",
      slots, rate_asked(loads(now)));
}

void PollingAgent::watch_punctuality(common::SteadyTime now) {
  const auto late =
      std::ranges::count_if(ready_, [&](const Slot& slot) { return now - slot.due > Punctuality::kLate; });
  const auto changed = punctuality_.turn(now, ready_.size(), static_cast<std::size_t>(late));
  if (!changed) return;
  if (!punctuality_.late()) return log::warning("Checks begin on time again.");
  constexpr double kSeconds = std::chrono::duration<double>(Punctuality::kPeriod).count();
  log::warning(
      "Checks begin late: of the last minute's {} slots {} by more than {} ms. {:.1f} checks a second are asked for, "
      "and the process had CPU for about {:.1f}: give it more, or poll less often.",
      changed->all, changed->late, Punctuality::kLate.count(), rate_asked(loads(now)),
      static_cast<double>(changed->all) / kSeconds);
}

/// What has not happened for a while is over.
void PollingAgent::say_calm(common::SteadyTime now) {
  if (stalled_at_ && now - *stalled_at_ > kCalm) {
    stalled_at_.reset();
    if (stalls_ > 1) {
      log::warning("The process has not stood still for a minute; before, it did {} times, and {} slots were skipped.",
                   stalls_, stalled_slots_);
    }
    stalls_ = 0;
    stalled_slots_ = 0;
  }
  if (exhausted_at_ && waiting_.empty() && now - *exhausted_at_ > kCalm) {
    exhausted_at_.reset();
    log::warning("The pool of checks has room again.");
  }
  if (limited_at_ && now - *limited_at_ > kCalmLimits) {
    limited_at_.reset();
    log::warning("The limits per host keep no slot from running any more.");
  }
}

/// What each service keeps busy, in the order of the configuration.
std::vector<Load> PollingAgent::loads(common::SteadyTime now) const {
  std::vector<Load> loads;
  loads.reserve(place_.size());
  for (const auto place : place_) {
    const auto& member = members_[place];
    auto takes = member.took;
    if (member.began) {
      const auto so_far = std::chrono::duration_cast<common::Micros>(now - *member.began);
      takes = std::max(takes.value_or(so_far), so_far);
    }
    loads.push_back({member.interval, takes});
  }
  return loads;
}

void PollingAgent::say_exhausted(common::SteadyTime now) {
  if (std::exchange(exhausted_at_, now)) return;
  if (store_.health().held_back) {
    return log::warning(
        "The disk of the local database takes fewer results than there are, so slots are being skipped: {} results "
        "wait. Put it on a faster disk, or poll less often.",
        store_.health().waiting);
  }
  const auto needed = std::max(checks_needed(loads(now)), max_running_ + 1);
  const auto cure = needed <= kMostChecksAtOnce
                        ? fmt::format("raise the limit of open files to {} (LimitNOFILE= of the unit, or ulimit -n)",
                                      files_needed(needed, connections_kept(options_.services)))
                        : fmt::format("that is above the {} of one monitor, so share the services out among several",
                                      kMostChecksAtOnce);
  log::warning(
      "All {} checks that may run at once are running, so slots are being skipped. About {} at once are needed: {}, "
      "shorten timeouts or poll less often.",
      max_running_, needed, cure);
}

/// Of a shortage of the whole process more is said elsewhere.
void PollingAgent::say_no_memory(common::SteadyTime now) {
  if (common::is_memory_short()) return;
  if (std::exchange(exhausted_at_, now)) return;
  log::warning(
      "There is no memory for a check, so slots are being skipped; {} checks run. Raise the limit (MemoryMax= of the "
      "unit, or ulimit -v), shorten timeouts or poll less often.",
      running_);
}

/// `want` may be empty.
void PollingAgent::say_no_start(const std::string& want) {
  const auto moment = now();
  if (tell_no_start_ && moment < *tell_no_start_) return;
  tell_no_start_ = moment + kTellAgain;
  log::error(
      "There is no memory to make the services ready{}{}: none is checked until there is. Raise the limit (MemoryMax= "
      "of the unit, or ulimit -v), or have fewer services and reload the configuration.",
      want.empty() ? "" : ": ", want);
}

void PollingAgent::say_start_at_last() const {
  log::warning("There was memory at last to make {} services ready: checks begin.", options_.services.size());
}

/// The limits are the same for every host, so the number that cures one has to do for the busiest. Nothing is said of
/// the first checks of services with long intervals: they crowd once.
void PollingAgent::say_limited(const MissedSlots& missed, common::SteadyTime now) {
  if (now < settled_at_ || std::exchange(limited_at_, now)) return;
  const auto host = members_[missed.service].host;
  std::vector<std::vector<Load>> by_host(host_names_.size());
  const auto all = loads(now);
  for (std::size_t i = 0; i < all.size(); ++i) by_host[members_[place_[i]].host].push_back(all[i]);
  double rate = 0;
  std::size_t at_once = 0;
  for (const auto& asked : by_host) {
    if (asked.empty()) continue;  // of services that are gone
    const auto shortest = std::ranges::min(asked, {}, &Load::interval).interval;
    rate = std::max(rate, rate_needed(asked, patience_of(shortest)));
    at_once = std::max(at_once, checks_needed(asked));
  }
  log::warning(
      "The limits keep slots of {} from running: {} services ask for {:.1f} checks a second there and need about {} at "
      "once. {}, or poll less often.",
      host_names_[host], by_host[host].size(), rate_asked(by_host[host]), checks_needed(by_host[host]),
      cure_of(options_.limits, rate, at_once));
}

}  // namespace monitor::agent
