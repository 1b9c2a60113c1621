#include "app/systemd.h"

#include <cstdint>
#include <cstdlib>
#include <ctime>

#include <fmt/format.h>
#include <systemd/sd-daemon.h>

#include "common/log.h"

namespace monitor::app {

Systemd::Systemd(bool wanted) {
  if (!wanted) {
    common::log::info("Systemd notification is disabled.");
    return;
  }
  // NOLINTNEXTLINE(concurrency-mt-unsafe): nothing in this process changes the environment
  active_ = std::getenv("NOTIFY_SOCKET") != nullptr;
  if (!active_) {
    common::log::warning("Systemd notification is asked for, but NOTIFY_SOCKET is not set: nobody will be notified.");
    return;
  }
  common::log::info("Systemd notification is enabled.");
  std::uint64_t limit = 0;
  if (::sd_watchdog_enabled(0, &limit) > 0) watchdog_ = std::chrono::microseconds{limit};
}

void Systemd::send(const std::string& message) const {
  if (active_) ::sd_notify(0, message.c_str());
}

void Systemd::ready() const {
  send("READY=1");
}
void Systemd::reloading() const {
  timespec now{};
  ::clock_gettime(CLOCK_MONOTONIC, &now);
  send(fmt::format("RELOADING=1\nMONOTONIC_USEC={}", now.tv_sec * std::int64_t{1'000'000} + now.tv_nsec / 1000));
}
void Systemd::status(const std::string& sentence) const {
  send("STATUS=" + sentence);
}
void Systemd::watchdog() const {
  send("WATCHDOG=1");
}
void Systemd::stopping() const {
  send("STOPPING=1");
}

}  // namespace monitor::app
