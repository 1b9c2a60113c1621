#include "net/connection.h"

#include <cerrno>
#include <sys/socket.h>

#include <boost/asio/cancellation_state.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/redirect_error.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/asio/this_coro.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <boost/system/system_error.hpp>
#include <fmt/format.h>

#include "common/error.h"

namespace monitor::net {
namespace {

namespace asio = boost::asio;
using asio::ip::tcp;
using common::Outcome;
using common::SteadyTime;
using std::chrono::steady_clock;
using Status = Step::Status;

std::string endpoint_text(const asio::ip::address& address, std::uint16_t port) {
  return address.is_v6() ? fmt::format("[{}]:{}", address.to_string(), port)
                         : fmt::format("{}:{}", address.to_string(), port);
}

Failure explain_connect(int error, const std::string& server) {
  const auto because = [&](Outcome outcome, std::string_view what) {
    return Failure{outcome, fmt::format("{} {}: {}", what, server, common::errno_text(error))};
  };
  if (is_local_fault(error)) return because(Outcome::kLocalResource, "could not open a connection to");
  switch (error) {
    case ECONNREFUSED:
      return {Outcome::kConnectRefused, fmt::format("nothing listens on {} (connection refused)", server)};
    case ETIMEDOUT:
      return {Outcome::kConnectTimeout, fmt::format("no answer to the connection attempt to {}", server)};
    case ECONNRESET:
    case ECONNABORTED:
      return because(Outcome::kConnectionReset, "the connection was reset by");
    default:
      return because(Outcome::kUnreachable, "there is no way to");
  }
}

/// The failure that tells most about the server: a network that has no way for one family says little of the other.
bool outweighs(const Failure& later, const std::optional<Failure>& earlier) {
  const auto says_little = [](Outcome outcome) {
    return outcome == Outcome::kUnreachable || outcome == Outcome::kLocalResource;
  };
  return !earlier || !says_little(later.outcome) || says_little(earlier->outcome);
}

}  // namespace

/// Shared with the timer's handler, which may run after the connection has gone.
struct Connection::Core : std::enable_shared_from_this<Core> {
  explicit Core(const asio::any_io_executor& io) : socket(io), timer(io) {}

  /// Cuts what waits on the socket at `moment`. Only the last call counts.
  void cut_at(SteadyTime moment) {
    if (armed && timer.expiry() == moment) return;
    cut = false;
    armed = true;
    timer.expires_at(moment);
    timer.async_wait([self = shared_from_this()](const boost::system::error_code& error) {
      if (error || steady_clock::now() < self->timer.expiry()) return;
      self->cut = true;
      boost::system::error_code ignored;
      self->socket.cancel(ignored);
    });
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

Connection::Connection(asio::any_io_executor io, SteadyTime deadline)
    : core_(std::make_shared<Core>(io)), deadline_(deadline) {}

Connection::~Connection() {
  tls_.reset();
  core_->close();
  core_->timer.cancel();
}

asio::awaitable<std::optional<Failure>> Connection::connect(SharedAddresses addresses, std::uint16_t port) {
  std::optional<Failure> telling;
  std::size_t left = addresses->size();
  for (const auto& address : *addresses) {
    const auto now = steady_clock::now();
    const auto share = std::min<steady_clock::duration>((deadline_ - now) / (left + 1), kMaxShare);
    auto failure = co_await attempt(address, port, left == 1 ? deadline_ : now + share);
    if (!failure) {
      peer_ = address;
      core_->cut_at(deadline_);
      co_return std::nullopt;
    }
    const bool exhausted = failure->outcome == Outcome::kLocalResource && !core_->socket.is_open();
    if (exhausted) co_return failure;  // without a socket no other address can be tried either
    if (outweighs(*failure, telling)) telling = std::move(failure);
    --left;
    if (steady_clock::now() >= deadline_) break;
  }
  if (addresses->size() > 1) telling->reason += fmt::format(" ({} addresses tried)", addresses->size() - left);
  co_return telling;
}

asio::awaitable<std::optional<Failure>> Connection::attempt(asio::ip::address address, std::uint16_t port,
                                                            SteadyTime until) {
  const auto began = steady_clock::now();
  const auto server = [&] { return endpoint_text(address, port); };
  const tcp::endpoint endpoint(address, port);
  core_->close();
  const int descriptor =
      ::socket(endpoint.protocol().family(), SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, IPPROTO_TCP);
  if (descriptor < 0) co_return explain_connect(errno, server());
  boost::system::error_code error;
  core_->socket.assign(endpoint.protocol(), descriptor, error);
  if (error) {
    ::close(descriptor);
    co_return explain_connect(error.value(), server());
  }
  core_->cut_at(until);
  int result = ::connect(descriptor, endpoint.data(), static_cast<socklen_t>(endpoint.size())) == 0 ? 0 : errno;
  if (result == EINPROGRESS) {
    if (co_await wait(Status::kWantWrite) == Ready::kTimeout) {
      co_return Failure{Outcome::kConnectTimeout, fmt::format("no answer to the connection attempt to {} within {}",
                                                              server(), waited(until - began))};
    }
    socklen_t size = sizeof result;
    if (::getsockopt(descriptor, SOL_SOCKET, SO_ERROR, &result, &size) != 0) result = errno;
  }
  if (result != 0) co_return explain_connect(result, server());
  co_return std::nullopt;
}

asio::awaitable<std::optional<Failure>> Connection::handshake(const TlsContext& context, const Url& url,
                                                              common::WallTime now) {
  const auto began = steady_clock::now();
  tls_ = std::make_unique<TlsSession>(context, core_->socket.native_handle(), url, now);
  for (;;) {
    const auto step = tls_->handshake();
    if (step.status == Status::kDone) co_return std::nullopt;
    if (step.status == Status::kEnd || step.status == Status::kFailed) {
      co_return tls_->explain_handshake(step, url, now);
    }
    if (co_await wait(step.status) == Ready::kTimeout) {
      co_return Failure{Outcome::kTlsTimeout, fmt::format("the TLS handshake with {} did not end within {}",
                                                          url.endpoint(), waited(deadline_ - began))};
    }
  }
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
  if (core_->cut) co_return Ready::kTimeout;
  const auto event = wants == Status::kWantWrite ? tcp::socket::wait_write : tcp::socket::wait_read;
  boost::system::error_code error;
  co_await core_->socket.async_wait(event, asio::redirect_error(asio::use_awaitable, error));
  if (error != asio::error::operation_aborted) co_return Ready::kReady;  // what is wrong shows at the next step
  if (core_->cut) co_return Ready::kTimeout;
  throw boost::system::system_error(error);
}

std::string Connection::tls_reason() const {
  return tls_ ? tls_->reason() : std::string{};
}

void Connection::finish() {
  if (tls_) tls_->say_goodbye();
  tls_.reset();
  core_->close();
}

}  // namespace monitor::net
