// What systemd would hear (sd_notify(3)).
#pragma once

#include <array>
#include <filesystem>
#include <stdexcept>
#include <string>
#include <sys/socket.h>
#include <sys/time.h>
#include <sys/un.h>
#include <unistd.h>

namespace monitor::test {

class NotifySocket {
 public:
  explicit NotifySocket(const std::filesystem::path& path) : socket_(::socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0)) {
    sockaddr_un address{};
    address.sun_family = AF_UNIX;
    path.string().copy(address.sun_path, sizeof(address.sun_path) - 1);
    if (::bind(socket_, reinterpret_cast<const sockaddr*>(&address), sizeof(address)) != 0) {
      throw std::runtime_error("bind " + path.string());
    }
    const timeval limit{20, 0};
    ::setsockopt(socket_, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof(limit));
  }
  ~NotifySocket() { ::close(socket_); }
  /// The next message that begins with `start`; empty after 20 s of silence.
  std::string next(const std::string& start) {
    std::array<char, 4096> text{};
    for (;;) {
      const auto size = ::recv(socket_, text.data(), text.size(), 0);
      if (size <= 0) return {};
      std::string message(text.data(), static_cast<std::size_t>(size));
      if (message.starts_with(start)) return message;
    }
  }

 private:
  int socket_;
};

}  // namespace monitor::test
