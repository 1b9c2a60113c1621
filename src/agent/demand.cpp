#include "agent/demand.h"

#include <algorithm>
#include <cmath>

#include <fmt/format.h>

namespace monitor::agent {
namespace {

/// Rounded up.
double in_tenths(double rate) {
  constexpr double kTenths = 10, kRounding = 1e-6;
  return std::ceil(rate * kTenths - kRounding) / kTenths;
}

}  // namespace

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

double rate_asked(const std::vector<Load>& loads) {
  double rate = 0;
  for (const auto& load : loads) rate += 1 / std::chrono::duration<double>(load.interval).count();
  return rate;
}

double rate_needed(const std::vector<Load>& loads, std::chrono::duration<double> patience) {
  // Of a queue that `asked` enter and `rate` leave a second, exp(-2 kRare) wait longer than their patience, where
  // kRare = (rate - asked) rate patience / asked. So much leaves no slot of services with spread phases behind.
  constexpr double kRare = 6;
  const double asked = rate_asked(loads);
  double rate = (asked + std::sqrt(asked * asked + 4 * kRare * asked / patience.count())) / 2;
  if (loads.size() > 1) rate = std::max(rate, 1 / patience.count());  // two that are due at one moment
  return in_tenths(rate);
}

std::string cure_of(const Limits& limits, double rate, std::size_t at_once) {
  bool spaced = limits.per_host_rate > 0 && limits.per_host_rate < rate;
  bool crowded = limits.per_host_concurrency > 0 && limits.per_host_concurrency < at_once;
  if (!spaced && !crowded) {  // more is asked for than it seemed, as re-checks do
    constexpr double kMore = 1.2;
    spaced = limits.per_host_rate > 0;
    crowded = limits.per_host_concurrency > 0;
    rate = std::max(rate, in_tenths(limits.per_host_rate * kMore));
    at_once = std::max(at_once, limits.per_host_concurrency + 1);
  }
  constexpr const char* kAny = "0 (any number)";
  const auto in_all =
      "limits.per_host_rate to " + (rate > kHighestHostRate ? std::string(kAny) : fmt::format("{:.1f}", rate));
  const auto together = "limits.per_host_concurrency to " +
                        (at_once > kMostChecksAtOnce ? std::string(kAny) : fmt::format("{}", at_once));
  if (!crowded) return "Set " + in_all;
  if (!spaced) return "Set " + together;
  return fmt::format("Set {} and {}", in_all, together);
}

}  // namespace monitor::agent
