#include "storage/sqlite_memory.h"

#include <cstdlib>
#include <new>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include <gtest/gtest.h>
#include <openssl/crypto.h>
#include <sqlite3.h>

#include "common/memory.h"
#include "storage/fingerprint.h"

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

/// The exit status of a process of its own for `story`: 0 if it is true.
int status_of(bool (*story)()) {
  const auto child = ::fork();
  if (child == 0) ::_exit(story() ? 0 : 1);
  int status = 0;
  ::waitpid(child, &status, 0);
  return status;
}

TEST(SqliteMemory, AnAllocationOfSqliteThatFailsGetsTheReserve) {
  EXPECT_EQ(status_of([] {
              share_memory_reserve();
              return bytes_after_shortage() > static_cast<long>(common::MemoryReserve::kHeapBytes / 10 * 9);
            }),
            0);
}

#endif

bool g_fails = false;

void* allocate(std::size_t bytes, const char*, int) {
  return g_fails ? nullptr : std::malloc(bytes);
}
void* reallocate(void* old, std::size_t bytes, const char*, int) {
  return g_fails ? nullptr : std::realloc(old, bytes);
}
void release(void* memory, const char*, int) {
  std::free(memory);
}

TEST(Fingerprint, IsNeverThatOfAnotherForWantOfMemory) {
  if (CRYPTO_set_mem_functions(allocate, reallocate, release) != 1) GTEST_SKIP() << "OpenSSL was used before";
  Fingerprint fields;
  fields.add("a service");
  const auto right = fields.digest();
  g_fails = true;
  EXPECT_THROW(fields.digest(), std::bad_alloc);
  g_fails = false;
  EXPECT_EQ(fields.digest(), right);
}

}  // namespace
}  // namespace monitor::storage
