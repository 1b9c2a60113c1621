#include "net/reference.h"

#include <algorithm>

#include <fmt/format.h>

#include "common/text.h"

namespace monitor::net {
namespace {

using Result = std::variant<Url, UrlRefusal>;

constexpr std::size_t kMaxShownScheme = 32;

bool is_scheme_char(char c) {
  return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '+' || c == '-' || c == '.';
}

/// RFC 3986 §3.1: what stands before the first colon, unless it cannot be a scheme; empty: none.
std::string_view scheme_of(std::string_view text) {
  const auto colon = text.find(':');
  const auto name = text.substr(0, colon);
  const bool letter = !name.empty() && ((name[0] | 0x20) >= 'a' && (name[0] | 0x20) <= 'z');
  return colon != std::string_view::npos && letter && std::ranges::all_of(name, is_scheme_char) ? name
                                                                                                : std::string_view{};
}

bool is_http(std::string_view scheme) {
  const auto is = [scheme](std::string_view name) {
    return std::ranges::equal(scheme, name, {}, [](char c) { return static_cast<char>(c | 0x20); });
  };
  return is("http") || is("https");
}

/// RFC 3986 §5.2.4, for a path that begins with '/'.
std::string remove_dot_segments(std::string_view path) {
  std::string out;
  while (!path.empty()) {
    const auto end = std::min(path.find('/', 1), path.size());
    const auto segment = path.substr(0, end);
    path.remove_prefix(end);
    if (segment == "/." || segment == "/..") {
      if (segment == "/..") out.erase(std::min(out.rfind('/'), out.size()));
      if (path.empty()) out += '/';
    } else {
      out += segment;
    }
  }
  return out.empty() ? "/" : out;
}

std::string without_dots(std::string_view target) {
  const auto query = std::min(target.find('?'), target.size());
  return remove_dot_segments(target.substr(0, query)).append(target.substr(query));
}

std::string root_of(const Url& url) {
  return fmt::format("{}://{}", url.tls ? "https" : "http", url.authority);
}

/// RFC 3986 §5.2.3: `reference`, without scheme and authority, put in the place of what it replaces.
std::string merge(const Url& base, std::string_view reference) {
  const auto base_path = std::string_view(base.target).substr(0, base.target.find('?'));
  if (reference.starts_with('/')) return std::string(reference);
  if (reference.starts_with('?')) return std::string(base_path).append(reference);
  if (reference.empty()) return base.target;  // a fragment alone
  return std::string(base_path.substr(0, base_path.rfind('/') + 1)).append(reference);
}

/// Everything that can be wrong with the URL itself is parse_url()'s to say.
Result finish(const std::string& text) {
  const auto authority = std::string_view(text).substr(text.find("//") + 2);
  if (authority.substr(0, authority.find_first_of("/?#")).find('@') != std::string_view::npos) {
    return UrlRefusal{"the Location holds a user or a password, which is not used"};
  }
  auto result = parse_url(text);
  if (auto* const url = std::get_if<Url>(&result)) {
    url->target = without_dots(url->target);
    const auto length = root_of(*url).size() + url->target.size();
    if (length > kMaxReferenceCharacters) {
      return UrlRefusal{fmt::format("the URL that the Location leads to is {} characters long; at most {} are followed",
                                    length, kMaxReferenceCharacters)};
    }
  }
  return result;
}

}  // namespace

Result resolve_reference(const Url& base, std::string_view location) {
  if (location.empty()) return UrlRefusal{"the Location is empty"};
  if (location.size() > kMaxReferenceCharacters) {
    return UrlRefusal{fmt::format("the Location is {} characters long; at most {} are followed", location.size(),
                                  kMaxReferenceCharacters)};
  }
  if (std::ranges::any_of(location, [](unsigned char c) { return c < 0x20 || c == 0x7F; })) {
    return UrlRefusal{"the Location holds a control character"};
  }
  location = location.substr(0, location.find('#'));
  if (const auto scheme = scheme_of(location); !scheme.empty()) {
    if (is_http(scheme) && location.substr(scheme.size()).starts_with("://")) return finish(std::string(location));
    if (is_http(scheme)) return UrlRefusal{"the Location has no host after its scheme"};
    return UrlRefusal{fmt::format("the Location's scheme is {}, and only http and https are followed",
                                  common::storable(common::escape_controls(scheme), kMaxShownScheme))};
  }
  if (location.starts_with("//")) return finish(fmt::format("{}:{}", base.tls ? "https" : "http", location));
  return finish(root_of(base) + merge(base, location));
}

std::string without_query_values(std::string_view url) {
  const auto question = url.find('?');
  std::string out(url.substr(0, question));
  if (question == std::string_view::npos) return out;
  out += '?';
  for (auto rest = url.substr(question + 1); !rest.empty();) {
    const auto field = rest.substr(0, rest.find('&'));
    const auto name = field.find('=');
    if (name != std::string_view::npos) out.append(field.substr(0, name + 1));
    if (!field.empty()) out += "***";  // without a name the whole of it may be the secret
    rest.remove_prefix(field.size());
    if (rest.empty()) break;
    out += '&';
    rest.remove_prefix(1);
  }
  return out;
}

std::string shown(const Url& url) {
  return root_of(url).append(without_query_values(url.target));
}

bool same_origin(const Url& a, const Url& b) {
  return a.tls == b.tls && a.host == b.host && a.port == b.port;
}

}  // namespace monitor::net
