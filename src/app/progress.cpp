#include "app/progress.h"

#include <algorithm>
#include <utility>

namespace monitor::app {

void Progress::look(common::SteadyTime now, const std::vector<Pulse>& pulses) {
  const auto away = now - std::exchange(looked_, now);
  if (away > limit_ / 2) {
    for (auto& [worker, seen] : seen_) seen.moved += away;
  }
  std::erase_if(seen_, [&](const auto& known) {
    return std::ranges::none_of(pulses, [&](const auto& pulse) { return pulse.worker == known.first; });
  });
  for (const auto& pulse : pulses) {
    const auto [seen, first] = seen_.try_emplace(pulse.worker, Seen{pulse.steps, now});
    if (pulse.excused || seen->second.steps != pulse.steps) seen->second = {pulse.steps, now};
  }
}

common::SteadyTime::duration Progress::still(const std::string& worker) const {
  const auto seen = seen_.find(worker);
  if (seen == seen_.end()) return {};
  return looked_ - seen->second.moved;
}

}  // namespace monitor::app
