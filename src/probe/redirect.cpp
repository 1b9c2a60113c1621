#include "probe/redirect.h"

#include <algorithm>

#include <fmt/format.h>

#include "common/text.h"
#include "net/reference.h"

namespace monitor::probe {
namespace {

using common::Outcome;

constexpr std::size_t kShownUrl = 300;

std::string short_text(const net::Url& url) {
  return common::storable(net::shown(url), kShownUrl);
}

Judgement refuse(const Answered& answered, std::string_view why) {
  return {Outcome::kRedirectRefused, fmt::format("the redirect (status {}) of {} was not followed: {}", answered.status,
                                                 answered.url.endpoint(), why)};
}

std::string_view next_method(const Answered& answered) {
  const bool becomes_get = answered.status == 303   ? answered.method != "HEAD"
                           : answered.status <= 302 ? answered.method == "POST"
                                                    : false;
  return becomes_get ? "GET" : answered.method;
}

}  // namespace

bool is_redirect(std::uint16_t status) {
  return (status >= 301 && status <= 303) || status == 307 || status == 308;
}

std::variant<Redirect, Judgement> decide_redirect(const Answered& answered) {
  if (!answered.location) return refuse(answered, "it has no Location");
  auto resolved = net::resolve_reference(answered.url, *answered.location);
  if (const auto* refusal = std::get_if<net::UrlRefusal>(&resolved)) return refuse(answered, refusal->sentence);
  Redirect next{std::get<net::Url>(std::move(resolved)), next_method(answered)};
  next.url.authorization.clear();
  next.original = net::same_origin(next.url, answered.first);
  if (answered.url.tls && !next.url.tls) {
    return refuse(answered, fmt::format("it leads from https to {}, which is not encrypted", short_text(next.url)));
  }
  next.keeps_body = answered.has_body && answered.status != 303 && next.method == answered.method;
  if (next.keeps_body && !next.original) {
    return refuse(answered, fmt::format("it asks for the body to be sent to another origin, {}", short_text(next.url)));
  }
  return next;
}

std::optional<Judgement> Trail::enter(const net::Url& url, std::string_view method) {
  auto request = fmt::format("{} {}://{}{}", method, url.tls ? "https" : "http", url.authority, url.target);
  if (std::ranges::find(made_, request) != made_.end()) {
    return Judgement{Outcome::kRedirectLimit,
                     fmt::format("the redirects lead in a circle, back to {}", short_text(url))};
  }
  if (made_.size() > static_cast<std::size_t>(max_)) {
    return Judgement{Outcome::kRedirectLimit,
                     fmt::format("more than {} redirects came, the last one to {}", max_, short_text(url))};
  }
  made_.push_back(std::move(request));
  return std::nullopt;
}

}  // namespace monitor::probe
