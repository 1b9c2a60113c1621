#include "probe/evidence.h"

#include <algorithm>
#include <array>

#include "common/text.h"

namespace monitor::probe {
namespace {

char lower(char c) {
  return c >= 'A' && c <= 'Z' ? static_cast<char>(c + ('a' - 'A')) : c;
}

/// Appends the places of the values that are secret by the name of their field, with the lines that continue them.
void find_secret_fields(std::string_view head, std::vector<Span>& spans) {
  bool secret = false;
  for (std::size_t begin = 0; begin < head.size();) {
    const auto newline = std::min(head.find('\n', begin), head.size());
    auto line = head.substr(begin, newline - begin);
    if (line.ends_with('\r')) line.remove_suffix(1);
    const bool continued = line.starts_with(' ') || line.starts_with('\t');
    std::size_t value = 0;
    if (!continued) {
      const auto colon = line.find(':');
      secret = colon != std::string_view::npos && is_secret_field(line.substr(0, colon));
      value = colon + 1;
    }
    if (secret) {
      value = std::min(line.find_first_not_of(" \t", value), line.size());
      if (value < line.size()) spans.push_back({begin + value, begin + line.size()});
    }
    begin = newline + 1;
  }
}

/// Appends the places of `user:password@` in URLs, as a Location may hold them.
void find_userinfo(std::string_view head, std::vector<Span>& spans) {
  constexpr std::string_view kScheme = "://";
  for (auto at = head.find(kScheme); at != std::string_view::npos; at = head.find(kScheme, at)) {
    at += kScheme.size();
    const auto authority = head.substr(at, head.substr(at).find_first_of("/?# \t\r\n"));
    const auto userinfo = authority.rfind('@');
    if (userinfo != std::string_view::npos && userinfo > 0) spans.push_back({at, at + userinfo});
  }
}

/// Each line escaped; lines end with `\n`.
std::string inert(std::string_view text) {
  std::string out;
  while (true) {
    const auto newline = text.find('\n');
    auto line = text.substr(0, newline);
    if (newline != std::string_view::npos && line.ends_with('\r')) line.remove_suffix(1);
    out += common::escape_controls(line);
    if (newline == std::string_view::npos) return out;
    out += '\n';
    text.remove_prefix(newline + 1);
  }
}

std::string shown(std::string_view text, std::size_t limit, const std::vector<Span>& spans) {
  return common::storable(inert(masked(text, limit, spans)), limit);
}

}  // namespace

bool is_secret_field(std::string_view name) {
  constexpr std::array<std::string_view, 5> kSecret{"set-cookie", "set-cookie2", "cookie", "authorization",
                                                    "proxy-authorization"};
  while (name.ends_with(' ') || name.ends_with('\t')) name.remove_suffix(1);
  return std::ranges::any_of(kSecret,
                             [name](std::string_view secret) { return std::ranges::equal(name, secret, {}, lower); });
}

std::string evidence_text(std::string_view head, std::string_view body, const Expectations& expectations,
                          const Secrets* secrets) {
  const auto& options = expectations.source().evidence;
  if (options.none || (head.empty() && body.empty())) return {};
  const Redaction redaction(secrets, expectations.redact(), kEvidenceWork);
  auto spans = redaction.spans(head);
  find_secret_fields(head, spans);
  find_userinfo(head, spans);
  join(spans);
  auto out = shown(head, kMaxEvidenceHead, spans);
  while (out.ends_with('\n')) out.pop_back();
  if (options.bytes == 0 || body.empty()) return out;
  out += "\n\n";
  out += shown(body, options.bytes, redaction.spans(body));
  return out;
}

}  // namespace monitor::probe
