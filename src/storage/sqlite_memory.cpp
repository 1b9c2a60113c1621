#include "storage/sqlite_memory.h"

#include <sqlite3.h>

#include "common/memory.h"

namespace monitor::storage {
namespace {

sqlite3_mem_methods g_usual{};

void* allocate(int bytes) {
  void* memory = g_usual.xMalloc(bytes);
  while (memory == nullptr && common::make_memory()) memory = g_usual.xMalloc(bytes);
  return memory;
}

void* reallocate(void* old, int bytes) {
  void* memory = g_usual.xRealloc(old, bytes);
  while (memory == nullptr && common::make_memory()) memory = g_usual.xRealloc(old, bytes);
  return memory;
}

bool configure() {
  if (sqlite3_config(SQLITE_CONFIG_GETMALLOC, &g_usual) != SQLITE_OK) return false;
  sqlite3_mem_methods methods = g_usual;
  methods.xMalloc = allocate;
  methods.xRealloc = reallocate;
  return sqlite3_config(SQLITE_CONFIG_MALLOC, &methods) == SQLITE_OK;
}

}  // namespace

void share_memory_reserve() {
  [[maybe_unused]] static const bool configured = configure();
}

}  // namespace monitor::storage
