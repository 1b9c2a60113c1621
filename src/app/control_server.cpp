#include "app/control_server.h"

#include <new>
#include <sys/socket.h>
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

#include "app/control_protocol.h"
#include "app/lasting.h"
#include "async/deadline.h"
#include "common/error.h"
#include "common/log.h"

namespace monitor::app::control {

namespace asio = boost::asio;
namespace log = common::log;
using asio::awaitable;
using boost::system::error_code;

namespace {

constexpr std::chrono::seconds kNoDescriptor{1};  // where a connection cannot be accepted, it is tried again after this

bool is_trusted(int socket) {
  ucred peer{};
  socklen_t size = sizeof peer;
  return ::getsockopt(socket, SOL_SOCKET, SO_PEERCRED, &peer, &size) == 0 && (peer.uid == ::geteuid() || peer.uid == 0);
}

}  // namespace

Server::Server(asio::any_io_executor io, const std::filesystem::path& database, Patience patience,
               std::chrono::milliseconds look_every)
    : io_(std::move(io)),
      file_(socket_path(database)),
      patience_(patience),
      look_every_(look_every),
      acceptor_(io_),
      connections_(io_,
                   [](const std::string&, const std::exception_ptr&) {
                     log::error("A request on the control socket ended with an unforeseen exception");
                   }),
      room_(io_),
      opened_(io_) {}

void Server::close() {
  error_code ignored;
  acceptor_.close(ignored);
  file_.remove();
}

void Server::handle(const std::string& command, Handler handler) {
  handlers_[command] = std::move(handler);
}

void Server::open() {
  acceptor_.assign(asio::local::stream_protocol(), file_.make());
}

awaitable<void> Server::look_after_file() {
  for (;;) {
    co_await async::sleep_for(look_every_);
    if (co_await async::cancelled()) co_return;  // in the very turn in which run() closes the socket
    if (!file_.is_there()) make_again();
  }
}

/// A cleaner of old files, or somebody's hand, took it away: nobody can reach the one that is open.
void Server::make_again() {
  error_code ignored;
  acceptor_.close(ignored);
  try {
    open();
    missing_ = false;
    opened_.notify();
    log::warning("The control socket {} was taken away, and is made again.", file_.path().string());
  } catch (const std::exception& error) {
    if (std::exchange(missing_, true)) return;
    log::warning("The control socket was taken away, and the daemon cannot be asked anything for now: {}",
                 error.what());
  }
}

awaitable<void> Server::run() {
  std::exception_ptr end;
  try {
    for (bool looked_after = false;;) {
      bool no_memory = false;
      try {
        if (!looked_after)
          connections_.spawn("control file", lasting("control file", [this] { return look_after_file(); }));
        looked_after = true;
        while (running_ >= kMaxConnections) co_await room_.wait();
        co_await accept_one();
      } catch (const std::bad_alloc&) {  // who asked may ask again
        no_memory = true;
      }
      if (no_memory) co_await async::sleep_for(kNoDescriptor);
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
  while (!acceptor_.is_open()) co_await opened_.wait();
  error_code error;
  auto socket = co_await acceptor_.async_accept(asio::redirect_error(asio::use_awaitable, error));
  if (co_await async::cancelled()) throw boost::system::system_error(asio::error::operation_aborted);
  if (error == asio::error::operation_aborted) co_return;  // the socket was made again
  if (error) {
    co_await async::sleep_for(kNoDescriptor);
    co_return;
  }
  connections_.spawn("control", serve(std::move(socket)));
}

awaitable<void> Server::serve(Socket socket) {
  ++running_;
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
