// The configuration file on the disk: opened with suspicion, replaced as a whole or not at all. Several processes may
// do so at once; between them a lock file beside it.
#pragma once

#include <chrono>
#include <cstddef>
#include <filesystem>
#include <string>
#include <string_view>
#include <sys/stat.h>

namespace monitor::config {

/// A file as it was when it was read.
struct FileText {
  std::string text;
  struct stat status{};
  bool others_may_read() const { return (status.st_mode & S_IROTH) != 0; }
};

inline constexpr std::string_view kConfiguration = "the configuration";

/// Follows symbolic links. Throws common::UsageError: not there, not readable, not a regular file, larger than `limit`,
/// owned by neither root nor this user, or writable by group or others. `what` names it: kConfiguration, "the token".
FileText read_file(const std::filesystem::path& file, std::string_view what, std::size_t limit);

/// The file that `file` is or, through symbolic links, stands for.
std::filesystem::path real_file(const std::filesystem::path& file);

/// The same for a file that is to be made or replaced. Throws common::UsageError: a folder, a link to nothing, not a
/// regular file, or one that read_file() would refuse for its owner, which a save keeps.
std::filesystem::path real_file_to_make(const std::filesystem::path& file);

/// A link itself, not what it leads to. Throws common::Error.
void delete_file(const std::filesystem::path& file);

inline constexpr std::chrono::milliseconds kLockWait{10'000};

/// Holds `.<name>.lock` beside a file. The lock file is gone again when nobody holds it.
class FileLock {
 public:
  /// Waits for at most `wait`, then throws common::Error.
  explicit FileLock(const std::filesystem::path& real, std::chrono::milliseconds wait = kLockWait);
  ~FileLock();
  FileLock(const FileLock&) = delete;
  FileLock& operator=(const FileLock&) = delete;

 private:
  std::filesystem::path path_;
  int descriptor_ = -1;
};

/// Makes the folder of a file that is to be written, and those above it, with mode 0700 where they are not there.
void make_folder_of(const std::filesystem::path& file);

/// Writes `text` to `.<name>.new` beside `real`, syncs it, renames it over `real` and syncs the folder. A new file is
/// 0600; an existing one keeps its owner, its group, what the owner may read and write and what the group may read;
/// nobody gains a right. Under a FileLock. Throws common::Error
/// with the old file untouched and nothing left beside it.
void replace_file(const std::filesystem::path& real, std::string_view text);

}  // namespace monitor::config
