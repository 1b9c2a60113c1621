#include "app/memory_watch.h"

#include <string>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "common/log.h"

namespace monitor::app {
namespace {

using std::chrono::seconds;
using testing::HasSubstr;
using testing::IsEmpty;

class MemoryWatchTest : public testing::Test {
 protected:
  MemoryWatchTest() {
    common::log::start(common::log::Level::kInfo);
    common::log::stop();  // from here on lines are written at once
  }
  /// What is said in so many seconds, with a turn in each.
  std::string live(int turns) {
    testing::internal::CaptureStderr();
    for (int i = 0; i < turns; ++i) watch_.turn(now_ += seconds{1});
    return testing::internal::GetCapturedStderr();
  }
  /// How long the shortage that begins now lasts though there is memory again at once, in seconds.
  int shortage() {
    short_ = true;
    live(1);
    int lasted = 0;
    for (; short_ && lasted < 1000; ++lasted) live(1);
    return lasted;
  }

  bool short_ = false;
  bool there_is_memory_ = true;
  int tried_ = 0;
  common::SteadyTime now_{std::chrono::hours{1}};
  MemoryWatch watch_{[this] { return short_; },
                     [this] {
                       ++tried_;
                       short_ = !there_is_memory_;
                       return there_is_memory_;
                     }};
};

TEST_F(MemoryWatchTest, SaysNothingWhileThereIsMemory) {
  EXPECT_THAT(live(100), IsEmpty());
  EXPECT_EQ(tried_, 0);
}

TEST_F(MemoryWatchTest, SaysOnceThatMemoryIsShortAndOnceThatItIsOver) {
  short_ = true;
  there_is_memory_ = false;
  const auto said = live(1);
  EXPECT_THAT(said, HasSubstr("ERROR"));
  EXPECT_THAT(said, HasSubstr("There is no memory left but a reserve"));
  EXPECT_THAT(live(99), IsEmpty());
  EXPECT_GT(tried_, 90);
  there_is_memory_ = true;
  EXPECT_THAT(live(1), HasSubstr("There is memory again, after 100s"));
  EXPECT_THAT(live(10), IsEmpty());
}

TEST_F(MemoryWatchTest, AShortageThatComesBackLastsLongerEachTime) {
  EXPECT_EQ(shortage(), 5);
  EXPECT_EQ(shortage(), 10);
  live(30);
  EXPECT_EQ(shortage(), 20);
  for (int i = 0; i < 10; ++i) shortage();
  EXPECT_EQ(shortage(), 300);
  live(100);
  EXPECT_EQ(shortage(), 5) << "what has not happened for a while is over";
}

}  // namespace
}  // namespace monitor::app
