#include "net/attempt.h"

#include <cerrno>
#include <sys/socket.h>

#include <fmt/format.h>

#include "common/error.h"

namespace monitor::net {
namespace {

namespace ip = boost::asio::ip;
using common::Outcome;

/// IPv4 as IPv6 writes it (RFC 4291 §2.5.5.2) is the IPv4 address.
ip::address plain(const ip::address& address) {
  if (!address.is_v6() || !address.to_v6().is_v4_mapped()) return address;
  return ip::make_address_v4(ip::v4_mapped, address.to_v6());
}

int weight(Outcome outcome) {
  if (outcome == Outcome::kAddressDenied) return -1;
  if (outcome == Outcome::kUnreachable || outcome == Outcome::kLocalResource) return 0;
  return outcome == Outcome::kConnectTimeout ? 1 : 2;
}

}  // namespace

std::string endpoint_text(const ip::address& address, std::uint16_t port) {
  return address.is_v6() ? fmt::format("[{}]:{}", address.to_string(), port)
                         : fmt::format("{}:{}", address.to_string(), port);
}

std::optional<Failure> refuse_address(const ip::address& address, std::uint16_t port) {
  const auto real = plain(address);
  const char* what = nullptr;
  if (real.is_multicast()) what = "a multicast address, which no server has";
  if (real.is_v4() && real.to_v4() == ip::address_v4::broadcast()) what = "the broadcast address, which no server has";
  if (real.is_v6() && real.to_v6().is_link_local() && real.to_v6().scope_id() == 0) {
    what = "a link-local address, which nothing can reach without its link";
  }
  if (real.is_unspecified()) what = "nobody's, and to connect to it would reach this machine itself";
  if (what == nullptr) return std::nullopt;
  return Failure{Outcome::kUnreachable,
                 fmt::format("there is no way to {}: it is {}", endpoint_text(address, port), what)};
}

Begun begin_connect(const ip::tcp::endpoint& endpoint) {
  const int descriptor =
      ::socket(endpoint.protocol().family(), SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, IPPROTO_TCP);
  if (descriptor < 0) return {-1, errno};
  const auto attempt = [&] {
    return ::connect(descriptor, endpoint.data(), static_cast<socklen_t>(endpoint.size())) == 0 ? 0 : errno;
  };
  int result = attempt();
  if (result == EINPROGRESS && endpoint.address().is_loopback()) {
    // On this machine the answer is there before the call returns, though it does not say so: asking again does.
    result = attempt();
    if (result == EALREADY) result = EINPROGRESS;
  }
  return {descriptor, result};
}

int connect_result(int descriptor) {
  int result = 0;
  socklen_t size = sizeof result;
  return ::getsockopt(descriptor, SOL_SOCKET, SO_ERROR, &result, &size) != 0 ? errno : result;
}

Failure explain_connect(int error, const std::string& server) {
  const auto because = [&](Outcome outcome, std::string_view what) {
    return Failure{outcome, fmt::format("{} {}: {}", what, server, common::errno_text(error))};
  };
  if (is_local_fault(error)) return because(Outcome::kLocalResource, "could not open a connection to");
  switch (error) {
    case ECONNREFUSED:
      return {Outcome::kConnectRefused, fmt::format("nothing listens on {} (connection refused)", server)};
    case ETIMEDOUT:
      return {Outcome::kConnectTimeout, fmt::format("no answer to the connection attempt to {}", server)};
    case ECONNRESET:
    case ECONNABORTED:
      return because(Outcome::kConnectionReset, "the connection was reset by");
    default:
      return because(Outcome::kUnreachable, "there is no way to");
  }
}

Failure explain_no_answer(const std::string& server, common::SteadyTime began, common::SteadyTime until) {
  return {Outcome::kConnectTimeout,
          fmt::format("no answer to the connection attempt to {} within {}", server, waited(until - began))};
}

bool outweighs(const Failure& later, const std::optional<Failure>& earlier) {
  return !earlier || weight(later.outcome) >= weight(earlier->outcome);
}

}  // namespace monitor::net
