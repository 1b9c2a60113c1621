// How a service's connections are made: what stands between us and the server. Plain data, shared by many checks.
#pragma once

#include <cstdint>
#include <optional>
#include <string>

#include <boost/asio/ip/tcp.hpp>

#include "net/hosts_file.h"
#include "net/options.h"
#include "net/resolver.h"

namespace monitor::probe {

/// Where a TCP connection goes.
struct Place {
  std::string host;              ///< as Url::host
  net::SharedAddresses literal;  ///< when `host` is an address; else null
  std::uint16_t port = 0;
};

/// An HTTP proxy that opens tunnels (RFC 9110 §9.3.6).
struct Proxy {
  Place place;
  std::string endpoint;       ///< `host:port`: how sentences name it
  std::string authorization;  ///< a secret: the value of a Proxy-Authorization field, or empty
};

struct Route {
  net::Resolver* resolver = nullptr;  ///< the prober's
  net::AddressFamily family = net::AddressFamily::kAny;
  std::optional<Place> instead;  ///< `connect_to`: for the first request's origin alone
  std::optional<Proxy> proxy;
  std::optional<boost::asio::ip::tcp::endpoint> name_server;  ///< where the resolver asks, if a service says it
};

}  // namespace monitor::probe
