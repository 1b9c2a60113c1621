// The rules for what a service puts into its request and for where that goes; declared in probe/options.h.
#include <algorithm>
#include <array>
#include <variant>

#include <fmt/format.h>

#include "net/url.h"
#include "probe/options.h"

namespace monitor::probe {
namespace {

constexpr std::size_t kMaxFieldName = 256;
// Servers take about 8 KiB for one field (nginx, Apache).
constexpr std::size_t kMaxFieldValue = 8000;

char lower(char c) {
  return c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c;
}

bool is_control(char c) {
  return static_cast<unsigned char>(c) < 0x20 || c == 0x7F;
}

/// RFC 9110 §5.6.2: tchar.
bool is_token_char(char c) {
  if (c >= '0' && c <= '9') return true;
  if (lower(c) >= 'a' && lower(c) <= 'z') return true;
  return c != '\0' && std::string_view("!#$%&'*+-.^_`|~").find(c) != std::string_view::npos;
}

struct OursToSay {
  std::string_view name, instead;
};
constexpr std::array kOursToSay{
    OursToSay{"connection", "write `connection: fresh` or `connection: reuse`"},
    OursToSay{"keep-alive", "write `connection: fresh` or `connection: reuse`"},
    OursToSay{"proxy-connection", "write `connection: fresh` or `connection: reuse`"},
    OursToSay{"content-length", "leave it out, it is counted from the body"},
    OursToSay{"transfer-encoding", "leave it out, the body is sent with its length"},
    OursToSay{"te", "leave it out, transfer codings are not asked for"},
    OursToSay{"trailer", "leave it out, no trailers are sent"},
    OursToSay{"upgrade", "leave it out, a check speaks HTTP/1.1 to its end"},
    OursToSay{"expect", "leave it out, the body is sent at once"},
    OursToSay{"proxy-authorization", "write user and password into `proxy`"},
};

}  // namespace

std::optional<std::string> refuse_header(std::string_view name, std::string_view value) {
  if (name.empty()) return "the header has no name";
  if (name.size() > kMaxFieldName) {
    return fmt::format("the header's name is {} bytes long; at most {} are allowed", name.size(), kMaxFieldName);
  }
  if (!std::ranges::all_of(name, is_token_char)) {
    return "the header's name holds a character that no name has: use letters, digits and '-'";
  }
  for (const auto& [ours, instead] : kOursToSay) {
    if (std::ranges::equal(name, ours, {}, lower)) return fmt::format("{} is for us to say: {}", name, instead);
  }
  if (value.size() > kMaxFieldValue) {
    return fmt::format("the value of {} is {} bytes long; at most {} are allowed", name, value.size(), kMaxFieldValue);
  }
  if (std::ranges::any_of(value, is_control)) {
    return fmt::format("the value of {} holds a control character: write it on one line", name);
  }
  return std::nullopt;
}

std::optional<std::string> refuse_credentials(std::string_view user, std::string_view password) {
  if (user.find(':') != std::string_view::npos) return "the user holds a ':', which ends a user's name (RFC 7617)";
  if (std::ranges::any_of(user, is_control)) return "the user holds a control character";
  if (std::ranges::any_of(password, is_control)) return "the password holds a control character";
  return std::nullopt;
}

std::optional<std::string> refuse_token(std::string_view token) {
  const auto printable = [](char c) { return c > 0x20 && c < 0x7F; };
  if (token.empty()) return "the token is empty";
  if (std::ranges::all_of(token, printable)) return std::nullopt;
  return "the token holds a blank, a control character or a letter beyond ASCII: no bearer token has one (RFC 6750)";
}

std::optional<std::string> refuse_proxy(std::string_view url) {
  auto parsed = net::parse_url(url);
  if (const auto* refusal = std::get_if<net::UrlRefusal>(&parsed)) return "the proxy: " + refusal->sentence;
  const auto& proxy = std::get<net::Url>(parsed);
  if (proxy.tls) return "the proxy is spoken to in plain HTTP: write http://HOST:PORT";
  if (proxy.target != "/") return "the proxy's URL holds a path: write http://HOST:PORT";
  return std::nullopt;
}

std::optional<std::string> refuse_family(std::string_view url, net::AddressFamily family) {
  const auto parsed = net::parse_url(url);
  const auto* const known = std::get_if<net::Url>(&parsed);
  if (known == nullptr || !known->literal || family == net::AddressFamily::kAny) return std::nullopt;
  if (known->literal->is_v4() == (family == net::AddressFamily::kIpv4)) return std::nullopt;
  return fmt::format("family asks for {}, and the address to connect to is none; change one of them",
                     family == net::AddressFamily::kIpv4 ? "ipv4" : "ipv6");
}

std::optional<std::string> refuse_place(const HostPort& place) {
  if (place.port == 0) return "the port is missing: write HOST:PORT, a port from 1 to 65535";
  if (place.host.find_first_of("/?#@[]") != std::string::npos) return "write HOST:PORT, or [IPv6]:PORT";
  const auto host = place.host.find(':') == std::string::npos ? place.host : fmt::format("[{}]", place.host);
  auto parsed = net::parse_url(fmt::format("http://{}:{}/", host, place.port));
  if (auto* refusal = std::get_if<net::UrlRefusal>(&parsed)) return std::move(refusal->sentence);
  return std::nullopt;
}

}  // namespace monitor::probe
