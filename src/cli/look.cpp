#include "cli/look.h"

#include <algorithm>
#include <cctype>
#include <string>

namespace monitor::cli {
namespace {

bool is_utf8(std::string locale) {
  std::erase(locale, '-');
  std::ranges::transform(locale, locale.begin(), [](unsigned char c) { return static_cast<char>(std::tolower(c)); });
  return locale.find(".utf8") != std::string::npos;
}

}  // namespace

Look look_of(bool is_terminal, config::Lookup environment) {
  const auto value = [&](const char* name) { return environment(name).value_or(""); };
  Look look;
  look.colour = is_terminal && value("NO_COLOR").empty() && value("TERM") != "dumb";
  for (const auto* name : {"LC_ALL", "LC_CTYPE", "LANG"}) {
    const auto locale = value(name);
    if (locale.empty()) continue;
    look.unicode = is_utf8(locale);
    break;
  }
  return look;
}

}  // namespace monitor::cli
