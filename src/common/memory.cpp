#include "common/memory.h"

#include <array>
#include <atomic>
#include <cstdlib>
#include <mutex>
#include <new>
#include <span>
#include <sys/mman.h>
#include <sys/resource.h>
#include <utility>

namespace monitor::common {
namespace {

/// Less than what malloc() maps apart: such a block stays within the process when it is freed.
constexpr std::size_t kBlock = std::size_t{120} << 10;

using Blocks = std::array<void*, MemoryReserve::kHeapBytes / kBlock>;
/// What must be there beside the reserve before it is taken back, about 1 MiB.
using Spare = std::array<void*, 9>;

struct Reserve {
  Blocks blocks{};
  void* mapped = nullptr;
};

// A new handler is a plain function.
std::mutex g_mutex;
Reserve g_reserve;  // all of it, or its last block alone
std::atomic<bool> g_short{false};

void release(std::span<void*> blocks) {
  for (auto*& block : blocks) std::free(std::exchange(block, nullptr));
}

bool take(std::span<void*> blocks) {
  for (auto*& block : blocks) {
    block = std::malloc(kBlock);
    if (block == nullptr) return false;
  }
  return true;
}

void unmap(Reserve& reserve) {
  if (reserve.mapped != nullptr) ::munmap(std::exchange(reserve.mapped, nullptr), MemoryReserve::kMappedBytes);
}

bool map(Reserve& reserve) {
  auto* mapped =
      ::mmap(nullptr, MemoryReserve::kMappedBytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  if (mapped == MAP_FAILED) return false;
  reserve.mapped = mapped;
  return true;
}

void release(Reserve& reserve) {
  unmap(reserve);
  release(std::span<void*>(reserve.blocks));
}

/// What it could take of it, where false.
bool take(Reserve& reserve) {
  return map(reserve) && take(std::span<void*>(reserve.blocks));
}

/// Allocates nothing. The last block stays: it keeps the others from the end of the heap, which goes back to the
/// system when it is free.
void give_reserve() {
  const std::unique_lock lock(g_mutex, std::try_to_lock);
  if (!lock) {  // somebody else gives it, or tries to take it: when that is over there may be some
    const std::lock_guard until_over(g_mutex);
    return;
  }
  if (g_short.exchange(true)) throw std::bad_alloc();
  unmap(g_reserve);
  release(std::span<void*>(g_reserve.blocks).first(std::tuple_size_v<Blocks> - 1));
}

}  // namespace

bool is_memory_short() noexcept {
  return g_short.load(std::memory_order_relaxed);
}

bool make_memory() noexcept {
  const auto handler = std::get_new_handler();
  if (handler == nullptr) return false;
  try {
    handler();
  } catch (const std::bad_alloc&) {
    return false;
  }
  return true;
}

bool is_room_for(std::size_t bytes) noexcept {
  // Addresses that nobody may write to count for neither RLIMIT_DATA nor overcommit_memory=2.
  auto* mapped = ::mmap(nullptr, bytes, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
  return mapped != MAP_FAILED && ::munmap(mapped, bytes) == 0;
}

MemoryLimits memory_limits() noexcept {
  const auto in_force = [](auto which) -> std::optional<std::uint64_t> {
    rlimit limit{};
    if (::getrlimit(which, &limit) != 0 || limit.rlim_cur == RLIM_INFINITY) return std::nullopt;
    return limit.rlim_cur;
  };
  return {in_force(RLIMIT_AS), in_force(RLIMIT_DATA)};
}

MemoryReserve::MemoryReserve() {
  {
    const std::lock_guard lock(g_mutex);
    g_short = !take(g_reserve);
    if (g_short) release(g_reserve);
  }
  std::set_new_handler(give_reserve);
}

MemoryReserve::~MemoryReserve() {
  std::set_new_handler(nullptr);
  const std::lock_guard lock(g_mutex);
  release(g_reserve);
  g_short = false;
}

void MemoryReserve::give() {
  give_reserve();
}

// What others ask for meanwhile waits for the end of this in give_reserve().
bool MemoryReserve::take_back() {
  const std::lock_guard lock(g_mutex);
  if (!g_short) return true;
  Reserve fresh;
  Spare spare{};
  const bool enough = take(fresh) && take(std::span<void*>(spare));
  release(std::span<void*>(spare));
  if (enough) std::swap(fresh, g_reserve);
  release(fresh);
  if (!enough) return false;
  g_short = false;
  return true;
}

}  // namespace monitor::common
