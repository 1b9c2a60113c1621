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

}  // namespace
}  // namespace monitor::app
