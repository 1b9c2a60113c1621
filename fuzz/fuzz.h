// What every fuzz target has in common: an invariant that does not hold ends the run as a crash would. Pure.
#pragma once

#include <cstdio>
#include <cstdlib>
#include <string>
#include <string_view>

#include "common/text.h"

namespace monitor::fuzz {

/// `what` says what holds.
inline void require(bool holds, std::string_view what) {
  if (holds) return;
  std::fprintf(stderr, "broken invariant: %.*s\n", static_cast<int>(what.size()), what.data());
  std::abort();
}

/// Valid UTF-8 without control characters, newlines apart where they are `allowed`.
inline bool is_inert(std::string_view text, bool newlines_allowed = false) {
  std::string without(text);
  if (newlines_allowed) std::erase(without, '\n');
  return common::escape_controls(without) == without;
}

/// What a person is told: one line, not endless.
inline void require_sentence(std::string_view sentence) {
  constexpr std::size_t kLongest = 4000;
  require(!sentence.empty(), "a refusal says why");
  require(sentence.size() <= kLongest, "a sentence is short");
  require(is_inert(sentence), "a sentence is one inert line of UTF-8");
}

}  // namespace monitor::fuzz
