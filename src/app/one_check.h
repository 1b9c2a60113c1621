// One check, now, for a person who asks: on an event loop of its own, into no database. One at a time in a process,
// since it takes the signals; on the calling thread.
#pragma once

#include <cstdint>
#include <functional>
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
  std::string passed_over;        ///< `[::1]:80 was passed over: connection refused`; empty: no address was
  net::SharedTlsFacts tls_facts;  ///< of the last handshake, also when it failed; null without TLS
  probe::Phases phases;           ///< summed over all hops
  common::Micros total{};
  std::int64_t body_bytes = 0;   ///< read, at most the service's limit
  std::vector<probe::Hop> hops;  ///< every request in order; never empty
  std::string hops_json;         ///< the same as databases have them (probe::to_json)
};

/// Shows what the check came to, to the last byte, and says the exit status.
using Tell = std::function<int(const OneCheck&)>;

/// Carries the check out, within the service's timeout, and returns what `tell` says; kExitForced when SIGINT, SIGTERM
/// or SIGHUP cut it, and a second signal ends the process at once with that. A search of the body that cannot be
/// interrupted is waited for only a moment after that: then the process ends with the same status. Throws
/// common::UsageError for a service that cannot be asked, common::Error when the trusted certificates cannot be read.
int check_once(const probe::Service& service, const net::Options& options, const Tell& tell);

}  // namespace monitor::app
