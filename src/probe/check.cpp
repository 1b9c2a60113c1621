#include "probe/check.h"

#include <variant>

#include <fmt/format.h>

#include "common/error.h"

namespace monitor::probe {
namespace {

net::Url take_url(const Service& service) {
  const auto& text = service.target.empty() ? service.url : service.target;
  if (const auto why = refuse_url(text)) throw common::UsageError(fmt::format("{}: {}", service.label(), *why));
  return std::get<net::Url>(net::parse_url(text));
}

std::string write_request(const net::Url& url, const std::string& method) {
  const bool announces_length = method == "POST" || method == "PUT" || method == "PATCH";  // RFC 9110 §8.6
  return fmt::format(
      "{} {} HTTP/1.1\r\n"
      "Host: {}\r\n"
      "User-Agent: monitoring-client\r\n"
      "Accept: */*\r\n"
      "{}{}{}{}"
      "Connection: close\r\n\r\n",
      method, url.target, url.authority, url.authorization.empty() ? "" : "Authorization: ", url.authorization,
      url.authorization.empty() ? "" : "\r\n", announces_length ? "Content-Length: 0\r\n" : "");
}

}  // namespace

Check::Check(const Service& service, RegexPool& regexes)
    : url_(take_url(service)),
      head_(service.method == "HEAD"),
      timeout_(service.timeout),
      body_limit_(service.body_limit) {
  if (const auto why = refuse_method(service.method)) {
    throw common::UsageError(fmt::format("{}: {}", service.label(), *why));
  }
  request_ = write_request(url_, service.method == "OPTION" ? "OPTIONS" : service.method);
  if (url_.literal) literal_ = std::make_shared<const net::Addresses>(net::Addresses{*url_.literal});
  if (service.check_regex) regex_ = regexes.get(service.regex.value_or(""));
}

}  // namespace monitor::probe
