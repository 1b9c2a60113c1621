// What systemd is told, through $NOTIFY_SOCKET (sd_notify(3)). io thread only.
#pragma once

#include <chrono>
#include <optional>
#include <string>

namespace monitor::app {

class Systemd {
 public:
  /// Does nothing at all unless `wanted` and $NOTIFY_SOCKET is set.
  explicit Systemd(bool wanted);

  void ready() const;
  /// The configuration is being read again, until ready().
  void reloading() const;
  void status(const std::string& sentence) const;
  void watchdog() const;
  void stopping() const;
  /// WatchdogSec, where systemd asks this process to be fed to it; nothing otherwise.
  std::optional<std::chrono::microseconds> watchdog_limit() const { return watchdog_; }

 private:
  void send(const std::string& message) const;
  bool active_ = false;
  std::optional<std::chrono::microseconds> watchdog_;
};

}  // namespace monitor::app
