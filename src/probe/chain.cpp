#include "probe/chain.h"

#include <variant>

#include <fmt/format.h>

#include "common/text.h"
#include "net/reference.h"
#include "probe/charset.h"
#include "probe/decode.h"
#include "probe/evidence.h"
#include "probe/judge.h"
#include "probe/redaction.h"
#include "probe/request.h"
#include "probe/retry_after.h"

namespace monitor::probe {

namespace asio = boost::asio;
using common::Outcome;
using common::Verdict;
using net::Failure;
using std::chrono::steady_clock;

namespace {

// A chain of hops is stored as one text of at most 16 KiB.
constexpr std::size_t kMaxShownHop = 512;

void add(std::optional<common::Micros>& sum, const std::optional<common::Micros>& part) {
  if (part) sum = sum.value_or(common::Micros{0}) + *part;
}

void add(Phases& sum, const Phases& part) {
  add(sum.dns, part.dns);
  add(sum.connect, part.connect);
  add(sum.tls, part.tls);
  add(sum.first_byte, part.first_byte);
  add(sum.transfer, part.transfer);
}

}  // namespace

Chain::Chain(const Tools& tools, const Check& check, Keep keep, Observation& seen)
    : tools_(tools),
      check_(check),
      keep_(check.expectations()->source().evidence.none ? Keep::kNothing : keep),
      seen_(seen),
      began_(tools.clock.steady()),
      deadline_(steady_clock::now() + check.timeout()),
      request_{&check.url(), check.method()} {
  seen_.started = tools.clock.wall();
}

asio::awaitable<void> Chain::run() {
  auto failure = co_await travel();
  if (!seen_.hops.empty() && !noted_) note_hop();
  seen_.total = std::chrono::duration_cast<common::Micros>(tools_.clock.steady() - began_);
  if (failure) {
    fail(failure->outcome, std::move(failure->reason));
  } else {
    drop_refused_token();
    // After the last time was taken: judging is not the server's.
    if (needs_inspection()) {
      co_await inspect_and_judge();
    } else {
      judge_response(nullptr);
    }
  }
  if (wants_evidence()) co_await keep_evidence();
}

asio::awaitable<std::optional<Failure>> Chain::travel() {
  if (check_.plan().tokens) {
    if (auto failure = co_await authorize()) co_return failure;
  }
  const auto& redirects = check_.spec().redirects;
  if (redirects.follow) trail_.emplace(redirects.max).enter(check_.url(), check_.method());
  for (;;) {
    if (auto failure = co_await ask()) co_return blamed(std::move(*failure));
    if (!redirects.follow || !is_redirect(*seen_.status)) co_return std::nullopt;
    if (auto failure = turn()) co_return failure;
  }
}

/// Where the service itself has an address that is denied, that is our rule alone; where it sends us to one, it does
/// what it must not.
Failure Chain::blamed(Failure failure) const {
  if (failure.outcome == Outcome::kAddressDenied && request_.own_url) failure.outcome = Outcome::kRedirectRefused;
  return failure;
}

asio::awaitable<std::optional<Failure>> Chain::authorize() {
  auto answer = co_await check_.plan().tokens->get(deadline_);
  if (auto* failure = std::get_if<Failure>(&answer)) co_return std::move(*failure);
  token_ = std::get<std::string>(std::move(answer));
  authorization_ = "Bearer " + token_;
  const auto& spec = check_.spec();
  request_.head = write_request_head({check_.method(), check_.url(), spec.headers, authorization_,
                                      spec.body.reveal().size(), !spec.reuse, spec.compression});
  co_return std::nullopt;
}

asio::awaitable<std::optional<Failure>> Chain::ask() {
  begin_exchange(check_.spec().reuse);
  auto failure = co_await exchange_->run();
  take_down();
  if (!failure || !exchange_->stale()) co_return failure;
  if (!is_idempotent(request_.method)) {
    co_return Failure{Outcome::kConnectionClosed,
                      fmt::format("{} closed the connection that was to be used again before a response came; a {} is "
                                  "not sent twice",
                                  request_.url->endpoint(), request_.method)};
  }
  note_hop();
  seen_.retried = true;
  begin_exchange(false);
  failure = co_await exchange_->run();
  take_down();
  co_return failure;
}

void Chain::begin_exchange(bool take_idle) {
  exchange_.reset();
  errand_.emplace(errand(take_idle));
  exchange_.emplace(tools_, *errand_, deadline_);
}

Errand Chain::errand(bool take_idle) const {
  const auto& plan = check_.plan();
  const bool ready = request_.head.empty();
  const auto& reuse = check_.spec().reuse;
  return {.url = *request_.url,
          .literal = request_.own_url ? request_.literal : check_.literal(),
          .route = plan.route,
          .tls = (request_.original ? plan.tls : plan.tls_elsewhere).get(),
          .original = request_.original,
          .head = ready ? check_.head() : request_.head,
          .body = ready                ? check_.body()
                  : request_.with_body ? std::string_view(check_.spec().body.reveal())
                                       : std::string_view{},
          .pool_key = !reuse              ? nullptr
                      : request_.original ? &check_.pool_key()
                                          : &request_.pool_key,
          .take_idle = take_idle,
          .wanted = wanted()};
}

ResponseReader::Wanted Chain::wanted() const {
  const auto& expectations = *check_.expectations();
  const bool keeps = keep_ != Keep::kNothing;
  return {.head = request_.method == "HEAD",
          .body = expectations.needs_body() || check_.spec().compression,
          .body_limit = check_.body_limit(),
          .excerpt = keeps ? expectations.evidence_window() : 0,
          .header = keeps ? kEvidenceHeadWindow : 0,
          .fields = expectations.header_names(),
          .redirects = check_.spec().redirects.follow};
}

/// After a redirect: makes the next request ready, or says why it is not made.
std::optional<Failure> Chain::turn() {
  const auto refused = [this](Judgement&& why) {
    conceal_secrets(why.reason);
    return Failure{why.outcome, std::move(why.reason)};
  };
  const auto& reader = exchange_->reader();
  header_bytes_ += reader.header_bytes();
  if (header_bytes_ > kMaxChainHeaderBytes) {
    return Failure{Outcome::kHeaderLimit,
                   fmt::format("the headers of the redirects that {} led to are larger than {} "
                               "together",
                               check_.url().endpoint(), common::format_size(kMaxChainHeaderBytes))};
  }
  const bool has_body = request_.with_body && !check_.spec().body.empty();
  auto decided =
      decide_redirect({check_.url(), *request_.url, request_.method, has_body, *reader.status(), reader.location()});
  if (auto* refusal = std::get_if<Judgement>(&decided)) return refused(std::move(*refusal));
  auto& next = std::get<Redirect>(decided);
  if (auto refusal = trail_->enter(next.url, next.method)) return refused(std::move(*refusal));
  note_hop();
  write_hop(std::move(next));
  return std::nullopt;
}

void Chain::write_hop(Redirect next) {
  static const std::vector<HeaderField> nothing;
  const auto& spec = check_.spec();
  request_.own_url = std::move(next.url);
  request_.url = &*request_.own_url;
  request_.method = next.method;
  request_.original = next.original;
  request_.with_body = next.keeps_body;
  const auto& address = request_.url->literal;
  request_.literal = address ? std::make_shared<const net::Addresses>(net::Addresses{*address}) : nullptr;
  const auto& authorization = token_.empty() ? check_.authorization() : authorization_;
  request_.head = write_request_head({next.method, *request_.url, next.original ? spec.headers : nothing,
                                      next.original ? std::string_view(authorization) : std::string_view{},
                                      next.keeps_body ? spec.body.reveal().size() : 0, !spec.reuse, spec.compression});
  if (!spec.reuse || next.original) return;
  // Apart from those to an origin that a service names: these carry no certificate of ours, and go where the URL says.
  request_.pool_key = fmt::format("elsewhere {}{}{}", request_.url->tls ? "https://" : "http://",
                                  request_.url->endpoint(), check_.plan().pool_suffix);
}

void Chain::take_down() {
  const auto& trace = exchange_->trace();
  const auto& reader = exchange_->reader();
  add(seen_.phases, trace.phases);
  seen_.status = reader.status();
  seen_.capped = reader.capped();
  seen_.http_1_0 = reader.http_1_0();
  seen_.body_bytes = static_cast<std::int64_t>(reader.body_bytes());
  seen_.remote_address = trace.remote_address;
  if (!trace.passed_over.empty()) seen_.passed_over = trace.passed_over;
  seen_.reused = trace.reused;
  seen_.dns_cached = trace.dns_cached;
  if (trace.tls_facts) seen_.tls_facts = trace.tls_facts;
  const auto& patience = reader.retry_after();
  seen_.retry_after = patience && reader.status() ? parse_retry_after(*patience, tools_.clock.wall()) : std::nullopt;
  noted_ = false;
}

void Chain::note_hop() {
  const auto& trace = exchange_->trace();
  auto url = request_.own_url ? net::shown(*request_.own_url) : check_.typed_url();
  if (request_.own_url) conceal_secrets(url);
  seen_.hops.push_back({common::storable(url, kMaxShownHop), std::string(request_.method), exchange_->reader().status(),
                        trace.remote_address, trace.reused, trace.phases});
  noted_ = true;
}

void Chain::drop_refused_token() {
  constexpr int kUnauthorized = 401;
  if (*seen_.status == kUnauthorized && !token_.empty() && request_.original) check_.plan().tokens->drop(token_);
}

bool Chain::needs_inspection() const {
  const auto& expectations = *check_.expectations();
  return expectations.needs_body() || !expectations.headers().empty() || is_coded();
}

asio::awaitable<void> Chain::inspect_and_judge() {
  const auto inspected = co_await inspect_response(received());
  if (const auto* late = std::get_if<Matcher::GivenUp>(&inspected)) co_return give_up(*late);
  const auto* const findings = std::get_if<Findings>(&inspected);
  seen_.contains_regex = findings->contains_regex;
  seen_.capped = seen_.capped || findings->capped;
  excerpt_ = findings->excerpt;
  judge_response(findings);
}

void Chain::give_up(const Matcher::GivenUp& inspection) {
  fail(Outcome::kLocalResource,
       fmt::format("the response of {} came, but could not be inspected within {}: {}", check_.url().endpoint(),
                   net::waited(check_.timeout()),
                   inspection.begun ? "the rules for it are too costly for this machine: write fewer or shorter "
                                      "repetitions, or lower body_limit"
                                    : "the rules of other services, too costly for this machine, kept every "
                                      "thread busy"));
}

/// Whether the body's coding is to be undone: only who asks for one must (RFC 9110 §12.5.3).
bool Chain::is_coded() const {
  const auto& reader = exchange_->reader();
  return check_.spec().compression && !reader.content_encoding().empty() && reader.body_bytes() > 0;
}

Received Chain::received() {
  auto& reader = exchange_->reader();
  return {.fields = reader.take_fields(),
          .body = reader.take_body(),
          .charset = charset_of(reader.content_type()),
          .coding = is_coded() ? reader.content_encoding() : std::string{},
          .body_limit = check_.body_limit(),
          .capped = reader.capped(),
          .excerpt = keep_ == Keep::kNothing ? 0 : check_.expectations()->evidence_window(),
          .secrets = secrets()};
}

asio::awaitable<std::variant<Findings, Matcher::GivenUp>> Chain::inspect_response(Received what) {
  if (Matcher::is_little(what, *check_.expectations())) co_return inspect(what, *check_.expectations());
  const auto until = steady_clock::now() + check_.timeout();
  co_return co_await tools_.matcher.inspect(std::move(what), check_.expectations(), until, &check_);
}

void Chain::judge_response(const Findings* findings) {
  auto judgement = judge({.status = *seen_.status,
                          .findings = findings,
                          .phases = seen_.phases,
                          .total = seen_.total,
                          .tls = seen_.tls_facts.get(),
                          .now = tools_.clock.wall()},
                         *check_.expectations());
  fail(judgement.outcome, std::move(judgement.reason));
}

SharedSecrets Chain::secrets() const {
  if (token_.empty()) return check_.secrets();
  auto all = check_.secrets() ? *check_.secrets() : Secrets{};
  all.push_back(token_);
  return std::make_shared<const Secrets>(std::move(all));
}

/// For what a server said of where to go: it may have put into it what we told it.
void Chain::conceal_secrets(std::string& text) const {
  check_.conceal(text);
  const auto hidden = secrets();
  text = Redaction(hidden.get(), check_.expectations()->redact()).conceal(text);
}

bool Chain::wants_evidence() const {
  const auto verdict = common::verdict_of(seen_.outcome);
  const bool wanted = keep_ == Keep::kIfBad    ? verdict == Verdict::kDown || verdict == Verdict::kDegraded
                      : keep_ == Keep::kIfGood ? verdict == Verdict::kUp
                                               : false;
  return wanted && exchange_ && exchange_->reader().started();
}

asio::awaitable<void> Chain::keep_evidence() {
  auto head = exchange_->reader().header();
  auto body = excerpt();
  auto hidden = secrets();
  const auto& expectations = check_.expectations();
  if (Matcher::is_little_evidence(head.size() + body.size(), *expectations)) {
    seen_.evidence = evidence_text(head, body, *expectations, hidden.get());
    co_return;
  }
  auto text = co_await tools_.matcher.evidence(std::move(head), std::move(body), expectations, std::move(hidden),
                                               steady_clock::now() + check_.timeout());
  if (text) seen_.evidence = std::move(*text);
}

/// The beginning of the body as UTF-8, also of one that never became complete.
std::string Chain::excerpt() const {
  if (!excerpt_.empty()) return excerpt_;
  const auto& reader = exchange_->reader();
  const auto window = check_.expectations()->evidence_window();
  auto bytes = reader.body().substr(0, window);
  if (check_.spec().compression) bytes = decode_content(bytes, reader.content_encoding(), window, true).body;
  std::string storage;
  return std::string(decode(bytes, charset_of(reader.content_type()), storage));
}

void Chain::fail(Outcome outcome, std::string reason) {
  seen_.outcome = outcome;
  check_.conceal(reason);
  seen_.reason = std::move(reason);
  if (outcome != Outcome::kUp && !seen_.passed_over.empty()) seen_.reason += "; " + seen_.passed_over;
}

}  // namespace monitor::probe
