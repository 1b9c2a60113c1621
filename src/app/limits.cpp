#include "app/limits.h"

#include <algorithm>
#include <csignal>
#include <sys/resource.h>

#include "agent/options.h"

namespace monitor::app {
namespace {

using agent::kMostChecksAtOnce;
using agent::kReservedFiles;

}  // namespace

std::size_t open_files_at_most() {
  rlimit limit{};
  return ::getrlimit(RLIMIT_NOFILE, &limit) == 0 ? limit.rlim_max : 1024;
}

std::size_t raise_open_files() {
  rlimit limit{};
  if (::getrlimit(RLIMIT_NOFILE, &limit) != 0) return 1024;
  if (limit.rlim_cur < limit.rlim_max) {
    const rlimit raised{limit.rlim_max, limit.rlim_max};
    if (::setrlimit(RLIMIT_NOFILE, &raised) == 0) return raised.rlim_cur;
  }
  return limit.rlim_cur;
}

std::size_t checks_at_once(std::size_t reusing, std::size_t open_files) {
  const std::size_t taken = kReservedFiles + idle_connections(reusing, open_files);
  return open_files <= taken ? 1 : std::min(open_files - taken, kMostChecksAtOnce);
}

std::size_t idle_connections(std::size_t reusing, std::size_t open_files) {
  constexpr std::size_t kShare = 4;
  return std::min({reusing, open_files / kShare, kMostChecksAtOnce});
}

void ignore_fatal_io_signals() {
  struct sigaction ignore{};
  ignore.sa_handler = SIG_IGN;
  ::sigaction(SIGPIPE, &ignore, nullptr);
  ::sigaction(SIGXFSZ, &ignore, nullptr);
}

}  // namespace monitor::app
