// One check, now, for a person who asks: on an event loop of its own, into no database. One at a time in a process,
// since it takes the signals; on the calling thread.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "common/outcome.h"
#include "common/units.h"
#include "net/options.h"
#include "net/tls_facts.h"
#include "probe/hops.h"
#include "probe/options.h"

namespace monitor::app {

/// What the check came to, as plain data. Texts that a server gave are not escaped yet.
struct OneCheck {
  common::Outcome outcome = common::Outcome::kUp;
  std::string reason;  ///< one sentence; empty for `up`
  common::WallTime started{};
  std::optional<std::uint16_t> status;  ///< null when no HTTP response was had
  bool contains_regex = false;          ///< the predecessor's `regex` was found
  bool capped = false;                  ///< the body is longer than the service's limit; its beginning was judged
  bool dns_cached = false;
  bool reused = false;   ///< the last connection had been used by an earlier request of this check
  bool retried = false;  ///< the request was sent again, since a reused connection proved stale
  bool http_1_0 = false;
  std::string remote_address;     ///< without port, of the last hop; empty when no connection was had
  net::SharedTlsFacts tls_facts;  ///< of the last handshake, also when it failed; null without TLS
  probe::Phases phases;           ///< summed over all hops
  common::Micros total{};
  std::int64_t body_bytes = 0;   ///< read, at most the service's limit
  std::vector<probe::Hop> hops;  ///< every request in order; never empty
  std::string hops_json;         ///< the same as databases have them (probe::to_json)
};

/// Carries the check out, within the service's timeout. Nothing when SIGINT, SIGTERM or SIGHUP cut it; a second signal
/// ends the process at once with kExitForced. Throws common::UsageError for a service that cannot be asked,
/// common::Error when the trusted certificates cannot be read.
std::optional<OneCheck> check_once(const probe::Service& service, const net::Options& options);

}  // namespace monitor::app
