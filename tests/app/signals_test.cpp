#include "app/signals.h"

#include <csignal>
#include <unistd.h>

#include <boost/asio/io_context.hpp>
#include <gtest/gtest.h>

namespace monitor::app {
namespace {

TEST(SignalsTest, AHangupBeforeTheyAreThereIsToldOnceTheyAre) {
  if (::isatty(STDIN_FILENO) == 1 || ::isatty(STDOUT_FILENO) == 1 || ::isatty(STDERR_FILENO) == 1) {
    GTEST_SKIP() << "at a terminal it is a stop";
  }
  hold_hangups();
  ::raise(SIGHUP);
  boost::asio::io_context io{1};
  int hangups = 0;
  const Signals signals(
      io.get_executor(), [](const char* name) { FAIL() << name; },
      [&] {
        ++hangups;
        io.stop();
      });
  io.run_for(std::chrono::seconds{20});
  EXPECT_EQ(hangups, 1);
}

}  // namespace
}  // namespace monitor::app
