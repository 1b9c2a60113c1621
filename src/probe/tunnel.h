// Asks a proxy for a tunnel to a server (RFC 9110 §9.3.6). io thread only.
#pragma once

#include <optional>
#include <span>
#include <string>

#include <boost/asio/awaitable.hpp>

#include "net/connection.h"
#include "net/failure.h"
#include "net/url.h"
#include "probe/route.h"

namespace monitor::probe {

/// Bytes of a proxy's answer.
inline constexpr std::size_t kMaxTunnelHeader = std::size_t{16} << 10;

std::string write_connect(const Proxy& proxy, const net::Url& target);

/// Over a connection to the proxy, within its deadline; nothing: the tunnel is open and nothing has come through it
/// yet. `scratch` holds nothing while this waits. Cancelled: throws `operation_aborted`.
boost::asio::awaitable<std::optional<net::Failure>> open_tunnel(net::Connection& connection, const Proxy& proxy,
                                                                const net::Url& target, std::span<char> scratch);

}  // namespace monitor::probe
