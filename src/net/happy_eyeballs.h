// Several attempts to connect at once, of which the first to succeed wins (RFC 8305). io thread only.
#pragma once

#include <chrono>
#include <cstdint>
#include <optional>
#include <string>

#include <boost/asio/any_io_executor.hpp>
#include <boost/asio/awaitable.hpp>
#include <boost/asio/ip/address.hpp>
#include <boost/asio/ip/tcp.hpp>

#include "common/units.h"
#include "net/failure.h"
#include "net/hosts_file.h"

namespace monitor::net {

/// More are not tried: each is a descriptor.
inline constexpr std::size_t kMaxAttempts = 64;
/// RFC 8305 §5: how long an attempt is alone, and the least time that it may be.
inline constexpr std::chrono::milliseconds kAttemptDelay{250}, kMinAttemptDelay{10};

/// RFC 8305 §4: IPv6 and IPv4 in turns, beginning with IPv6, in the given order inside each; kMaxAttempts at most.
Addresses interleave(const Addresses& addresses);

/// How long after one of `count` attempts the next one begins, so that the last has half of what is `left` for itself.
std::chrono::milliseconds attempt_delay(std::chrono::steady_clock::duration left, std::size_t count);

/// Who won, or why nobody did.
struct RaceResult {
  std::optional<boost::asio::ip::tcp::socket> socket;
  boost::asio::ip::address peer;
  std::string passed_over;  ///< `[::1]:80 was passed over: connection refused`, of the first; empty: that one won
  Failure failure;
};

/// Tries the addresses in this order until `deadline`; each after the other's delay, or as soon as the last one has
/// failed. Where there are no SpareSockets for that, the next attempt takes the place of the oldest one. Everything but
/// the winner is closed. Cancelled: throws `operation_aborted`.
boost::asio::awaitable<RaceResult> race(boost::asio::any_io_executor io, Addresses addresses, std::uint16_t port,
                                        common::SteadyTime deadline);

}  // namespace monitor::net
