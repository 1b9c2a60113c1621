#include "app/room_to_run.h"

#include <cstdio>
#include <functional>
#include <string>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include <gtest/gtest.h>

#include "common/error.h"
#include "common/memory.h"

namespace monitor::app {
namespace {

enum Told : int { kRoom, kOfALimit, kOfTheMachine, kOther };

/// What require_room_to_run() comes to after `before`, in a process of its own; `word`: in its sentence.
Told told(const std::function<void()>& before, const std::string& word = "") {
  const auto child = ::fork();
  if (child == 0) {
    int came_to = kRoom;
    before();
    try {
      require_room_to_run();
    } catch (const common::UsageError& error) {
      came_to = std::string(error.what()).find(word) == std::string::npos ? kOther : kOfALimit;
    } catch (const common::Error& error) {
      came_to = std::string(error.what()).find(word) == std::string::npos ? kOther : kOfTheMachine;
    }
    ::_exit(came_to);
  }
  int status = 0;
  ::waitpid(child, &status, 0);
  return WIFEXITED(status) ? static_cast<Told>(WEXITSTATUS(status)) : kOther;
}

void limit(decltype(RLIMIT_AS) which, rlim_t bytes) {
  const rlimit both{bytes, bytes};
  ::setrlimit(which, &both);
}

void use_up_reserve() {
  static common::MemoryReserve reserve;
  reserve.give();
}

TEST(RoomToRun, WithoutALimitThereIs) {
  EXPECT_EQ(told([] {}), kRoom);
}

// With a sanitizer a process needs terabytes of addresses.
#if !defined(__SANITIZE_ADDRESS__) && !__has_feature(address_sanitizer) && !__has_feature(thread_sanitizer)

TEST(RoomToRun, LessAddressesThanThatAreALimitsFault) {
  const auto leave = [](rlim_t more) {
    return [more] {
      long pages = 0;
      auto* file = std::fopen("/proc/self/statm", "r");
      if (file == nullptr || std::fscanf(file, "%ld", &pages) != 1) ::_exit(kOther);
      std::fclose(file);
      limit(RLIMIT_AS, static_cast<rlim_t>(pages * ::sysconf(_SC_PAGESIZE)) + more);
    };
  };
  EXPECT_EQ(told(leave(rlim_t{16} << 20), "ulimit -v"), kOfALimit);
  EXPECT_EQ(told(leave(rlim_t{64} << 20)), kRoom);
}

#endif

TEST(RoomToRun, AReserveThatIsUsedUpUnderALimitOfDataIsThatLimitsFault) {
  EXPECT_EQ(told(
                [] {
                  use_up_reserve();
                  limit(RLIMIT_DATA, rlim_t{1} << 46);  // a sanitizer maps terabytes
                },
                "ulimit -d"),
            kOfALimit);
}

TEST(RoomToRun, AReserveThatIsUsedUpWithoutALimitMayBeThereForTheNextStart) {
  EXPECT_EQ(told(use_up_reserve, "the machine has none left"), kOfTheMachine);
}

}  // namespace
}  // namespace monitor::app
