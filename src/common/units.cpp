#include "common/units.h"

#include <array>
#include <charconv>
#include <limits>

#include <fmt/format.h>

namespace monitor::common {
namespace {

struct Unit {
  std::string_view name;
  std::uint64_t factor;
};

constexpr std::array kDurations{Unit{"d", 86400}, Unit{"h", 3600}, Unit{"m", 60}, Unit{"s", 1}, Unit{"", 1}};
constexpr std::array kSizes{Unit{"TiB", 1ULL << 40},
                            Unit{"GiB", 1ULL << 30},
                            Unit{"MiB", 1ULL << 20},
                            Unit{"KiB", 1ULL << 10},
                            Unit{"B", 1},
                            Unit{"", 1}};

template <typename Units>
std::optional<std::uint64_t> parse(std::string_view text, const Units& units) {
  std::uint64_t number = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
  if (error != std::errc{}) return std::nullopt;
  text.remove_prefix(static_cast<std::size_t>(end - text.data()));
  if (text.starts_with(' ') && text.size() > 1) text.remove_prefix(1);
  for (const auto& unit : units) {
    if (text != unit.name) continue;
    if (number > static_cast<std::uint64_t>(std::numeric_limits<std::int64_t>::max()) / unit.factor)
      return std::nullopt;
    return number * unit.factor;
  }
  return std::nullopt;
}

}  // namespace

std::optional<std::chrono::seconds> parse_duration(std::string_view text) {
  const auto seconds = parse(text, kDurations);
  // A duration is later counted in nanoseconds; three hundred years is more than any of ours.
  constexpr std::uint64_t kLongest = 300ULL * 365 * 86400;
  if (!seconds || *seconds > kLongest) return std::nullopt;
  return std::chrono::seconds{static_cast<std::int64_t>(*seconds)};
}

std::optional<Micros> parse_short_duration(std::string_view text) {
  constexpr std::uint64_t kMicrosInSecond = 1'000'000;
  constexpr std::uint64_t kMicrosInMilli = 1000;
  constexpr std::array kUnits{Unit{"ms", kMicrosInMilli}, Unit{"s", kMicrosInSecond}, Unit{"m", 60 * kMicrosInSecond},
                              Unit{"", kMicrosInSecond}};
  constexpr std::uint64_t kMost = 3600 * kMicrosInSecond;
  std::uint64_t whole = 0;
  const auto* const end = text.data() + text.size();
  const auto [point, error] = std::from_chars(text.data(), end, whole);
  if (error != std::errc{} || whole > kMost) return std::nullopt;
  text.remove_prefix(static_cast<std::size_t>(point - text.data()));
  std::uint64_t thousandths = 0;
  if (text.starts_with('.')) {
    text.remove_prefix(1);
    std::uint64_t worth = 100;
    for (; !text.empty() && text.front() >= '0' && text.front() <= '9'; text.remove_prefix(1), worth /= 10) {
      if (worth == 0) return std::nullopt;
      thousandths += static_cast<std::uint64_t>(text.front() - '0') * worth;
    }
    if (worth == 100) return std::nullopt;
  }
  for (const auto& unit : kUnits) {
    if (text != unit.name) continue;
    const auto micros = whole * unit.factor + thousandths * unit.factor / 1000;
    if (micros > kMost || micros % kMicrosInMilli != 0) return std::nullopt;
    return Micros{static_cast<std::int64_t>(micros)};
  }
  return std::nullopt;
}

std::string format_duration(std::chrono::seconds duration) {
  const auto count = static_cast<std::uint64_t>(duration.count());
  for (const auto& unit : kDurations) {
    if (count != 0 && count % unit.factor == 0) return fmt::format("{}{}", count / unit.factor, unit.name);
  }
  return "0s";
}

std::optional<std::uint64_t> parse_size(std::string_view text) {
  return parse(text, kSizes);
}

std::string format_size(std::uint64_t bytes) {
  for (const auto& unit : kSizes) {
    if (bytes < unit.factor || unit.name.empty()) continue;
    const auto tenths = bytes / unit.factor * 10 + bytes % unit.factor * 10 / unit.factor;
    if (tenths % 10 == 0) return fmt::format("{} {}", tenths / 10, unit.name);
    return fmt::format("{}.{} {}", tenths / 10, tenths % 10, unit.name);
  }
  return "0 B";
}

std::string format_time(WallTime time) {
  const auto day = std::chrono::floor<std::chrono::days>(time);
  const std::chrono::year_month_day date{day};
  const std::chrono::hh_mm_ss clock{time - day};
  return fmt::format("{:04}-{:02}-{:02} {:02}:{:02}:{:02}.{:06}", static_cast<int>(date.year()),
                     static_cast<unsigned>(date.month()), static_cast<unsigned>(date.day()), clock.hours().count(),
                     clock.minutes().count(), clock.seconds().count(), clock.subseconds().count());
}

}  // namespace monitor::common
