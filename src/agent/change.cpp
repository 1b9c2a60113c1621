#include "agent/change.h"

#include <string>
#include <unordered_map>
#include <utility>

namespace monitor::agent {
namespace {

using probe::Service;

bool says_the_same(const Service& a, const Service& b) {
  return a.name == b.name && a.url == b.url && a.target == b.target && a.method == b.method &&
         a.check_regex == b.check_regex && a.regex == b.regex && a.interval == b.interval && a.timeout == b.timeout &&
         a.body_limit == b.body_limit && a.spec() == b.spec();
}

bool names_files(const Service& service) {
  const auto& tls = service.spec().tls;
  return !tls.ca.empty() || !tls.cert.empty() || !tls.key.empty();
}

}  // namespace

Change change_of(const std::vector<Service>& before, Options after) {
  std::unordered_map<std::string, std::uint32_t> left;
  left.reserve(before.size());
  for (std::uint32_t i = 0; i < before.size(); ++i) left.emplace(before[i].key(), i);

  Change out;
  out.was.reserve(after.services.size());
  for (std::uint32_t i = 0; i < after.services.size(); ++i) {
    auto& service = after.services[i];
    const auto found = left.extract(service.key());
    out.was.push_back(found.empty() ? Change::kNew : found.mapped());
    if (found.empty()) {
      out.added.push_back(i);
    } else if (!says_the_same(service, before[found.mapped()])) {
      out.changed.push_back(i);
    } else if (names_files(service)) {
      out.renewed.push_back(i);
    } else {
      service.extra = before[found.mapped()].extra;
    }
  }
  out.removed.reserve(left.size());
  for (const auto& [key, position] : left) out.removed.push_back(position);
  if (after.limits.any()) out.hosts = hosts_of(after.services);
  out.options = std::move(after);
  return out;
}

}  // namespace monitor::agent
