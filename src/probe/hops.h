// What one request on the way to the answer was, how long its phases took, and how that is stored. Plain data; pure.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "common/units.h"

namespace monitor::probe {

/// How long each phase took; null: it did not take place. A phase that failed counts until it did. `first_byte` is from
/// the end of connect and tls, and so holds the sending of the request (and the opening of a proxy's tunnel).
struct Phases {
  std::optional<common::Micros> dns, connect, tls, first_byte, transfer;
};

/// One request on the way to the answer: the first one, one after a redirect, or one repeated.
struct Hop {
  std::string url;  ///< without user and password; values of a query that a server gave us are `***`
  std::string method;
  std::optional<std::uint16_t> status;
  std::string remote_address;
  bool reused = false;
  Phases phases;
};

/// One line of JSON, an array of objects in the order of the hops. Members, in this order; what is not known, was not
/// had or is false is left out, except `url` and `method`:
///   "url"      text
///   "method"   text
///   "status"   number
///   "address"  text: the server's, without port
///   "reused"   true
///   "dns_us", "connect_us", "tls_us", "first_byte_us", "transfer_us"  numbers: microseconds
/// Without hops: empty text.
std::string to_json(const std::vector<Hop>& hops);

}  // namespace monitor::probe
