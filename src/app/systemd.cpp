#include "app/systemd.h"

#include <algorithm>
#include <cerrno>
#include <cstddef>
#include <cstdint>
#include <ctime>
#include <unistd.h>

#include <fmt/format.h>
#include <systemd/sd-daemon.h>

#include "common/error.h"
#include "common/log.h"
#include "config/expand.h"

namespace monitor::app {
namespace {

/// Of reloads that nobody wants to hear of, the last ones are enough.
constexpr std::size_t kMostOwed = 16;

}  // namespace

Systemd::Systemd(bool wanted) {
  if (!wanted) {
    common::log::info("Systemd notification is disabled.");
    return;
  }
  const auto name = config::environment_variable("NOTIFY_SOCKET");
  if (!name) {
    common::log::warning("Systemd notification is asked for, but NOTIFY_SOCKET is not set: nobody will be notified.");
    return;
  }
  open(*name);
  if (socket_ < 0) return;
  common::log::info("Systemd notification is enabled.");
  std::uint64_t limit = 0;
  if (::sd_watchdog_enabled(0, &limit) > 0) watchdog_ = std::chrono::microseconds{limit};
}

Systemd::~Systemd() {
  if (socket_ >= 0) ::close(socket_);
}

/// `name`: a path, or an abstract one behind '@'.
void Systemd::open(const std::string& name) {
  if (name.size() < 2 || name.size() >= sizeof(address_.sun_path) || (name[0] != '/' && name[0] != '@')) {
    common::log::warning("NOTIFY_SOCKET is neither a path nor an abstract name of a socket: nobody will be notified.");
    return;
  }
  address_.sun_family = AF_UNIX;
  std::ranges::copy(name, std::begin(address_.sun_path));
  if (name[0] == '@') address_.sun_path[0] = '\0';
  address_length_ = static_cast<socklen_t>(offsetof(sockaddr_un, sun_path) + name.size());
  socket_ = ::socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
  if (socket_ < 0) {
    common::log::warning("No socket for systemd's notifications: {}. Nobody will be notified.",
                         common::errno_text(errno));
  }
}

/// False: its reader has no room now. One that is gone hears nothing, and is not waited for.
bool Systemd::deliver(const std::string& message) const {
  const auto sent = ::sendto(socket_, message.data(), message.size(), MSG_NOSIGNAL,
                             reinterpret_cast<const sockaddr*>(&address_), address_length_);
  return sent >= 0 || (errno != EAGAIN && errno != ENOBUFS && errno != EINTR);
}

bool Systemd::tell_owed() {
  while (!owed_.empty() && deliver(owed_.front())) owed_.erase(owed_.begin());
  return owed_.empty();
}

void Systemd::change_state(const std::string& message) {
  if (socket_ < 0) return;
  if (owed_.size() == kMostOwed) owed_.erase(owed_.begin());
  owed_.push_back(message);
  tell_owed();
}

void Systemd::send(const std::string& message) {
  if (socket_ >= 0 && tell_owed()) deliver(message);
}

void Systemd::ready() {
  change_state("READY=1");
}
void Systemd::reloading() {
  timespec now{};
  ::clock_gettime(CLOCK_MONOTONIC, &now);
  change_state(
      fmt::format("RELOADING=1\nMONOTONIC_USEC={}", now.tv_sec * std::int64_t{1'000'000} + now.tv_nsec / 1000));
}
void Systemd::status(const std::string& sentence) {
  send("STATUS=" + sentence);
}
void Systemd::watchdog() {
  send("WATCHDOG=1");
}
void Systemd::stopping() {
  change_state("STOPPING=1");
}

}  // namespace monitor::app
