#include "agent/demand.h"

#include <algorithm>
#include <cmath>

namespace monitor::agent {

std::size_t checks_needed(const std::vector<Load>& loads) {
  double sum = 0, variance = 0;
  std::size_t known = 0;
  for (const auto& load : loads) {
    if (!load.takes) continue;
    const double share =
        std::min(1.0, std::chrono::duration<double>(*load.takes) / std::chrono::duration<double>(load.interval));
    sum += share;
    variance += share * (1 - share);
    ++known;
  }
  if (known == 0) return loads.size();
  const double scale = static_cast<double>(loads.size()) / static_cast<double>(known);
  const double needed = std::ceil(sum * scale + 2 * std::sqrt(variance * scale));
  return std::clamp<std::size_t>(static_cast<std::size_t>(needed), 1, loads.size());
}

}  // namespace monitor::agent
