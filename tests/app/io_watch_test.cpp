#include "app/io_watch.h"

#include <fcntl.h>
#include <fstream>
#include <future>
#include <iterator>
#include <string>
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
