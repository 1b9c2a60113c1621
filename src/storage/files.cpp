#include "storage/files.h"

#include <cerrno>
#include <fcntl.h>
#include <fstream>
#include <limits>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include <fmt/format.h>

#include "common/error.h"

namespace monitor::storage {
namespace {

namespace fs = std::filesystem;

[[noreturn]] void fail(std::string_view action, const fs::path& path, std::string_view advice) {
  const std::string reason = common::errno_text(errno);
  throw common::Error(fmt::format("cannot {} {}: {}; {}", action, path.string(), reason, advice));
}

void make_private_folder(const fs::path& folder) {
  std::error_code ignored;
  if (folder.empty() || fs::is_directory(folder, ignored)) return;
  make_private_folder(folder.parent_path());
  if (::mkdir(folder.c_str(), 0700) != 0 && errno != EEXIST) {
    fail("make the folder", folder, "make it yourself, or choose another local_database_path");
  }
}

void sync(const fs::path& path, int flags) {
  const int descriptor = ::open(path.c_str(), flags | O_CLOEXEC);
  if (descriptor < 0) fail("open", path, "let this user read it");
  const int result = ::fsync(descriptor);
  ::close(descriptor);
  if (result != 0) fail("write to disk", path, "check the disk");
}

void sync_folder(const fs::path& folder) {
  sync(folder, O_RDONLY | O_DIRECTORY);
}

}  // namespace

fs::path beside(const fs::path& database, const char* suffix) {
  return database.string() + suffix;
}

fs::path prepare_path(const fs::path& path) {
  std::error_code error;
  fs::path resolved = fs::weakly_canonical(fs::absolute(path), error);
  if (error) resolved = fs::absolute(path).lexically_normal();
  make_private_folder(resolved.parent_path());
  if (fs::is_directory(resolved, error)) {
    throw common::Error(
        fmt::format("cannot use {} as the local database: it is a folder; name a file in it", resolved.string()));
  }
  return resolved;
}

void create_private(const fs::path& file) {
  const int descriptor = ::open(file.c_str(), O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, 0600);
  if (descriptor < 0) fail("create", file, "let this user write its folder, or choose another local_database_path");
  ::close(descriptor);
}

void rename_durably(const fs::path& from, const fs::path& to) {
  sync(from, O_RDONLY);
  if (::rename(from.c_str(), to.c_str()) != 0) fail("rename", from, "let this user write its folder");
  sync_folder(to.parent_path());
}

void remove_side_files(const fs::path& database) {
  std::error_code ignored;
  for (const char* suffix : {"-wal", "-shm", "-journal"}) fs::remove(beside(database, suffix), ignored);
}

std::string identity_of(const fs::path& file) {
  struct statx info{};
  if (::statx(AT_FDCWD, file.c_str(), 0, STATX_INO | STATX_BTIME, &info) != 0) {
    fail("examine", file, "let this user read it");
  }
  std::string host;
  std::getline(std::ifstream("/etc/machine-id"), host);
  const bool born = (info.stx_mask & STATX_BTIME) != 0;
  return fmt::format("{}:{}:{}.{:09}", host, info.stx_ino, born ? info.stx_btime.tv_sec : 0,
                     born ? info.stx_btime.tv_nsec : 0);
}

std::optional<Place> place_of(const fs::path& file) {
  struct stat info{};
  if (::stat(file.c_str(), &info) != 0) return std::nullopt;
  return Place{.device = info.st_dev, .inode = info.st_ino};
}

Place place_of(int descriptor) {
  struct stat info{};
  if (::fstat(descriptor, &info) != 0) return {};
  return {.device = info.st_dev, .inode = info.st_ino};
}

std::uint64_t size_of(const fs::path& file) {
  std::error_code error;
  const auto size = fs::file_size(file, error);
  return error ? 0 : size;
}

std::uint64_t disk_size(const fs::path& path) {
  struct statvfs info{};
  if (::statvfs(path.c_str(), &info) != 0) return std::numeric_limits<std::uint64_t>::max();
  return std::uint64_t{info.f_blocks} * info.f_frsize;
}

std::uint64_t disk_free(const fs::path& path) {
  struct statvfs info{};
  if (::statvfs(path.c_str(), &info) != 0) return 0;
  return std::uint64_t{info.f_bavail} * info.f_frsize;
}

}  // namespace monitor::storage
