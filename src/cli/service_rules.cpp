#include "cli/service_rules.h"

#include <charconv>
#include <cstdint>
#include <optional>

#include <fmt/format.h>

#include "common/error.h"
#include "config/faults.h"
#include "probe/options.h"

namespace monitor::cli {
namespace {

void refuse(const std::optional<std::string>& why) {
  if (why) throw common::UsageError(*why);
}

void require_between(std::string_view option, std::chrono::seconds value, std::chrono::seconds min,
                     std::chrono::seconds max, std::string_view hint) {
  if (value >= min && value <= max) return;
  throw common::UsageError(fmt::format("{} must be between {} and {} seconds, not {}{}", option, min.count(),
                                       max.count(), value.count(), hint));
}

}  // namespace

std::chrono::seconds parse_seconds(std::string_view option, const std::string& text) {
  std::int64_t value = 0;
  const char* const end = text.data() + text.size();
  const auto [stopped, error] = std::from_chars(text.data(), end, value);
  if (error != std::errc{} || stopped != end) {
    throw common::UsageError(
        fmt::format("{} must be a whole number of seconds, not {}", option, config::in_quotes(text)));
  }
  return std::chrono::seconds{value};
}

void require_valid(const probe::Service& service, const config::Document& document, std::size_t index) {
  // What an environment variable will make of the text is known when the configuration is loaded.
  const bool expands = document.format == config::Format::kYaml && service.url.find("${") != std::string::npos;
  if (!expands) refuse(probe::refuse_url(service.url));
  refuse(probe::refuse_method(service.method));
  if (!service.name.empty()) refuse(probe::refuse_name(service.name));
  if (service.regex) refuse(probe::refuse_regex(*service.regex));
  if (service.check_regex && !service.regex) {
    throw common::UsageError("a regex check needs a regex: give it with --regex TEXT");
  }
  const auto limits = document.interval_limits.value_or(config::IntervalLimits{});
  require_between(
      "--interval", service.interval, limits.min, limits.max,
      document.interval_limits ? " (the file's interval_limits)" : " (interval_limits in the file widens it)");
  require_between("--timeout", service.timeout, kMinTimeout, kMaxTimeout, "");
  for (std::size_t i = 0; i < document.services.size(); ++i) {
    if (i == index || document.services[i].key() != service.key()) continue;
    throw common::UsageError(
        service.name.empty()
            ? fmt::format("the service \"{}\" is in the configuration already, with the same regex and check: "
                          "change the one that is there, or give one of them a --name",
                          service.label())
            : fmt::format("a service with the name {} is in the configuration already: choose another --name",
                          config::in_quotes(service.name)));
  }
}

}  // namespace monitor::cli
