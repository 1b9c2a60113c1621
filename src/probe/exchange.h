// One request and its response over a fresh connection, phase by phase, within one deadline. io thread only.
#pragma once

#include <optional>
#include <span>

#include <boost/asio/any_io_executor.hpp>
#include <boost/asio/awaitable.hpp>

#include "async/clock.h"
#include "net/connection.h"
#include "net/resolver.h"
#include "net/tls.h"
#include "probe/check.h"
#include "probe/matcher.h"
#include "probe/prober.h"
#include "probe/response.h"

namespace monitor::probe {

/// What every exchange of a prober uses. `scratch` is shared: nobody keeps data in it while waiting.
struct Tools {
  boost::asio::any_io_executor io;
  const async::Clock& clock;
  net::Resolver& resolver;
  const net::TlsContext* tls;  ///< null while there is no https service
  Matcher& matcher;
  std::span<char> scratch;
};

class Exchange {
 public:
  /// All three must outlive the exchange. What is observed is written to `seen` as it happens.
  Exchange(const Tools& tools, const Check& check, Observation& seen);

  /// Cancelled: throws `operation_aborted`.
  boost::asio::awaitable<void> run();

 private:
  boost::asio::awaitable<net::SharedAddresses> resolve();
  boost::asio::awaitable<bool> connect(net::SharedAddresses addresses);
  boost::asio::awaitable<bool> send();
  boost::asio::awaitable<bool> receive();
  void take_bytes(std::size_t count);
  void explain_stop(const net::Step& step);
  void explain_timeout();
  boost::asio::awaitable<void> conclude();
  boost::asio::awaitable<std::optional<bool>> search();

  void fail(common::Outcome outcome, std::string reason);
  common::Micros lap();
  std::string patience() const;

  const Tools& tools_;
  const Check& check_;
  Observation& seen_;
  common::SteadyTime began_;
  common::SteadyTime lap_began_;
  common::SteadyTime phase_began_;  ///< on the real clock, for sentences
  common::SteadyTime deadline_;     ///< on the real clock, for timers
  net::Connection connection_;
  ResponseReader reader_;
  ResponseReader::State state_ = ResponseReader::State::kMore;
};

}  // namespace monitor::probe
