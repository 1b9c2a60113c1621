#include "agent/schedule.h"

#include <algorithm>

namespace monitor::agent {

using common::SteadyTime;
using std::chrono::seconds;

namespace {

constexpr common::Micros kWidestGrid = std::chrono::milliseconds{50};
constexpr double kTogether = 6;
constexpr SteadyTime kNever = SteadyTime::min();

/// A fraction of `span` that `hash` picks, on the grid.
common::Micros spread(std::uint64_t hash, seconds span, common::Micros grid) {
  const auto micros = static_cast<std::uint64_t>(common::Micros{span}.count());
  const common::Micros fraction{static_cast<std::int64_t>(hash % micros)};
  return fraction - fraction % grid;
}

}  // namespace

common::Micros grid_for(double rate) {
  common::Micros grid = kWidestGrid;
  while (grid.count() > 1 && rate * std::chrono::duration<double>(grid).count() > kTogether) grid /= 2;
  return grid;
}

Phase first_slots(SteadyTime start, std::uint64_t key_hash, seconds interval, common::Micros grid,
                  std::optional<common::Micros> last_run) {
  if (last_run && *last_run < interval) {
    const SteadyTime due = start + (interval - *last_run);
    return {due, due + interval, interval};
  }
  if (interval <= kFirstCheckWithin) {
    const SteadyTime due = start + spread(key_hash, interval, grid);
    return {due, due + interval, interval};
  }
  // Not on the grid: the first checks of long intervals come closer together than the rate says.
  const SteadyTime first = start + spread(key_hash, kFirstCheckWithin, common::Micros{1});
  // Off the phase, once: a service of five minutes does not wait five minutes, and the herd of the first 30 s does not
  // come again every interval. The two are never closer than half an interval.
  SteadyTime then = start + spread(key_hash / 2, interval, grid);
  while (then < first + interval / 2) then += interval;
  return {first, then, interval};
}

Phase changed_slots(SteadyTime now, std::uint64_t key_hash, seconds interval, common::Micros grid, const Phase& before,
                    std::optional<SteadyTime> last) {
  const bool in_time = last && *last + interval > now;
  SteadyTime first =
      in_time ? *last + interval : now + spread(key_hash, std::min(interval, kFirstCheckWithin), common::Micros{1});
  first = std::min(first, before.first);
  // Where services of short intervals now have longer ones, their first slots come close together, and only those.
  SteadyTime then = now + spread(key_hash / 2, interval, grid);
  while (then < first + interval / 2) then += interval;
  return {first, then, interval};
}

Schedule::Schedule(const std::vector<Phase>& phases) : state_(phases.size(), State::kIdle) {
  heap_.reserve(phases.size());
  for (std::size_t i = 0; i < phases.size(); ++i) add({i, phases[i]});
  std::make_heap(heap_.begin(), heap_.end(), later);
}

void Schedule::add(const Placed& placed) {
  const auto& phase = placed.phase;
  heap_.push_back({phase.first, phase.then, placed.last.value_or(kNever),
                   static_cast<std::uint32_t>(phase.interval.count()), static_cast<std::uint32_t>(placed.service)});
}

std::vector<Schedule::Placed> Schedule::take_out(const std::vector<bool>& marked) {
  std::vector<Placed> out;
  const auto end =
      std::partition(heap_.begin(), heap_.end(), [&](const Entry& entry) { return !marked[entry.service]; });
  for (auto entry = end; entry != heap_.end(); ++entry) {
    const Phase phase{entry->due, entry->then, seconds{entry->interval_seconds}};
    out.push_back({entry->service, phase, entry->last == kNever ? std::nullopt : std::optional(entry->last)});
  }
  heap_.erase(end, heap_.end());
  return out;
}

void Schedule::put(const std::vector<Placed>& services) {
  for (const auto& placed : services) {
    if (placed.service >= state_.size()) state_.resize(placed.service + 1, State::kIdle);
    add(placed);
  }
  std::make_heap(heap_.begin(), heap_.end(), later);
}

std::optional<SteadyTime> Schedule::next_due() const {
  if (heap_.empty()) return std::nullopt;
  return heap_.front().due;
}

MissedSlots Schedule::advance(Entry& entry, SteadyTime now) {
  MissedSlots passed{entry.service, entry.due, entry.due, 1, storage::SkipReason::kSuspended};
  const seconds interval{entry.interval_seconds};
  SteadyTime next = entry.then;
  if (next <= now) {
    const auto more = (now - next) / interval + 1;
    passed.last = next + (more - 1) * interval;
    passed.count += more;
    next += more * interval;
  }
  entry.last = passed.last;
  entry.due = next;
  entry.then = next + interval;
  return passed;
}

storage::SkipReason Schedule::reason_of(State state) {
  switch (state) {
    case State::kRunning:
      return storage::SkipReason::kStillRunning;
    case State::kWaiting:
      return storage::SkipReason::kPoolExhausted;
    case State::kHeld:
      return storage::SkipReason::kRateLimited;
    case State::kIdle:
      break;
  }
  return storage::SkipReason::kSuspended;
}

bool Schedule::is_left_alone(std::size_t service, SteadyTime due) {
  if (left_alone_.empty()) return false;
  const auto asked = left_alone_.extract(service);
  return !asked.empty() && due < asked.mapped();
}

void Schedule::take_due(SteadyTime now, bool stalled, std::vector<Slot>& ready, std::vector<MissedSlots>& missed) {
  while (!heap_.empty() && heap_.front().due <= now) {
    std::pop_heap(heap_.begin(), heap_.end(), later);
    Entry& entry = heap_.back();
    const std::size_t service = entry.service;
    const SteadyTime before_last = entry.due;
    MissedSlots passed = advance(entry, now);
    State& state = state_[service];
    if (state != State::kIdle || stalled) {
      if (!stalled) passed.reason = reason_of(state);
      missed.push_back(passed);
    } else {
      if (passed.count > 1) {
        const SteadyTime interval_before =
            passed.count == 2 ? before_last : passed.last - seconds{entry.interval_seconds};
        missed.push_back({service, passed.first, interval_before, passed.count - 1, passed.reason});
      }
      if (is_left_alone(service, passed.last)) {
        missed.push_back({service, passed.last, passed.last, 1, storage::SkipReason::kRetryAfter});
      } else {
        ready.push_back({service, passed.last});
        state = State::kWaiting;
      }
    }
    std::push_heap(heap_.begin(), heap_.end(), later);
  }
}

}  // namespace monitor::agent
