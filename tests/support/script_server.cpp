#include "support/script_server.h"

#include <algorithm>
#include <arpa/inet.h>
#include <array>
#include <cerrno>
#include <csignal>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <sys/socket.h>
#include <system_error>
#include <unistd.h>

#include <fmt/format.h>
#include <openssl/err.h>
#include <openssl/ssl.h>

namespace monitor::test {
namespace {

sockaddr_in address_of(const std::string& address, std::uint16_t port) {
  sockaddr_in out{};
  out.sin_family = AF_INET;
  out.sin_port = htons(port);
  if (::inet_pton(AF_INET, address.c_str(), &out.sin_addr) != 1) throw std::invalid_argument(address);
  return out;
}

int listen_on(const std::string& address, std::uint16_t& port, int backlog) {
  const int descriptor = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  const int on = 1;
  ::setsockopt(descriptor, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
  auto where = address_of(address, port);
  socklen_t size = sizeof where;
  if (descriptor < 0 || ::bind(descriptor, reinterpret_cast<const sockaddr*>(&where), size) != 0 ||
      ::listen(descriptor, backlog) != 0 ||
      ::getsockname(descriptor, reinterpret_cast<sockaddr*>(&where), &size) != 0) {
    const int error = errno;
    if (descriptor >= 0) ::close(descriptor);
    throw std::system_error(error, std::generic_category(), "a test server on " + address);
  }
  port = ntohs(where.sin_port);
  return descriptor;
}

}  // namespace

Peer::Peer(int descriptor, ssl_ctx_st* tls) : descriptor_(descriptor) {
  const int on = 1;
  ::setsockopt(descriptor_, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
  if (tls == nullptr) return;
  tls_ = ::SSL_new(tls);
  ::SSL_set_fd(tls_, descriptor_);
}

Peer::~Peer() {
  ::SSL_free(tls_);
  ::close(descriptor_);
}

bool Peer::secured() {
  if (tls_ == nullptr) return true;
  const bool done = ::SSL_accept(tls_) == 1;
  ::ERR_clear_error();
  return done;
}

std::string Peer::read_some() {
  std::array<char, 4096> piece{};
  const auto got = tls_ != nullptr ? static_cast<ssize_t>(::SSL_read(tls_, piece.data(), piece.size()))
                                   : ::recv(descriptor_, piece.data(), piece.size(), 0);
  return got <= 0 ? std::string{} : std::string(piece.data(), static_cast<std::size_t>(got));
}

std::string Peer::read_request() {
  constexpr std::string_view kEnd = "\r\n\r\n", kLength = "\r\nContent-Length: ";
  std::string request;
  std::size_t wanted = std::string::npos;
  while (request.size() < wanted) {
    const auto piece = read_some();
    if (piece.empty()) break;
    request += piece;
    const auto end = request.find(kEnd);
    if (end == std::string::npos || wanted != std::string::npos) continue;
    const auto length = request.find(kLength);
    wanted = end + kEnd.size();
    if (length < end) wanted += std::stoul(request.substr(length + kLength.size()));
  }
  return request;
}

bool Peer::send(std::string_view bytes) {
  while (!bytes.empty()) {
    const auto sent = tls_ != nullptr
                          ? static_cast<ssize_t>(::SSL_write(tls_, bytes.data(), static_cast<int>(bytes.size())))
                          : ::send(descriptor_, bytes.data(), bytes.size(), MSG_NOSIGNAL);
    if (sent <= 0) return false;
    bytes.remove_prefix(static_cast<std::size_t>(sent));
  }
  return true;
}

bool Peer::drip(std::string_view bytes) {
  return std::ranges::all_of(bytes, [this](const char& byte) { return send({&byte, 1}); });
}

void Peer::hold() {
  std::array<char, 4096> ignored{};
  while (::recv(descriptor_, ignored.data(), ignored.size(), 0) > 0) {
  }
}

void Peer::idle() {
  pollfd gone{descriptor_, POLLRDHUP, 0};
  ::poll(&gone, 1, -1);
}

void Peer::close(bool clean) {
  if (tls_ != nullptr && clean) ::SSL_shutdown(tls_);
  ::shutdown(descriptor_, SHUT_WR);
}

void Peer::reset() {
  const linger at_once{1, 0};
  ::setsockopt(descriptor_, SOL_SOCKET, SO_LINGER, &at_once, sizeof at_once);
  // The descriptor itself stays ours until the destructor; closing a second one of the same socket sends nothing.
  const int replacement = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  ::dup2(replacement, descriptor_);
  ::close(replacement);
}

void Peer::stop() const {
  ::shutdown(descriptor_, SHUT_RDWR);
}

ScriptServer::ScriptServer(Script script, ssl_ctx_st* tls, const std::string& address, std::uint16_t port)
    : script_(std::move(script)), tls_(tls), listener_(listen_on(address, port, 1024)), port_(port), acceptor_([this] {
        accept_all();
      }) {}

ScriptServer::~ScriptServer() {
  {
    const std::lock_guard lock(mutex_);
    stopping_ = true;
    for (const auto* peer : peers_) peer->stop();
  }
  ::shutdown(listener_, SHUT_RDWR);
  acceptor_.join();
  for (auto& thread : threads_) thread.join();
  ::close(listener_);
}

std::string ScriptServer::url(const std::string& path) const {
  return fmt::format("{}://127.0.0.1:{}{}", tls_ == nullptr ? "http" : "https", port_, path);
}

void ScriptServer::accept_all() {
  for (;;) {
    const int descriptor = ::accept4(listener_, nullptr, nullptr, SOCK_CLOEXEC);
    if (descriptor < 0) return;
    ++connections_;
    const std::lock_guard lock(mutex_);
    if (stopping_) {
      ::close(descriptor);
      return;
    }
    auto* const peer = peers_.emplace_back(new Peer(descriptor, tls_));
    threads_.emplace_back([this, peer] {
      sigset_t pipe;  // OpenSSL writes without MSG_NOSIGNAL
      ::sigemptyset(&pipe);
      ::sigaddset(&pipe, SIGPIPE);
      ::pthread_sigmask(SIG_BLOCK, &pipe, nullptr);
      if (peer->secured()) script_(*peer);
      const std::lock_guard done(mutex_);
      std::erase(peers_, peer);
      delete peer;
    });
  }
}

ScriptServer::Script ScriptServer::reply(std::string response) {
  return [response = std::move(response)](Peer& peer) {
    peer.read_request();
    peer.send(response);
    peer.close();
    peer.hold();
  };
}

BlackHole::BlackHole(const std::string& address, std::uint16_t port) : listener_(listen_on(address, port, 0)) {
  port_ = port;
  const auto where = address_of(address, port);
  for (bool full = false; !full;) {
    const int descriptor = ::socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    waiting_.push_back(descriptor);
    if (::connect(descriptor, reinterpret_cast<const sockaddr*>(&where), sizeof where) != 0 && errno != EINPROGRESS) {
      throw std::system_error(errno, std::generic_category(), "a test's black hole");
    }
    pollfd ready{descriptor, POLLOUT, 0};
    constexpr int kAnswerMs = 100;  // loopback answers at once or not at all
    full = ::poll(&ready, 1, kAnswerMs) == 0;
  }
}

BlackHole::~BlackHole() {
  for (const int descriptor : waiting_) ::close(descriptor);
  ::close(listener_);
}

std::uint16_t closed_port() {
  std::uint16_t port = 0;
  ::close(listen_on("127.0.0.1", port, 1));
  return port;
}

}  // namespace monitor::test
