// Where a redirect leads and whether it is followed (RFC 9110 §15.4). Pure.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "net/url.h"
#include "probe/judgement.h"

namespace monitor::probe {

/// 301, 302, 303, 307, 308: a Location says where else to ask.
bool is_redirect(std::uint16_t status);

/// A request of ours, and the redirect that answered it.
struct Answered {
  const net::Url& first;  ///< the first URL of the chain
  const net::Url& url;    ///< the one that answered
  std::string_view method;
  bool has_body = false;
  std::uint16_t status = 0;
  const std::optional<std::string>& location;
};

/// The request to make next.
struct Redirect {
  net::Url url;
  std::string_view method;
  bool keeps_body = false;
  /// Scheme, host and port are those of the first request: credentials, header fields, client certificate and
  /// `connect_to` are for these alone.
  bool original = false;
};

/// 303 makes a GET of everything but HEAD; so do 301 and 302 of POST, as every client does it; 307 and 308 change
/// nothing. Refused: https to http, a Location that is missing or that net::resolve_reference() refuses, and a body
/// that would go to another origin.
std::variant<Redirect, Judgement> decide_redirect(const Answered& answered);

/// Every request of one chain.
class Trail {
 public:
  /// `max`: redirects followed.
  explicit Trail(int max) : max_(max) {}
  /// Takes down a request; or says why it is not made: it is one too many, or has been made before.
  std::optional<Judgement> enter(const net::Url& url, std::string_view method);

 private:
  int max_;
  std::vector<std::string> made_;
};

}  // namespace monitor::probe
