#include "net/connection.h"

#include <cerrno>
#include <linux/sockios.h>
#include <sys/ioctl.h>
#include <sys/socket.h>

#include <boost/asio/deferred.hpp>
#include <boost/asio/experimental/parallel_group.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/redirect_error.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <boost/system/system_error.hpp>
#include <fmt/format.h>

#include "net/attempt.h"
#include "net/happy_eyeballs.h"

namespace monitor::net {
namespace {

namespace asio = boost::asio;
using asio::ip::tcp;
using common::Outcome;
using common::SteadyTime;
using std::chrono::steady_clock;
using Status = Step::Status;

}  // namespace

/// Shared with the timer's handler, which may run after the connection has gone.
struct Connection::Core : std::enable_shared_from_this<Core> {
  explicit Core(const asio::any_io_executor& io) : socket(io), timer(io) {}

  /// Cuts what waits on the socket at `moment`. Only the last call counts.
  void cut_at(SteadyTime moment) {
    if (armed && timer.expiry() == moment) return;
    disarm();
    if (moment == SteadyTime::max()) return;
    armed = true;
    timer.expires_at(moment);
    timer.async_wait([self = shared_from_this()](const boost::system::error_code& error) {
      if (error || !self->armed || steady_clock::now() < self->timer.expiry()) return;
      self->cut = true;
      boost::system::error_code ignored;
      self->socket.cancel(ignored);
    });
  }

  void disarm() {
    cut = false;
    if (std::exchange(armed, false)) timer.cancel();
  }

  void close() {
    boost::system::error_code ignored;
    socket.close(ignored);
  }

  tcp::socket socket;
  asio::steady_timer timer;
  bool armed = false;
  bool cut = false;
};

Connection::Connection(asio::any_io_executor io) : core_(std::make_shared<Core>(io)) {}

Connection::~Connection() {
  tls_.reset();
  core_->close();
  core_->timer.cancel();
}

void Connection::set_deadline(SteadyTime deadline) {
  deadline_ = deadline;
  core_->disarm();
}

asio::awaitable<std::optional<Failure>> Connection::connect(SharedAddresses addresses, std::uint16_t port) {
  core_->close();
  if (addresses->size() == 1) co_return co_await connect_alone(addresses->front(), port);
  auto result = co_await race(core_->socket.get_executor(), interleave(*addresses), port, deadline_);
  if (!result.socket) co_return std::move(result.failure);
  core_->socket = std::move(*result.socket);
  peer_ = result.peer;
  passed_over_ = std::move(result.passed_over);
  co_return std::nullopt;
}

asio::awaitable<std::optional<Failure>> Connection::connect_alone(asio::ip::address address, std::uint16_t port) {
  if (auto refusal = refuse_address(address, port)) co_return std::move(refusal);
  const auto began = steady_clock::now();
  int result = begin_connect(core_->socket, tcp::endpoint(address, port));
  if (result == EINPROGRESS) {
    if (co_await wait(Status::kWantWrite) == Ready::kTimeout) {
      co_return explain_no_answer(endpoint_text(address, port), began, deadline_);
    }
    result = connect_result(core_->socket);
  }
  if (result != 0) co_return explain_connect(result, endpoint_text(address, port));
  peer_ = address;
  co_return std::nullopt;
}

asio::awaitable<std::optional<Failure>> Connection::handshake(const TlsContext& context, const TlsTarget& target,
                                                              common::WallTime now) {
  const auto began = steady_clock::now();
  tls_ = std::make_unique<TlsSession>(context, core_->socket.native_handle(), target, now);
  std::optional<Failure> failure;
  for (;;) {
    const auto step = tls_->handshake();
    if (step.status == Status::kDone) break;
    if (step.status == Status::kEnd || step.status == Status::kFailed) {
      failure = tls_->explain_handshake(step, target.endpoint, now);
      break;
    }
    if (co_await wait(step.status) == Ready::kTimeout) {
      failure = Failure{Outcome::kTlsTimeout, fmt::format("the TLS handshake with {} did not end within {}",
                                                          target.endpoint, waited(deadline_ - began))};
      break;
    }
  }
  tls_facts_ = tls_->facts(context.facts());
  co_return failure;
}

Step Connection::read(std::span<char> into) {
  if (tls_) return tls_->read(into);
  const auto received = ::recv(core_->socket.native_handle(), into.data(), into.size(), MSG_DONTWAIT);
  if (received > 0) return {Status::kDone, static_cast<std::size_t>(received), false, 0};
  if (received == 0) return {Status::kEnd, 0, true, 0};
  if (errno == EAGAIN || errno == EINTR) return {Status::kWantRead, 0, false, 0};
  return {Status::kFailed, 0, false, errno};
}

Step Connection::write(std::string_view bytes) {
  if (tls_) return tls_->write(bytes);
  const auto sent = ::send(core_->socket.native_handle(), bytes.data(), bytes.size(), MSG_DONTWAIT | MSG_NOSIGNAL);
  if (sent >= 0) return {Status::kDone, static_cast<std::size_t>(sent), false, 0};
  if (errno == EAGAIN || errno == EINTR) return {Status::kWantWrite, 0, false, 0};
  return {Status::kFailed, 0, false, errno};
}

asio::awaitable<Connection::Ready> Connection::wait(Status wants) {
  core_->cut_at(deadline_);
  if (core_->cut) co_return Ready::kTimeout;
  const auto event = wants == Status::kWantWrite ? tcp::socket::wait_write : tcp::socket::wait_read;
  boost::system::error_code error;
  co_await core_->socket.async_wait(event, asio::redirect_error(asio::use_awaitable, error));
  if (error != asio::error::operation_aborted) co_return Ready::kReady;  // what is wrong shows at the next step
  if (core_->cut) co_return Ready::kTimeout;
  throw boost::system::system_error(error);
}

asio::awaitable<Connection::Ready> Connection::wait_either() {
  core_->cut_at(deadline_);
  if (core_->cut) co_return Ready::kTimeout;
  auto both =
      asio::experimental::make_parallel_group(core_->socket.async_wait(tcp::socket::wait_read, asio::deferred),
                                              core_->socket.async_wait(tcp::socket::wait_write, asio::deferred));
  const auto [order, readable, writable] =
      co_await both.async_wait(asio::experimental::wait_for_one(), asio::use_awaitable);
  if (order.front() == 0 ? !readable : !writable) co_return Ready::kReady;
  if (core_->cut) co_return Ready::kTimeout;
  const auto error = order.front() == 0 ? readable : writable;
  if (error != asio::error::operation_aborted) co_return Ready::kReady;  // what is wrong shows at the next step
  throw boost::system::system_error(error);
}

void Connection::send_at_once() {
  boost::system::error_code ignored;
  core_->socket.set_option(tcp::no_delay(true), ignored);
}

std::size_t Connection::unacknowledged() const {
  int bytes = 0;
  return ::ioctl(core_->socket.native_handle(), SIOCOUTQ, &bytes) == 0 && bytes > 0 ? static_cast<std::size_t>(bytes)
                                                                                    : 0;
}

std::string Connection::tls_reason() const {
  return tls_ ? tls_->reason() : std::string{};
}

void Connection::finish() {
  if (tls_) tls_->say_goodbye();
  tls_.reset();
  core_->close();
}

bool Connection::usable() const {
  if (!peer_ || !core_->socket.is_open()) return false;
  if (tls_) return tls_->quiet();
  char byte = 0;
  return ::recv(core_->socket.native_handle(), &byte, 1, MSG_PEEK | MSG_DONTWAIT) < 0 && errno == EAGAIN;
}

}  // namespace monitor::net
