// What a redirect's Location means, seen from the URL that sent it; and how a URL is shown. Pure.
#pragma once

#include <string>
#include <string_view>
#include <variant>

#include "net/url.h"

namespace monitor::net {

/// No longer URL is followed.
inline constexpr std::size_t kMaxReferenceCharacters = 2083;

/// RFC 3986 §5.2: absolute, `//host`, `/path`, `path`, `?query`, or empty (the base itself); the fragment is dropped. A
/// scheme other than http and https, and anything parse_url() refuses, is refused with a sentence.
std::variant<Url, UrlRefusal> resolve_reference(const Url& base, std::string_view location);

/// `/path?a=***&b=***`: names of a query without their values; any text of a URL will do.
std::string without_query_values(std::string_view url);

/// `https://host:port/path?a=***&b=***`: no user, no password, names of a query without their values. Storable.
std::string shown(const Url& url);

/// RFC 6454 §5: scheme, host and port.
bool same_origin(const Url& a, const Url& b);

}  // namespace monitor::net
