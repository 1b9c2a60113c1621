#include "probe/check.h"

#include <algorithm>
#include <variant>

#include <fmt/format.h>

#include "common/error.h"
#include "probe/request.h"
#include "probe/typed.h"

namespace monitor::probe {
namespace {

// Head and body then leave in one packet; a larger body is not worth a copy for each service.
constexpr std::size_t kSmallBody = 1024;

net::Url take_url(const Service& service) {
  const auto& text = service.target.empty() ? service.url : service.target;
  if (const auto why = refuse_url(text)) throw common::UsageError(*why);
  return std::get<net::Url>(net::parse_url(text));
}

std::string_view take_method(const Service& service) {
  if (const auto why = refuse_method(service.method)) throw common::UsageError(*why);
  return method_on_the_wire(service.method);
}

void replace_all(std::string& text, const std::string& what, const std::string& with) {
  for (auto at = text.find(what); at != std::string::npos; at = text.find(what, at + with.size())) {
    text.replace(at, what.size(), with);
  }
}

}  // namespace

Check::Check(const Service& service, Plans& plans, SharedExpectations expectations)
    : url_(take_url(service)),
      method_(take_method(service)),
      plan_(plans.get(service, url_.tls)),
      expectations_(std::move(expectations)),
      typed_(typed_authority(service)),
      timeout_(service.timeout),
      body_limit_(service.body_limit) {
  if (url_.literal) literal_ = std::make_shared<const net::Addresses>(net::Addresses{*url_.literal});
  // What the service says of who it is goes before what its URL says.
  if (!plan_->tokens) authorization_ = plan_->authorization.empty() ? url_.authorization : plan_->authorization;
  if (spec().reuse)
    pool_key_ = fmt::format("{}{}{}", url_.tls ? "https://" : "http://", url_.endpoint(), plan_->pool_suffix);
  if (spec().reuse || spec().redirects.follow) typed_url_ = without_userinfo(service.url);
  write_head();
  gather_secrets(service);
}

void Check::write_head() {
  const auto& body = spec().body.reveal();
  head_ = write_request_head(
      {method_, url_, spec().headers, authorization_, body.size(), !spec().reuse, spec().compression});
  // Where the head is written anew for each check the body stays apart.
  body_in_head_ = body.size() <= kSmallBody && !plan_->tokens;
  if (body_in_head_) head_ += body;
}

void Check::gather_secrets(const Service& service) {
  auto own = typed_secrets(service);
  if (!url_.authorization.empty()) own.push_back(url_.authorization.substr(url_.authorization.find(' ') + 1));
  secrets_ = plan_->secrets;
  if (own.empty()) return;
  if (secrets_) own.insert(own.end(), secrets_->begin(), secrets_->end());
  secrets_ = std::make_shared<const Secrets>(std::move(own));
}

void Check::conceal(std::string& sentence) const {
  if (!typed_.empty()) {
    replace_all(sentence, url_.endpoint(), typed_);
    replace_all(sentence, url_.host, typed_);
  }
  for (const auto& value : spec().values) {
    if (value.reveal().size() >= kShortestSecret) replace_all(sentence, value.reveal(), "***");
  }
}

}  // namespace monitor::probe
