// One HTTP(S) exchange, from a prepared check to what was observed. io thread only.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>

#include <boost/asio/awaitable.hpp>

#include "async/clock.h"
#include "common/outcome.h"
#include "net/options.h"
#include "net/system.h"
#include "probe/options.h"

namespace monitor::probe {

/// A service made ready to be probed: its URL parsed, its regex compiled, its request written. Shared by every check of
/// it; a check costs no parsing and no compilation.
class Check;

/// What one exchange came to. A failed check is data: nothing here is ever thrown.
struct Observation {
  common::Outcome outcome = common::Outcome::kUp;
  std::string reason;  ///< one sentence; empty for `up`
  common::WallTime started{};
  std::optional<std::uint16_t> status;  ///< whenever a final response header was had, even if the body then failed
  bool contains_regex = false;
  bool capped = false;         ///< the body is longer than the service's limit; its beginning was judged
  bool dns_cached = false;     ///< the address came from the cache of DNS answers
  std::string remote_address;  ///< without port; empty when no connection was had
  /// How long each phase took; null: it did not take place. A phase that failed counts until it did. `first_byte` is
  /// from the end of connect and tls, and so holds the sending of the request.
  std::optional<common::Micros> dns, connect, tls, first_byte, transfer;
  common::Micros total{};
  std::int64_t body_bytes = 0;  ///< read, at most the service's limit
};

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
  /// The exchange runs within the service's timeout (plus the time to cancel); a large body or a costly regex then
  /// waits for a thread, for as long again at most: neither `transfer` nor `total` counts that, and what is found late
  /// is found. Cancelled: throws `operation_aborted`.
  virtual boost::asio::awaitable<Observation> probe(std::shared_ptr<const Check> check) = 0;
};

}  // namespace monitor::probe
