// A server on loopback that does with each connection what the test's script says, over TCP or TLS. Each connection
// has a thread of its own; all end with the server.
#pragma once

#include <atomic>
#include <cstdint>
#include <functional>
#include <memory>
#include <mutex>
#include <string>
#include <string_view>
#include <thread>
#include <vector>

struct ssl_ctx_st;
struct ssl_st;

namespace monitor::test {

/// The server's end of one connection. Nothing here throws: a client that goes away is what many tests are about.
class Peer {
 public:
  Peer(int descriptor, ssl_ctx_st* tls);
  ~Peer();
  Peer(const Peer&) = delete;
  Peer& operator=(const Peer&) = delete;

  /// Reads one request with its body, if it announces a length; what has come so far when the client ends.
  std::string read_request();
  /// What comes next, 4 KiB at most; empty when the client ends.
  std::string read_some();
  /// False when the client has gone.
  bool send(std::string_view bytes);
  /// `bytes` one at a time, each in a packet of its own.
  bool drip(std::string_view bytes);
  /// Reads and throws away until the client closes, or the server stops. Nothing is sent meanwhile.
  void hold();
  /// The same, but without reading: what the client sends stays where it is.
  void idle();
  /// Ends our side with a FIN (after close_notify, if `clean`).
  void close(bool clean = true);
  /// Ends the connection with a RST.
  void reset();
  /// OpenSSL's session, for what a script does to TLS itself; null: plain TCP.
  ssl_st* session() const { return tls_; }

 private:
  friend class ScriptServer;
  void stop() const;
  bool secured();

  int descriptor_;
  ssl_st* tls_ = nullptr;
};

class ScriptServer {
 public:
  using Script = std::function<void(Peer&)>;

  /// Listens on `address`; port 0 takes a free one. With `tls` (which must outlive the server) the handshake is made
  /// before the script starts, and a connection without one ends silently.
  explicit ScriptServer(Script script, ssl_ctx_st* tls = nullptr, const std::string& address = "127.0.0.1",
                        std::uint16_t port = 0);
  ~ScriptServer();
  ScriptServer(const ScriptServer&) = delete;
  ScriptServer& operator=(const ScriptServer&) = delete;

  std::uint16_t port() const { return port_; }
  /// `http://127.0.0.1:PORT` and `path`.
  std::string url(const std::string& path = "/") const;
  int connections() const { return connections_; }

  /// A script that reads the request, sends `response` and closes.
  static Script reply(std::string response);

 private:
  void accept_all();

  Script script_;
  ssl_ctx_st* tls_;
  int listener_;
  std::uint16_t port_ = 0;
  std::atomic<int> connections_{0};
  std::mutex mutex_;
  bool stopping_ = false;
  std::vector<Peer*> peers_;
  std::vector<std::thread> threads_;
  std::thread acceptor_;
};

/// A port whose queue of connections is full, so that an attempt to connect gets no answer at all.
class BlackHole {
 public:
  explicit BlackHole(const std::string& address = "127.0.0.1", std::uint16_t port = 0);
  ~BlackHole();
  BlackHole(const BlackHole&) = delete;
  BlackHole& operator=(const BlackHole&) = delete;
  std::uint16_t port() const { return port_; }

 private:
  int listener_;
  std::uint16_t port_ = 0;
  std::vector<int> waiting_;
};

/// A port on loopback on which nothing listens.
std::uint16_t closed_port();

}  // namespace monitor::test
