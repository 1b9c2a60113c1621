#include "probe/exchange.h"

#include <fmt/format.h>

#include "common/error.h"
#include "net/deny_list.h"
#include "probe/tunnel.h"

namespace monitor::probe {

namespace asio = boost::asio;
using common::Outcome;
using net::Connection;
using net::Failure;
using std::chrono::steady_clock;
using State = ResponseReader::State;
using Status = net::Step::Status;

Exchange::Exchange(const Tools& tools, const Errand& errand, common::SteadyTime deadline)
    : tools_(tools),
      errand_(errand),
      lap_began_(tools.clock.steady()),
      phase_began_(steady_clock::now()),
      deadline_(deadline),
      reader_(errand.wanted),
      unsent_{errand.head, errand.body} {}

asio::awaitable<std::optional<Failure>> Exchange::run() {
  if (!take_idle()) {
    if (auto failure = co_await connect()) co_return failure;
    if (errand_.route.proxy || errand_.url.tls) {
      if (auto failure = co_await set_up()) co_return failure;
    }
  }
  phase_began_ = steady_clock::now();
  if (!send_now()) {
    if (auto failure = co_await send_rest()) co_return failure;
  }
  co_return co_await receive();
}

bool Exchange::take_idle() {
  if (!errand_.take_idle) return false;
  connection_ = tools_.pool.take(*errand_.pool_key);
  if (!connection_) return false;
  // The list may be newer than the connection; what is refused here is judged anew, and told, by connect().
  if (denied() || net::DenyList::of(tools_.io).refuse(*connection_->peer(), 0)) return false;
  connection_->set_deadline(deadline_);
  trace_.reused = true;
  trace_.remote_address = connection_->peer()->to_string();
  trace_.tls_facts = connection_->tls_facts();
  return true;
}

asio::awaitable<std::optional<Failure>> Exchange::connect() {
  if (auto failure = denied()) co_return failure;
  connection_ = std::make_unique<Connection>(tools_.io);
  connection_->set_deadline(deadline_);
  const auto& route = errand_.route;
  const Place* const place = route.proxy                         ? &route.proxy->place
                             : errand_.original && route.instead ? &*route.instead
                                                                 : nullptr;
  const auto& host = place ? place->host : errand_.url.host;
  const auto& literal = place ? place->literal : errand_.literal;
  auto answer = at_hand(host, literal);
  if (!answer) answer = co_await route.resolver->resolve(host, deadline_, route.family);
  if (!literal) trace_.phases.dns = lap();
  trace_.dns_cached = answer->cached;
  std::optional<Failure> failure;
  if (answer->addresses) {
    failure = co_await connection_->connect(std::move(answer->addresses), place ? place->port : errand_.url.port);
    trace_.phases.connect = lap();
  } else {
    failure = std::move(answer->failure);
  }
  if (failure) co_return route.proxy ? explain_proxy(std::move(*failure)) : std::move(*failure);
  trace_.remote_address = connection_->peer()->to_string();
  trace_.passed_over = connection_->passed_over();
  if (errand_.url.tls || !errand_.body.empty()) connection_->send_at_once();  // more than one write
  co_return std::nullopt;
}

/// What no connection of ours will judge: a name server that a service names, and an address that a proxy is to reach.
std::optional<Failure> Exchange::denied() const {
  const auto& list = net::DenyList::of(tools_.io);
  const auto& route = errand_.route;
  std::optional<Failure> why;
  if (route.name_server) why = list.refuse(route.name_server->address(), route.name_server->port());
  if (!why && route.proxy && errand_.literal) why = list.refuse(errand_.literal->front(), errand_.url.port);
  return why;
}

/// What is known of the host without asking a name server.
std::optional<net::Resolved> Exchange::at_hand(const std::string& host, const net::SharedAddresses& literal) const {
  const auto family = errand_.route.family;
  if (!literal) return errand_.route.resolver->known(host, family);
  const bool wanted =
      family == net::AddressFamily::kAny || literal->front().is_v6() == (family == net::AddressFamily::kIpv6);
  if (wanted) return net::Resolved{literal, false, {}};
  return net::Resolved{
      nullptr,
      false,
      {Outcome::kUnreachable, fmt::format("{} is not an address of the family that is asked for", host)}};
}

/// What a connection needs before the request, beside being there.
asio::awaitable<std::optional<Failure>> Exchange::set_up() {
  if (const auto& proxy = errand_.route.proxy) {
    auto failure = co_await open_tunnel(*connection_, *proxy, errand_.url, tools_.scratch);
    tunnel_ = lap();
    if (failure) {
      trace_.phases.first_byte = tunnel_;
      co_return failure;
    }
  }
  if (errand_.url.tls) co_return co_await secure();
  co_return std::nullopt;
}

asio::awaitable<std::optional<Failure>> Exchange::secure() {
  const auto endpoint = errand_.url.endpoint();
  const net::TlsTarget target{errand_.url.host, errand_.url.literal, endpoint};
  auto failure = co_await connection_->handshake(*errand_.tls, target, tools_.clock.wall());
  trace_.phases.tls = lap();
  trace_.tls_facts = connection_->tls_facts();
  co_return failure;
}

/// As far as it goes without waiting. False: there is more to send.
bool Exchange::send_now() {
  for (auto& rest : unsent_) {
    while (!rest.empty()) {
      const auto step = connection_->write(rest);
      if (step.status == Status::kEnd || step.status == Status::kFailed) {
        stop_ = step;
        return true;
      }
      if (step.status != Status::kDone) {
        wants_ = step.status;
        return false;
      }
      rest.remove_prefix(step.bytes);
    }
  }
  sent_ = true;
  return true;
}

/// Ends early, without a failure, when the server has answered or gone: what it said may explain it (RFC 9112 §9.3).
asio::awaitable<std::optional<Failure>> Exchange::send_rest() {
  do {
    const auto ready =
        wants_ == Status::kWantRead ? co_await connection_->wait(wants_) : co_await connection_->wait_either();
    if (ready == Connection::Ready::kTimeout) co_return explain_timeout();
    if (!read_early()) co_return std::nullopt;
  } while (!send_now());
  co_return std::nullopt;
}

/// False: there is nothing more to send for.
bool Exchange::read_early() {
  const auto step = connection_->read(tools_.scratch);
  if (step.status == Status::kWantRead || step.status == Status::kWantWrite) return true;
  if (step.status == Status::kDone) {
    take_bytes(step.bytes);
    return state_ == State::kMore;
  }
  stop_ = step;
  return false;
}

asio::awaitable<std::optional<Failure>> Exchange::receive() {
  auto wants = Status::kWantRead;
  while (state_ == State::kMore) {
    if (co_await connection_->wait(wants) == Connection::Ready::kTimeout) co_return explain_timeout();
    const auto step = connection_->read(tools_.scratch);
    if (step.status == Status::kDone) {
      wants = Status::kWantRead;
      take_bytes(step.bytes);
    } else if (step.status == Status::kWantRead || step.status == Status::kWantWrite) {
      wants = step.status;
    } else if (step.status == Status::kEnd && reader_.started()) {
      state_ = reader_.end(step.clean_end);
    } else {
      co_return explain_stop(stop_ && !reader_.started() ? *stop_ : step);
    }
  }
  co_return conclude();
}

std::optional<Failure> Exchange::conclude() {
  if (trace_.phases.first_byte) trace_.phases.transfer = lap();
  if (state_ == State::kComplete) {
    put_away();
    return std::nullopt;
  }
  return Failure{reader_.failure().outcome, fmt::format("{}: {}", errand_.url.endpoint(), reader_.failure().reason)};
}

void Exchange::put_away() {
  if (errand_.pool_key != nullptr && sent_ && reader_.reusable()) {
    tools_.pool.put(*errand_.pool_key, std::move(connection_));
  } else {
    connection_->finish();
  }
}

void Exchange::take_bytes(std::size_t count) {
  if (!trace_.phases.first_byte) trace_.phases.first_byte = tunnel_ + lap();
  const bool had_header = reader_.status().has_value();
  state_ = reader_.feed({tools_.scratch.data(), count});
  if (!had_header && reader_.status()) phase_began_ = steady_clock::now();
}

Failure Exchange::explain_stop(const net::Step& step) {
  end_phase();
  stale_ = trace_.reused && !reader_.started();
  const auto server = errand_.url.endpoint();
  const std::string_view when = reader_.status()    ? "inside the response body"
                                : reader_.started() ? "inside the response header"
                                                    : "before a response";
  if (step.status == Status::kEnd) {
    return {Outcome::kConnectionClosed, fmt::format("{} closed the connection {}", server, when)};
  }
  if (step.error_number == 0) {
    return {Outcome::kTlsHandshake,
            fmt::format("the TLS session with {} failed {}: {}", server, when, connection_->tls_reason())};
  }
  const auto why = common::errno_text(step.error_number);
  if (net::is_local_fault(step.error_number)) {
    return {Outcome::kLocalResource, fmt::format("the connection to {} failed {}: {}", server, when, why)};
  }
  return {Outcome::kConnectionReset, fmt::format("the connection to {} was reset {}: {}", server, when, why)};
}

Failure Exchange::explain_timeout() {
  end_phase();
  const auto server = errand_.url.endpoint();
  if (reader_.status()) {
    return {Outcome::kBodyTimeout,
            fmt::format("the body from {} did not end within {}: {} had come", server, patience(), reader_.progress())};
  }
  // The system takes what we send before the server does.
  if (!reader_.started() && (!sent_ || connection_->unacknowledged() > 0)) {
    return {Outcome::kWriteTimeout,
            fmt::format("the request could not be sent to {} within {}: the server did not take all of it", server,
                        patience())};
  }
  return {Outcome::kFirstByteTimeout, fmt::format("no {}response header from {} within {}",
                                                  reader_.started() ? "complete " : "", server, patience())};
}

Failure Exchange::explain_proxy(Failure failure) const {
  const bool ours = failure.outcome == Outcome::kLocalResource || failure.outcome == Outcome::kAddressDenied;
  if (!ours) failure.outcome = Outcome::kProxyFailure;
  failure.reason = fmt::format("the proxy {} could not be reached: {}", errand_.route.proxy->endpoint, failure.reason);
  return failure;
}

common::Micros Exchange::lap() {
  const auto now = tools_.clock.steady();
  return std::chrono::duration_cast<common::Micros>(now - std::exchange(lap_began_, now));
}

void Exchange::end_phase() {
  if (trace_.phases.first_byte) {
    trace_.phases.transfer = lap();
  } else {
    trace_.phases.first_byte = tunnel_ + lap();
  }
}

std::string Exchange::patience() const {
  return net::waited(deadline_ - phase_began_);
}

}  // namespace monitor::probe
