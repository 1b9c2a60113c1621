#include "app/control_server.h"

#include <cerrno>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>
#include <utility>

#include <boost/asio/buffer.hpp>
#include <boost/asio/cancellation_state.hpp>
#include <boost/asio/error.hpp>
#include <boost/asio/read_until.hpp>
#include <boost/asio/redirect_error.hpp>
#include <boost/asio/this_coro.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <boost/asio/write.hpp>
#include <boost/system/system_error.hpp>
#include <fmt/format.h>

#include "app/control_address.h"
#include "app/control_protocol.h"
#include "async/deadline.h"
#include "common/error.h"
#include "common/log.h"

namespace monitor::app::control {

namespace asio = boost::asio;
namespace log = common::log;
using asio::awaitable;
using boost::system::error_code;

namespace {

constexpr mode_t kPrivate = 0600;
constexpr std::chrono::seconds kNoDescriptor{1};  // where a connection cannot be accepted, it is tried again after this

[[noreturn]] void fail(const std::filesystem::path& path, std::string_view action) {
  const std::string reason = common::errno_text(errno);
  throw common::Error(fmt::format("cannot {} the control socket {}: {}", action, path.string(), reason));
}

bool is_trusted(int socket) {
  ucred peer{};
  socklen_t size = sizeof peer;
  return ::getsockopt(socket, SOL_SOCKET, SO_PEERCRED, &peer, &size) == 0 && (peer.uid == ::geteuid() || peer.uid == 0);
}

/// Only what a daemon left: a file of another kind is somebody else's.
void remove_stale(const std::filesystem::path& path) {
  struct stat found{};
  if (::lstat(path.c_str(), &found) != 0) return;
  if (!S_ISSOCK(found.st_mode)) {
    throw common::Error(
        fmt::format("cannot make the control socket {}: a file of that name is there, which is no socket; move it away",
                    path.string()));
  }
  ::unlink(path.c_str());
}

}  // namespace

Server::Server(asio::any_io_executor io, const std::filesystem::path& database, Patience patience)
    : io_(std::move(io)),
      path_(socket_path(database)),
      patience_(patience),
      acceptor_(io_),
      connections_(io_,
                   [](const std::string&, const std::exception_ptr&) {
                     log::error("A request on the control socket ended with an unforeseen exception");
                   }),
      room_(io_) {}

Server::~Server() {
  close();
}

void Server::close() {
  if (!acceptor_.is_open()) return;
  error_code ignored;
  acceptor_.close(ignored);
  ::unlink(path_.c_str());
}

void Server::handle(const std::string& command, Handler handler) {
  handlers_[command] = std::move(handler);
}

void Server::open() {
  const Address address(path_);
  remove_stale(path_);
  const int socket = ::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
  if (socket < 0) fail(path_, "make");
  acceptor_.assign(asio::local::stream_protocol(), socket);
  // Before bind(): the file has this mode from its first moment.
  if (::fchmod(socket, kPrivate) != 0 || ::bind(socket, address.data(), address.size()) != 0) {
    error_code ignored;
    const int reason = errno;
    acceptor_.close(ignored);
    errno = reason;
    fail(path_, "make");
  }
  if (::listen(socket, SOMAXCONN) != 0) fail(path_, "listen on");
}

awaitable<void> Server::run() {
  std::exception_ptr end;
  try {
    for (;;) {
      while (running_ >= kMaxConnections) co_await room_.wait();
      co_await accept_one();
    }
  } catch (...) {
    end = std::current_exception();
  }
  co_await asio::this_coro::reset_cancellation_state(asio::disable_cancellation());
  close();
  connections_.cancel();
  co_await connections_.join();
  std::rethrow_exception(end);
}

awaitable<void> Server::accept_one() {
  error_code error;
  auto socket = co_await acceptor_.async_accept(asio::redirect_error(asio::use_awaitable, error));
  if (error == asio::error::operation_aborted) throw boost::system::system_error(error);
  if (error) {
    co_await async::sleep_for(kNoDescriptor);
    co_return;
  }
  ++running_;
  connections_.spawn("control", serve(std::move(socket)));
}

awaitable<void> Server::serve(Socket socket) {
  std::exception_ptr failure;
  try {
    co_await converse(socket);
  } catch (const boost::system::system_error&) {
    // The client went away, or was too slow.
  } catch (...) {
    failure = std::current_exception();
  }
  --running_;
  room_.notify();
  if (failure) std::rethrow_exception(failure);
}

awaitable<void> Server::converse(Socket& socket) {
  std::string line;
  std::string text;
  if (is_trusted(socket.native_handle())) {
    const async::Deadline deadline(io_, patience_.request, [&socket] { socket.close(); });
    error_code error;
    const auto size = co_await asio::async_read_until(socket, asio::dynamic_buffer(line, kMaxRequestBytes + 1), '\n',
                                                      asio::redirect_error(asio::use_awaitable, error));
    if (error == asio::error::not_found) {
      text = refusal_line("the request is longer than 64 KiB");
    } else if (error) {
      throw boost::system::system_error(error);
    } else {
      line.resize(size - 1);
    }
  } else {
    text = refusal_line("only the daemon's own user and root may ask");
  }
  if (text.empty()) text = co_await answer(std::move(line));
  const async::Deadline deadline(io_, patience_.answer, [&socket] { socket.close(); });
  co_await asio::async_write(socket, asio::buffer(text), asio::use_awaitable);
}

awaitable<std::string> Server::answer(std::string line) {
  std::string refusal;
  try {
    auto request = parse_request(line);
    const auto handler = handlers_.find(request.command);
    if (handler == handlers_.end()) {
      throw common::Error(
          fmt::format("this daemon knows no command `{}`; it may be of another version than the one "
                      "that asks",
                      request.command));
    }
    auto made = co_await handler->second(std::move(request.arguments));
    co_return answer_line(std::move(made));
  } catch (const boost::system::system_error&) {
    throw;  // cancelled
  } catch (const std::exception& error) {
    refusal = error.what();
  }
  co_return refusal_line(refusal);
}

}  // namespace monitor::app::control
