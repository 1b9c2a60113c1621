// What systemd is told, through $NOTIFY_SOCKET (sd_notify(3)). io thread only.
#pragma once

#include <chrono>
#include <optional>
#include <string>
#include <sys/socket.h>
#include <sys/un.h>
#include <vector>

namespace monitor::app {

/// Never waits, as sd_notify(3) does once nobody reads the socket: then status and watchdog are given up, and a change
/// of state is told before whatever is told next.
class Systemd {
 public:
  /// Does nothing at all unless `wanted` and $NOTIFY_SOCKET is set.
  explicit Systemd(bool wanted);
  ~Systemd();
  Systemd(const Systemd&) = delete;
  Systemd& operator=(const Systemd&) = delete;

  void ready();
  /// The configuration is being read again, until ready().
  void reloading();
  void status(const std::string& sentence);
  void watchdog();
  void stopping();
  /// WatchdogSec, where systemd asks this process to be fed to it; nothing otherwise.
  std::optional<std::chrono::microseconds> watchdog_limit() const { return watchdog_; }

 private:
  void open(const std::string& name);
  void change_state(const std::string& message);
  void send(const std::string& message);
  bool deliver(const std::string& message) const;
  bool tell_owed();

  int socket_ = -1;  ///< not connected, since systemd may make its own anew
  sockaddr_un address_{};
  socklen_t address_length_ = 0;
  std::vector<std::string> owed_;  ///< changes of state that are still to be told
  std::optional<std::chrono::microseconds> watchdog_;
};

}  // namespace monitor::app
