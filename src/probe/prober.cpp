#include "probe/prober.h"

#include <new>
#include <vector>

#include <boost/asio/error.hpp>
#include <boost/system/system_error.hpp>
#include <fmt/format.h>

#include "common/error.h"
#include "net/resolver.h"
#include "net/tls.h"
#include "probe/check.h"
#include "probe/exchange.h"
#include "probe/matcher.h"

namespace monitor::probe {
namespace {

namespace asio = boost::asio;

// One read takes this much at most, so that a server that sends without end does not hold up the others.
constexpr std::size_t kReadBytes = std::size_t{64} << 10;

class RealProber final : public Prober {
 public:
  RealProber(asio::any_io_executor io, const async::Clock& clock, const net::Options& options,
             const net::System& system)
      : system_(system),
        resolver_(io, options, system),
        matcher_(io),
        scratch_(kReadBytes),
        tools_{std::move(io), clock, resolver_, nullptr, matcher_, scratch_} {}

  std::shared_ptr<const Check> prepare(const Service& service) override {
    auto check = std::make_shared<const Check>(service, regexes_);
    if (check->url().tls && !tls_) {  // the trusted certificates take milliseconds and megabytes
      tls_ = std::make_unique<net::TlsContext>(system_);
      tools_.tls = tls_.get();
    }
    return check;
  }

  using Prober::probe;
  asio::awaitable<Observation> probe(std::shared_ptr<const Check> check, Keep /*keep*/) override {
    Observation seen;
    std::string trouble;
    try {
      Exchange exchange(tools_, *check, seen);
      co_await exchange.run();
    } catch (const std::bad_alloc&) {
      trouble = "out of memory";
    } catch (const common::Error& error) {
      trouble = error.what();
    } catch (const boost::system::system_error& error) {
      if (error.code() == asio::error::operation_aborted) throw;
      trouble = error.code().message();
    }
    if (!trouble.empty()) {
      seen.outcome = common::Outcome::kLocalResource;
      seen.reason = fmt::format("the check of {} could not be carried out: {}", check->url().endpoint(), trouble);
      check->conceal(seen.reason);
    }
    co_return seen;
  }

 private:
  net::System system_;
  net::Resolver resolver_;
  std::unique_ptr<net::TlsContext> tls_;
  RegexPool regexes_;
  Matcher matcher_;
  std::vector<char> scratch_;
  Tools tools_;
};

}  // namespace

std::unique_ptr<Prober> Prober::create(asio::any_io_executor io, const async::Clock& clock, const net::Options& options,
                                       const net::System& system) {
  return std::make_unique<RealProber>(std::move(io), clock, options, system);
}

}  // namespace monitor::probe
