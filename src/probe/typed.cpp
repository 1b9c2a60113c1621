#include "probe/typed.h"

#include <algorithm>

namespace monitor::probe {
namespace {

constexpr std::string_view kBegin = "${";

/// `user:password` of a URL, as typed; empty: none.
std::string_view userinfo(std::string_view url) {
  const auto scheme = url.find("://");
  if (scheme == std::string_view::npos) return {};
  url.remove_prefix(scheme + 3);
  url = url.substr(0, url.find_first_of("/?#"));
  const auto at = url.rfind('@');
  return at == std::string_view::npos ? std::string_view{} : url.substr(0, at);
}

}  // namespace

std::string typed_authority(const Service& service) {
  if (service.target.empty() || service.target == service.url) return {};
  std::string typed = without_userinfo(service.url);
  if (const auto scheme = typed.find("://"); scheme != std::string::npos) typed.erase(0, scheme + 3);
  typed.erase(std::min(typed.size(), typed.find_first_of("/?#")));
  return typed.find(kBegin) == std::string::npos ? std::string{} : typed;
}

std::vector<std::string> expanded_values(std::string_view typed, std::string_view expanded) {
  std::vector<std::string> out;
  for (;;) {
    const auto name = typed.find(kBegin);
    const auto end = name == std::string_view::npos ? name : typed.find('}', name);
    if (end == std::string_view::npos || !expanded.starts_with(typed.substr(0, name))) return out;
    typed.remove_prefix(end + 1);
    expanded.remove_prefix(name);
    const auto literal = typed.substr(0, typed.find(kBegin));
    const auto value = literal.empty() ? expanded.size() : std::min(expanded.find(literal), expanded.size());
    if (value > 0) out.emplace_back(expanded.substr(0, value));
    expanded.remove_prefix(value);
  }
}

std::vector<std::string> typed_secrets(const Service& service) {
  const std::string_view target = service.target.empty() ? service.url : service.target;
  std::vector<std::string> out;
  if (target != service.url) out = expanded_values(service.url, target);
  const auto user = userinfo(target);
  if (const auto colon = user.find(':'); colon != std::string_view::npos) out.emplace_back(user.substr(colon + 1));
  std::erase_if(out, [](const std::string& secret) { return secret.empty(); });
  return out;
}

}  // namespace monitor::probe
