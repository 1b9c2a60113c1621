// The lock that lets one process at a time own a local database: flock on a file beside it, never on the database
// itself (closing a second descriptor of that would drop SQLite's own locks). Any one thread.
#pragma once

#include <filesystem>

namespace monitor::storage {

class LockFile {
 public:
  /// Locks `<database>.lock` and writes our pid into it. Throws common::Error that names the holder's pid.
  explicit LockFile(const std::filesystem::path& database);
  ~LockFile();
  LockFile(const LockFile&) = delete;
  LockFile& operator=(const LockFile&) = delete;

  /// Locks anew where somebody took the file away. Throws common::Error: another process has locked what is there now.
  void keep();

 private:
  int lock() const;

  const std::filesystem::path database_;
  int descriptor_;
};

}  // namespace monitor::storage
