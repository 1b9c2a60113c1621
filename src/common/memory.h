// Memory kept back for the moment when there is no more of it. Any thread.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>

namespace monitor::common {

/// From an allocation that failed, which got the reserve, until MemoryReserve::take_back() had it again. Lock-free.
bool is_memory_short() noexcept;

/// For allocations that are not made by operator new: does what that does when it finds no memory. True: to be tried
/// again.
bool make_memory() noexcept;

/// Whether the limit of addresses (RLIMIT_AS) leaves so many bytes now, whatever else limits memory.
bool is_room_for(std::size_t bytes) noexcept;

struct MemoryLimits {
  std::optional<std::uint64_t> addresses, data;  ///< RLIMIT_AS and RLIMIT_DATA in bytes; none: unlimited
  bool any() const { return addresses || data; }
};
MemoryLimits memory_limits() noexcept;

/// Held by whoever must go on when memory runs out: operator new then gets this much instead of throwing, once. At most
/// one at a time. It costs address space, and about 2% of it resident memory.
class MemoryReserve {
 public:
  /// In the heap, which every thread falls back on that has allocated before, even under a limit below what is in use.
  static constexpr std::size_t kHeapBytes = std::size_t{8} << 20;
  /// Addresses, for every thread.
  static constexpr std::size_t kMappedBytes = std::size_t{8} << 20;

  /// Where there is not even room for it, memory is short from the start.
  MemoryReserve();
  ~MemoryReserve();
  MemoryReserve(const MemoryReserve&) = delete;
  MemoryReserve& operator=(const MemoryReserve&) = delete;

  /// Frees it, as an allocation that fails does. Throws std::bad_alloc where there is none.
  void give();
  /// Keeps it again if that can be had, and some to spare. True if memory is not short any more.
  bool take_back();
};

}  // namespace monitor::common
