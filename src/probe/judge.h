// Whether a complete response meets what the service expects. Pure.
#pragma once

#include <cstdint>
#include <string>

#include "common/outcome.h"

namespace monitor::probe {

struct Judgement {
  common::Outcome outcome = common::Outcome::kUp;
  std::string reason;  ///< one sentence; empty for `up`
};

/// What there is to judge.
struct Evidence {
  std::uint16_t status = 0;
  bool regex_wanted = false;
  bool regex_found = false;
  std::uint64_t body_bytes = 0;  ///< how much was searched
  bool capped = false;
};

/// Up: the status is 200–399 and the regular expression, if asked for, was found.
Judgement judge(const Evidence& evidence);

}  // namespace monitor::probe
