#include "app/signals.h"

#include <array>
#include <csignal>
#include <fcntl.h>
#include <unistd.h>

#include <boost/asio/io_context.hpp>
#include <gtest/gtest.h>

namespace monitor::app {
namespace {

/// While it lives this process has no terminal: at one a hangup is a stop.
class NoTerminal {
 public:
  NoTerminal() {
    const int nothing = ::open("/dev/null", O_RDWR | O_CLOEXEC);
    for (int i = 0; i < kStandard; ++i) {
      kept_.at(i) = ::fcntl(i, F_DUPFD_CLOEXEC, kStandard);
      ::dup2(nothing, i);
    }
    ::close(nothing);
  }
  ~NoTerminal() {
    for (int i = 0; i < kStandard; ++i) {
      ::dup2(kept_.at(i), i);
      ::close(kept_.at(i));
    }
  }
  NoTerminal(const NoTerminal&) = delete;
  NoTerminal& operator=(const NoTerminal&) = delete;

 private:
  static constexpr int kStandard = 3;
  std::array<int, kStandard> kept_{};
};

TEST(SignalsTest, AHangupBeforeTheyAreThereIsToldOnceTheyAre) {
  int hangups = 0;
  const char* stopped = nullptr;
  {
    const NoTerminal here;
    hold_hangups();
    ::raise(SIGHUP);
    boost::asio::io_context io{1};
    const Signals signals(
        io.get_executor(),
        [&](const char* name) {
          stopped = name;
          io.stop();
        },
        [&] {
          ++hangups;
          io.stop();
        });
    io.run_for(std::chrono::seconds{20});
  }
  EXPECT_EQ(stopped, nullptr);
  EXPECT_EQ(hangups, 1);
}

}  // namespace
}  // namespace monitor::app
