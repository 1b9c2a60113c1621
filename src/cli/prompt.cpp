#include "cli/prompt.h"

#include <algorithm>
#include <cctype>

#include <fmt/format.h>

namespace monitor::cli {
namespace {

std::string_view trimmed(std::string_view text) {
  constexpr std::string_view kSpace = " \t\r\n";
  const auto first = text.find_first_not_of(kSpace);
  if (first == std::string_view::npos) return {};
  return text.substr(first, text.find_last_not_of(kSpace) - first + 1);
}

}  // namespace

bool is_yes(std::string_view answer) {
  std::string lower(trimmed(answer));
  std::ranges::transform(lower, lower.begin(), [](unsigned char c) { return static_cast<char>(std::tolower(c)); });
  return lower == "y" || lower == "yes";
}

void confirm(Console& console, const std::string& question, bool yes) {
  if (yes) return;
  console.out << question << " [y/N]: " << std::flush;
  std::string answer;
  const bool answered = static_cast<bool>(std::getline(console.in, answer));
  if (!answered) console.out << '\n';
  if (!answered || !is_yes(answer)) throw Aborted();
}

std::string read_value(Console& console, std::string_view what) {
  std::string line;
  std::getline(console.in, line);
  const std::string_view value = trimmed(line);
  if (value.empty()) {
    throw common::UsageError(
        fmt::format("{} was to be read from the standard input, but its first line is empty: "
                    "write it there, as in `printf '%s\\n' \"$URI\" | monitor …`",
                    what));
  }
  return std::string(value);
}

}  // namespace monitor::cli
