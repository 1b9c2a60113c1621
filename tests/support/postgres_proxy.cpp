#include "support/postgres_proxy.h"

#include <algorithm>
#include <arpa/inet.h>
#include <cerrno>
#include <chrono>
#include <cstring>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <sys/socket.h>
#include <system_error>
#include <unistd.h>

#include <fmt/format.h>

namespace monitor::test {
namespace {

constexpr std::size_t kLengthBytes = 4;

sockaddr_in loopback(int port) {
  sockaddr_in out{};
  out.sin_family = AF_INET;
  out.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  out.sin_port = htons(static_cast<std::uint16_t>(port));
  return out;
}

/// Of the message that `bytes` begin with, its type included; 0: its length is not there yet.
std::size_t size_of_message(std::string_view bytes, bool typed) {
  const std::size_t type = typed ? 1 : 0;
  if (bytes.size() < type + kLengthBytes) return 0;
  std::uint32_t length = 0;
  std::memcpy(&length, bytes.data() + type, kLengthBytes);
  return type + ntohl(length);
}

bool send_all(int socket, std::string_view bytes) {
  while (!bytes.empty()) {
    const auto sent = ::send(socket, bytes.data(), bytes.size(), MSG_NOSIGNAL);
    if (sent <= 0) return false;
    bytes.remove_prefix(static_cast<std::size_t>(sent));
  }
  return true;
}

void close_both(int one, int other) {
  ::close(one);
  ::close(other);
}

}  // namespace

PostgresProxy::PostgresProxy(int server_port)
    : server_port_(server_port), listener_(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0)) {
  auto where = loopback(0);
  socklen_t size = sizeof where;
  if (::pipe2(stop_pipe_.data(), O_CLOEXEC) != 0 ||
      ::bind(listener_, reinterpret_cast<const sockaddr*>(&where), size) != 0 || ::listen(listener_, 64) != 0 ||
      ::getsockname(listener_, reinterpret_cast<sockaddr*>(&where), &size) != 0) {
    throw std::system_error(errno, std::generic_category(), "a test's proxy");
  }
  port_ = ntohs(where.sin_port);
  thread_ = std::thread([this] { run(); });
}

PostgresProxy::~PostgresProxy() {
  ::close(stop_pipe_[1]);  // wakes poll()
  thread_.join();
  for (const auto& connection : connections_) close_both(connection.client.socket, connection.server.socket);
  close_both(stop_pipe_[0], listener_);
}

std::string PostgresProxy::uri(const std::string& database) const {
  return fmt::format("postgresql://monitor:{}@127.0.0.1:{}/{}?sslmode=disable&gssencmode=disable", Postgres::kPassword,
                     port_, database);
}

std::vector<std::string> PostgresProxy::statements() {
  const std::lock_guard lock(mutex_);
  return statements_;
}

void PostgresProxy::run() {
  for (;;) {
    std::vector<pollfd> ready{{stop_pipe_[0], 0, 0}, {listener_, POLLIN, 0}};
    for (const auto& connection : connections_) {
      ready.push_back({connection.client.socket, POLLIN, 0});
      ready.push_back({connection.server.socket, POLLIN, 0});
    }
    ::poll(ready.data(), ready.size(), -1);
    if (ready[0].revents != 0) return;
    std::size_t at = 2;
    std::erase_if(connections_, [&](Connection& connection) {
      bool keep = ready[at].revents == 0 || carry(connection.client, connection.server, true);
      keep = keep && (ready[at + 1].revents == 0 || carry(connection.server, connection.client, false));
      at += 2;
      if (!keep) close_both(connection.client.socket, connection.server.socket);
      return !keep;
    });
    if (ready[1].revents != 0) accept_one();
  }
}

void PostgresProxy::accept_one() {
  Connection connection;
  connection.client.socket = ::accept4(listener_, nullptr, nullptr, SOCK_CLOEXEC);
  connection.server.socket = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  connection.server.typed = true;
  ++accepted_;
  const auto where = loopback(server_port_);
  const int connected = ::connect(connection.server.socket, reinterpret_cast<const sockaddr*>(&where), sizeof where);
  const int at_once = 1;
  for (const int socket : {connection.client.socket, connection.server.socket}) {
    ::setsockopt(socket, IPPROTO_TCP, TCP_NODELAY, &at_once, sizeof at_once);
  }
  if (connected != 0) {
    close_both(connection.client.socket, connection.server.socket);
  } else {
    connections_.push_back(std::move(connection));
  }
}

bool PostgresProxy::carry(Side& from, const Side& to, bool to_server) {
  std::array<char, std::size_t{16} << 10> piece{};
  const auto got = ::recv(from.socket, piece.data(), piece.size(), 0);
  if (got <= 0) return false;
  if (fault_ == Fault::kSwallow) return true;
  from.unread.append(piece.data(), static_cast<std::size_t>(got));
  return forward(from, to, to_server);
}

bool PostgresProxy::forward(Side& from, const Side& to, bool to_server) {
  using std::string_view_literals::operator""sv;
  for (;;) {
    const auto size = size_of_message(from.unread, from.typed);
    if (size == 0 || from.unread.size() < size) return true;
    const auto message = from.unread.substr(0, size);
    from.unread.erase(0, size);
    const char type = from.typed ? message.front() : '\0';
    from.typed = true;
    const auto body = std::string_view(message).substr(std::min(size, 1 + kLengthBytes));
    if (to_server && (type == 'Q' || type == 'P')) note(message);
    if (to_server && type == 'Q' && body == "COMMIT\0"sv && happens_now(Fault::kLoseCommit)) return false;
    if (!to_server && type == 'C' && body == "COMMIT\0"sv && happens_now(Fault::kLoseAnswer)) return false;
    if (to_server && fault_ == Fault::kSlow) {
      std::this_thread::sleep_for(std::chrono::microseconds{1'000'000 / kSlowBytes} * static_cast<int>(size));
    }
    if (!send_all(to.socket, message)) return false;
    if (to_server && type == 'd' && happens_now(Fault::kCutCopy)) return false;
  }
}

bool PostgresProxy::happens_now(Fault fault) {
  return fault_.compare_exchange_strong(fault, Fault::kNone);
}

void PostgresProxy::note(std::string_view message) {
  const bool parsed = message.front() == 'P';
  std::string_view text = message.substr(1 + kLengthBytes);
  const std::string name = parsed ? std::string(text.substr(0, text.find('\0'))) + ":" : "";
  if (parsed) text.remove_prefix(name.size());
  const std::lock_guard lock(mutex_);
  statements_.push_back(name + std::string(text.substr(0, text.find('\0'))));
}

}  // namespace monitor::test
