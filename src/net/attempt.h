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

/// An address that no server has: multicast, broadcast, link-local without its link. What the kernel says of these
/// depends on its routes, and may blame us.
std::optional<Failure> refuse_address(const boost::asio::ip::address& address, std::uint16_t port);

/// Opens `socket` and begins. 0: connected; EINPROGRESS: wait until it can be written to, then ask connect_result();
/// else the errno, with `socket` closed if it was opening it that failed.
int begin_connect(boost::asio::ip::tcp::socket& socket, const boost::asio::ip::tcp::endpoint& endpoint);
/// 0: connected; else the errno.
int connect_result(boost::asio::ip::tcp::socket& socket);

Failure explain_connect(int error, const std::string& server);
Failure explain_no_answer(const std::string& server, common::SteadyTime began, common::SteadyTime until);

/// Whether `later` tells more of the server than `earlier`: one that answered goes before silence, and silence before a
/// network that has no way there, or a fault of ours.
bool outweighs(const Failure& later, const std::optional<Failure>& earlier);

}  // namespace monitor::net
