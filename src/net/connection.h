// One TCP connection, with or without TLS, that may carry many exchanges, each under a deadline. io thread only.
#pragma once

#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>

#include <boost/asio/any_io_executor.hpp>
#include <boost/asio/awaitable.hpp>
#include <boost/asio/ip/address.hpp>

#include "common/units.h"
#include "net/failure.h"
#include "net/hosts_file.h"
#include "net/poller.h"
#include "net/tls.h"

namespace monitor::net {

class Connection {
 public:
  using Ready = Poller::Ready;

  explicit Connection(boost::asio::any_io_executor io);
  ~Connection();
  Connection(const Connection&) = delete;
  Connection& operator=(const Connection&) = delete;

  /// On the real steady clock: everything that waits, until the next call, ends then. SteadyTime::max(): never.
  /// Not to be called while something waits.
  void set_deadline(common::SteadyTime deadline) { deadline_ = deadline; }

  /// Races the addresses (RFC 8305): IPv6 and IPv4 in turns, the resolver's order kept inside each. Fails when all have
  /// failed, with the failure that tells most of the server.
  boost::asio::awaitable<std::optional<Failure>> connect(SharedAddresses addresses, std::uint16_t port);
  /// On a fresh connection, or through a tunnel on one that has been used. `context` and `target` must outlive the call
  /// alone. Certificates are judged at the time `now`.
  boost::asio::awaitable<std::optional<Failure>> handshake(const TlsContext& context, const TlsTarget& target,
                                                           common::WallTime now);

  /// One step without waiting; of TLS, if there was a handshake.
  Step read(std::span<char> into);
  Step write(std::string_view bytes);
  /// Until the socket is ready for what a step wants, or the deadline. Not to be believed: the next step tells.
  boost::asio::awaitable<Ready> wait(Step::Status wants);
  /// Until the socket can be read from or written to, or the deadline.
  boost::asio::awaitable<Ready> wait_either();
  /// From now on no write is held back until an earlier one is confirmed (TCP_NODELAY).
  void send_at_once();
  /// Bytes that were written and that the other side's system has not confirmed yet.
  std::size_t unacknowledged() const;
  /// After a step that failed without an errno: what the TLS layer says of it.
  std::string tls_reason() const;
  /// Says goodbye and closes, without waiting for anything.
  void finish();
  /// Whether another exchange may begin: the server has neither closed nor sent anything that nobody asked for. TLS
  /// session tickets do not count.
  bool usable();

  /// Who answered; nothing before connect() has succeeded.
  const std::optional<boost::asio::ip::address>& peer() const { return peer_; }
  /// What the last handshake showed, whether or not it succeeded; null: no handshake, or nothing was seen in it.
  const SharedTlsFacts& tls_facts() const { return tls_facts_; }
  /// The first address, where another one answered: `[::1]:80 was passed over: connection refused`; empty: none was.
  const std::string& passed_over() const { return passed_over_; }

 private:
  Step noted(Step step);

  boost::asio::any_io_executor io_;
  Poller::Socket socket_;
  std::unique_ptr<TlsSession> tls_;
  std::optional<boost::asio::ip::address> peer_;
  SharedTlsFacts tls_facts_;
  std::string passed_over_;
  common::SteadyTime deadline_ = common::SteadyTime::max();
};

}  // namespace monitor::net
