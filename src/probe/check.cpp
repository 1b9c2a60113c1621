#include "probe/check.h"

#include <algorithm>
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

std::string typed_authority(const Service& service) {
  if (service.target.empty() || service.target == service.url) return {};
  std::string typed = without_userinfo(service.url);
  if (const auto scheme = typed.find("://"); scheme != std::string::npos) typed.erase(0, scheme + 3);
  typed.erase(std::min(typed.size(), typed.find_first_of("/?#")));
  return typed.find("${") == std::string::npos ? std::string{} : typed;
}

void replace_all(std::string& text, const std::string& what, const std::string& with) {
  for (auto at = text.find(what); at != std::string::npos; at = text.find(what, at + with.size())) {
    text.replace(at, what.size(), with);
  }
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
      typed_(typed_authority(service)),
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

void Check::conceal(std::string& sentence) const {
  if (typed_.empty()) return;
  replace_all(sentence, url_.endpoint(), typed_);
  replace_all(sentence, url_.host, typed_);
}

}  // namespace monitor::probe
