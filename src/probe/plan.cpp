#include "probe/plan.h"

#include <algorithm>
#include <array>
#include <variant>

#include <boost/json/serialize.hpp>
#include <boost/json/string.hpp>
#include <fmt/format.h>

#include "common/error.h"
#include "net/url.h"
#include "probe/http_lines.h"
#include "probe/request.h"

namespace monitor::probe {
namespace {

namespace asio = boost::asio;

net::Url take_url(const std::string& text, std::string_view what) {
  auto parsed = net::parse_url(text);
  if (const auto* refusal = std::get_if<net::UrlRefusal>(&parsed)) {
    throw common::UsageError(fmt::format("{}: {}", what, refusal->sentence));
  }
  return std::get<net::Url>(std::move(parsed));
}

Place place_of(const net::Url& url) {
  Place out{url.host, nullptr, url.port};
  if (url.literal) out.literal = std::make_shared<const net::Addresses>(net::Addresses{*url.literal});
  return out;
}

std::optional<Place> take_place(const std::optional<HostPort>& typed) {
  if (!typed) return std::nullopt;
  if (const auto why = refuse_place(*typed)) throw common::UsageError("connect_to: " + *why);
  const auto host = typed->host.find(':') == std::string::npos ? typed->host : fmt::format("[{}]", typed->host);
  return place_of(take_url(fmt::format("http://{}:{}/", host, typed->port), "connect_to"));
}

std::optional<Proxy> take_proxy(const std::string& typed) {
  if (typed.empty()) return std::nullopt;
  if (const auto why = refuse_proxy(typed)) throw common::UsageError(*why);
  const auto url = take_url(typed, "the proxy");
  return Proxy{place_of(url), url.endpoint(), url.authorization};
}

/// `resolver` is an address with its port, as the configuration writes it out.
std::optional<asio::ip::tcp::endpoint> take_name_server(const std::string& typed) {
  if (typed.empty()) return std::nullopt;
  const auto place = place_of(take_url(fmt::format("http://{}/", typed), "resolver"));
  if (!place.literal) throw common::UsageError("resolver: it must be an address");
  return asio::ip::tcp::endpoint(place.literal->front(), place.port);
}

void check_fields(const Spec& spec) {
  for (const auto& field : spec.headers) {
    if (const auto why = refuse_header(field.name, field.value.reveal())) throw common::UsageError(*why);
  }
  const auto& auth = spec.auth;
  std::optional<std::string> why;
  if (auth.kind == Auth::Kind::kBasic) why = refuse_credentials(auth.user, auth.secret.reveal());
  if (auth.kind == Auth::Kind::kBearer) why = refuse_token(auth.secret.reveal());
  if (why) throw common::UsageError(*why);
}

std::string authorization_of(const Auth& auth) {
  if (auth.kind == Auth::Kind::kBasic) return basic_authorization(auth.user, auth.secret.reveal());
  if (auth.kind == Auth::Kind::kBearer) return "Bearer " + auth.secret.reveal();
  return {};
}

/// Whether a field's value is one of those that are no secret and that servers say themselves.
bool is_harmless(std::string_view name) {
  constexpr std::array<std::string_view, 11> kHarmless{
      "Accept", "Accept-Charset", "Accept-Encoding", "Accept-Language", "Cache-Control", "Content-Type",
      "Host",   "Origin",         "Pragma",          "Referer",         "User-Agent"};
  return std::ranges::any_of(kHarmless, [name](std::string_view one) { return same_text(one, name); });
}

/// Also as a server that answers in JSON spells it.
void add_secret(Secrets& out, const std::string& text) {
  auto spelled = boost::json::serialize(boost::json::string_view(text.data(), text.size()));
  spelled = spelled.substr(1, spelled.size() - 2);
  if (spelled != text) out.push_back(std::move(spelled));
  out.push_back(text);
}

SharedSecrets secrets_of(const Spec& spec, const std::string& authorization) {
  Secrets out;
  for (const auto& field : spec.headers) {
    if (!is_harmless(field.name)) add_secret(out, field.value.reveal());
  }
  for (const auto& value : spec.values) add_secret(out, value.reveal());
  if (!spec.body.empty()) add_secret(out, spec.body.reveal());
  if (!spec.auth.secret.empty()) add_secret(out, spec.auth.secret.reveal());
  if (spec.auth.kind == Auth::Kind::kBasic) out.push_back(authorization.substr(authorization.find(' ') + 1));
  return out.empty() ? nullptr : std::make_shared<const Secrets>(std::move(out));
}

std::string tls_text(const net::TlsOptions& tls) {
  return fmt::format("{}\n{}\n{}\n{}\n{} {} {}", tls.ca, tls.cert, tls.key, tls.server_name, tls.verify,
                     static_cast<int>(tls.min), static_cast<int>(tls.max));
}

std::string way_text(const Spec& spec) {
  return fmt::format("{}\n{}\n{}", spec.resolver, static_cast<int>(spec.family), spec.proxy);
}

net::TlsOptions elsewhere(net::TlsOptions tls) {
  tls.cert.clear();
  tls.key.clear();
  tls.server_name.clear();
  return tls;
}

}  // namespace

const Spec& Plan::spec() const {
  static const Spec defaults;
  return spec_ ? *spec_ : defaults;
}

Plans::Plans(const Tools& tools, net::Options options, net::System system)
    : tools_(tools), options_(options), system_(std::move(system)), tls_(system_) {}

Plans::~Plans() = default;

void Plans::adjust(const net::Options& options) {
  options_ = options;
  for (auto& [name_server, resolver] : resolvers_) resolver->keep_answers(options.dns_cache);
}

std::shared_ptr<const Plan> Plans::get(const Service& service, bool secure) {
  auto& slot = plans_[service.extra.get()];
  auto plan = slot.lock();
  if (!plan) {
    plan = make(service);
    slot = plan;
  }
  ensure_tls(*plan, secure);
  if (plans_.size() > tidy_at_) forget_unused();
  return plan;
}

std::shared_ptr<Plan> Plans::make(const Service& service) {
  auto plan = std::make_shared<Plan>(service.extra);
  const auto& spec = plan->spec();
  check_fields(spec);
  plan->route = {&resolver(spec.resolver), spec.family, take_place(spec.connect_to), take_proxy(spec.proxy),
                 take_name_server(spec.resolver)};
  if (plan->route.proxy && plan->route.instead) {
    throw common::UsageError("connect_to and proxy both say where the connection goes: leave one out");
  }
  plan->authorization = authorization_of(spec.auth);
  plan->secrets = secrets_of(spec, plan->authorization);
  if (spec.auth.kind == Auth::Kind::kOauth2) plan->tokens = token_source(*plan);
  if (spec.reuse) {
    const auto place = spec.connect_to ? fmt::format("{}:{}", spec.connect_to->host, spec.connect_to->port) : "";
    plan->pool_suffix = fmt::format("\n{}\n{}\n{}", place, way_text(spec), tls_text(spec.tls));
  }
  return plan;
}

void Plans::ensure_tls(Plan& plan, bool secure) {
  const auto& spec = plan.spec();
  if (secure && !plan.tls) plan.tls = tls_.get(spec.tls);
  if (spec.redirects.follow && !plan.tls_elsewhere) plan.tls_elsewhere = tls_.get(elsewhere(spec.tls));
}

net::Resolver& Plans::resolver(const std::string& name_server) {
  auto& made = resolvers_[name_server];
  if (!made) {
    auto system = system_;
    if (!name_server.empty()) {
      system.name_servers = name_server;
      system.hosts.clear();
    }
    made = std::make_unique<net::Resolver>(tools_.io, options_, system);
  }
  return *made;
}

std::shared_ptr<TokenSource> Plans::token_source(const Plan& plan) {
  const auto& spec = plan.spec();
  const auto& auth = spec.auth;
  const auto tls = elsewhere(spec.tls);
  auto& slot = token_sources_[fmt::format("{}\n{}\n{}\n{}\n{}\n{}", auth.token_url, auth.user, auth.secret.reveal(),
                                          auth.scope, way_text(spec), tls_text(tls))];
  auto source = slot.lock();
  if (!source) {
    const bool secure = take_url(auth.token_url, "the token endpoint").tls;
    source = std::make_shared<TokenSource>(tools_, auth, plan.route, secure ? tls_.get(tls) : nullptr);
    slot = source;
  }
  return source;
}

void Plans::forget_unused() {
  std::erase_if(plans_, [](const auto& entry) { return entry.second.expired(); });
  std::erase_if(token_sources_, [](const auto& entry) { return entry.second.expired(); });
  tidy_at_ = 2 * plans_.size() + 64;
}

}  // namespace monitor::probe
