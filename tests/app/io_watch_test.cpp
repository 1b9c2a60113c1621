#include "app/io_watch.h"

#include <csignal>
#include <fcntl.h>
#include <fstream>
#include <future>
#include <iterator>
#include <string>
#include <sys/resource.h>
#include <sys/wait.h>
#include <thread>
#include <unistd.h>

#include <boost/asio/io_context.hpp>
#include <boost/asio/post.hpp>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "common/log.h"
#include "support/temp_dir.h"

namespace monitor::app {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;
using testing::HasSubstr;
using testing::Not;

constexpr IoWatch::Limits kQuick{.silence = milliseconds{30}, .look_every = milliseconds{5}};

/// The standard error goes to a file while this lives, so that other threads may write it at any time.
class CapturedError {
 public:
  CapturedError() : before_(::dup(STDERR_FILENO)) {
    common::log::start(common::log::Level::kWarning);
    common::log::stop();  // from here on lines are written at once
    const int file = ::open(path_.c_str(), O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);
    ::dup2(file, STDERR_FILENO);
    ::close(file);
  }
  ~CapturedError() {
    ::dup2(before_, STDERR_FILENO);
    ::close(before_);
  }
  CapturedError(const CapturedError&) = delete;
  CapturedError& operator=(const CapturedError&) = delete;

  /// What has been written by the time `text` is there, or after 20 s.
  std::string until(const std::string& text) const {
    const auto end = std::chrono::steady_clock::now() + seconds{20};
    for (;;) {
      std::ifstream file(path_);
      std::string all{std::istreambuf_iterator<char>(file), {}};
      if (all.find(text) != std::string::npos || std::chrono::steady_clock::now() >= end) return all;
      std::this_thread::sleep_for(milliseconds{5});
    }
  }

 private:
  test::TempDir folder_;
  std::string path_ = folder_ / "stderr";
  int before_;
};

TEST(IoWatch, SaysWhereEachWorkerWasWhenTheIoThreadHangs) {
  const CapturedError error;
  boost::asio::io_context io{1};
  std::promise<void> hang;
  IoWatch watch(kQuick, [] { FAIL(); });
  boost::asio::post(io, [&] {
    watch.beat("store: commit of 512 rows for 12s", 512);
    hang.get_future().wait();
    watch.beat("store: waiting", 0);
  });
  std::thread thread([&] { io.run(); });
  const auto log = error.until("Last seen");
  EXPECT_THAT(log, HasSubstr("The io thread has not turned for"));
  EXPECT_THAT(log, HasSubstr("Last seen: store: commit of 512 rows for 12s"));
  hang.set_value();
  thread.join();
  EXPECT_THAT(error.until("turns again"), HasSubstr("The io thread turns again"));
}

// Stopped or suspended, no thread runs: only what passed while the watching one ran is the io thread's silence.
TEST(IoWatch, TimeInWhichTheWholeProcessStoodStillIsNotTheIoThreads) {
  const CapturedError error;
  const pid_t child = ::fork();
  ASSERT_GE(child, 0);
  if (child == 0) {
    IoWatch watch({.silence = milliseconds{300}, .look_every = milliseconds{5}}, [] {});
    watch.beat("store: waiting", 0);
    ::raise(SIGSTOP);
    const bool said = error.until("Last seen").find("Last seen") != std::string::npos;
    ::_exit(said ? 0 : 1);
  }
  int status = 0;
  ASSERT_EQ(::waitpid(child, &status, WUNTRACED), child);
  ASSERT_TRUE(WIFSTOPPED(status));
  std::this_thread::sleep_for(seconds{2});  // the standstill itself
  ::kill(child, SIGCONT);
  ASSERT_EQ(::waitpid(child, &status, 0), child);
  EXPECT_EQ(status, 0);
  const auto log = error.until("Last seen");
  EXPECT_THAT(log, testing::ContainsRegex("has not turned for [01]\\.")) << "and not for the two seconds as well";
}

TEST(IoWatch, WithoutAThreadThereIsNoWatchWhichIsSaid) {
  const CapturedError error;
  const pid_t child = ::fork();
  ASSERT_GE(child, 0);
  if (child == 0) {
    constexpr uid_t kNobody = 65534;  // root's threads are not counted
    if (::geteuid() == 0 && ::setresuid(kNobody, kNobody, kNobody) != 0) ::_exit(2);
    const rlimit none{0, 0};
    ::setrlimit(RLIMIT_NPROC, &none);
    try {
      IoWatch watch(kQuick, [] {});
      watch.beat("store: waiting", 0);
    } catch (...) {
      ::_exit(1);
    }
    ::_exit(0);
  }
  int status = 0;
  ASSERT_EQ(::waitpid(child, &status, 0), child);
  EXPECT_EQ(status, 0);
  EXPECT_THAT(error.until("Nobody watches"), HasSubstr("Nobody watches the io thread: no thread can be had for it"));
}

TEST(IoWatch, EndsAProcessWhoseStopHangsAndSaysWhatMayBeLost) {
  std::promise<void> left;
  auto leaving = left.get_future();
  testing::internal::CaptureStderr();
  {
    IoWatch watch(kQuick, [&] { left.set_value(); });
    watch.beat("store: commit of 7 rows for 30s", 7);
    watch.end_by(seconds{0});
    ASSERT_EQ(leaving.wait_for(seconds{20}), std::future_status::ready);
  }
  const auto log = testing::internal::GetCapturedStderr();
  EXPECT_THAT(log, HasSubstr("The stop has not ended within 0 s"));
  EXPECT_THAT(log, HasSubstr("store: commit of 7 rows for 30s. 7 results were not committed"));
}

TEST(IoWatch, LetsAStopThatEndsInTimeBe) {
  testing::internal::CaptureStderr();
  {
    IoWatch watch(kQuick, [] { FAIL(); });
    watch.beat("store: waiting", 0);
    watch.end_by(std::chrono::hours{1});
  }
  EXPECT_THAT(testing::internal::GetCapturedStderr(), Not(HasSubstr("The stop")));
}

}  // namespace
}  // namespace monitor::app
