#include "server.h"

#include <cstdio>
#include <exception>

#include <boost/asio/redirect_error.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <boost/beast/core/flat_buffer.hpp>
#include <boost/beast/core/tcp_stream.hpp>
#include <boost/beast/http/empty_body.hpp>
#include <boost/beast/http/message.hpp>
#include <boost/beast/http/parser.hpp>
#include <boost/beast/http/read.hpp>
#include <boost/beast/http/string_body.hpp>
#include <boost/beast/http/write.hpp>

namespace monitor::example {
namespace {

namespace asio = boost::asio;
namespace beast = boost::beast;
namespace http = beast::http;
using tcp = asio::ip::tcp;

constexpr std::size_t kMaxSessions = 512;
constexpr std::uint32_t kMaxHeader = 16 * 1024;
constexpr std::uint64_t kMaxBody = std::uint64_t{64} << 10;
constexpr std::size_t kMaxBuffer = std::size_t{32} << 10;  // what is read ahead of the parser: one header and a bit
constexpr std::chrono::seconds kMaxIdle{30};               // for one request to arrive, and for one answer to be taken
constexpr std::chrono::milliseconds kAcceptPause{100};     // while full, or after an accept that failed

template <typename Body>
http::response<Body> header_of(const Reply& reply, unsigned version, bool keep_alive) {
  http::response<Body> response(http::int_to_status(reply.status), version);
  response.set(http::field::server, "monitor-example");
  response.set(http::field::content_type, reply.content_type);
  if (reply.status == 204 || reply.status == 405) response.set(http::field::allow, kAllowedMethods);
  response.keep_alive(keep_alive);
  return response;
}

// False when the client is gone or takes too long.
asio::awaitable<bool> send(beast::tcp_stream& stream, const Reply& reply, const http::request<http::string_body>& to) {
  boost::system::error_code failure;
  if (to.method() == http::verb::head || reply.status == 204) {
    auto response = header_of<http::empty_body>(reply, to.version(), to.keep_alive());
    // A response to HEAD says what GET would have carried; one with status 204 says nothing (RFC 9110, 8.6).
    if (reply.status != 204) response.content_length(reply.body.size());
    co_await http::async_write(stream, response, asio::redirect_error(asio::use_awaitable, failure));
  } else {
    auto response = header_of<http::string_body>(reply, to.version(), to.keep_alive());
    response.body() = reply.body;
    response.prepare_payload();
    co_await http::async_write(stream, response, asio::redirect_error(asio::use_awaitable, failure));
  }
  co_return !failure;
}

}  // namespace

Server::Server(const asio::any_io_executor& io, const tcp::endpoint& where)
    : acceptor_(io, where), sessions_(io, [](const std::string& name, const std::exception_ptr&) {
        std::fprintf(stderr, "monitor_example: a bug ended %s\n", name.c_str());
      }) {}

asio::awaitable<void> Server::accept() {
  while (true) {
    boost::system::error_code failure;
    auto socket = co_await acceptor_.async_accept(asio::redirect_error(asio::use_awaitable, failure));
    if (failure == asio::error::operation_aborted) co_return;
    if (!failure) sessions_.spawn("a session", serve(std::move(socket)));
    while (failure || sessions_.size() >= kMaxSessions) {
      failure.clear();
      co_await async::sleep_for(kAcceptPause);
    }
  }
}

asio::awaitable<void> Server::stop() {
  acceptor_.close();
  sessions_.cancel();
  co_await sessions_.join();
}

asio::awaitable<void> Server::serve(tcp::socket socket) {
  beast::tcp_stream stream(std::move(socket));
  beast::flat_buffer buffer(kMaxBuffer);
  boost::system::error_code failure;
  for (bool keep_alive = true; keep_alive;) {
    http::request_parser<http::string_body> parser;
    parser.header_limit(kMaxHeader);
    parser.body_limit(kMaxBody);
    stream.expires_after(kMaxIdle);
    co_await http::async_read(stream, buffer, parser, asio::redirect_error(asio::use_awaitable, failure));
    if (failure) co_return;  // gone, too slow, or not HTTP: this connection is closed, the others go on
    const auto request = parser.release();
    const auto reply = site_.answer(request.method_string(), request.target());
    if (reply.delay > std::chrono::milliseconds{0}) co_await async::sleep_for(reply.delay);
    stream.expires_after(kMaxIdle);
    if (!co_await send(stream, reply, request)) co_return;
    keep_alive = request.keep_alive();
  }
  stream.socket().shutdown(tcp::socket::shutdown_send, failure);
}

}  // namespace monitor::example
