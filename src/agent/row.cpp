#include "agent/row.h"

#include <utility>

#include "common/text.h"
#include "probe/hops.h"

namespace monitor::agent {

namespace {

/// Hops that are too long to store would be cut somewhere, and be JSON no more: their URLs are cut instead.
std::string hops_of(std::vector<probe::Hop>&& hops) {
  constexpr std::size_t kShortestUrl = 64;
  std::string json = probe::to_json(hops);
  for (std::size_t length = 512; json.size() > storage::kMaxHopsBytes && length >= kShortestUrl; length /= 2) {
    for (auto& hop : hops) hop.url = common::storable(hop.url, length);
    json = probe::to_json(hops);
  }
  return json;
}

}  // namespace

storage::Definition to_definition(const probe::Service& service) {
  return {.key = probe::without_userinfo(service.key()),
          .name = service.name,
          .url = probe::without_userinfo(service.url),
          .method = service.method,
          .check_regex = service.check_regex,
          .regex = service.regex,
          .interval = service.interval,
          .timeout = service.timeout,
          .settings = service.spec().shown};
}

storage::Result to_result(probe::Observation&& seen, storage::DefinitionId definition, common::Micros lateness,
                          std::uint16_t attempt) {
  storage::Result row;
  row.definition = definition;
  row.requested_at = seen.started;
  row.outcome = seen.outcome;
  row.status = seen.status;
  row.contains_regex = seen.contains_regex;
  row.capped = seen.capped;
  row.dns_cached = seen.dns_cached;
  row.connection = seen.reused ? storage::Connection::kReused : storage::Connection::kFresh;
  row.retried = seen.retried;
  row.http_1_0 = seen.http_1_0;
  row.attempt = attempt;
  row.reason = std::move(seen.reason);
  row.remote_address = std::move(seen.remote_address);
  row.dns = seen.phases.dns;
  row.connect = seen.phases.connect;
  row.tls = seen.phases.tls;
  row.first_byte = seen.phases.first_byte;
  row.transfer = seen.phases.transfer;
  row.total = seen.total;
  row.lateness = lateness;
  row.body_bytes = seen.body_bytes;
  row.tls_facts = std::move(seen.tls_facts);
  row.hops = hops_of(std::move(seen.hops));
  row.evidence = std::move(seen.evidence);
  return row;
}

}  // namespace monitor::agent
