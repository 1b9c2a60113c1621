#include "net/resolver.h"

#include <algorithm>
#include <array>
#include <unordered_map>

#include <boost/asio/cancellation_state.hpp>
#include <boost/asio/redirect_error.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/asio/this_coro.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <boost/system/system_error.hpp>
#include <fmt/format.h>

#include "net/lookup.h"

namespace monitor::net {
namespace {

namespace asio = boost::asio;
using common::Outcome;
using common::SteadyTime;
using std::chrono::steady_clock;
using Status = DnsReply::Status;

bool is_localhost(std::string_view name) {
  if (name.ends_with('.')) name.remove_suffix(1);
  return name == "localhost" || name.ends_with(".localhost");
}

SharedAddresses share(Addresses addresses) {
  return std::make_shared<const Addresses>(std::move(addresses));
}

const SharedAddresses& loopback(AddressFamily family) {
  static const auto v6 = share({asio::ip::address_v6::loopback()});
  static const auto v4 = share({asio::ip::address_v4::loopback()});
  static const auto both = share({v6->front(), v4->front()});
  return family == AddressFamily::kAny ? both : family == AddressFamily::kIpv4 ? v4 : v6;
}

bool belongs(const asio::ip::address& address, AddressFamily family) {
  return family == AddressFamily::kAny || address.is_v4() == (family == AddressFamily::kIpv4);
}

/// Those of a name in the hosts file that are asked for; null: there is none.
std::optional<Resolved> choose(const std::string& name, SharedAddresses listed, AddressFamily family) {
  const auto fits = [family](const auto& address) { return belongs(address, family) && !is_nowhere(address); };
  if (std::ranges::all_of(*listed, fits)) return Resolved{std::move(listed), false, {}};
  Addresses chosen;
  std::ranges::copy_if(*listed, std::back_inserter(chosen), fits);
  if (!chosen.empty()) return Resolved{share(std::move(chosen)), false, {}};
  if (std::ranges::any_of(*listed, is_nowhere)) return Resolved{nullptr, false, explain_nowhere(name)};
  return std::nullopt;
}

}  // namespace

/// What is known of names in one family, or in both.
struct Resolver::Names {
  std::unordered_map<std::string, Entry> cache;
  std::unordered_map<std::string, std::shared_ptr<Lookup>> running;
};

/// What lookups share. An answer that comes after it has gone finds nobody and is dropped.
struct Resolver::Core : std::enable_shared_from_this<Core> {
  Core(asio::any_io_executor executor, const Options& with, System where)
      : io(std::move(executor)),
        options(with),
        system(std::move(where)),
        answers_localhost(!system.hosts.empty()),
        hosts(system.hosts) {}

  Names& names(AddressFamily family) { return known.at(static_cast<std::size_t>(family)); }

  std::optional<SharedAddresses> cached(const std::string& name, AddressFamily family, SteadyTime now) {
    const auto& cache = names(family).cache;
    const auto found = cache.find(name);
    if (found == cache.end() || found->second.expires <= now) return std::nullopt;
    return found->second.addresses;
  }

  std::shared_ptr<Lookup> join_or_start(const std::string& name, AddressFamily family) {
    follow_resolv_conf();
    const auto now = steady_clock::now();
    auto& slot = names(family).running[name];
    if (options.dns_cache && slot && !slot->done() && now - slot->started < kJoinWithin) return slot;
    auto lookup = std::make_shared<Lookup>();
    lookup->name = name;
    lookup->family = family;
    lookup->started = now;
    slot = lookup;
    if (family != AddressFamily::kIpv4) ask(lookup, Family::kV6);
    if (family != AddressFamily::kIpv6) ask(lookup, Family::kV4);
    return lookup;
  }

  void ask(const std::shared_ptr<Lookup>& lookup, Family family) {
    channel->ask(lookup->name, family, [core = weak_from_this(), lookup, family](DnsReply reply) {
      if (const auto self = core.lock()) self->take(lookup, family, std::move(reply));
    });
  }

  void take(const std::shared_ptr<Lookup>& lookup, Family family, DnsReply reply) {
    if (reply.status == Status::kAbandoned && channel) return ask(lookup, family);  // resolv.conf has changed
    const bool blamed = reply.status == Status::kServerFailure || reply.status == Status::kRefused;
    if (blamed && fallback) return ask_the_others(lookup, family, reply);
    settle(lookup, family, std::move(reply));
  }

  /// The first name server failed; the others may not. If they do too, what the first one said is the answer.
  void ask_the_others(const std::shared_ptr<Lookup>& lookup, Family family, const DnsReply& first) {
    fallback->ask(lookup->name, family, [core = weak_from_this(), lookup, family, first](DnsReply reply) {
      const auto self = core.lock();
      if (!self) return;
      const bool better =
          reply.status == Status::kAddresses || reply.status == Status::kNoSuchName || reply.status == Status::kNoData;
      if (!better) reply = first;
      self->settle(lookup, family, std::move(reply));
    });
  }

  void settle(const std::shared_ptr<Lookup>& lookup, Family family, DnsReply reply) {
    if (std::erase_if(reply.addresses, is_nowhere) > 0) lookup->nowhere = true;
    const bool usable = !reply.addresses.empty() && lookup->is_for_the_name(reply);
    if (usable && !lookup->first_addresses) lookup->first_addresses = steady_clock::now();
    lookup->replies.at(family == Family::kV6 ? 0 : 1) = std::move(reply);
    if (lookup->done()) finish(*lookup);
    for (auto* waiter : lookup->waiters) waiter->cancel();
  }

  void finish(const Lookup& lookup) {
    auto& [cache, running] = names(lookup.family);
    const auto slot = running.find(lookup.name);
    if (slot != running.end() && slot->second.get() == &lookup) running.erase(slot);
    auto addresses = lookup.addresses();
    const auto ttl = lookup.ttl(kMaxTtl);
    const auto now = steady_clock::now();
    if (!options.dns_cache || !addresses || ttl == ttl.zero()) return;
    if (cache.size() >= kMaxNames) {
      std::erase_if(cache, [now](const auto& entry) { return entry.second.expires <= now; });
      if (cache.size() >= kMaxNames) cache.erase(cache.begin());
    }
    cache[lookup.name] = {std::move(addresses), now + ttl};
  }

  /// c-ares 1.18 cannot read resolv.conf again, so the channel is made anew; open questions are asked on the new one.
  void follow_resolv_conf() {
    const auto stamp = FileStamp::of(system.resolv_conf);
    if (channel && stamp == resolv_conf) return;
    auto fresh = std::make_unique<DnsChannel>(io, system, false);
    auto others = fresh->servers() > 1 ? std::make_unique<DnsChannel>(io, system, true) : nullptr;
    resolv_conf = stamp;
    std::swap(channel, fresh);
    std::swap(fallback, others);
  }

  asio::any_io_executor io;
  Options options;
  System system;
  bool answers_localhost;
  HostsFile hosts;
  FileStamp resolv_conf;
  std::array<Names, 3> known;            ///< by AddressFamily
  std::unique_ptr<DnsChannel> channel;   ///< takes each answer as it is
  std::unique_ptr<DnsChannel> fallback;  ///< passes over servers that fail; null when there is only one
};

namespace {

/// A timer that is told of the answers to a lookup for as long as it exists.
class Waiter {
 public:
  Waiter(const asio::any_io_executor& io, std::shared_ptr<Lookup> lookup) : timer(io), lookup_(std::move(lookup)) {
    place_ = lookup_->waiters.insert(lookup_->waiters.end(), &timer);
  }
  ~Waiter() { lookup_->waiters.erase(place_); }
  Waiter(const Waiter&) = delete;
  Waiter& operator=(const Waiter&) = delete;

  asio::steady_timer timer;

 private:
  std::shared_ptr<Lookup> lookup_;
  std::list<asio::steady_timer*>::iterator place_;
};

}  // namespace

Resolver::Resolver(asio::any_io_executor io, const Options& options, const System& system)
    : core_(std::make_shared<Core>(std::move(io), options, system)) {}

Resolver::~Resolver() {
  // Their callbacks find no core any more and end.
  const auto channel = std::move(core_->channel);
  const auto fallback = std::move(core_->fallback);
}

void Resolver::keep_answers(bool keep) {
  core_->options.dns_cache = keep;
}

std::optional<Resolved> Resolver::known(const std::string& name, AddressFamily family) {
  if (core_->answers_localhost && is_localhost(name)) return Resolved{loopback(family), false, {}};
  if (auto listed = core_->hosts.find(name)) {
    if (auto chosen = choose(name, std::move(listed), family)) return chosen;
  }
  if (!core_->options.dns_cache) return std::nullopt;
  if (auto cached = core_->cached(name, family, steady_clock::now())) return Resolved{std::move(*cached), true, {}};
  return std::nullopt;
}

asio::awaitable<Resolved> Resolver::resolve(std::string name, SteadyTime deadline, AddressFamily family) {
  if (auto answer = known(name, family)) co_return std::move(*answer);
  const auto asked = steady_clock::now();
  for (;;) {
    const auto lookup = core_->join_or_start(name, family);
    co_await await_answers(lookup, deadline);
    if (auto addresses = lookup->addresses()) co_return Resolved{std::move(addresses), false, {}};
    const bool unanswered = !lookup->done() || lookup->failure().outcome == Outcome::kDnsTimeout;
    if (!unanswered) co_return Resolved{nullptr, false, lookup->failure()};
    if (steady_clock::now() >= deadline) break;
  }
  co_return Resolved{nullptr,
                     false,
                     {Outcome::kDnsTimeout,
                      fmt::format("no answer from the name servers for {} within {}", name, waited(deadline - asked))}};
}

/// Until all has been answered, or enough of it, or `deadline` has come.
asio::awaitable<void> Resolver::await_answers(std::shared_ptr<Lookup> lookup, SteadyTime deadline) {
  Waiter waiter(core_->io, lookup);
  while (!lookup->done()) {
    const auto enough = lookup->first_addresses ? *lookup->first_addresses + kOtherFamilyGrace : SteadyTime::max();
    if (steady_clock::now() >= std::min(deadline, enough)) break;
    waiter.timer.expires_at(std::min(deadline, enough));
    boost::system::error_code ignored;
    co_await waiter.timer.async_wait(asio::redirect_error(asio::use_awaitable, ignored));
    const auto state = co_await asio::this_coro::cancellation_state;
    if (state.cancelled() != asio::cancellation_type::none) {
      throw boost::system::system_error(asio::error::operation_aborted);
    }
  }
}

}  // namespace monitor::net
