#include "probe/tunnel.h"

#include <chrono>

#include <fmt/format.h>

#include "common/error.h"
#include "probe/response.h"

namespace monitor::probe {
namespace {

namespace asio = boost::asio;
using common::Outcome;
using net::Connection;
using net::Failure;
using std::chrono::steady_clock;
using State = ResponseReader::State;
using Status = net::Step::Status;

Failure fail(const Proxy& proxy, std::string_view what) {
  return {Outcome::kProxyFailure, fmt::format("the proxy {} {}", proxy.endpoint, what)};
}

Failure explain_stop(const Proxy& proxy, const net::Step& step) {
  if (step.status == Status::kEnd) return fail(proxy, "closed the connection before it opened a tunnel");
  return fail(proxy,
              fmt::format("broke the connection before it opened a tunnel: {}", common::errno_text(step.error_number)));
}

std::optional<Failure> judge_answer(const Proxy& proxy, const net::Url& target, const ResponseReader& reader) {
  constexpr int kUnauthorized = 407;
  const int status = *reader.status();
  if (status < 200 || status > 299) {
    return fail(proxy, fmt::format("refused a tunnel to {} with status {}{}", target.endpoint(), status,
                                   status == kUnauthorized ? ": it wants user and password" : ""));
  }
  if (reader.surplus()) return fail(proxy, "sent bytes through the tunnel before anything was asked");
  return std::nullopt;
}

asio::awaitable<std::optional<Failure>> send(Connection& connection, const Proxy& proxy, std::string_view request) {
  while (!request.empty()) {
    const auto step = connection.write(request);
    if (step.status == Status::kDone) {
      request.remove_prefix(step.bytes);
    } else if (step.status == Status::kEnd || step.status == Status::kFailed) {
      co_return explain_stop(proxy, step);
    } else if (co_await connection.wait(step.status) == Connection::Ready::kTimeout) {
      co_return fail(proxy, "did not take the request for a tunnel in time");
    }
  }
  co_return std::nullopt;
}

}  // namespace

std::string write_connect(const Proxy& proxy, const net::Url& target) {
  return fmt::format("CONNECT {0} HTTP/1.1\r\nHost: {0}\r\nUser-Agent: monitoring-client\r\n{1}{2}{3}\r\n",
                     target.endpoint(), proxy.authorization.empty() ? "" : "Proxy-Authorization: ", proxy.authorization,
                     proxy.authorization.empty() ? "" : "\r\n");
}

asio::awaitable<std::optional<Failure>> open_tunnel(Connection& connection, const Proxy& proxy, const net::Url& target,
                                                    std::span<char> scratch) {
  const auto began = steady_clock::now();
  const auto request = write_connect(proxy, target);
  if (auto failure = co_await send(connection, proxy, request)) co_return failure;
  ResponseReader reader({.head = true});  // what a 2xx announces is not there (RFC 9110 §9.3.6)
  std::size_t taken = 0;
  for (;;) {
    if (co_await connection.wait(Status::kWantRead) == Connection::Ready::kTimeout) {
      co_return fail(proxy, fmt::format("did not open a tunnel to {} within {}", target.endpoint(),
                                        net::waited(steady_clock::now() - began)));
    }
    const auto step = connection.read(scratch);
    if (step.status == Status::kWantRead || step.status == Status::kWantWrite) continue;
    if (step.status != Status::kDone) co_return explain_stop(proxy, step);
    taken += step.bytes;
    const auto state = reader.feed({scratch.data(), step.bytes});
    if (state == State::kFailed)
      co_return fail(proxy, fmt::format("gave no proper answer: {}", reader.failure().reason));
    if (state == State::kComplete) co_return judge_answer(proxy, target, reader);
    if (taken > kMaxTunnelHeader) co_return fail(proxy, "answered with a header of more than 16 KiB");
  }
}

}  // namespace monitor::probe
