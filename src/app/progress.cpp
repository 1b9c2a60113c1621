#include "app/progress.h"

#include <utility>

namespace monitor::app {

std::vector<std::string> Progress::stalled(common::SteadyTime now, const std::vector<Pulse>& pulses) {
  std::vector<std::string> names;
  const auto away = now - std::exchange(looked_, now);
  if (away > limit_ / 2) {
    for (auto& [worker, seen] : seen_) seen.moved += away;
  }
  for (const auto& pulse : pulses) {
    const auto [seen, first] = seen_.try_emplace(pulse.worker, Seen{pulse.steps, now});
    if (pulse.excused || seen->second.steps != pulse.steps) seen->second = {pulse.steps, now};
    if (!first && now - seen->second.moved > limit_) names.push_back(pulse.worker);
  }
  return names;
}

}  // namespace monitor::app
