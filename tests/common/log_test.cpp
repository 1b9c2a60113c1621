#include "common/log.h"

#include <array>
#include <csignal>
#include <fcntl.h>
#include <thread>
#include <unistd.h>
#include <utility>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace monitor::common {
namespace {

using testing::HasSubstr;
using testing::MatchesRegex;

/// stderr as a pipe, for the length of a test.
class StderrPipe {
 public:
  StderrPipe() : saved_(::dup(STDERR_FILENO)) {
    EXPECT_EQ(::pipe(ends_.data()), 0);
    ::dup2(ends_[1], STDERR_FILENO);
  }
  ~StderrPipe() {
    ::dup2(saved_, STDERR_FILENO);
    for (const int descriptor : {saved_, ends_[0], ends_[1]}) ::close(descriptor);
  }
  void nobody_reads() { ::close(std::exchange(ends_[0], -1)); }
  std::string read_what_is_there() {
    ::fcntl(ends_[0], F_SETFL, O_NONBLOCK);
    std::string all;
    std::array<char, 65536> part{};
    for (ssize_t n = 0; (n = ::read(ends_[0], part.data(), part.size())) > 0;) {
      all.append(part.data(), static_cast<std::size_t>(n));
    }
    return all;
  }

 private:
  std::array<int, 2> ends_{};
  int saved_;
};

TEST(Log, WritesTheLineAsThePredecessorDid) {
  StderrPipe pipe;
  log::start(log::Level::kInfo);
  log::info("Exported {} records.", 2);
  log::debug("not at this level {}", 1);
  log::stop();
  EXPECT_THAT(
      pipe.read_what_is_there(),
      MatchesRegex("INFO \\| [0-9-]+ [0-9:]+,[0-9][0-9][0-9] \\| log_test \\| [0-9]+ \\| Exported 2 records.\n"));
}

TEST(Log, EscapesWhatAServerMayHaveSent) {
  StderrPipe pipe;
  log::start(log::Level::kInfo);
  log::warning("{}", "evil\nERROR | forged \x1b[2J");
  log::stop();
  EXPECT_THAT(pipe.read_what_is_there(), HasSubstr("evil\\nERROR | forged \\x1b[2J\n"));
}

TEST(Log, AReaderThatIsGoneIsNotWaitedFor) {
  ASSERT_NE(std::signal(SIGPIPE, SIG_IGN), SIG_ERR);
  StderrPipe pipe;
  pipe.nobody_reads();
  log::start(log::Level::kInfo);
  log::info("heard by nobody");
  const auto start = std::chrono::steady_clock::now();
  log::stop(std::chrono::seconds{20});
  EXPECT_LT(std::chrono::steady_clock::now() - start, std::chrono::seconds{10});
}

TEST(Log, ABlockedPipeBlocksNobodyAndWhatIsLostIsCounted) {
  StderrPipe pipe;
  const auto before = log::dropped();
  log::start(log::Level::kInfo);
  const std::string line(1000, 'x');
  for (int i = 0; i < 2000; ++i) log::info("{}", line);  // a pipe holds 64 KiB; nobody reads
  const auto start = std::chrono::steady_clock::now();
  log::stop(std::chrono::milliseconds{200});
  EXPECT_LT(std::chrono::steady_clock::now() - start, std::chrono::seconds{10});
  EXPECT_GT(log::dropped(), before + 1000);
}

TEST(LogLevel, FollowsTheVerbosity) {
  EXPECT_EQ(log::level_of(0), log::Level::kError);
  EXPECT_EQ(log::level_of(2), log::Level::kError);
  EXPECT_EQ(log::level_of(3), log::Level::kWarning);
  EXPECT_EQ(log::level_of(4), log::Level::kInfo);
  EXPECT_EQ(log::level_of(5), log::Level::kDebug);
  EXPECT_EQ(log::level_of(9), log::Level::kDebug);
}

}  // namespace
}  // namespace monitor::common
