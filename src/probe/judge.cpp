#include "probe/judge.h"

#include <fmt/format.h>

#include "common/units.h"

namespace monitor::probe {

using common::Outcome;

Judgement judge(const Evidence& evidence) {
  constexpr int kLowestGood = 200, kHighestGood = 399;
  if (evidence.status < kLowestGood || evidence.status > kHighestGood) {
    return {Outcome::kStatus, fmt::format("status {} is outside {}-{}", evidence.status, kLowestGood, kHighestGood)};
  }
  if (evidence.regex_wanted && !evidence.regex_found) {
    const auto size = common::format_size(evidence.body_bytes);
    return {Outcome::kBodyMismatch,
            evidence.capped
                ? fmt::format("the regular expression was not found in the first {} of the body, which is longer", size)
                : fmt::format("the regular expression was not found in the {} body", size)};
  }
  return {};
}

}  // namespace monitor::probe
