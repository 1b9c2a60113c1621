// What a check comes to, and the rules that a response breaks on the way there. Plain data.
#pragma once

#include <string>
#include <utility>

#include "common/outcome.h"

namespace monitor::probe {

struct Judgement {
  common::Outcome outcome = common::Outcome::kUp;
  std::string reason;  ///< one sentence; empty for `up`
};

/// The first of the rules broken, and how many there are.
struct Breaches {
  Judgement first;
  int count = 0;

  /// `sentence` is called for the first one alone.
  template <typename Sentence>
  void add(common::Outcome outcome, Sentence&& sentence) {
    if (count++ == 0) first = {outcome, std::forward<Sentence>(sentence)()};
  }
};

}  // namespace monitor::probe
