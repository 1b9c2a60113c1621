// A disk whose next syncs, or writes, fail, below SQLite: the writes before them stand. One thread at a time.
#pragma once

#include <map>
#include <utility>

#include <sqlite3.h>

namespace monitor::test {

class FailingSync {
 public:
  FailingSync() {
    shim_ = *base();
    shim_.zName = "failing-sync";
    shim_.pNext = nullptr;
    shim_.xOpen = open;
    sqlite3_vfs_register(&shim_, 1);
  }
  /// Files that are open keep going through here: open none of them beyond its life.
  ~FailingSync() {
    to_fail_ = writes_to_fail_ = 0;
    sqlite3_vfs_unregister(&shim_);
    sqlite3_vfs_register(base(), 1);
  }
  FailingSync(const FailingSync&) = delete;
  FailingSync& operator=(const FailingSync&) = delete;

  void fail(int times) { to_fail_ = times; }
  static int left() { return to_fail_; }
  /// As a quota that is used up refuses them.
  void fail_writes(int times) { writes_to_fail_ = times; }

 private:
  static sqlite3_vfs* base() {
    static sqlite3_vfs* const kBase = sqlite3_vfs_find("unix");
    return kBase;
  }
  static int open(sqlite3_vfs* vfs, const char* name, sqlite3_file* file, int flags, int* out) {
    const int code = base()->xOpen(vfs, name, file, flags, out);
    if (code != SQLITE_OK || file->pMethods == nullptr) return code;
    // The log has other methods than the database: it is not locked.
    const auto [place, added] = methods_.try_emplace(file->pMethods, *file->pMethods);
    if (added) {
      sync_ = std::exchange(place->second.xSync, sync);
      write_ = std::exchange(place->second.xWrite, write);
    }
    file->pMethods = &place->second;
    return code;
  }
  static int sync(sqlite3_file* file, int flags) {
    if (to_fail_ == 0) return sync_(file, flags);
    --to_fail_;
    return SQLITE_IOERR_FSYNC;
  }
  static int write(sqlite3_file* file, const void* bytes, int count, sqlite3_int64 at) {
    if (writes_to_fail_ == 0) return write_(file, bytes, count, at);
    --writes_to_fail_;
    return SQLITE_IOERR_WRITE;
  }

  sqlite3_vfs shim_{};
  static inline std::map<const sqlite3_io_methods*, sqlite3_io_methods> methods_;
  static inline int (*sync_)(sqlite3_file*, int) = nullptr;  // one for all of them
  static inline int (*write_)(sqlite3_file*, const void*, int, sqlite3_int64) = nullptr;
  static inline int to_fail_ = 0;
  static inline int writes_to_fail_ = 0;
};

}  // namespace monitor::test
