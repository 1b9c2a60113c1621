#include "cli/bars.h"

#include <algorithm>
#include <array>
#include <cstdint>

#include <fmt/format.h>

namespace monitor::cli {
namespace {

constexpr std::int64_t kColumns = 40;
constexpr std::int64_t kEighths = 8;
constexpr std::string_view kFull = "█";
constexpr std::array<std::string_view, kEighths> kParts{"", "▏", "▎", "▍", "▌", "▋", "▊", "▉"};

std::string repeated(std::string_view text, std::int64_t times) {
  std::string out;
  for (; times > 0; --times) out += text;
  return out;
}

/// `value` of `longest` in `units`, rounded; at least one for what is not nothing.
std::int64_t scaled(std::int64_t value, std::int64_t longest, std::int64_t units) {
  if (value <= 0) return 0;
  return std::max<std::int64_t>((value * units + longest / 2) / longest, 1);
}

std::string bar(std::int64_t value, std::int64_t longest, bool unicode) {
  if (!unicode) return repeated("#", scaled(value, longest, kColumns));
  const std::int64_t eighths = scaled(value, longest, kColumns * kEighths);
  return repeated(kFull, eighths / kEighths).append(kParts.at(static_cast<std::size_t>(eighths % kEighths)));
}

std::string millis(const std::optional<common::Micros>& duration) {
  constexpr double kMicrosPerMilli = 1000;
  return duration ? fmt::format("{:.3f} ms", static_cast<double>(duration->count()) / kMicrosPerMilli) : "-   ";
}

}  // namespace

std::string bar_chart(const std::vector<Bar>& bars, bool unicode) {
  std::int64_t longest = 1;
  std::size_t label_width = 0;
  std::size_t number_width = 0;
  for (const auto& [label, duration] : bars) {
    longest = std::max(longest, duration.value_or(common::Micros{}).count());
    label_width = std::max(label_width, label.size());
    number_width = std::max(number_width, millis(duration).size());
  }
  std::string out;
  for (const auto& [label, duration] : bars) {
    std::string line = fmt::format("{:<{}}  {:>{}}", label, label_width, millis(duration), number_width);
    const auto drawn = bar(duration.value_or(common::Micros{}).count(), longest, unicode);
    if (!drawn.empty()) line += "  " + drawn;
    out += line.erase(line.find_last_not_of(' ') + 1) + "\n";
  }
  return out;
}

}  // namespace monitor::cli
