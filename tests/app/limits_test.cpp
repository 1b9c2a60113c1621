#include "app/limits.h"

#include <csignal>
#include <cstdlib>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include <gtest/gtest.h>

namespace monitor::app {
namespace {

TEST(Limits, NoCoreFileIsWrittenThoughTheShellAllowsOne) {
  const auto child = ::fork();
  ASSERT_GE(child, 0);
  if (child == 0) {
    rlimit limit{};
    ::getrlimit(RLIMIT_CORE, &limit);
    const auto most = limit.rlim_max;
    limit.rlim_cur = most;
    ::setrlimit(RLIMIT_CORE, &limit);
    refuse_core_files();
    ::getrlimit(RLIMIT_CORE, &limit);
    if (limit.rlim_cur > 1 || limit.rlim_max != most) ::_exit(1);
    ::signal(SIGABRT, SIG_DFL);
    ::raise(SIGABRT);
    ::_exit(2);
  }
  int status = 0;
  ASSERT_EQ(::waitpid(child, &status, 0), child);
  ASSERT_TRUE(WIFSIGNALED(status)) << "ended by itself with " << status;
  EXPECT_EQ(WTERMSIG(status), SIGABRT);
  EXPECT_FALSE(WCOREDUMP(status));
}

/// What a process of its own ends with that does `work`.
template <typename Work>
int status_of(Work work) {
  const auto child = ::fork();
  if (child == 0) ::_exit(work() ? 0 : 1);
  int status = -1;
  EXPECT_EQ(::waitpid(child, &status, 0), child);
  return status;
}

TEST(Limits, NeitherAFileThatMayNotGrowNorAReaderThatIsGoneEndsTheProcess) {
  EXPECT_EQ(status_of([] {
              ::signal(SIGPIPE, SIG_DFL);
              ::signal(SIGXFSZ, SIG_DFL);
              ignore_fatal_io_signals();
              return ::raise(SIGPIPE) == 0 && ::raise(SIGXFSZ) == 0;
            }),
            0);
}

TEST(Limits, AllTheOpenFilesThatTheSystemGrantsAreUsed) {
  EXPECT_EQ(status_of([] {
              rlimit limit{};
              ::getrlimit(RLIMIT_NOFILE, &limit);
              limit = {limit.rlim_max / 2, limit.rlim_max};
              ::setrlimit(RLIMIT_NOFILE, &limit);
              const auto raised = raise_open_files();
              ::getrlimit(RLIMIT_NOFILE, &limit);
              return raised == limit.rlim_max && limit.rlim_cur == limit.rlim_max;
            }),
            0);
}

}  // namespace
}  // namespace monitor::app
