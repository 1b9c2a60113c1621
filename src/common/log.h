// The log: lines to stderr through a bounded queue, written by a thread of its own so that a blocked pipe never blocks
// a caller. Safe from any thread. A line: `LEVEL | 2024-04-22 12:35:30,970 | module | line | message`.
#pragma once

#include <chrono>
#include <cstdint>
#include <source_location>
#include <string>
#include <string_view>
#include <type_traits>

#include <fmt/format.h>

namespace monitor::common::log {

enum class Level { kDebug, kInfo, kWarning, kError };

/// `-v` repeated to a level: 0–2 errors, 3 warnings, 4 info, 5 and more debug.
Level level_of(int verbosity);

/// Starts the writer. Before it, and after stop(), lines are written straight to stderr by the caller.
void start(Level level);
/// Flushes for at most `limit`, then gives up the rest. A blocked stderr never holds it up longer.
void stop(std::chrono::milliseconds limit = std::chrono::seconds{1});
/// Lines thrown away because the queue was full, since start().
std::uint64_t dropped();

bool enabled(Level level);
/// The module shown is the stem of `where`'s file. Control characters in `message` are escaped.
void write(Level level, const std::source_location& where, std::string_view message);

template <typename... Args>
struct Format {
  template <typename Text>
  consteval Format(const Text& text, const std::source_location& location = std::source_location::current())
      : format(text), where(location) {}
  fmt::format_string<Args...> format;
  std::source_location where;
};

template <typename... Args>
void debug(Format<std::type_identity_t<Args>...> text, Args&&... args) {
  if (enabled(Level::kDebug)) write(Level::kDebug, text.where, fmt::format(text.format, std::forward<Args>(args)...));
}
template <typename... Args>
void info(Format<std::type_identity_t<Args>...> text, Args&&... args) {
  if (enabled(Level::kInfo)) write(Level::kInfo, text.where, fmt::format(text.format, std::forward<Args>(args)...));
}
template <typename... Args>
void warning(Format<std::type_identity_t<Args>...> text, Args&&... args) {
  if (enabled(Level::kWarning))
    write(Level::kWarning, text.where, fmt::format(text.format, std::forward<Args>(args)...));
}
template <typename... Args>
void error(Format<std::type_identity_t<Args>...> text, Args&&... args) {
  if (enabled(Level::kError)) write(Level::kError, text.where, fmt::format(text.format, std::forward<Args>(args)...));
}

}  // namespace monitor::common::log
