#include "config/suggest.h"

#include <algorithm>
#include <cctype>
#include <numeric>
#include <vector>

namespace monitor::config {
namespace {

constexpr std::size_t kLongest = 64;  // nobody mistypes a key into something longer

/// Levenshtein's distance; a `-` for a `_` and a capital letter cost nothing.
std::size_t distance(std::string_view left, std::string_view right) {
  const auto plain = [](char c) {
    return c == '-' ? '_' : static_cast<char>(std::tolower(static_cast<unsigned char>(c)));
  };
  std::vector<std::size_t> row(right.size() + 1);
  std::iota(row.begin(), row.end(), std::size_t{0});
  for (std::size_t i = 1; i <= left.size(); ++i) {
    std::size_t diagonal = row[0];
    row[0] = i;
    for (std::size_t j = 1; j <= right.size(); ++j) {
      const std::size_t replaced = diagonal + (plain(left[i - 1]) == plain(right[j - 1]) ? 0 : 1);
      diagonal = row[j];
      row[j] = std::min({replaced, row[j] + 1, row[j - 1] + 1});
    }
  }
  return row.back();
}

/// `max` for `maximum`, `intervall` for `interval_sec`.
bool same_beginning(std::string_view typed, std::string_view word) {
  const auto shorter = std::min(typed.size(), word.size());
  const auto differs = std::mismatch(typed.begin(), typed.begin() + static_cast<std::ptrdiff_t>(shorter), word.begin());
  const auto same = static_cast<std::size_t>(differs.first - typed.begin());
  return same >= 3 && (same == shorter || same * 2 >= word.size());
}

}  // namespace

std::string_view closest(std::string_view typed, std::span<const std::string_view> allowed) {
  if (typed.empty() || typed.size() > kLongest) return {};
  std::string_view best;
  std::size_t best_distance = std::max<std::size_t>(typed.size() / 3, 1) + 1;
  for (const auto word : allowed) {
    const auto far = std::min(distance(typed, word), same_beginning(typed, word) ? 2 : kLongest);
    if (far < best_distance) {
      best = word;
      best_distance = far;
    }
  }
  return best;
}

}  // namespace monitor::config
