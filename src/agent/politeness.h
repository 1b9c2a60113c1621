// Which due slots have to wait for the sake of the host they go to, and which wait too long. Pure: time comes in as an
// argument. Not thread-safe.
//
// A slot that may not run at once waits for its turn: half its interval at most, and no longer than a second, since
// what is late is worth less; then it is given up. One whose service was passed over twice in a row waits until its
// next slot comes, and those that were passed over most often go first, so that a host with less room than it is asked
// for starves no service. At most one slot of a service waits.
#pragma once

#include <chrono>
#include <cstdint>
#include <optional>
#include <set>
#include <string>
#include <tuple>
#include <unordered_map>
#include <utility>
#include <vector>

#include "agent/options.h"
#include "agent/schedule.h"
#include "common/units.h"

namespace monitor::agent {

/// The host that the checks of a service count against, in lower case and without a port or a last dot: where the
/// connection is to end (`connect_to`), else the URL's. Redirects, name servers and token endpoints are not counted.
/// Empty where the URL is none.
std::string host_of(const probe::Service& service);

/// The hosts of all services, each numbered once.
struct Hosts {
  std::vector<std::string> names;
  std::vector<std::uint32_t> of;  ///< the number of each service's host
};
Hosts hosts_of(const std::vector<probe::Service>& services);

/// How long a slot of a service waits for its turn, unless the service was passed over.
common::SteadyTime::duration patience_of(std::chrono::seconds interval);

class Politeness {
 public:
  /// Services are known by their index in `host_of` and `intervals`. `limits.any()`.
  Politeness(const Limits& limits, std::vector<std::uint32_t> host_of, std::vector<std::chrono::seconds> intervals);

  /// Goes on where `before` was: what it knew of services, and of hosts. `number_before`: for each host, which number
  /// it had; nothing for a new one. What `before` held and what runs is to be told anew, with hold() and resume().
  void inherit(const Politeness& before, const std::vector<std::optional<std::uint32_t>>& number_before);
  /// The service is gone, and no slot of it waits: another one may have its number next.
  void forget(std::size_t service) { passed_over_[service] = 0; }
  /// A check of this service was taken already, and has begun, or not yet.
  void resume(std::size_t service, bool begun);

  /// A slot that has come due waits for its turn: take() may give it at once.
  void hold(const Slot& slot);
  /// Gives up what has waited too long at `now` and takes every slot whose turn has come; from here on it counts as
  /// running.
  void take(common::SteadyTime now, std::vector<Slot>& ready, std::vector<MissedSlots>& given_up);
  /// Takes every slot that waits.
  void take_all(std::vector<Slot>& slots);
  /// The slot taken of this service has begun: the next of its host may begin when its share of a second has passed.
  void began(std::size_t service, common::SteadyTime now);
  /// Its check, or its re-check, has ended.
  void ended(std::size_t service);
  /// Whether a re-check may begin now, which it then has. Slots go before it.
  bool admit_recheck(std::size_t service, common::SteadyTime now);
  /// Whether a slot waits for a check of this service's host to end.
  bool is_crowded(std::size_t service) const;
  /// When take() has something to do; nothing while nothing waits.
  std::optional<common::SteadyTime> next() const;

 private:
  using Duration = common::SteadyTime::duration;
  /// Passed over so often (negative: the most goes first), due, service.
  using Rank = std::tuple<int, common::SteadyTime, std::uint32_t>;
  struct Host {
    std::set<Rank> waiting{};
    std::size_t running = 0;
    common::SteadyTime next{};  ///< not before this may another begin
    std::size_t queued = 0;     ///< taken, and not begun yet
    std::optional<common::SteadyTime> armed{};
  };
  struct Held {
    common::SteadyTime due, until;
  };

  Host& host_of(std::size_t service) { return hosts_[host_of_[service]]; }
  common::SteadyTime end_of_patience(const Slot& slot) const;
  Slot remove(std::size_t service);
  void take_turn(std::uint32_t number, std::vector<Slot>& ready);
  void start_spacing(Host& host, common::SteadyTime now);
  /// The one that was taken has to begin before it is known when the next may.
  bool is_pending(const Host& host) const { return spacing_ > Duration{0} && host.queued > 0; }
  bool is_full(const Host& host) const { return most_ > 0 && host.running >= most_; }
  void arm(std::uint32_t number);

  std::size_t most_;  ///< at once; 0: any number
  Duration spacing_;  ///< zero: none
  std::vector<std::uint32_t> host_of_;
  std::vector<std::chrono::seconds> intervals_;
  std::vector<std::uint16_t> passed_over_;  ///< of each service: slots in a row that were given up
  std::vector<Host> hosts_;
  std::unordered_map<std::size_t, Held> held_;
  std::set<std::pair<common::SteadyTime, std::size_t>> by_end_;  ///< services, by when their slot is given up
  std::set<std::pair<common::SteadyTime, std::uint32_t>> free_;  ///< hosts where a slot waits, by when one may begin
};

}  // namespace monitor::agent
