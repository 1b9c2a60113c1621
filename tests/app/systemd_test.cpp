#include "app/systemd.h"

#include <string>
#include <vector>

#include <gtest/gtest.h>

#include "app/notify_socket.h"

namespace monitor::app {
namespace {

class SystemdTest : public testing::Test {
 protected:
  std::vector<std::string> heard() const { return socket_.heard(); }

  NotifySocket socket_;
};

TEST_F(SystemdTest, TellsWhatItIsGiven) {
  Systemd systemd(true);
  systemd.ready();
  systemd.status("12 services");
  systemd.watchdog();
  EXPECT_EQ(heard(), (std::vector<std::string>{"READY=1", "STATUS=12 services", "WATCHDOG=1"}));
}

// A worker that waited for somebody to read would be what the watchdog is there to find.
TEST_F(SystemdTest, ASocketThatNobodyReadsHoldsNothingUp) {
  Systemd systemd(true);
  for (int i = 0; i < 10'000; ++i) systemd.watchdog();
  EXPECT_LT(heard().size(), 10'000U);
}

TEST_F(SystemdTest, AChangeOfStateIsToldOnceThereIsRoom) {
  Systemd systemd(true);
  for (int i = 0; i < 10'000; ++i) systemd.watchdog();
  systemd.stopping();
  for (const auto& message : heard()) EXPECT_EQ(message, "WATCHDOG=1");
  systemd.watchdog();
  EXPECT_EQ(heard(), (std::vector<std::string>{"STOPPING=1", "WATCHDOG=1"}));
}

TEST_F(SystemdTest, AReaderThatIsGoneIsNotWaitedFor) {
  Systemd systemd(true);
  socket_.close();
  systemd.ready();
  systemd.watchdog();
}

}  // namespace
}  // namespace monitor::app
