// How many checks have to run at once, and how many a second, so that none is skipped for want of room. Pure.
#pragma once

#include <chrono>
#include <cstddef>
#include <optional>
#include <string>
#include <vector>

#include "agent/options.h"
#include "common/units.h"

namespace monitor::agent {

/// What is known of a service's checks.
struct Load {
  std::chrono::seconds interval{};
  std::optional<common::Micros> takes;  ///< one check, as last seen; nothing where none was seen yet
};

/// The sum of what each service keeps busy on average, and twice its standard deviation for those that meet: enough in
/// 97 of 100 moments. No more than there are services, since none overlaps itself. Of whom nothing is known does as the
/// others do on average; if nothing is known of any, each is busy all the time.
std::size_t checks_needed(const std::vector<Load>& loads);

/// Checks a second that the services ask for.
double rate_asked(const std::vector<Load>& loads);

/// Checks a second, evenly apart, so that hardly any slot waits longer than `patience`: those that come due together
/// have to be worked off while others come. In tenths, rounded up, as `limits.per_host_rate` takes it.
double rate_needed(const std::vector<Load>& loads, std::chrono::duration<double> patience);

/// A sentence without its stop: which of `limits` to set to what, so that the busiest host has room for so many checks
/// a second and at once.
std::string cure_of(const Limits& limits, double rate, std::size_t at_once);

}  // namespace monitor::agent
