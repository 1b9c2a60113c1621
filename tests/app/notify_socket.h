// Where systemd would listen, while it lives; $NOTIFY_SOCKET names it.
#pragma once

#include <array>
#include <cstdlib>
#include <cstring>
#include <string>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>
#include <vector>

#include <gtest/gtest.h>

#include "support/temp_dir.h"

namespace monitor::app {

class NotifySocket {
 public:
  NotifySocket() {
    const std::string path = (folder_ / "notify").string();
    sockaddr_un address{};
    address.sun_family = AF_UNIX;
    std::strncpy(address.sun_path, path.c_str(), sizeof(address.sun_path) - 1);
    socket_ = ::socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    EXPECT_EQ(::bind(socket_, reinterpret_cast<const sockaddr*>(&address), sizeof(address)), 0);
    ::setenv("NOTIFY_SOCKET", path.c_str(), 1);
  }
  ~NotifySocket() {
    ::unsetenv("NOTIFY_SOCKET");
    close();
  }
  NotifySocket(const NotifySocket&) = delete;
  NotifySocket& operator=(const NotifySocket&) = delete;

  std::vector<std::string> heard() const {
    std::vector<std::string> messages;
    std::array<char, 256> text{};
    for (;;) {
      const auto length = ::recv(socket_, text.data(), text.size(), 0);
      if (length < 0) return messages;
      messages.emplace_back(text.data(), static_cast<std::size_t>(length));
    }
  }
  /// Nobody reads any more.
  void close() {
    if (socket_ >= 0) ::close(socket_);
    socket_ = -1;
  }

 private:
  test::TempDir folder_;
  int socket_ = -1;
};

}  // namespace monitor::app
