// One check of an HTTP(S) service, from its preparation to what was observed. io thread only.
#pragma once

#include <chrono>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include <boost/asio/awaitable.hpp>

#include "async/clock.h"
#include "common/outcome.h"
#include "net/options.h"
#include "net/system.h"
#include "net/tls_facts.h"
#include "probe/hops.h"
#include "probe/options.h"

namespace monitor::probe {

/// A service made ready to be probed: its URL parsed, its regex compiled, its request written. Shared by every check of
/// it; a check costs no parsing and no compilation.
class Check;

/// What one check came to. A failed check is data: nothing here is ever thrown.
struct Observation {
  common::Outcome outcome = common::Outcome::kUp;
  std::string reason;  ///< one sentence; empty for `up`
  common::WallTime started{};
  std::optional<std::uint16_t> status;  ///< whenever a final response header was had, even if the body then failed
  bool contains_regex = false;          ///< the predecessor's `regex` was found
  bool capped = false;                  ///< the body is longer than the service's limit; its beginning was judged
  bool dns_cached = false;              ///< the address came from the cache of DNS answers
  bool reused = false;                  ///< the (last) connection had been used by an earlier check
  bool retried = false;           ///< a reused connection proved stale, so the request was sent again on a new one
  bool http_1_0 = false;          ///< the response's version is HTTP/1.0; otherwise 1.1
  std::string remote_address;     ///< without port, of the last hop (or its proxy); empty: no connection was had
  net::SharedTlsFacts tls_facts;  ///< of the last handshake, also when it failed; null without TLS
  Phases phases;                  ///< summed over all hops
  common::Micros total{};
  /// `[::1]:80 was passed over: connection refused`: an address that was to be used before the one that answered, of
  /// the last connection that had one; usually empty. Of a check that is not up the reason says it too.
  std::string passed_over;
  std::int64_t body_bytes = 0;  ///< read (before decoding), at most the service's limit
  std::vector<Hop> hops;        ///< every one, if there was more than one; else empty
  std::string evidence;         ///< what was kept of the response, redacted and storable; usually empty
  /// How long the server asks to be left alone (RFC 9110 §10.2.3), with status 429 or 503.
  std::optional<std::chrono::seconds> retry_after;
};

/// When a response is worth keeping as evidence: by what the check comes to.
enum class Keep : std::uint8_t { kNothing, kIfBad, kIfGood };

/// Makes checks and carries them out on one io_context: the resolver, the TLS contexts and the regexes live here.
class Prober {
 public:
  /// `clock` must outlive the prober: it gives timestamps, durations and the time at which certificates are judged.
  /// Timeouts run on the real steady clock.
  static std::unique_ptr<Prober> create(boost::asio::any_io_executor io, const async::Clock& clock,
                                        const net::Options& options, const net::System& system = {});
  /// Waits for the search of a body that runs on a thread: RE2 cannot be interrupted.
  virtual ~Prober() = default;

  /// Throws common::UsageError for a service that options.h refuses, common::Error when the trusted certificates cannot
  /// be read.
  virtual std::shared_ptr<const Check> prepare(const Service& service) = 0;
  /// For what is resolved and connected from now on.
  virtual void adjust(const net::Options& options) = 0;
  /// All requests of the check, and the fetching of a token for them, run within the service's timeout (plus the time
  /// to cancel); a large body or a costly regex then waits for a thread, for as long again at most: neither `transfer`
  /// nor `total` counts that, and what is found late is found. The fetching of a token counts in `total` and in no
  /// phase. Cancelled: throws `operation_aborted`.
  /// `keep`: bad is down or degraded, good is up.
  virtual boost::asio::awaitable<Observation> probe(std::shared_ptr<const Check> check, Keep keep) = 0;
  boost::asio::awaitable<Observation> probe(std::shared_ptr<const Check> check) {
    return probe(std::move(check), Keep::kNothing);
  }
};

}  // namespace monitor::probe
