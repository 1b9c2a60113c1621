#include "net/url.h"

#include <algorithm>
#include <array>
#include <charconv>
#include <memory>

#include <boost/asio/ip/address_v4.hpp>
#include <boost/asio/ip/address_v6.hpp>
#include <boost/system/error_code.hpp>
#include <fmt/format.h>
#include <idn2.h>

namespace monitor::net {
namespace {

namespace ip = boost::asio::ip;
using Refused = std::optional<std::string>;

constexpr std::uint16_t kHttpPort = 80;
constexpr std::uint16_t kHttpsPort = 443;
// RFC 1035 §2.3.4: a name is 255 bytes on the wire, which is 253 characters as written.
constexpr std::size_t kMaxNameBytes = 253;
constexpr std::size_t kMaxLabelBytes = 63;

bool is_digit(char c) {
  return c >= '0' && c <= '9';
}
bool is_alpha(char c) {
  return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
}
bool is_hex(char c) {
  return is_digit(c) || (c >= 'a' && c <= 'f') || (c >= 'A' && c <= 'F');
}
bool is_control(char c) {
  return static_cast<unsigned char>(c) < 0x20 || c == 0x7F;
}
char lower(char c) {
  return c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c;
}
bool is_escape(std::string_view text) {
  return text.size() >= 3 && text[0] == '%' && is_hex(text[1]) && is_hex(text[2]);
}

/// RFC 3986 §3.3 and §3.4: pchar, and what separates segments and queries.
bool is_target_char(char c) {
  return is_alpha(c) || is_digit(c) ||
         (c != '\0' && std::string_view("-._~!$&'()*+,;=:@/?").find(c) != std::string::npos);
}

std::string encode_target(std::string_view text) {
  std::string out;
  out.reserve(text.size());
  for (std::size_t i = 0; i < text.size(); ++i) {
    if (is_target_char(text[i]) || is_escape(text.substr(i))) {
      out += text[i];
    } else {
      out += fmt::format("%{:02X}", static_cast<unsigned char>(text[i]));
    }
  }
  return out;
}

unsigned char hex_value(char c) {
  if (is_digit(c)) return static_cast<unsigned char>(c - '0');
  return static_cast<unsigned char>(lower(c) - 'a' + 10);
}

std::string decode_escapes(std::string_view text) {
  std::string out;
  for (std::size_t i = 0; i < text.size(); ++i) {
    if (is_escape(text.substr(i))) {
      out += static_cast<char>(hex_value(text[i + 1]) * 16 + hex_value(text[i + 2]));
      i += 2;
    } else {
      out += text[i];
    }
  }
  return out;
}

/// RFC 4648 §4.
std::string base64(std::string_view bytes) {
  constexpr std::string_view kAlphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
  std::string out;
  for (std::size_t i = 0; i < bytes.size(); i += 3) {
    std::uint32_t group = 0;
    for (std::size_t k = 0; k < 3; ++k) {
      group = group << 8 | (i + k < bytes.size() ? static_cast<unsigned char>(bytes[i + k]) : 0U);
    }
    for (std::size_t k = 0; k < 4; ++k) {
      out += i + k > bytes.size() ? '=' : kAlphabet[group >> (18 - 6 * k) & 63U];
    }
  }
  return out;
}

/// RFC 7617: what HTTP clients make of `user:password@`. A user without a password sends an empty one.
std::string basic_authorization(std::string_view userinfo) {
  const auto colon = userinfo.find(':');
  const auto user = userinfo.substr(0, colon);
  const auto password = colon == std::string_view::npos ? std::string_view{} : userinfo.substr(colon + 1);
  return "Basic " + base64(decode_escapes(user) + ":" + decode_escapes(password));
}

std::variant<std::string, UrlRefusal> to_ascii(std::string_view name) {
  char* converted = nullptr;
  const int status = ::idn2_to_ascii_8z(std::string(name).c_str(), &converted, IDN2_NONTRANSITIONAL | IDN2_NFC_INPUT);
  const std::unique_ptr<char, void (*)(void*)> owner(converted, ::idn2_free);
  if (status != IDN2_OK) {
    return UrlRefusal{fmt::format("the host is not a valid internationalized name ({}): check its spelling",
                                  ::idn2_strerror(status))};
  }
  return std::string(converted);
}

Refused refuse_label(std::string_view label) {
  if (label.empty()) return "the host has an empty label: write one dot between labels";
  if (label.size() > kMaxLabelBytes) {
    return fmt::format("a label of the host is {} bytes long; at most {} are allowed", label.size(), kMaxLabelBytes);
  }
  const auto allowed = [](char c) { return is_alpha(c) || is_digit(c) || c == '-' || c == '_'; };
  if (!std::ranges::all_of(label, allowed)) {
    return "the host holds a character that no host name has: use letters, digits, '-', '_' and '.'";
  }
  return std::nullopt;
}

Refused refuse_name(std::string_view name) {
  if (name.ends_with('.')) name.remove_suffix(1);
  if (name.size() > kMaxNameBytes) {
    return fmt::format("the host is {} bytes long; at most {} are allowed", name.size(), kMaxNameBytes);
  }
  std::string_view last;
  for (std::string_view rest = name;;) {
    last = rest.substr(0, rest.find('.'));
    if (auto why = refuse_label(last)) return why;
    if (last.size() == rest.size()) break;
    rest.remove_prefix(last.size() + 1);
  }
  // Old ways to write an IPv4 address (2130706433, 0x7f.1, 0177.0.0.1): libraries differ in what they mean.
  const bool hex = last.size() >= 2 && last[0] == '0' && last[1] == 'x' && std::ranges::all_of(last.substr(2), is_hex);
  if (hex || std::ranges::all_of(last, is_digit)) {
    return "the host ends in a number but is not an IPv4 address: write four decimal numbers from 0 to 255";
  }
  return std::nullopt;
}

Refused take_literal_v6(std::string_view text, Url& url) {
  boost::system::error_code error;
  const auto address = ip::make_address_v6(std::string(text), error);
  if (error || text.find('%') != std::string_view::npos) {
    return "the address in brackets is not an IPv6 address: write it like [2001:db8::1], without a zone";
  }
  url.literal = address;
  url.host = address.to_string();
  return std::nullopt;
}

Refused take_host(std::string_view text, Url& url) {
  if (text.empty()) return "the URL has no host: write http://HOST/ or https://HOST/";
  if (text.find('%') != std::string_view::npos) {
    return "the host holds a percent-encoded character: write the character itself";
  }
  const bool ascii = std::ranges::all_of(text, [](char c) { return static_cast<unsigned char>(c) < 0x80; });
  if (ascii) {
    url.host = std::string(text);
  } else {
    auto converted = to_ascii(text);
    if (auto* refusal = std::get_if<UrlRefusal>(&converted)) return std::move(refusal->sentence);
    url.host = std::get<std::string>(std::move(converted));
  }
  std::ranges::transform(url.host, url.host.begin(), lower);
  boost::system::error_code error;
  const auto address = ip::make_address_v4(url.host, error);
  if (!error) {
    url.literal = address;
    return std::nullopt;
  }
  return refuse_name(url.host);
}

Refused take_port(std::string_view text, Url& url) {
  url.port = url.tls ? kHttpsPort : kHttpPort;
  if (text.empty()) return std::nullopt;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), url.port);
  if (error != std::errc{} || end != text.data() + text.size() || url.port == 0) {
    return "the port is not a number from 1 to 65535; if this is part of a password, percent-encode its '/', '?', "
           "'#' and '@'";
  }
  return std::nullopt;
}

Refused take_authority(std::string_view text, Url& url) {
  if (const auto at = text.rfind('@'); at != std::string_view::npos) {
    if (at > 0) url.authorization = basic_authorization(text.substr(0, at));
    text.remove_prefix(at + 1);
  }
  if (text.starts_with('[')) {
    const auto close = text.find(']');
    if (close == std::string_view::npos) return "the host opens a bracket and does not close it";
    if (auto why = take_literal_v6(text.substr(1, close - 1), url)) return why;
    text.remove_prefix(close + 1);
    if (!text.empty() && text.front() != ':') return "only a port may follow the address in brackets";
  } else {
    const auto colon = text.find(':');
    if (auto why = take_host(text.substr(0, colon), url)) return why;
    text.remove_prefix(std::min(colon, text.size()));
  }
  if (!text.empty()) text.remove_prefix(1);
  return take_port(text, url);
}

/// The length of `http://` or `https://` at the start, or 0 (RFC 3986 §3.1: in any case).
std::size_t scheme_length(std::string_view text, bool& tls) {
  for (const std::string_view scheme : {"http://", "https://"}) {
    const auto head = text.substr(0, scheme.size());
    if (!std::ranges::equal(head, scheme, {}, lower)) continue;
    tls = scheme.size() == 8;
    return scheme.size();
  }
  return 0;
}

}  // namespace

std::string Url::endpoint() const {
  return literal && literal->is_v6() ? fmt::format("[{}]:{}", host, port) : fmt::format("{}:{}", host, port);
}

std::variant<Url, UrlRefusal> parse_url(std::string_view text) {
  Url url;
  const auto scheme = scheme_length(text, url.tls);
  if (scheme == 0) return UrlRefusal{"the URL does not start with http:// or https://"};
  if (std::ranges::any_of(text, is_control)) {
    return UrlRefusal{"the URL holds a control character: percent-encode it (a newline is %0A)"};
  }
  text.remove_prefix(scheme);
  text = text.substr(0, text.find('#'));
  const auto end = std::min(text.find_first_of("/?"), text.size());
  if (auto why = take_authority(text.substr(0, end), url)) return UrlRefusal{std::move(*why)};
  url.target = encode_target(text.substr(end));
  if (!url.target.starts_with('/')) url.target.insert(0, 1, '/');
  const bool default_port = url.port == (url.tls ? kHttpsPort : kHttpPort);
  url.authority = url.endpoint();
  if (default_port) url.authority.resize(url.authority.rfind(':'));
  return url;
}

}  // namespace monitor::net
