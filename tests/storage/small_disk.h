// A small disk of its own for a test, mounted where only a child process of the test sees it.
#pragma once

#include <filesystem>
#include <fstream>
#include <sched.h>
#include <string>
#include <sys/mount.h>
#include <sys/wait.h>
#include <unistd.h>

#include <gtest/gtest.h>

namespace monitor::test {

inline constexpr int kNoRights = 77;

/// Runs `scenario` in a child, whose limits and mounts are its own, and passes its failures on.
template <typename Scenario>
void in_child(Scenario scenario) {
  const pid_t child = ::fork();
  ASSERT_GE(child, 0);
  if (child == 0) {
    scenario();
    ::_exit(testing::Test::HasFailure() ? 1 : 0);
  }
  int status = 0;
  ASSERT_EQ(::waitpid(child, &status, 0), child);
  ASSERT_TRUE(WIFEXITED(status)) << "ended by signal " << WTERMSIG(status);
  if (WEXITSTATUS(status) == kNoRights) GTEST_SKIP() << "no right to mount a small disk here";
  EXPECT_EQ(WEXITSTATUS(status), 0) << "see the failures above";
}

inline void write_text(const char* file, const std::string& text) {
  std::ofstream(file) << text;
}

/// A disk of its own at `folder`.
inline void mount_disk(const std::filesystem::path& folder, const std::string& size) {
  const auto user = std::to_string(::getuid());
  const auto group = std::to_string(::getgid());
  if (::unshare(CLONE_NEWNS) != 0) {
    if (::unshare(CLONE_NEWUSER | CLONE_NEWNS) != 0) ::_exit(kNoRights);
    write_text("/proc/self/setgroups", "deny");
    write_text("/proc/self/uid_map", user + " " + user + " 1");
    write_text("/proc/self/gid_map", group + " " + group + " 1");
  }
  if (::mount(nullptr, "/", nullptr, MS_REC | MS_PRIVATE, nullptr) != 0 ||
      ::mount("tmpfs", folder.c_str(), "tmpfs", 0, ("size=" + size).c_str()) != 0) {
    ::_exit(kNoRights);
  }
}

}  // namespace monitor::test
