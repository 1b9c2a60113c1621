// One attempt to open a TCP connection to one address, and what its failure means. io thread only.
#pragma once

#include <cstdint>
#include <optional>
#include <string>

#include <boost/asio/ip/address.hpp>
#include <boost/asio/ip/tcp.hpp>

#include "common/units.h"
#include "net/failure.h"

namespace monitor::net {

/// `192.0.2.1:80`, `[2001:db8::1]:80`.
std::string endpoint_text(const boost::asio::ip::address& address, std::uint16_t port);

/// An address that no server has: multicast, broadcast, link-local without its link, 0.0.0.0 and ::, which Linux takes
/// for this machine. What the kernel says of these
/// depends on its routes, and may blame us.
std::optional<Failure> refuse_address(const boost::asio::ip::address& address, std::uint16_t port);

/// An attempt that has begun. `result` 0: connected; EINPROGRESS: wait until it can be written to, then ask
/// connect_result(); else the errno.
struct Begun {
  int descriptor = -1;  ///< a non-blocking socket, the caller's to close; -1: there was none to be had
  int result = 0;
};
Begun begin_connect(const boost::asio::ip::tcp::endpoint& endpoint);
/// 0: connected; else the errno.
int connect_result(int descriptor);

Failure explain_connect(int error, const std::string& server);
Failure explain_no_answer(const std::string& server, common::SteadyTime began, common::SteadyTime until);

/// Whether `later` tells more of the server than `earlier`: one that answered goes before silence, silence before a
/// network that has no way there, or a fault of ours, and these before an address that was denied.
bool outweighs(const Failure& later, const std::optional<Failure>& earlier);

}  // namespace monitor::net
