#include "support/connect_proxy.h"

#include <arpa/inet.h>
#include <array>
#include <netinet/in.h>
#include <poll.h>
#include <sys/socket.h>
#include <system_error>
#include <unistd.h>

#include <fmt/format.h>

namespace monitor::test {
namespace {

sockaddr_in loopback(std::uint16_t port) {
  sockaddr_in out{};
  out.sin_family = AF_INET;
  out.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  out.sin_port = htons(port);
  return out;
}

/// The port in `CONNECT host:port HTTP/1.1`.
std::uint16_t port_of(const std::string& request) {
  const auto end = request.find(" HTTP/");
  const auto colon = request.rfind(':', end);
  if (end == std::string::npos || colon == std::string::npos || !request.starts_with("CONNECT ")) return 0;
  return static_cast<std::uint16_t>(std::stoul(request.substr(colon + 1, end - colon - 1)));
}

bool move_bytes(int from, int to) {
  std::array<char, 16384> piece{};
  const auto got = ::recv(from, piece.data(), piece.size(), 0);
  if (got <= 0) return false;
  return ::send(to, piece.data(), static_cast<std::size_t>(got), MSG_NOSIGNAL) == got;
}

}  // namespace

ConnectProxy::ConnectProxy() : listener_(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0)), stop_pipe_{} {
  auto where = loopback(0);
  socklen_t size = sizeof where;
  if (::pipe2(stop_pipe_, O_CLOEXEC) != 0 || ::bind(listener_, reinterpret_cast<const sockaddr*>(&where), size) != 0 ||
      ::listen(listener_, 16) != 0 || ::getsockname(listener_, reinterpret_cast<sockaddr*>(&where), &size) != 0) {
    throw std::system_error(errno, std::generic_category(), "a test's proxy");
  }
  port_ = ntohs(where.sin_port);
  acceptor_ = std::thread([this] { accept_all(); });
}

ConnectProxy::~ConnectProxy() {
  ::close(stop_pipe_[1]);  // every poll() on the other end wakes up
  acceptor_.join();
  for (auto& thread : threads_) thread.join();
  ::close(stop_pipe_[0]);
  ::close(listener_);
}

std::string ConnectProxy::url(const std::string& userinfo) const {
  return fmt::format("http://{}{}127.0.0.1:{}", userinfo, userinfo.empty() ? "" : "@", port_);
}

std::vector<std::string> ConnectProxy::requests() {
  const std::lock_guard lock(mutex_);
  return requests_;
}

void ConnectProxy::accept_all() {
  for (;;) {
    std::array<pollfd, 2> ready{{{listener_, POLLIN, 0}, {stop_pipe_[0], 0, 0}}};
    ::poll(ready.data(), ready.size(), -1);
    if (ready[1].revents != 0) return;
    const int client = ::accept4(listener_, nullptr, nullptr, SOCK_CLOEXEC);
    if (client >= 0) threads_.emplace_back([this, client] { serve(client); });
  }
}

void ConnectProxy::serve(int client) {
  std::string request;
  std::array<char, 4096> piece{};
  while (request.find("\r\n\r\n") == std::string::npos) {
    const auto got = ::recv(client, piece.data(), piece.size(), 0);
    if (got <= 0) break;
    request.append(piece.data(), static_cast<std::size_t>(got));
  }
  {
    const std::lock_guard lock(mutex_);
    requests_.push_back(request);
  }
  const int server = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  const auto where = loopback(port_of(request));
  const bool open = ::connect(server, reinterpret_cast<const sockaddr*>(&where), sizeof where) == 0;
  const std::string answer = open ? "HTTP/1.1 200 Connection established\r\n\r\n" : "HTTP/1.1 502 Bad Gateway\r\n\r\n";
  ::send(client, answer.data(), answer.size(), MSG_NOSIGNAL);
  for (bool both = open; both;) {
    std::array<pollfd, 3> ready{{{client, POLLIN, 0}, {server, POLLIN, 0}, {stop_pipe_[0], 0, 0}}};
    ::poll(ready.data(), ready.size(), -1);
    if (ready[2].revents != 0) break;
    if (ready[0].revents != 0) both = move_bytes(client, server);
    if (both && ready[1].revents != 0) both = move_bytes(server, client);
  }
  ::close(server);
  ::close(client);
}

}  // namespace monitor::test
