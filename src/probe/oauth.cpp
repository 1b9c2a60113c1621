#include "probe/oauth.h"

#include <fmt/format.h>

#include "common/error.h"
#include "probe/request.h"

namespace monitor::probe {
namespace {

namespace asio = boost::asio;
using common::Outcome;
using net::Failure;

net::Url take_url(const std::string& text) {
  auto parsed = net::parse_url(text);
  if (const auto* refusal = std::get_if<net::UrlRefusal>(&parsed)) {
    throw common::UsageError(fmt::format("the token endpoint: {}", refusal->sentence));
  }
  return std::get<net::Url>(std::move(parsed));
}

std::string write_request(const net::Url& url, const Auth& auth) {
  const std::vector<HeaderField> fields{
      {"Accept", common::Secret("application/json")},
      {"Content-Type", common::Secret("application/x-www-form-urlencoded")},
  };
  const auto body = token_request_body(auth);
  const auto who = basic_authorization(form_encoded(auth.user), form_encoded(auth.secret.reveal()));
  return write_request_head({"POST", url, fields, who, body.size()}) + body;
}

}  // namespace

/// While it lives somebody fetches; then all who wait look again.
struct TokenSource::Fetching {
  explicit Fetching(TokenSource& source) : of(source) { of.fetching_ = true; }
  ~Fetching() {
    of.fetching_ = false;
    for (auto* waiting : of.waiting_) waiting->notify();
  }
  Fetching(const Fetching&) = delete;
  Fetching& operator=(const Fetching&) = delete;
  TokenSource& of;
};

TokenSource::TokenSource(const Tools& tools, const Auth& auth, const Route& route,
                         std::shared_ptr<const net::TlsContext> tls)
    : tools_(tools),
      url_(take_url(auth.token_url)),
      route_{route.resolver, route.family, std::nullopt, route.proxy, route.name_server},
      tls_(std::move(tls)),
      request_(write_request(url_, auth)) {
  if (url_.literal) literal_ = std::make_shared<const net::Addresses>(net::Addresses{*url_.literal});
}

asio::awaitable<std::variant<std::string, Failure>> TokenSource::get(common::SteadyTime deadline) {
  for (;;) {
    if (auto answer = known()) co_return std::move(*answer);
    if (!fetching_) {
      if (auto failure = co_await fetch(deadline)) co_return std::move(*failure);
      co_return token_->text;  // one that ends at once is good for the one who asked for it
    } else if (!co_await wait(deadline)) {
      co_return failure("another check is still waiting for its answer");
    }
  }
}

std::optional<std::variant<std::string, Failure>> TokenSource::known() const {
  const auto now = tools_.clock.steady();
  if (token_ && now < good_until_) return token_->text;
  if (failure_ && now < pause_until_) return *failure_;
  return std::nullopt;
}

void TokenSource::drop(std::string_view token) {
  if (token_ && token_->text == token) token_.reset();
}

asio::awaitable<bool> TokenSource::wait(common::SteadyTime deadline) {
  async::Event looked(tools_.io);
  struct Registered {
    std::list<async::Event*>& list;
    std::list<async::Event*>::iterator place;
    ~Registered() { list.erase(place); }
  };
  waiting_.push_back(&looked);
  const Registered registered{waiting_, std::prev(waiting_.end())};
  co_return co_await looked.wait_until(deadline);
}

asio::awaitable<std::optional<Failure>> TokenSource::fetch(common::SteadyTime deadline) {
  const Fetching fetching(*this);
  token_.reset();
  failure_.reset();
  const Errand errand{.url = url_,
                      .literal = literal_,
                      .route = route_,
                      .tls = tls_.get(),
                      .original = false,
                      .head = request_,
                      .body = {},
                      .wanted = {.body = true, .body_limit = kMaxTokenAnswer}};
  Exchange exchange(tools_, errand, deadline);
  if (const auto broken = co_await exchange.run()) {
    // Who has more time than this check had may still get one.
    if (std::chrono::steady_clock::now() >= deadline) co_return failure(broken->reason);
    co_return fail(broken->reason);
  }
  const auto& reader = exchange.reader();
  if (reader.capped()) co_return fail("its answer is larger than 64 KiB");
  auto answer = parse_token_answer(*reader.status(), reader.body());
  if (const auto* refusal = std::get_if<TokenRefusal>(&answer)) co_return fail(refusal->what);
  token_ = std::get<Token>(std::move(answer));
  good_until_ = tools_.clock.steady() + token_->lifetime;
  co_return std::nullopt;
}

/// For everybody who asks for the time being.
Failure TokenSource::fail(std::string_view what) {
  failure_ = failure(what);
  pause_until_ = tools_.clock.steady() + kPause;
  return *failure_;
}

Failure TokenSource::failure(std::string_view what) const {
  return {Outcome::kAuthFailure, fmt::format("no access token could be had from {}: {}", url_.endpoint(), what)};
}

}  // namespace monitor::probe
