#include "common/memory.h"

#include <array>
#include <cstdio>
#include <functional>
#include <future>
#include <new>
#include <sys/resource.h>
#include <sys/wait.h>
#include <thread>
#include <unistd.h>

#include <gtest/gtest.h>

namespace monitor::common {
namespace {

TEST(RoomFor, IsWhatTheAddressesAllow) {
  EXPECT_TRUE(is_room_for(std::size_t{1} << 20));
  EXPECT_FALSE(is_room_for(std::size_t{1} << 60));
}

TEST(MemoryReserve, IsGivenOnceAndTakenBack) {
  MemoryReserve reserve;
  EXPECT_FALSE(is_memory_short());
  EXPECT_TRUE(reserve.take_back()) << "it is there";
  reserve.give();
  EXPECT_TRUE(is_memory_short());
  EXPECT_THROW(reserve.give(), std::bad_alloc);
  EXPECT_TRUE(reserve.take_back());
  EXPECT_FALSE(is_memory_short());
  reserve.give();
  EXPECT_TRUE(reserve.take_back());
}

TEST(MemoryReserve, NothingIsShortOnceNobodyHoldsOne) {
  {
    MemoryReserve reserve;
    reserve.give();
  }
  EXPECT_FALSE(is_memory_short());
}

// With a sanitizer operator new is its own: it calls no new handler, and needs terabytes of addresses.
#if !defined(__SANITIZE_ADDRESS__) && !__has_feature(address_sanitizer) && !__has_feature(thread_sanitizer)

/// Allocations that are kept, without an allocation of its own.
class Hoard {
 public:
  static constexpr std::size_t kBlock = std::size_t{64} << 10;

  void add() {
    if (count_ == blocks_.size()) throw std::length_error("the limit does not limit");
    blocks_.at(count_) = ::operator new(kBlock);
    ++count_;
  }
  std::size_t bytes() const { return count_ * kBlock; }
  void drop() {
    while (count_ > 0) ::operator delete(blocks_.at(--count_));
  }

 private:
  std::array<void*, 8192> blocks_{};
  std::size_t count_ = 0;
};

Hoard g_hoard;

/// `above` more than are in use now.
void limit_addresses(rlim_t above) {
  long pages = 0;
  auto* file = std::fopen("/proc/self/statm", "r");
  if (file == nullptr || std::fscanf(file, "%ld", &pages) != 1) ::_exit(99);
  std::fclose(file);
  rlimit limit{};
  ::getrlimit(RLIMIT_AS, &limit);
  limit.rlim_cur = static_cast<rlim_t>(pages * ::sysconf(_SC_PAGESIZE)) + above;
  ::setrlimit(RLIMIT_AS, &limit);
}

void lift_limit() {
  rlimit limit{};
  ::getrlimit(RLIMIT_AS, &limit);
  limit.rlim_cur = limit.rlim_max;
  ::setrlimit(RLIMIT_AS, &limit);
}

/// Of `story` in a process of its own: what it returns is its exit status.
int told(const std::function<int()>& story) {
  const auto child = ::fork();
  if (child == 0) {
    int status = 98;
    try {
      status = story();
    } catch (...) {
    }
    ::_exit(status);
  }
  int status = 0;
  ::waitpid(child, &status, 0);
  return WIFEXITED(status) ? WEXITSTATUS(status) : -WTERMSIG(status);
}

TEST(RoomFor, IsAQuestionOfAddressesAlone) {
  EXPECT_EQ(told([] {
              const rlimit none{0, 0};
              ::setrlimit(RLIMIT_DATA, &none);
              return is_room_for(std::size_t{32} << 20) ? 0 : 1;
            }),
            0);
}

TEST(MemoryLimits, AreThoseInForce) {
  EXPECT_EQ(told([] {
              if (memory_limits().any()) return 1;
              const rlimit gibibyte{rlim_t{1} << 30, rlim_t{1} << 30};
              ::setrlimit(RLIMIT_AS, &gibibyte);
              if (memory_limits().addresses != std::uint64_t{1} << 30 || memory_limits().data) return 2;
              ::setrlimit(RLIMIT_DATA, &gibibyte);
              return memory_limits().data == std::uint64_t{1} << 30 ? 0 : 3;
            }),
            0);
}

/// What could be allocated after the shortage had begun, until there was nothing at all.
std::size_t bytes_after_shortage() {
  while (!is_memory_short()) g_hoard.add();
  const auto before = g_hoard.bytes();
  try {
    for (;;) g_hoard.add();
  } catch (const std::bad_alloc&) {
    return g_hoard.bytes() - before;
  }
}

constexpr std::size_t kMostOfHeap = MemoryReserve::kHeapBytes / 10 * 9;
constexpr std::size_t kMostOfMapped = MemoryReserve::kMappedBytes / 10 * 9;
constexpr std::size_t kMost = kMostOfHeap + kMostOfMapped;

TEST(MemoryReserve, AnAllocationThatFailsGetsIt) {
  EXPECT_EQ(told([] {
              MemoryReserve reserve;
              limit_addresses(rlim_t{1} << 20);
              return bytes_after_shortage() < kMost ? 1 : 0;
            }),
            0);
}

TEST(MemoryReserve, IsOfUseThoughTheLimitIsBelowWhatIsInUse) {
  EXPECT_EQ(told([] {
              MemoryReserve reserve;
              rlimit limit{};
              ::getrlimit(RLIMIT_AS, &limit);
              limit.rlim_cur = rlim_t{1} << 20;
              ::setrlimit(RLIMIT_AS, &limit);
              return bytes_after_shortage() < kMostOfHeap ? 1 : 0;
            }),
            0);
}

/// What another thread than the first gets of it, which had allocated `before` or had not.
std::size_t bytes_of_thread(bool before) {
  std::promise<void> begun;
  std::promise<void> limited;
  std::size_t bytes = 0;
  std::thread thread([&] {
    if (before) g_hoard.add();
    begun.set_value();
    limited.get_future().wait();
    bytes = bytes_after_shortage();
  });
  begun.get_future().wait();
  limit_addresses(rlim_t{1} << 20);
  limited.set_value();
  thread.join();
  return bytes;
}

TEST(MemoryReserve, IsThereForEveryThread) {
  EXPECT_EQ(told([] {
              MemoryReserve reserve;
              return bytes_of_thread(true) < kMost ? 1 : 0;
            }),
            0);
  EXPECT_EQ(told([] {
              MemoryReserve reserve;
              return bytes_of_thread(false) < kMostOfMapped ? 1 : 0;
            }),
            0);
}

TEST(MemoryReserve, IsTakenBackOnlyWhenThereIsRoomToSpare) {
  EXPECT_EQ(told([] {
              MemoryReserve reserve;
              limit_addresses(rlim_t{1} << 20);
              while (!is_memory_short()) g_hoard.add();
              if (reserve.take_back()) return 1;  // it could be had, as nobody has used it yet
              if (bytes_after_shortage() < kMost) return 2;
              if (reserve.take_back()) return 3;
              g_hoard.drop();
              lift_limit();
              if (!reserve.take_back() || is_memory_short()) return 4;
              limit_addresses(rlim_t{1} << 20);
              return bytes_after_shortage() < kMost ? 5 : 0;
            }),
            0);
}

TEST(MemoryReserve, WithoutRoomForItMemoryIsShortFromTheStart) {
  EXPECT_EQ(told([] {
              limit_addresses(rlim_t{1} << 20);
              MemoryReserve reserve;
              if (!is_memory_short()) return 1;
              lift_limit();
              return reserve.take_back() ? 0 : 2;
            }),
            0);
}

#endif

}  // namespace
}  // namespace monitor::common
