#include "probe/exchange.h"

#include <fmt/format.h>

#include "common/error.h"
#include "probe/charset.h"
#include "probe/judge.h"

namespace monitor::probe {

namespace asio = boost::asio;
using common::Outcome;
using net::Connection;
using std::chrono::steady_clock;
using State = ResponseReader::State;
using Status = net::Step::Status;

Exchange::Exchange(const Tools& tools, const Check& check, Observation& seen)
    : tools_(tools),
      check_(check),
      seen_(seen),
      began_(tools.clock.steady()),
      lap_began_(began_),
      phase_began_(steady_clock::now()),
      deadline_(phase_began_ + check.timeout()),
      connection_(tools.io, deadline_),
      reader_({check.is_head(), check.regex() != nullptr, check.body_limit()}) {
  seen_.started = tools.clock.wall();
}

asio::awaitable<void> Exchange::run() {
  bool complete = false;
  if (auto addresses = co_await resolve()) {
    complete = co_await connect(std::move(addresses)) && co_await send() && co_await receive();
  }
  seen_.status = reader_.status();
  seen_.capped = reader_.capped();
  seen_.body_bytes = static_cast<std::int64_t>(reader_.body_bytes());
  seen_.total = std::chrono::duration_cast<common::Micros>(tools_.clock.steady() - began_);
  if (complete) co_await conclude();  // after the last time was taken: judging is not the server's
}

asio::awaitable<net::SharedAddresses> Exchange::resolve() {
  if (check_.literal()) co_return check_.literal();
  auto known = tools_.resolver.known(check_.url().host);
  auto answer = known ? std::move(*known) : co_await tools_.resolver.resolve(check_.url().host, deadline_);
  seen_.phases.dns = lap();
  seen_.dns_cached = answer.cached;
  if (!answer.addresses) fail(answer.failure.outcome, std::move(answer.failure.reason));
  co_return std::move(answer.addresses);
}

asio::awaitable<bool> Exchange::connect(net::SharedAddresses addresses) {
  auto failure = co_await connection_.connect(std::move(addresses), check_.url().port);
  seen_.phases.connect = lap();
  if (!failure) {
    seen_.remote_address = connection_.peer()->to_string();
    if (!check_.url().tls) co_return true;
    failure = co_await connection_.handshake(*tools_.tls, check_.url(), tools_.clock.wall());
    seen_.phases.tls = lap();
  }
  if (!failure) co_return true;
  fail(failure->outcome, std::move(failure->reason));
  co_return false;
}

asio::awaitable<bool> Exchange::send() {
  phase_began_ = steady_clock::now();
  std::string_view rest = check_.request();
  while (!rest.empty()) {
    const auto step = connection_.write(rest);
    if (step.status == Status::kDone) {
      rest.remove_prefix(step.bytes);
    } else if (step.status == Status::kEnd || step.status == Status::kFailed) {
      explain_stop(step);
      co_return false;
    } else if (co_await connection_.wait(step.status) == Connection::Ready::kTimeout) {
      fail(Outcome::kWriteTimeout,
           fmt::format("the request could not be sent to {} within {}", check_.url().endpoint(), patience()));
      co_return false;
    }
  }
  co_return true;
}

asio::awaitable<bool> Exchange::receive() {
  auto wants = Status::kWantRead;
  while (state_ == State::kMore) {
    if (co_await connection_.wait(wants) == Connection::Ready::kTimeout) {
      explain_timeout();
      co_return false;
    }
    const auto step = connection_.read(tools_.scratch);
    if (step.status == Status::kDone) {
      wants = Status::kWantRead;
      take_bytes(step.bytes);
    } else if (step.status == Status::kWantRead || step.status == Status::kWantWrite) {
      wants = step.status;
    } else if (step.status == Status::kEnd && reader_.started()) {
      state_ = reader_.end(step.clean_end);
    } else {
      explain_stop(step);
      co_return false;
    }
  }
  if (seen_.phases.first_byte) seen_.phases.transfer = lap();
  if (state_ == State::kComplete) {
    connection_.finish();
    co_return true;
  }
  fail(reader_.failure().outcome, fmt::format("{}: {}", check_.url().endpoint(), reader_.failure().reason));
  co_return false;
}

void Exchange::take_bytes(std::size_t count) {
  if (!seen_.phases.first_byte) seen_.phases.first_byte = lap();
  const bool had_header = reader_.status().has_value();
  state_ = reader_.feed({tools_.scratch.data(), count});
  if (!had_header && reader_.status()) phase_began_ = steady_clock::now();
}

void Exchange::explain_stop(const net::Step& step) {
  const auto server = check_.url().endpoint();
  (seen_.phases.first_byte ? seen_.phases.transfer : seen_.phases.first_byte) = lap();
  const std::string_view when = reader_.status()    ? "inside the response body"
                                : reader_.started() ? "inside the response header"
                                                    : "before a response";
  if (step.status == Status::kEnd) {
    return fail(Outcome::kConnectionClosed, fmt::format("{} closed the connection {}", server, when));
  }
  if (step.error_number == 0) {
    return fail(Outcome::kTlsHandshake,
                fmt::format("the TLS session with {} failed {}: {}", server, when, connection_.tls_reason()));
  }
  if (net::is_local_fault(step.error_number)) {
    return fail(Outcome::kLocalResource,
                fmt::format("the connection to {} failed {}: {}", server, when, common::errno_text(step.error_number)));
  }
  fail(Outcome::kConnectionReset,
       fmt::format("the connection to {} was reset {}: {}", server, when, common::errno_text(step.error_number)));
}

void Exchange::explain_timeout() {
  const auto server = check_.url().endpoint();
  (seen_.phases.first_byte ? seen_.phases.transfer : seen_.phases.first_byte) = lap();
  if (reader_.status()) {
    return fail(Outcome::kBodyTimeout, fmt::format("the body from {} did not end within {}: {} had come", server,
                                                   patience(), reader_.progress()));
  }
  fail(Outcome::kFirstByteTimeout,
       fmt::format("no {}response header from {} within {}", reader_.started() ? "complete " : "", server, patience()));
}

asio::awaitable<void> Exchange::conclude() {
  Evidence evidence{*reader_.status(), check_.regex() != nullptr, false, reader_.body_bytes(), reader_.capped()};
  if (evidence.regex_wanted) {
    const auto found = co_await search();
    if (!found) {
      fail(Outcome::kLocalResource,
           fmt::format("the body from {} came, but could not be searched within {}: the regular expression is too "
                       "costly for this machine: write fewer or shorter repetitions, or lower body_limit",
                       check_.url().endpoint(), net::waited(check_.timeout())));
      co_return;
    }
    evidence.regex_found = seen_.contains_regex = *found;
  }
  auto judgement = judge(evidence);
  fail(judgement.outcome, std::move(judgement.reason));
}

asio::awaitable<std::optional<bool>> Exchange::search() {
  auto charset = charset_of(reader_.content_type());
  if (Matcher::is_little(reader_.body().size(), *check_.regex())) {
    co_return Matcher::search_now(reader_.body(), charset, *check_.regex());
  }
  const auto until = steady_clock::now() + check_.timeout();
  co_return co_await tools_.matcher.search(reader_.take_body(), std::move(charset), check_.regex(), until);
}

void Exchange::fail(Outcome outcome, std::string reason) {
  seen_.outcome = outcome;
  check_.conceal(reason);
  seen_.reason = std::move(reason);
}

common::Micros Exchange::lap() {
  const auto now = tools_.clock.steady();
  return std::chrono::duration_cast<common::Micros>(now - std::exchange(lap_began_, now));
}

std::string Exchange::patience() const {
  return net::waited(deadline_ - phase_began_);
}

}  // namespace monitor::probe
