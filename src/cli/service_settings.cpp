#include "cli/service_settings.h"

#include <string_view>
#include <utility>

#include <CLI/App.hpp>
#include <fmt/format.h>

#include "cli/paths.h"
#include "cli/warnings.h"
#include "common/error.h"
#include "config/edit_settings.h"

namespace monitor::cli {
namespace {

struct Setting {
  std::string_view path, value;
};

/// Views of `typed`. What has no `=` is not repeated: it may be a secret.
Setting split(std::string_view typed) {
  const auto equals = typed.find('=');
  if (equals == 0 || equals == std::string_view::npos) {
    throw common::UsageError("--set takes PATH=VALUE, such as expect.status=2xx; an empty VALUE removes the key");
  }
  return {typed.substr(0, equals), typed.substr(equals + 1)};
}

/// A mapping that names a file for its secret holds none.
bool holds_secret(const Setting& setting) {
  const auto [path, value] = setting;
  if (value.empty() || value.find("${") != std::string_view::npos) return false;
  if (path == "url" || path == "proxy" || path == "auth.oauth2.token_url") {
    return probe::without_userinfo(value) != value;
  }
  if (!config::is_secret(path)) return false;
  return !value.starts_with('{') || value.find("_file") == std::string_view::npos;
}

}  // namespace

void add_service_settings(CLI::App& command, ServiceSettings& settings) {
  // Not a vector option: CLI11 2.1 would read a text in brackets as a list.
  const CLI::callback_t collect = [&settings](const CLI::results_t& results) {
    settings.set = results;
    return true;
  };
  command
      .add_option("--set", collect,
                  "Give any key of a service a value, as in --set expect.status=2xx. A VALUE in "
                  "[] or {} is a list or a mapping; an empty one removes the key. Repeatable.")
      ->type_name("PATH=VALUE")
      ->take_all();
  const CLI::callback_t store = [&settings](const CLI::results_t& results) {
    settings.from = results.front();
    return true;
  };
  command.add_option("--from", store, "Take the service from FILE, which holds its keys in YAML.")->type_name("FILE");
}

probe::Service base_service(const ServiceSettings& settings, probe::Service otherwise) {
  if (!settings.from) return otherwise;
  return config::read_service_file(named_file("--from", *settings.from));
}

void assign(const ServiceSettings& settings, probe::Service& service) {
  for (const auto& typed : settings.set) {
    const auto [path, value] = split(typed);
    config::set(service, path, value);
  }
}

void warn_of_secrets(Console& console, const ServiceSettings& settings) {
  std::vector<std::string> warnings;
  for (const auto& typed : settings.set) {
    const auto setting = split(typed);
    if (!holds_secret(setting)) continue;
    warnings.push_back(fmt::format(
        "--set {0}: this secret is in the list of processes while the command runs, and in your shell's history "
        "afterwards; keep it in a file (`password_file`, `token_file`, `client_secret_file`, `headers: {{NAME: {{file: "
        "…}}}}`) or in a variable: '${{NAME}}'",
        setting.path));
  }
  print_warnings(console, warnings);
}

}  // namespace monitor::cli
