// The lock that lets one process at a time own a local database: flock on a file beside it, never on the database
// itself (closing a second descriptor of that would drop SQLite's own locks). Any one thread.
#pragma once

#include <cstdint>
#include <filesystem>
#include <optional>
#include <string>
#include <string_view>

namespace monitor::storage {

/// The last commit that was noted beside a database.
struct Noted {
  std::string agent_id;
  std::int64_t commit = 0;  ///< Meta::commit_number
};

class LockFile {
 public:
  /// Locks `<database>.lock` and writes our pid into it. Throws common::Error that names the holder's pid.
  explicit LockFile(const std::filesystem::path& database);
  ~LockFile();
  LockFile(const LockFile&) = delete;
  LockFile& operator=(const LockFile&) = delete;

  /// Locks anew where somebody took the file away. Throws common::Error: another process has locked what is there now.
  void keep();

  /// What had been noted when the lock was taken; nothing: nobody has.
  const std::optional<Noted>& found() const { return found_; }
  /// Notes a commit. It stays when an older copy is written over the database, which gives that away at the next start.
  /// Never synced: after a power cut it may tell of an earlier commit, or of none.
  void note(std::string_view agent_id, std::int64_t commit);

 private:
  int lock() const;

  const std::filesystem::path database_;
  int descriptor_;
  std::optional<Noted> found_;
};

}  // namespace monitor::storage
