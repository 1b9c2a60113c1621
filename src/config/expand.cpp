#include "config/expand.h"

#include <algorithm>
#include <array>
#include <cctype>
#include <cstdlib>
#include <pwd.h>
#include <unistd.h>

#include <fmt/format.h>

#include "config/faults.h"

namespace monitor::config {
namespace {

bool is_name(std::string_view name) {
  const auto allowed = [](char c) { return std::isalnum(static_cast<unsigned char>(c)) != 0 || c == '_'; };
  return !name.empty() && std::isdigit(static_cast<unsigned char>(name.front())) == 0 &&
         std::all_of(name.begin(), name.end(), allowed);
}

std::optional<std::string> home_folder() {
  if (auto home = environment_variable("HOME"); home && !home->empty()) return home;
  std::array<char, 4096> buffer{};
  passwd entry{};
  passwd* found = nullptr;
  if (::getpwuid_r(::geteuid(), &entry, buffer.data(), buffer.size(), &found) != 0 || found == nullptr) {
    return std::nullopt;
  }
  return std::string(entry.pw_dir);
}

}  // namespace

std::optional<std::string> environment_variable(const std::string& name) {
  const char* value = std::getenv(name.c_str());  // NOLINT(concurrency-mt-unsafe): nothing here ever sets one
  if (value == nullptr) return std::nullopt;
  return std::string(value);
}

std::optional<std::string> hidden_variable(const std::string&) {
  return "***";
}

std::string Expansion::without_values(std::string sentence) const {
  for (const auto& [name, value] : used) {
    if (value.empty()) continue;
    const std::string shown = "${" + name + "}";
    for (auto at = sentence.find(value); at != std::string::npos; at = sentence.find(value, at + shown.size())) {
      sentence.replace(at, value.size(), shown);
    }
  }
  return sentence;
}

Expansion expand(std::string_view typed, Lookup lookup) {
  Expansion out;
  std::size_t at = 0;
  while (at < typed.size()) {
    const auto dollar = std::min(typed.find('$', at), typed.size());
    out.text += typed.substr(at, dollar - at);
    at = dollar;
    const auto rest = typed.substr(at);
    if (rest.starts_with("$${")) {
      out.text += "${";
      at += 3;
    } else if (rest.starts_with("${")) {
      const auto close = std::min(rest.find('}'), rest.size());
      const std::string name(rest.substr(2, close - 2));
      if (close == rest.size() || !is_name(name)) {
        out.fault = "`${` must begin the name of an environment variable, as in ${TOKEN}; write $${ for a literal ${";
        return out;
      }
      const auto value = lookup(name);
      if (!value) {
        out.fault =
            fmt::format("the environment variable {} is not set; set it, or write $${{ for a literal ${{", name);
        return out;
      }
      out.used.emplace_back(name, *value);
      out.text += *value;
      at += close + 1;
    } else if (!rest.empty()) {
      out.text += '$';
      ++at;
    }
  }
  return out;
}

std::optional<std::string> expand_home(const std::string& path) {
  if (!path.starts_with('~')) return path;
  if (path.size() > 1 && path[1] != '/') return std::nullopt;
  const auto home = home_folder();
  if (!home) return std::nullopt;
  return *home + path.substr(1);
}

}  // namespace monitor::config
