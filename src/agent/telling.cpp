// What the agent says in the log: each change once, with what would cure it.
#include <algorithm>
#include <utility>

#include <fmt/format.h>

#include "agent/polling_agent.h"
#include "common/log.h"

namespace monitor::agent {

namespace log = common::log;

namespace {

/// So long must limits keep nothing from running before that is said.
constexpr std::chrono::minutes kCalm{10};

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

}  // namespace monitor::agent
