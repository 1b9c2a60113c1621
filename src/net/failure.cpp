#include "net/failure.h"

#include <algorithm>
#include <array>
#include <cerrno>

#include <fmt/format.h>

namespace monitor::net {

bool is_local_fault(int error_number) {
  // ENOSPC: epoll's limit on watches. EADDRNOTAVAIL: no free local port.
  constexpr std::array kOurs{EMFILE, ENFILE, ENOMEM, ENOBUFS, ENOSPC, EADDRNOTAVAIL, EACCES, EPERM};
  return std::ranges::find(kOurs, error_number) != kOurs.end();
}

std::string waited(std::chrono::steady_clock::duration duration) {
  return fmt::format("{:.1f} s", std::chrono::duration<double>(std::max(duration, duration.zero())).count());
}

}  // namespace monitor::net
