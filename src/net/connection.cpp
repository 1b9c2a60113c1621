#include "net/connection.h"

#include <cerrno>
#include <linux/sockios.h>
#include <netinet/tcp.h>
#include <sys/ioctl.h>
#include <sys/socket.h>

#include <boost/asio/ip/tcp.hpp>
#include <fmt/format.h>

#include "net/attempt.h"
#include "net/deny_list.h"
#include "net/happy_eyeballs.h"

namespace monitor::net {
namespace {

namespace asio = boost::asio;
using asio::ip::tcp;
using common::Outcome;
using std::chrono::steady_clock;
using Socket = Poller::Socket;
using Status = Step::Status;

}  // namespace

Connection::Connection(asio::any_io_executor io) : io_(std::move(io)), socket_(Poller::of(io_)) {}

Connection::~Connection() = default;

asio::awaitable<std::optional<Failure>> Connection::connect(SharedAddresses addresses, std::uint16_t port) {
  socket_.close();
  if (addresses->size() > 1) {
    auto result = co_await race(io_, interleave(*addresses), port, deadline_);
    if (!result.socket) co_return std::move(result.failure);
    socket_.open(result.socket->release());
    peer_ = result.peer;
    passed_over_ = std::move(result.passed_over);
    co_return std::nullopt;
  }
  const auto& address = addresses->front();
  if (auto refusal = refuse_address(address, port)) co_return std::move(refusal);
  if (auto refusal = DenyList::of(io_).refuse(address, port)) co_return std::move(refusal);
  const auto began = steady_clock::now();
  const auto begun = begin_connect(tcp::endpoint(address, port));
  socket_.open(begun.descriptor);
  int result = begun.result;
  if (result == EINPROGRESS) {
    if (co_await wait(Status::kWantWrite) == Ready::kTimeout) {
      co_return explain_no_answer(endpoint_text(address, port), began, deadline_);
    }
    result = connect_result(socket_.descriptor());
  }
  if (result != 0) co_return explain_connect(result, endpoint_text(address, port));
  peer_ = address;
  co_return std::nullopt;
}

asio::awaitable<std::optional<Failure>> Connection::handshake(const TlsContext& context, const TlsTarget& target,
                                                              common::WallTime now) {
  const auto began = steady_clock::now();
  tls_ = std::make_unique<TlsSession>(context, socket_.descriptor(), target, now);
  std::optional<Failure> failure;
  for (;;) {
    const auto step = noted(tls_->handshake());
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
  if (tls_) return noted(tls_->read(into));
  const auto received = ::recv(socket_.descriptor(), into.data(), into.size(), MSG_DONTWAIT);
  if (received > 0) {
    if (static_cast<std::size_t>(received) < into.size()) socket_.drained(Socket::kRead);
    return {Status::kDone, static_cast<std::size_t>(received), false, 0};
  }
  if (received == 0) return {Status::kEnd, 0, true, 0};
  if (errno != EAGAIN && errno != EINTR) return {Status::kFailed, 0, false, errno};
  errno == EAGAIN ? socket_.drained(Socket::kRead) : socket_.may_have_more(Socket::kRead);
  return {Status::kWantRead, 0, false, 0};
}

Step Connection::write(std::string_view bytes) {
  if (tls_) return noted(tls_->write(bytes));
  const auto sent = ::send(socket_.descriptor(), bytes.data(), bytes.size(), MSG_DONTWAIT | MSG_NOSIGNAL);
  if (sent >= 0) return {Status::kDone, static_cast<std::size_t>(sent), false, 0};
  if (errno != EAGAIN && errno != EINTR) return {Status::kFailed, 0, false, errno};
  errno == EAGAIN ? socket_.drained(Socket::kWrite) : socket_.may_have_more(Socket::kWrite);
  return {Status::kWantWrite, 0, false, 0};
}

/// A step of TLS that wants to read may have left something: what one step takes is limited.
Step Connection::noted(Step step) {
  if (step.status == Status::kWantWrite) socket_.drained(Socket::kWrite);
  if (step.status != Status::kWantRead) return step;
  tls_->drained() ? socket_.drained(Socket::kRead) : socket_.may_have_more(Socket::kRead);
  return step;
}

asio::awaitable<Connection::Ready> Connection::wait(Status wants) {
  return socket_.wait(wants == Status::kWantWrite ? Socket::kWrite : Socket::kRead, deadline_);
}

asio::awaitable<Connection::Ready> Connection::wait_either() {
  return socket_.wait(Socket::kEither, deadline_);
}

void Connection::send_at_once() {
  const int on = 1;
  ::setsockopt(socket_.descriptor(), IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
}

std::size_t Connection::unacknowledged() const {
  int bytes = 0;
  return ::ioctl(socket_.descriptor(), SIOCOUTQ, &bytes) == 0 && bytes > 0 ? static_cast<std::size_t>(bytes) : 0;
}

std::string Connection::tls_reason() const {
  return tls_ ? tls_->reason() : std::string{};
}

void Connection::finish() {
  if (tls_) tls_->say_goodbye();
  tls_.reset();
  socket_.close();
}

bool Connection::usable() {
  if (!peer_ || !socket_.is_open()) return false;
  char byte = 0;
  const bool quiet =
      tls_ ? tls_->quiet() : ::recv(socket_.descriptor(), &byte, 1, MSG_PEEK | MSG_DONTWAIT) < 0 && errno == EAGAIN;
  if (quiet) socket_.drained(Socket::kRead);
  return quiet;
}

}  // namespace monitor::net
