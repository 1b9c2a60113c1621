// The bytes of a request, written from its parts (RFC 9112 §3). Pure.
#pragma once

#include <cstddef>
#include <string>
#include <string_view>
#include <vector>

#include "net/url.h"
#include "probe/options.h"

namespace monitor::probe {

struct RequestParts {
  std::string_view method;
  const net::Url& url;
  const std::vector<HeaderField>& fields;  ///< the service's own; each replaces ours of that name
  std::string_view authorization;          ///< value of an Authorization field; empty: none
  std::size_t body_bytes = 0;
  bool close = true;  ///< this is the only request on the connection
  bool compression = false;
};

/// Request line and header, up to the empty line. Holds secrets.
std::string write_request_head(const RequestParts& parts);

/// `OPTION` is the predecessor's spelling of OPTIONS. The view is into a constant.
std::string_view method_on_the_wire(std::string_view method);
/// Whether sending it twice does what sending it once does (RFC 9110 §9.2.2).
bool is_idempotent(std::string_view method);

/// `Basic …` (RFC 7617 §2).
std::string basic_authorization(std::string_view user, std::string_view password);
/// application/x-www-form-urlencoded, as RFC 6749 §2.3.1 wants client id and secret.
std::string form_encoded(std::string_view text);

}  // namespace monitor::probe
