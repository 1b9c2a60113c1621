// A URL as typed, taken apart and made fit for a request. Pure.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <variant>

#include <boost/asio/ip/address.hpp>

namespace monitor::net {

/// The parts of an http or https URL that a request is built from (RFC 3986, RFC 9110 §4.2). The fragment is dropped.
struct Url {
  bool tls = false;
  std::string host;  ///< ASCII, lower case: a name in A-labels (RFC 5890), or a literal address without brackets
  std::optional<boost::asio::ip::address> literal;  ///< set when `host` is an address
  std::uint16_t port = 0;
  std::string authority;      ///< the Host field: brackets around IPv6, the port unless it is the default one
  std::string target;         ///< path and query; what RFC 3986 forbids is percent-encoded, existing escapes are kept
  std::string authorization;  ///< a secret: the value of an Authorization field for the URL's user:password, or empty

  /// `host:port`, always with the port: how sentences name the server.
  std::string endpoint() const;
};

/// Why a URL cannot be used and what to write instead. Never quotes the URL, which may hold a password.
struct UrlRefusal {
  std::string sentence;
};

std::variant<Url, UrlRefusal> parse_url(std::string_view text);

}  // namespace monitor::net
