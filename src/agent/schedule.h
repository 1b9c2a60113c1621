// When each service is due, and which slots cannot run. Pure: time comes in as an argument. Not thread-safe.
#pragma once

#include <chrono>
#include <cstdint>
#include <optional>
#include <unordered_map>
#include <vector>

#include "common/units.h"
#include "storage/rows.h"

namespace monitor::agent {

/// The first slots of one service; after `then`, one every `interval`.
struct Phase {
  common::SteadyTime first;
  common::SteadyTime then;
  std::chrono::seconds interval;
};

/// The first check of a service comes within this, and within its interval.
inline constexpr std::chrono::seconds kFirstCheckWithin{30};

/// How far the moments are apart at which slots may be due, where `rate` checks a second are asked for: 50 ms, or half,
/// a quarter, … of it, so that no more than six come due together on average. A turn of the loop serves them all, which
/// costs half of what as many turns would.
common::Micros grid_for(double rate);

/// Where a service starts. `key_hash` (common::stable_hash of its key) spreads services over `grid`, so that a start
/// fires no herd: the first check comes within min(interval, 30 s), later ones on a phase spread over the whole
/// interval. `last_run`: how long ago it last ran, where that is remembered; then the interval goes on from there.
Phase first_slots(common::SteadyTime start, std::uint64_t key_hash, std::chrono::seconds interval, common::Micros grid,
                  std::optional<common::Micros> last_run);

/// Where a service goes on whose interval has changed: on a phase of its own again, spread as a start spreads it. Its
/// next slot is not later than it was (`before`), and comes an interval after its `last` one; where that has passed
/// already, within min(interval, 30 s). No two are closer than half an interval.
Phase changed_slots(common::SteadyTime now, std::uint64_t key_hash, std::chrono::seconds interval, common::Micros grid,
                    const Phase& before, std::optional<common::SteadyTime> last);

/// A slot that is to be run.
struct Slot {
  std::size_t service;
  common::SteadyTime due;
};

/// Slots that will not be run.
struct MissedSlots {
  std::size_t service;
  common::SteadyTime first;
  common::SteadyTime last;
  std::int64_t count;
  storage::SkipReason reason;
};

class Schedule {
 public:
  /// Services are known by their index in `phases`.
  explicit Schedule(const std::vector<Phase>& phases);

  /// Nothing when there is no service.
  std::optional<common::SteadyTime> next_due() const;

  /// Takes every slot due at `now`. The next slot of a service is fixed here, before its request starts, so nothing
  /// drifts. A service that is still waiting or running never overlaps itself: its slots are missed. `stalled`: the
  /// loop itself stood still, so everything due meanwhile is missed and nothing bursts.
  void take_due(common::SteadyTime now, bool stalled, std::vector<Slot>& ready, std::vector<MissedSlots>& missed);

  /// The slot taken last waits for its host's sake,
  void held(std::size_t service) { state_[service] = State::kHeld; }
  /// then for a place among all checks,
  void queued(std::size_t service) { state_[service] = State::kWaiting; }
  /// and has begun to run.
  void started(std::size_t service) { state_[service] = State::kRunning; }
  /// It ended, or was given up.
  void finished(std::size_t service) { state_[service] = State::kIdle; }
  struct Placed {
    std::size_t service;
    Phase phase;                               ///< from its next slot on
    std::optional<common::SteadyTime> last{};  ///< its last slot
  };
  /// Takes out the services marked (by their index), and gives where each stood. What one is doing stays known.
  std::vector<Placed> take_out(const std::vector<bool>& marked);
  /// Puts services in that are new or were taken out. To follow every take_out().
  void put(const std::vector<Placed>& services);
  /// The service's server asked to be left alone until then: its next slot, and no other, is missed if it is due
  /// before.
  void leave_alone(std::size_t service, common::SteadyTime until) { left_alone_[service] = until; }
  /// It is over with that: the service is gone.
  void forget(std::size_t service) { left_alone_.erase(service); }

 private:
  enum class State : std::uint8_t { kIdle, kHeld, kWaiting, kRunning };
  struct Entry {
    common::SteadyTime due;
    common::SteadyTime then;
    common::SteadyTime last;
    std::uint32_t interval_seconds;
    std::uint32_t service;
  };
  static bool later(const Entry& a, const Entry& b) { return a.due > b.due; }
  static storage::SkipReason reason_of(State state);
  MissedSlots advance(Entry& entry, common::SteadyTime now);
  bool is_left_alone(std::size_t service, common::SteadyTime due);
  void add(const Placed& placed);

  std::vector<Entry> heap_;  // the earliest due on top
  std::vector<State> state_;
  std::unordered_map<std::size_t, common::SteadyTime> left_alone_;  ///< few at a time
};

}  // namespace monitor::agent
