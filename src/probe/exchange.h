// One request and its response over one connection, phase by phase, within a deadline. io thread only.
#pragma once

#include <array>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>

#include <boost/asio/any_io_executor.hpp>
#include <boost/asio/awaitable.hpp>

#include "async/clock.h"
#include "net/connection.h"
#include "net/connection_pool.h"
#include "net/tls_context.h"
#include "net/url.h"
#include "probe/hops.h"
#include "probe/matcher.h"
#include "probe/response.h"
#include "probe/route.h"

namespace monitor::probe {

/// What every exchange of a prober uses. `scratch` is shared: nobody keeps data in it while waiting.
struct Tools {
  boost::asio::any_io_executor io;
  const async::Clock& clock;
  Matcher& matcher;
  net::ConnectionPool& pool;
  std::span<char> scratch;
};

/// One request: to whom, how, and what. All that it refers to must outlive the exchange.
struct Errand {
  const net::Url& url;
  const net::SharedAddresses& literal;  ///< when the URL's host is an address; else null
  const Route& route;
  const net::TlsContext* tls = nullptr;  ///< of an https URL
  bool original = true;                  ///< to the origin that route.instead is for
  std::string_view head, body;           ///< the bytes to send, one after the other
  /// Under which the connection is put away afterwards; null: it is closed.
  const std::string* pool_key = nullptr;
  bool take_idle = false;  ///< an idle connection will do
  ResponseReader::Wanted wanted{};
};

/// What an exchange has shown so far.
struct Trace {
  Phases phases;
  std::string remote_address;  ///< without port; with a proxy it is the proxy's
  std::string passed_over;     ///< as net::Connection has it; empty for a reused one
  bool reused = false;
  bool dns_cached = false;
  net::SharedTlsFacts tls_facts;
};

class Exchange {
 public:
  /// `deadline`: on the real steady clock.
  Exchange(const Tools& tools, const Errand& errand, common::SteadyTime deadline);

  /// Nothing: reader() holds a complete response. Cancelled: throws `operation_aborted`.
  boost::asio::awaitable<std::optional<net::Failure>> run();

  const Trace& trace() const { return trace_; }
  ResponseReader& reader() { return reader_; }
  const ResponseReader& reader() const { return reader_; }
  /// Whether it failed because the server had closed an idle connection: no byte of a response has come.
  bool stale() const { return stale_; }

 private:
  using MaybeFailure = std::optional<net::Failure>;

  bool take_idle();
  boost::asio::awaitable<MaybeFailure> connect();
  MaybeFailure denied() const;
  std::optional<net::Resolved> at_hand(const std::string& host, const net::SharedAddresses& literal) const;
  boost::asio::awaitable<MaybeFailure> set_up();
  boost::asio::awaitable<MaybeFailure> secure();
  bool send_now();
  boost::asio::awaitable<MaybeFailure> send_rest();
  boost::asio::awaitable<MaybeFailure> receive();
  bool read_early();
  void take_bytes(std::size_t count);
  void put_away();

  MaybeFailure conclude();
  net::Failure explain_stop(const net::Step& step);
  net::Failure explain_timeout();
  net::Failure explain_proxy(net::Failure failure) const;

  common::Micros lap();
  void end_phase();
  std::string patience() const;

  const Tools& tools_;
  const Errand& errand_;
  Trace trace_;
  common::SteadyTime lap_began_;
  common::SteadyTime phase_began_;  ///< on the real clock, for sentences
  common::SteadyTime deadline_;
  common::Micros tunnel_{};  ///< how long the proxy took to open it: part of first_byte
  std::unique_ptr<net::Connection> connection_;
  ResponseReader reader_;
  std::array<std::string_view, 2> unsent_;
  net::Step::Status wants_{};  ///< what the rest of the request waits for
  ResponseReader::State state_ = ResponseReader::State::kMore;
  std::optional<net::Step> stop_;  ///< what ended the connection before the request was sent
  bool sent_ = false;
  bool stale_ = false;
};

}  // namespace monitor::probe
