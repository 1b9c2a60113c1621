// An HTTP proxy on loopback that opens tunnels (CONNECT) to ports of 127.0.0.1, whatever the name. Each tunnel has a
// thread of its own; all end with the proxy.
#pragma once

#include <cstdint>
#include <mutex>
#include <string>
#include <thread>
#include <vector>

namespace monitor::test {

class ConnectProxy {
 public:
  ConnectProxy();
  ~ConnectProxy();
  ConnectProxy(const ConnectProxy&) = delete;
  ConnectProxy& operator=(const ConnectProxy&) = delete;

  std::uint16_t port() const { return port_; }
  /// `http://127.0.0.1:PORT`, with `userinfo@` if there is one.
  std::string url(const std::string& userinfo = "") const;
  /// Each CONNECT with its header, as it came.
  std::vector<std::string> requests();

 private:
  void accept_all();
  void serve(int client);

  int listener_;
  std::uint16_t port_ = 0;
  int stop_pipe_[2];
  std::mutex mutex_;
  std::vector<std::string> requests_;
  std::vector<std::thread> threads_;
  std::thread acceptor_;
};

}  // namespace monitor::test
