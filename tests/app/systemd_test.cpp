#include "app/systemd.h"

#include <array>
#include <cstdlib>
#include <cstring>
#include <string>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>
#include <vector>

#include <gtest/gtest.h>

#include "support/temp_dir.h"

namespace monitor::app {
namespace {

/// Where systemd would listen.
class SystemdTest : public testing::Test {
 protected:
  SystemdTest() {
    const std::string path = (folder_ / "notify").string();
    sockaddr_un address{};
    address.sun_family = AF_UNIX;
    std::strncpy(address.sun_path, path.c_str(), sizeof(address.sun_path) - 1);
    socket_ = ::socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    EXPECT_EQ(::bind(socket_, reinterpret_cast<const sockaddr*>(&address), sizeof(address)), 0);
    ::setenv("NOTIFY_SOCKET", path.c_str(), 1);
  }
  ~SystemdTest() override {
    ::unsetenv("NOTIFY_SOCKET");
    ::close(socket_);
  }

  std::vector<std::string> heard() {
    std::vector<std::string> messages;
    std::array<char, 256> text{};
    for (;;) {
      const auto length = ::recv(socket_, text.data(), text.size(), 0);
      if (length < 0) return messages;
      messages.emplace_back(text.data(), static_cast<std::size_t>(length));
    }
  }

  test::TempDir folder_;
  int socket_ = -1;
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
  ::close(socket_);
  socket_ = -1;
  systemd.ready();
  systemd.watchdog();
}

}  // namespace
}  // namespace monitor::app
