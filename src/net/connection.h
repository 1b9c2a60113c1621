// One TCP connection, with or without TLS, and the deadline that everything on it shares. io thread only.
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
#include "net/tls.h"

namespace monitor::net {

class Connection {
 public:
  /// What a wait ended with. Cancellation is thrown (`operation_aborted`).
  enum class Ready { kReady, kTimeout };
  /// An address that does not answer is given up after this long, or after its fair share of what is left, while there
  /// are others to try: long enough for one lost packet (TCP asks again after 1 s).
  static constexpr std::chrono::seconds kMaxShare{2};

  Connection(boost::asio::any_io_executor io, common::SteadyTime deadline);
  ~Connection();
  Connection(const Connection&) = delete;
  Connection& operator=(const Connection&) = delete;

  /// Tries the addresses in order until one answers.
  boost::asio::awaitable<std::optional<Failure>> connect(SharedAddresses addresses, std::uint16_t port);
  /// `context` and `url` must outlive the connection. Certificates are judged at the time `now`.
  boost::asio::awaitable<std::optional<Failure>> handshake(const TlsContext& context, const Url& url,
                                                           common::WallTime now);

  /// One step without waiting; of TLS, if there was a handshake.
  Step read(std::span<char> into);
  Step write(std::string_view bytes);
  /// Until the socket is ready for what `step` wants, or the deadline.
  boost::asio::awaitable<Ready> wait(Step::Status wants);
  /// After a step that failed without an errno: what the TLS layer says of it.
  std::string tls_reason() const;
  /// Says goodbye and closes, without waiting for anything.
  void finish();

  /// Who answered; nothing before connect() has succeeded.
  const std::optional<boost::asio::ip::address>& peer() const { return peer_; }

 private:
  struct Core;

  boost::asio::awaitable<std::optional<Failure>> attempt(boost::asio::ip::address address, std::uint16_t port,
                                                         common::SteadyTime until);

  std::shared_ptr<Core> core_;
  std::unique_ptr<TlsSession> tls_;
  std::optional<boost::asio::ip::address> peer_;
  common::SteadyTime deadline_;
};

}  // namespace monitor::net
