#include "app/io_watch.h"

#include <future>
#include <string>

#include <boost/asio/io_context.hpp>
#include <boost/asio/post.hpp>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "common/log.h"

namespace monitor::app {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;
using testing::HasSubstr;
using testing::Not;

constexpr IoWatch::Limits kQuick{.silence = milliseconds{30}, .look_every = milliseconds{5}};

/// What has been written to the standard error by the time `text` is there.
std::string captured_until(const std::string& text, const std::function<void()>& meanwhile = [] {}) {
  std::string all;
  const auto end = std::chrono::steady_clock::now() + seconds{20};
  while (all.find(text) == std::string::npos && std::chrono::steady_clock::now() < end) {
    meanwhile();
    testing::internal::CaptureStderr();
    std::this_thread::sleep_for(milliseconds{5});
    all += testing::internal::GetCapturedStderr();
  }
  return all;
}

TEST(IoWatch, SaysWhereEachWorkerWasWhenTheIoThreadHangs) {
  boost::asio::io_context io{1};
  std::promise<void> hang;
  IoWatch watch(kQuick, [] { FAIL(); });
  boost::asio::post(io, [&] {
    watch.beat("store: commit of 512 rows for 12s", 512);
    hang.get_future().wait();
    watch.beat("store: waiting", 0);
  });
  testing::internal::CaptureStderr();
  std::thread thread([&] { io.run(); });
  std::string log = testing::internal::GetCapturedStderr();
  log += captured_until("Last seen");
  EXPECT_THAT(log, HasSubstr("The io thread has not turned for"));
  EXPECT_THAT(log, HasSubstr("Last seen: store: commit of 512 rows for 12s"));
  testing::internal::CaptureStderr();
  hang.set_value();
  thread.join();
  EXPECT_THAT(testing::internal::GetCapturedStderr(), HasSubstr("The io thread turns again"));
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
