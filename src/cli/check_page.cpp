#include "cli/check_page.h"

#include <string_view>

#include <fmt/format.h>

#include "cli/bars.h"
#include "common/outcome.h"
#include "common/text.h"

namespace monitor::cli {
namespace {

using common::escape_controls;

constexpr std::string_view kReset = "\x1b[0m";

std::string_view colour_of(common::Verdict verdict) {
  switch (verdict) {
    case common::Verdict::kUp:
      return "\x1b[32m";
    case common::Verdict::kDegraded:
      return "\x1b[33m";
    case common::Verdict::kDown:
      return "\x1b[31m";
    case common::Verdict::kUnknown:
      break;
  }
  return "\x1b[35m";
}

/// To the second, in UTC.
std::string shown_time(common::WallTime time) {
  const auto text = common::format_time(time);
  return text.substr(0, text.find('.')) + " UTC";
}

std::string shown_days(std::int64_t days) {
  return fmt::format("{} {}", days, days == 1 ? "day" : "days");
}

std::string line(std::string_view label, std::string_view value) {
  return fmt::format("{:<11}  {}\n", label, value);
}

std::string service_line(const probe::Service& service) {
  const auto request = fmt::format("{} {}", service.method, probe::without_userinfo(service.url));
  return escape_controls(service.name.empty() ? request : fmt::format("{}: {}", service.name, request)) + "\n";
}

std::string address_of(const probe::Hop& hop) {
  if (hop.remote_address.empty()) return "no connection";
  const bool is_v6 = hop.remote_address.find(':') != std::string::npos;
  return fmt::format("{} ({}), {} connection", hop.remote_address, is_v6 ? "IPv6" : "IPv4",
                     hop.reused ? "reused" : "fresh");
}

/// `version`: known of the last hop alone, and only if it was answered.
std::string hop_line(const probe::Hop& hop, std::string_view version, bool unicode) {
  const auto status = hop.status ? fmt::format("{}", *hop.status) : "no response";
  const auto text = fmt::format("{} {} {} {}, {}{}{}", hop.method, hop.url, unicode ? "→" : "->", status,
                                address_of(hop), version.empty() ? "" : ", ", version);
  return "  " + escape_controls(text) + "\n";
}

std::string hop_lines(const app::OneCheck& check, bool unicode) {
  const std::string_view version = check.http_1_0 ? "HTTP/1.0" : "HTTP/1.1";
  std::string out;
  for (const auto& hop : check.hops) {
    const bool is_last = &hop == &check.hops.back();
    out += hop_line(hop, is_last && check.status ? version : "", unicode);
  }
  return out;
}

std::string phase_chart(const app::OneCheck& check, bool unicode) {
  const auto& phases = check.phases;
  return bar_chart({{"dns", phases.dns},
                    {"connect", phases.connect},
                    {"tls", phases.tls},
                    {"first byte", phases.first_byte},
                    {"transfer", phases.transfer},
                    {"total", check.total}},
                   unicode);
}

std::string validity(const net::Certificate& certificate, common::WallTime now) {
  const auto left = std::chrono::floor<std::chrono::days>(certificate.not_after - now).count();
  auto text = shown_time(certificate.not_after);
  if (certificate.not_after < now) {
    text += fmt::format(", expired {} ago", shown_days(-left - 1));
  } else {
    text += fmt::format(", {} left", shown_days(left));
  }
  if (certificate.not_before > now) text += fmt::format(", not valid before {}", shown_time(certificate.not_before));
  return text;
}

std::string tls_lines(const app::OneCheck& check) {
  if (check.tls_facts == nullptr) return {};
  const auto& facts = *check.tls_facts;
  std::string out;
  if (!facts.version.empty()) {
    out += line("protocol", escape_controls(fmt::format("{}, {}", facts.version, facts.cipher)));
  }
  if (!facts.has_certificate) return out;
  out += line("certificate", escape_controls(facts.certificate.subject));
  out += line("issuer", escape_controls(facts.certificate.issuer));
  return out + line("valid until", validity(facts.certificate, check.started));
}

std::string address_line(const app::OneCheck& check) {
  return check.passed_over.empty() ? std::string{} : line("address", escape_controls(check.passed_over));
}

std::string body_line(const probe::Service& service, const app::OneCheck& check) {
  if (!check.status) return {};
  auto text = common::format_size(static_cast<std::uint64_t>(check.body_bytes));
  if (check.capped) text += fmt::format(", cut at body_limit ({})", common::format_size(service.body_limit));
  return line("body", text);
}

std::string verdict_lines(const app::OneCheck& check, bool coloured) {
  const auto verdict = common::verdict_of(check.outcome);
  auto text = std::string(common::name_of(verdict));
  if (const auto outcome = common::name_of(check.outcome); outcome != text) text += fmt::format(" ({})", outcome);
  if (coloured) text = fmt::format("{}{}{}", colour_of(verdict), text, kReset);
  auto out = line("verdict", text);
  if (!check.reason.empty()) out += line("reason", escape_controls(check.reason));
  return out;
}

}  // namespace

std::string check_page(const probe::Service& service, const app::OneCheck& check, const Look& look) {
  return service_line(service) + hop_lines(check, look.unicode) + "\n" + phase_chart(check, look.unicode) + "\n" +
         address_line(check) + tls_lines(check) + body_line(service, check) + verdict_lines(check, look.colour);
}

}  // namespace monitor::cli
