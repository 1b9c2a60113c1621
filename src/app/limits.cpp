#include "app/limits.h"

#include <algorithm>
#include <csignal>
#include <sys/resource.h>

#include "storage/store.h"

namespace monitor::app {

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

void refuse_core_files() {
  rlimit limit{};
  if (::getrlimit(RLIMIT_CORE, &limit) != 0) return;
  // With 0 the kernel still starts the program that core_pattern names; with 1 it does not.
  limit.rlim_cur = std::min(limit.rlim_max, rlim_t{1});
  ::setrlimit(RLIMIT_CORE, &limit);
}

std::uint64_t local_max_size(const std::filesystem::path& path) {
  return storage::usual_max_size(path);
}

void ignore_fatal_io_signals() {
  struct sigaction ignore{};
  ignore.sa_handler = SIG_IGN;
  ::sigaction(SIGPIPE, &ignore, nullptr);
  ::sigaction(SIGXFSZ, &ignore, nullptr);
}

}  // namespace monitor::app
