#include "probe/hops.h"

#include <boost/json/array.hpp>
#include <boost/json/object.hpp>
#include <boost/json/serialize.hpp>

namespace monitor::probe {
namespace {

namespace json = boost::json;

void add(json::object& to, std::string_view name, const std::optional<common::Micros>& phase) {
  if (phase) to[{name.data(), name.size()}] = phase->count();
}

json::object as_json(const Hop& hop) {
  json::object out;
  out["url"] = hop.url;
  out["method"] = hop.method;
  if (hop.status) out["status"] = *hop.status;
  if (!hop.remote_address.empty()) out["address"] = hop.remote_address;
  if (hop.reused) out["reused"] = true;
  add(out, "dns_us", hop.phases.dns);
  add(out, "connect_us", hop.phases.connect);
  add(out, "tls_us", hop.phases.tls);
  add(out, "first_byte_us", hop.phases.first_byte);
  add(out, "transfer_us", hop.phases.transfer);
  return out;
}

}  // namespace

std::string to_json(const std::vector<Hop>& hops) {
  if (hops.empty()) return {};
  json::array out;
  for (const auto& hop : hops) out.emplace_back(as_json(hop));
  return json::serialize(out);
}

}  // namespace monitor::probe
