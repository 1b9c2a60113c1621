#include <algorithm>
#include <string_view>

#include <boost/json/array.hpp>
#include <boost/json/object.hpp>
#include <boost/json/parse.hpp>
#include <boost/json/serialize.hpp>
#include <fmt/format.h>

#include "cli/check_page.h"
#include "common/outcome.h"
#include "common/text.h"

namespace monitor::cli {
namespace {

namespace json = boost::json;

json::value text_or_null(std::string_view text) {
  if (text.empty()) return nullptr;
  return json::string(common::escape_controls(text));
}

json::value micros_or_null(const std::optional<common::Micros>& duration) {
  if (!duration) return nullptr;
  return duration->count();
}

/// RFC 3339 §5.6, in UTC.
json::string timestamp(common::WallTime time) {
  auto text = common::format_time(time);
  std::ranges::replace(text, ' ', 'T');
  return json::string(text + "Z");
}

json::value family_of(std::string_view address) {
  if (address.empty()) return nullptr;
  return address.find(':') == std::string_view::npos ? 4 : 6;
}

json::value http_version(const app::OneCheck& check) {
  if (!check.status) return nullptr;
  return json::string(check.http_1_0 ? "1.0" : "1.1");
}

json::value tls_of(const net::SharedTlsFacts& facts) {
  if (facts == nullptr) return nullptr;
  return json::object{{"version", text_or_null(facts->version)}, {"cipher", text_or_null(facts->cipher)}};
}

json::value certificate_of(const net::SharedTlsFacts& facts) {
  if (facts == nullptr || !facts->has_certificate) return nullptr;
  const auto& certificate = facts->certificate;
  std::string digest;
  for (const auto byte : certificate.sha256) digest += fmt::format("{:02x}", byte);
  return json::object{{"subject", text_or_null(certificate.subject)},
                      {"issuer", text_or_null(certificate.issuer)},
                      {"not_before", timestamp(certificate.not_before)},
                      {"not_after", timestamp(certificate.not_after)},
                      {"sha256", json::string(digest)}};
}

void add_timings(json::object& out, const app::OneCheck& check) {
  out["dns_us"] = micros_or_null(check.phases.dns);
  out["connect_us"] = micros_or_null(check.phases.connect);
  out["tls_us"] = micros_or_null(check.phases.tls);
  out["first_byte_us"] = micros_or_null(check.phases.first_byte);
  out["transfer_us"] = micros_or_null(check.phases.transfer);
  out["total_us"] = check.total.count();
}

void add_connection(json::object& out, const app::OneCheck& check) {
  out["remote_address"] = text_or_null(check.remote_address);
  out["family"] = family_of(check.remote_address);
  out["passed_over"] = text_or_null(check.passed_over);
  out["connection"] = check.reused ? "reused" : "fresh";
  out["http_version"] = http_version(check);
  out["retried"] = check.retried;
  out["dns_cached"] = check.dns_cached;
}

}  // namespace

std::string check_json(const probe::Service& service, const app::OneCheck& check) {
  json::object out;
  out["service"] = text_or_null(service.label());
  out["url"] = text_or_null(probe::without_userinfo(service.url));
  out["method"] = text_or_null(service.method);
  out["request_timestamp"] = timestamp(check.started);
  out["verdict"] = json::string(common::name_of(common::verdict_of(check.outcome)));
  out["outcome"] = json::string(common::name_of(check.outcome));
  out["reason"] = text_or_null(check.reason);
  out["status_code"] = check.status ? json::value(*check.status) : json::value(nullptr);
  out["contains_regex"] = check.contains_regex;
  add_timings(out, check);
  out["body_bytes"] = check.body_bytes;
  out["capped"] = check.capped;
  add_connection(out, check);
  out["tls"] = tls_of(check.tls_facts);
  out["certificate"] = certificate_of(check.tls_facts);
  out["hops"] = json::parse(check.hops_json);
  return json::serialize(out) + "\n";
}

}  // namespace monitor::cli
