#include "probe/retry_after.h"

#include <algorithm>
#include <array>
#include <charconv>

namespace monitor::probe {
namespace {

using std::chrono::seconds;

bool is_number(std::string_view text) {
  return !text.empty() && std::ranges::all_of(text, [](char c) { return c >= '0' && c <= '9'; });
}

/// Nothing also for what is longer than `most_digits`.
std::optional<int> number(std::string_view text, std::size_t most_digits) {
  if (!is_number(text) || text.size() > most_digits) return std::nullopt;
  int value = 0;
  std::from_chars(text.data(), text.data() + text.size(), value);
  return value;
}

std::optional<std::chrono::month> month_of(std::string_view name) {
  constexpr std::array<std::string_view, 12> kNames{"Jan", "Feb", "Mar", "Apr", "May", "Jun",
                                                    "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"};
  const auto* const found = std::ranges::find(kNames, name);
  if (found == kNames.end()) return std::nullopt;
  return std::chrono::month{static_cast<unsigned>(found - kNames.begin()) + 1};
}

/// The words of a date, without the blanks, commas, dashes and colons between them.
struct Words {
  static constexpr std::size_t kMost = 8;
  std::array<std::string_view, kMost> at{};
  std::size_t count = 0;
};

std::optional<Words> words_of(std::string_view text) {
  Words words;
  for (;;) {
    text.remove_prefix(std::min(text.find_first_not_of(" ,-:"), text.size()));
    if (text.empty()) return words;
    if (words.count == Words::kMost) return std::nullopt;
    const auto end = std::min(text.find_first_of(" ,-:"), text.size());
    words.at[words.count++] = text.substr(0, end);
    text.remove_prefix(end);
  }
}

/// RFC 9110 §5.6.7: two digits are the latest such year that is not more than 50 years ahead.
std::optional<int> year_of(std::string_view text, common::WallTime now) {
  constexpr int kCentury = 100, kFarAhead = 50;
  const auto year = number(text, 4);
  if (!year || text.size() == 4) return year;
  if (text.size() != 2) return std::nullopt;
  const int this_year =
      static_cast<int>(std::chrono::year_month_day{std::chrono::floor<std::chrono::days>(now)}.year());
  const int latest = this_year + kFarAhead;
  const int guess = latest / kCentury * kCentury + *year;
  return guess > latest ? guess - kCentury : guess;
}

/// `Sun, 06 Nov 1994 08:49:37 GMT`, `Sunday, 06-Nov-94 08:49:37 GMT`, `Sun Nov  6 08:49:37 1994`.
std::optional<common::WallTime> parse_date(std::string_view text, common::WallTime now) {
  const auto words = words_of(text);
  if (!words) return std::nullopt;
  const auto& at = words->at;
  const bool with_zone = words->count == 8 && at[7] == "GMT";
  if (!with_zone && words->count != 7) return std::nullopt;
  const auto month = month_of(with_zone ? at[2] : at[1]);
  const auto day = number(with_zone ? at[1] : at[2], 2);
  const auto year = year_of(with_zone ? at[3] : at[6], now);
  const std::size_t time = with_zone ? 4 : 3;
  const auto hour = number(at[time], 2), minute = number(at[time + 1], 2), second = number(at[time + 2], 2);
  if (!month || !day || !year || !hour || !minute || !second) return std::nullopt;
  const std::chrono::year_month_day date{std::chrono::year{*year}, *month,
                                         std::chrono::day{static_cast<unsigned>(*day)}};
  constexpr int kLastHour = 23, kLastMinute = 59, kLeapSecond = 60;
  if (!date.ok() || *hour > kLastHour || *minute > kLastMinute || *second > kLeapSecond) return std::nullopt;
  return std::chrono::sys_days{date} + std::chrono::hours{*hour} + std::chrono::minutes{*minute} + seconds{*second};
}

}  // namespace

std::optional<seconds> parse_retry_after(std::string_view value, common::WallTime now) {
  if (is_number(value)) {
    value.remove_prefix(std::min(value.find_first_not_of('0'), value.size() - 1));
    constexpr std::size_t kMostDigits = 6;
    const auto asked = number(value, kMostDigits);
    return asked ? std::min(seconds{*asked}, kMaxRetryAfter) : kMaxRetryAfter;
  }
  const auto date = parse_date(value, now);
  if (!date) return std::nullopt;
  return std::clamp(std::chrono::ceil<seconds>(*date - now), seconds{0}, kMaxRetryAfter);
}

}  // namespace monitor::probe
