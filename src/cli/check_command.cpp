#include <memory>
#include <utility>

#include <CLI/App.hpp>
#include <fmt/format.h>

#include "app/one_check.h"
#include "app/signals.h"
#include "cli/check_page.h"
#include "cli/cli.h"
#include "cli/command.h"
#include "cli/paths.h"
#include "cli/service_rules.h"
#include "cli/service_settings.h"
#include "cli/warnings.h"
#include "common/error.h"
#include "config/edit_settings.h"
#include "config/faults.h"

namespace monitor::cli {
namespace {

struct Arguments {
  std::optional<std::string> service, method, timeout, config_path;
  ServiceSettings settings;
  bool json = false;
};

/// A service as it is typed somewhere, and what it needs to be understood.
struct Typed {
  probe::Service service;
  config::Format format = config::Format::kYaml;
  std::filesystem::path file;  ///< relative names are looked for beside it
};

bool is_url(std::string_view text) {
  return text.find("://") != std::string_view::npos;
}

Typed of_configuration(const std::string& number_or_name, const Arguments& arguments) {
  if (arguments.settings.from) {
    throw common::UsageError(fmt::format(
        "{} and --from name two services: leave one of them out, or give a URL, which begins with http:// or https://",
        config::in_quotes(number_or_name)));
  }
  auto document = config::read(config_file(arguments.config_path));
  const auto index = config::find_service(document, number_or_name);
  return {std::move(document.services[index]), document.format, document.file};
}

Typed of_arguments(const Arguments& arguments) {
  Typed typed;
  typed.service.method = "GET";
  typed.service = base_service(arguments.settings, std::move(typed.service));
  if (arguments.service) typed.service.url = typed.service.target = *arguments.service;
  typed.file =
      arguments.settings.from ? named_file("--from", *arguments.settings.from) : std::filesystem::path("service");
  typed.file = std::filesystem::absolute(typed.file);
  return typed;
}

config::ReadyService ready_service(const Arguments& arguments) {
  const bool is_configured = arguments.service && !is_url(*arguments.service);
  auto typed = is_configured ? of_configuration(*arguments.service, arguments) : of_arguments(arguments);
  auto& service = typed.service;
  if (arguments.method) service.method = *arguments.method;
  if (arguments.timeout) service.timeout = parse_seconds("--timeout", *arguments.timeout);
  assign(arguments.settings, service);
  return config::load_one(service, typed.format, typed.file);
}

int status_of(common::Verdict verdict) {
  switch (verdict) {
    case common::Verdict::kUp:
      return kUp;
    case common::Verdict::kDegraded:
      return kDegraded;
    case common::Verdict::kDown:
      return kDown;
    case common::Verdict::kUnknown:
      break;
  }
  return kUnknown;
}

int check(Console& console, const Arguments& arguments) {
  warn_of_secrets(console, arguments.settings);
  const auto ready = ready_service(arguments);
  print_warnings(console, ready.warnings);
  return app::check_once(ready.service, net::Options{}, [&](const app::OneCheck& seen) {
    console.out << (arguments.json ? check_json(ready.service, seen) : check_page(ready.service, seen, console.look))
                << std::flush;
    return status_of(common::verdict_of(seen.outcome));
  });
}

/// CLI11 cannot say that an argument is required unless an option is given.
void require_service(CLI::App& command, const std::shared_ptr<Arguments>& arguments) {
  command.parse_complete_callback([arguments] {
    if (!arguments->service && !arguments->settings.from) throw CLI::RequiredError("URL|NAME|NUMBER");
  });
}

}  // namespace

void add_check_command(CLI::App& root, Choice& choice) {
  CLI::App& command = add_command(
      root, "check",
      "Check a service once, now, and explain what came of it.\n"
      "A URL is checked with the defaults; a name or a number is a service of the configuration. No database is "
      "touched, and the monitor may run meanwhile. Secrets and files are found as the configuration finds them; "
      "relative "
      "names start at its folder, at that of --from, or here.\n"
      "Exit status: 0 up, 1 down, 2 wrong usage or configuration, 3 degraded, 4 unknown (the check could not be "
      "carried out), 130 interrupted.\n"
      "With --json: one object with the keys service, url, method, request_timestamp (UTC), verdict, outcome, reason, "
      "status_code, contains_regex, dns_us, connect_us, tls_us, first_byte_us, transfer_us, total_us, body_bytes, "
      "capped, remote_address, family, passed_over, connection, http_version, retried, dns_cached, tls (version, "
      "cipher), "
      "certificate (subject, issuer, not_before, not_after, sha256) and hops, a list; null where there is nothing to "
      "tell. Keys are only ever added.",
      "monitor check https://example.org/\n"
      "monitor check https://example.org/ --set expect.status=2xx --set tls.verify=false\n"
      "monitor check https://example.org/ --set redirects.follow=true --set 'expect.body=[welcome]'\n"
      "monitor check web --timeout 5 --json\n"
      "monitor check --from service.yaml");
  const auto arguments = std::make_shared<Arguments>();
  add_text(command, "URL|NAME|NUMBER", arguments->service, "TEXT",
           "What to check; a URL starts with http:// or https://");
  add_text(command, "--method", arguments->method, "TEXT",
           "GET, HEAD, POST, PUT, PATCH, DELETE, OPTIONS or TRACE. Default: the service's own, or GET");
  add_text(command, "--timeout", arguments->timeout, "INTEGER",
           "Seconds until a check that has not ended has failed, 1 to 300. Default: the service's own, or 15");
  add_service_settings(command, arguments->settings);
  add_switch(command, "--json", arguments->json, "Print JSON instead of a page.");
  add_config_path(command, arguments->config_path);
  require_service(command, arguments);
  choose(command, choice, arguments, check, kUnknown);
}

}  // namespace monitor::cli
