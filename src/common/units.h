// Times and sizes with their units, read from text and shown as text. Pure.
#pragma once

#include <chrono>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace monitor::common {

using Micros = std::chrono::microseconds;
/// A moment in UTC, to the microsecond.
using WallTime = std::chrono::sys_time<Micros>;
/// A moment on the clock that never jumps; only differences mean something.
using SteadyTime = std::chrono::steady_clock::time_point;

/// `90`, `90s`, `15m`, `24h`, `7d`, `365d`: a plain number is in seconds. Nothing for any other text or on overflow.
std::optional<std::chrono::seconds> parse_duration(std::string_view text);
/// `500ms`, `1.5s`, `2s`, `1m`: to the millisecond; a number without a unit is in seconds. Nothing for any other text,
/// and above an hour.
std::optional<Micros> parse_short_duration(std::string_view text);
/// The shortest of those forms that says the same: `1h`, `90s`, `0s`.
std::string format_duration(std::chrono::seconds duration);

/// `512`, `64 KiB`, `10MiB`, `10 GiB`, `1TiB`: a plain number is in bytes. Nothing for any other text or on overflow.
std::optional<std::uint64_t> parse_size(std::string_view text);
/// `1.5 GiB`, `64 KiB`, `12 B`: at most one digit after the point.
std::string format_size(std::uint64_t bytes);

/// `2024-04-22 12:35:30.970123`, UTC.
std::string format_time(WallTime time);

inline WallTime from_unix_micros(std::int64_t micros) {
  return WallTime{Micros{micros}};
}
inline std::int64_t unix_micros(WallTime time) {
  return time.time_since_epoch().count();
}

}  // namespace monitor::common
