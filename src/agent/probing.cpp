#include "agent/probing.h"

namespace monitor::agent {

namespace {

/// A search of a large body may wait for a thread for as long as the timeout once more (probe/prober.h).
constexpr int kTimeouts = 2;

}  // namespace

Probing::Turn::Turn(Probing& all, std::size_t service, common::SteadyTime began, std::chrono::seconds timeout)
    : all_(all) {
  const auto number = ++all.last_number_;
  const Key key{began + kTimeouts * timeout, number};
  probe_ = all.under_way_.emplace(key, Probe{service, began, timeout, number}).first;
}

std::optional<Probe> Probing::overdue(common::SteadyTime now) const {
  if (under_way_.empty() || under_way_.begin()->first.first >= now) return std::nullopt;
  return under_way_.begin()->second;
}

}  // namespace monitor::agent
