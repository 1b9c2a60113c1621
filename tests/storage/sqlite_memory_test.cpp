#include "storage/sqlite_memory.h"

#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include <gtest/gtest.h>
#include <sqlite3.h>

#include "common/memory.h"

namespace monitor::storage {
namespace {

// With a sanitizer malloc() is its own, and needs terabytes of addresses.
#if !defined(__SANITIZE_ADDRESS__) && !__has_feature(address_sanitizer) && !__has_feature(thread_sanitizer)

/// Bytes that SQLite gets once memory is short.
long bytes_after_shortage() {
  constexpr int kBlock = 64 << 10;
  const common::MemoryReserve reserve;
  rlimit limit{};
  ::getrlimit(RLIMIT_AS, &limit);
  limit.rlim_cur = rlim_t{1} << 20;  // below what is in use: what is there already has to do
  ::setrlimit(RLIMIT_AS, &limit);
  while (!common::is_memory_short()) {
    if (sqlite3_malloc(kBlock) == nullptr) return -1;
  }
  long bytes = 0;
  while (sqlite3_malloc(kBlock) != nullptr) bytes += kBlock;
  return bytes;
}

TEST(SqliteMemory, AnAllocationOfSqliteThatFailsGetsTheReserve) {
  const auto child = ::fork();
  ASSERT_GE(child, 0);
  if (child == 0) {
    share_memory_reserve();
    ::_exit(bytes_after_shortage() < static_cast<long>(common::MemoryReserve::kHeapBytes / 10 * 9) ? 1 : 0);
  }
  int status = 0;
  ASSERT_EQ(::waitpid(child, &status, 0), child);
  ASSERT_TRUE(WIFEXITED(status)) << "ended by signal " << WTERMSIG(status);
  EXPECT_EQ(WEXITSTATUS(status), 0);
}

#endif

}  // namespace
}  // namespace monitor::storage
