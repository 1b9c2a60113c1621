// A proxy on loopback before a PostgreSQL server, for what only the way between can do: swallow everything, be slow, or
// cut a connection at a chosen message. A thread of its own; connections end with the proxy.
#pragma once

#include <array>
#include <atomic>
#include <cstdint>
#include <list>
#include <mutex>
#include <string>
#include <string_view>
#include <thread>
#include <vector>

#include "support/postgres.h"

namespace monitor::test {

/// Reads the protocol (PostgreSQL documentation, "Message Formats") as far as it is unencrypted.
class PostgresProxy {
 public:
  enum class Fault : std::uint8_t {
    kNone,
    kSwallow,     ///< nothing arrives on either side any more; new connections are accepted, and get no answer
    kLoseCommit,  ///< once: the next COMMIT does not arrive, and the connection is cut
    kLoseAnswer,  ///< once: the next COMMIT is carried out, and the connection is cut instead of the answer
    kCutCopy,     ///< once: the connection is cut after the first data of the next COPY
    kSlow         ///< kSlowBytes a second from the client to the server
  };
  static constexpr int kSlowBytes = 100'000;

  explicit PostgresProxy(int server_port);
  ~PostgresProxy();
  PostgresProxy(const PostgresProxy&) = delete;
  PostgresProxy& operator=(const PostgresProxy&) = delete;

  std::string uri(const std::string& database = "monitor") const;
  void set(Fault fault) { fault_ = fault; }
  Fault fault() const { return fault_; }  ///< kNone after one that happens once
  /// How many connections were accepted.
  int accepted() const { return accepted_; }
  /// Everything that clients asked for: the text of simple queries, and of parsed ones behind their statement's name
  /// and a colon.
  std::vector<std::string> statements();

 private:
  struct Side {
    int socket = -1;
    std::string unread;  ///< the beginning of a message
    bool typed = false;  ///< past the start-up packet, which has no type
  };
  struct Connection {
    Side client;
    Side server;
  };

  void run();
  void accept_one();
  /// False: the connection is to be cut.
  bool carry(Side& from, const Side& to, bool to_server);
  bool forward(Side& from, const Side& to, bool to_server);
  bool happens_now(Fault fault);
  void note(std::string_view message);

  int server_port_;
  int listener_;
  int port_ = 0;
  std::array<int, 2> stop_pipe_{};
  std::atomic<Fault> fault_ = Fault::kNone;
  std::atomic<int> accepted_ = 0;
  std::list<Connection> connections_;
  std::mutex mutex_;
  std::vector<std::string> statements_;
  std::thread thread_;
};

}  // namespace monitor::test
