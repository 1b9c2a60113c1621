// Turns names into addresses: /etc/hosts, a cache that honours the TTL, and c-ares, so that lookups run in parallel and
// none holds up another. io thread only.
#pragma once

#include <chrono>
#include <memory>
#include <optional>
#include <string>

#include <boost/asio/any_io_executor.hpp>
#include <boost/asio/awaitable.hpp>

#include "common/units.h"
#include "net/dns_channel.h"
#include "net/failure.h"
#include "net/hosts_file.h"
#include "net/options.h"
#include "net/system.h"

namespace monitor::net {

/// Addresses to try in order, or a failure.
struct Resolved {
  SharedAddresses addresses;  ///< null when `failure` holds; never empty
  bool cached = false;        ///< from the cache of earlier DNS answers
  Failure failure;
};

struct Lookup;

class Resolver {
 public:
  /// How long an answer is kept at most and how many names (of each AddressFamily) at most: a TTL of weeks, or a name
  /// per check, must not become ours for ever. A TTL of 0 is not kept (RFC 1035 §3.2.1).
  static constexpr std::chrono::seconds kMaxTtl{3600};
  static constexpr std::size_t kMaxNames = 10'000;
  /// A lookup that has run for longer is not joined: a name server that is back answers a new question at once.
  static constexpr std::chrono::seconds kJoinWithin{2};
  /// How long the addresses of one family are held back for those of the other (RFC 8305 §3: 50 ms).
  static constexpr std::chrono::milliseconds kOtherFamilyGrace{50};

  Resolver(boost::asio::any_io_executor io, const Options& options, const System& system);
  ~Resolver();
  Resolver(const Resolver&) = delete;
  Resolver& operator=(const Resolver&) = delete;

  /// What is known without asking anybody: `localhost` (RFC 6761 §6.3: both loopback addresses), /etc/hosts, the cache.
  std::optional<Resolved> known(const std::string& name, AddressFamily family = AddressFamily::kAny);

  /// Whether answers are kept (net::Options::dns_cache), from now on.
  void keep_answers(bool keep);

  /// known(), or else asks the name servers for `family` (both at once), again and again, until `deadline`. A lookup
  /// whose waiters have gone ends by itself and fills the cache. `name`: lower case, A-labels; a literal address must
  /// not be asked for. An answer of 0.0.0.0 or :: is no address: to connect to it would be to connect to ourselves;
  /// when there is no other, the failure is `unreachable`. Cancelled: throws `operation_aborted`.
  boost::asio::awaitable<Resolved> resolve(std::string name, common::SteadyTime deadline,
                                           AddressFamily family = AddressFamily::kAny);

 private:
  struct Entry {
    SharedAddresses addresses;
    common::SteadyTime expires;
  };
  struct Names;
  struct Core;

  boost::asio::awaitable<void> await_answers(std::shared_ptr<Lookup> lookup, common::SteadyTime deadline);

  std::shared_ptr<Core> core_;
};

}  // namespace monitor::net
