#include "exporter/breaker.h"

#include <cerrno>
#include <fcntl.h>
#include <sys/socket.h>
#include <system_error>
#include <unistd.h>

#include <fmt/format.h>

#include "exporter/postgres.h"

namespace monitor::exporter {

Breaker::~Breaker() {
  forget();
}

void Breaker::watch(int socket) {
  forget();
  const std::lock_guard lock(mutex_);
  socket_ = ::fcntl(socket, F_DUPFD_CLOEXEC, 0);
  if (socket_ < 0) {
    throw Unavailable(
        fmt::format("the connection to PostgreSQL cannot be used, for no descriptor is left to watch it: "
                    "{}; raise the limit of open files",
                    std::error_code(errno, std::system_category()).message()));
  }
  if (for_good_) ::shutdown(socket_, SHUT_RDWR);
}

void Breaker::forget() {
  const std::lock_guard lock(mutex_);
  if (socket_ >= 0) ::close(socket_);
  socket_ = -1;
}

void Breaker::trip() {
  const std::lock_guard lock(mutex_);
  if (socket_ >= 0) ::shutdown(socket_, SHUT_RDWR);
}

void Breaker::trip_for_good() {
  {
    const std::lock_guard lock(mutex_);
    for_good_ = true;
  }
  trip();
}

}  // namespace monitor::exporter
