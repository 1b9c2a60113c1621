#include "app/one_check.h"

#include <chrono>
#include <exception>
#include <optional>
#include <utility>

#include <boost/asio/bind_cancellation_slot.hpp>
#include <boost/asio/cancellation_signal.hpp>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/io_context.hpp>

#include "app/signals.h"
#include "async/clock.h"
#include "probe/prober.h"

namespace monitor::app {
namespace {

namespace asio = boost::asio;

constexpr std::chrono::seconds kPatience{1};

/// While it lives the process ends with `status` if what is being destroyed takes too long.
class LastMoment {
 public:
  explicit LastMoment(int status) { leave_within(kPatience, status); }
  ~LastMoment() { stay(); }
  LastMoment(const LastMoment&) = delete;
  LastMoment& operator=(const LastMoment&) = delete;
};

/// An observation lists its requests only where there was more than one.
std::vector<probe::Hop> hops_of(probe::Observation& seen, const probe::Service& service) {
  if (!seen.hops.empty()) return std::move(seen.hops);
  return {{.url = probe::without_userinfo(service.url),
           .method = service.method,
           .status = seen.status,
           .remote_address = seen.remote_address,
           .reused = seen.reused,
           .phases = seen.phases}};
}

OneCheck to_one_check(probe::Observation&& seen, const probe::Service& service) {
  OneCheck out;
  out.hops = hops_of(seen, service);
  out.hops_json = probe::to_json(out.hops);
  out.outcome = seen.outcome;
  out.reason = std::move(seen.reason);
  out.started = seen.started;
  out.status = seen.status;
  out.contains_regex = seen.contains_regex;
  out.capped = seen.capped;
  out.dns_cached = seen.dns_cached;
  out.reused = seen.reused;
  out.retried = seen.retried;
  out.http_1_0 = seen.http_1_0;
  out.remote_address = std::move(seen.remote_address);
  out.passed_over = std::move(seen.passed_over);
  out.tls_facts = std::move(seen.tls_facts);
  out.phases = seen.phases;
  out.total = seen.total;
  out.body_bytes = seen.body_bytes;
  return out;
}

}  // namespace

int check_once(const probe::Service& service, const net::Options& options, const Tell& tell) {
  std::optional<LastMoment> last_moment;  // outlives the prober
  asio::io_context io{1};
  const async::SystemClock clock;
  const auto prober = probe::Prober::create(io.get_executor(), clock, options);
  asio::cancellation_signal cut;
  bool interrupted = false;
  const auto interrupt = [&] {
    interrupted = true;
    cut.emit(asio::cancellation_type::terminal);
  };
  const Signals signals(io.get_executor(), [&](const char*) { interrupt(); }, interrupt);
  std::exception_ptr failure;
  probe::Observation seen;
  const auto ended = [&](std::exception_ptr error, probe::Observation observation) {
    failure = std::move(error);
    seen = std::move(observation);
    io.stop();
  };
  asio::co_spawn(io, prober->probe(prober->prepare(service)), asio::bind_cancellation_slot(cut.slot(), ended));
  io.run();
  if (failure && !interrupted) std::rethrow_exception(failure);
  const int status = interrupted ? kExitForced : tell(to_one_check(std::move(seen), service));
  last_moment.emplace(status);
  return status;
}

}  // namespace monitor::app
