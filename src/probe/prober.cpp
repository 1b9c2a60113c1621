#include "probe/prober.h"

#include <new>
#include <vector>

#include <boost/asio/error.hpp>
#include <boost/system/system_error.hpp>
#include <fmt/format.h>

#include "common/error.h"
#include "net/connection_pool.h"
#include "net/deny_list.h"
#include "net/spare_sockets.h"
#include "probe/chain.h"
#include "probe/check.h"
#include "probe/exchange.h"
#include "probe/expectations.h"
#include "probe/matcher.h"
#include "probe/plan.h"

namespace monitor::probe {
namespace {

namespace asio = boost::asio;

// One read takes this much at most, so that a server that sends without end does not hold up the others.
constexpr std::size_t kReadBytes = std::size_t{64} << 10;

class RealProber final : public Prober {
 public:
  RealProber(asio::any_io_executor io, const async::Clock& clock, const net::Options& options,
             const net::System& system)
      : matcher_(io),
        pool_(io, options.max_idle),
        scratch_(kReadBytes),
        tools_{std::move(io), clock, matcher_, pool_, scratch_},
        plans_(tools_, options, system) {
    limit(options);
  }

  void adjust(const net::Options& options) override {
    limit(options);
    pool_.limit(options.max_idle);
    plans_.adjust(options);
  }

  std::shared_ptr<const Check> prepare(const Service& service) override {
    try {
      return std::make_shared<const Check>(service, plans_, expectations_.get(service, regexes_));
    } catch (const common::UsageError& refusal) {
      throw common::UsageError(fmt::format("{}: {}", without_userinfo(service.label()), refusal.what()));
    }
  }

  using Prober::probe;
  asio::awaitable<Observation> probe(std::shared_ptr<const Check> check, Keep keep) override {
    Observation seen;
    std::string trouble;
    try {
      Chain chain(tools_, *check, keep, seen);
      co_await chain.run();
    } catch (const std::bad_alloc&) {
      trouble = "out of memory";
    } catch (const common::Error& error) {
      trouble = error.what();
    } catch (const boost::system::system_error& error) {
      if (error.code() == asio::error::operation_aborted) throw;
      trouble = error.code().message();
    } catch (const std::exception& error) {  // of a library, say std::length_error: one check, not the program
      trouble = error.what();
    }
    if (!trouble.empty()) {
      seen.outcome = common::Outcome::kLocalResource;
      seen.reason = fmt::format("the check of {} could not be carried out: {}", check->url().endpoint(), trouble);
      check->conceal(seen.reason);
    }
    co_return seen;
  }

 private:
  void limit(const net::Options& options) {
    net::SpareSockets::of(tools_.io).limit(options.max_spare);
    net::DenyList::of(tools_.io).deny(options.deny_networks);
  }

  RegexPool regexes_;
  ExpectationsPool expectations_;
  Matcher matcher_;
  net::ConnectionPool pool_;
  std::vector<char> scratch_;
  Tools tools_;
  Plans plans_;
};

}  // namespace

std::unique_ptr<Prober> Prober::create(asio::any_io_executor io, const async::Clock& clock, const net::Options& options,
                                       const net::System& system) {
  return std::make_unique<RealProber>(std::move(io), clock, options, system);
}

}  // namespace monitor::probe
