// What holds for every URL that we would request. Pure.
#pragma once

#include <algorithm>
#include <string>
#include <variant>

#include "fuzz.h"
#include "net/reference.h"
#include "net/url.h"

namespace monitor::fuzz {

inline bool is_visible_ascii(std::string_view text) {
  return std::ranges::all_of(text, [](char c) { return c > 0x20 && c < 0x7F; });
}

inline std::string text_of(const net::Url& url) {
  return (url.tls ? "https://" : "http://") + url.authority + url.target;
}

inline void check_url(const net::Url& url) {
  require(!url.host.empty() && is_visible_ascii(url.host), "a host is visible ASCII");
  require(std::ranges::none_of(url.host, [](char c) { return c >= 'A' && c <= 'Z'; }), "a host is lower case");
  require(url.host.find_first_of("/?#@\\%") == std::string::npos, "a host holds no delimiter");
  require(url.port != 0, "there is a port");
  require(is_visible_ascii(url.authority), "the Host field is visible ASCII");
  require(url.authority.find_first_of("/?#@\\") == std::string::npos, "the Host field holds no user and no path");
  require(url.target.starts_with('/') && is_visible_ascii(url.target), "a target is a path in visible ASCII");
  require(url.target.find('#') == std::string::npos, "a target has no fragment");
  require(std::ranges::none_of(url.authorization, [](char c) { return c == '\r' || c == '\n'; }),
          "credentials are one line");
  require(is_inert(net::shown(url)), "a URL that is shown is inert");

  auto again = net::parse_url(text_of(url));
  const auto* same = std::get_if<net::Url>(&again);
  require(same != nullptr, "what is requested is itself a URL");
  require(same->tls == url.tls && same->host == url.host && same->port == url.port && same->literal == url.literal,
          "a URL read again leads to the same server");
  require(same->authority == url.authority && same->target == url.target, "and to the same resource");
}

}  // namespace monitor::fuzz
