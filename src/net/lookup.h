// One name being asked for: the answers so far, what they come to, and who waits for them. io thread only.
#pragma once

#include <array>
#include <chrono>
#include <list>
#include <optional>
#include <string>

#include <boost/asio/ip/address.hpp>
#include <boost/asio/steady_timer.hpp>

#include "common/units.h"
#include "net/dns_channel.h"
#include "net/failure.h"
#include "net/hosts_file.h"
#include "net/options.h"

namespace monitor::net {

/// 0.0.0.0 and ::, also as IPv6 writes the former: Linux connects to itself instead.
bool is_nowhere(const boost::asio::ip::address& address);
Failure explain_nowhere(const std::string& name);

struct Lookup {
  std::string name;
  AddressFamily family = AddressFamily::kAny;
  common::SteadyTime started;
  bool nowhere = false;                            ///< an answer held an address that is_nowhere(), which was dropped
  std::array<std::optional<DnsReply>, 2> replies;  ///< IPv6 first
  std::optional<common::SteadyTime> first_addresses;
  std::list<boost::asio::steady_timer*> waiters;

  bool done() const;
  /// A reply for the name itself, not for one made with a search domain. A name without a dot is meant to be completed.
  bool is_for_the_name(const DnsReply& reply) const;
  /// Null: none yet.
  SharedAddresses addresses() const;
  /// The smallest of those that gave addresses, `longest` at most.
  std::chrono::seconds ttl(std::chrono::seconds longest) const;
  /// Why there is no address. What one family says of the name goes before what it lacks.
  Failure failure() const;

 private:
  bool counts(const std::optional<DnsReply>& reply) const;
};

}  // namespace monitor::net
