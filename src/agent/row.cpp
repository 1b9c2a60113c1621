#include "agent/row.h"

#include <utility>

namespace monitor::agent {

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

storage::Result to_result(probe::Observation&& seen, storage::DefinitionId definition, common::Micros lateness) {
  storage::Result row;
  row.definition = definition;
  row.requested_at = seen.started;
  row.outcome = seen.outcome;
  row.status = seen.status;
  row.contains_regex = seen.contains_regex;
  row.capped = seen.capped;
  row.dns_cached = seen.dns_cached;
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
  return row;
}

}  // namespace monitor::agent
