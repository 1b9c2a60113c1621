#include "config/file.h"

#include <algorithm>
#include <cerrno>
#include <fcntl.h>
#include <optional>
#include <sys/file.h>
#include <system_error>
#include <thread>
#include <unistd.h>

#include <fmt/format.h>

#include "common/error.h"
#include "common/text.h"

namespace monitor::config {
namespace {

constexpr mode_t kPrivateFile = 0600;
constexpr mode_t kPrivateFolder = 0700;
constexpr mode_t kKeptMode = kPrivateFile | S_IRGRP;

class Descriptor {
 public:
  explicit Descriptor(int number) : number_(number) {}
  ~Descriptor() { close(); }
  Descriptor(const Descriptor&) = delete;
  Descriptor& operator=(const Descriptor&) = delete;
  int get() const { return number_; }
  bool is_open() const { return number_ >= 0; }
  void close() {
    if (is_open()) ::close(number_);
    number_ = -1;
  }

 private:
  int number_;
};

std::string shown(const std::filesystem::path& path) {
  return common::escape_controls(path.native());
}

std::filesystem::path folder_of(const std::filesystem::path& file) {
  return file.has_parent_path() ? file.parent_path() : std::filesystem::path(".");
}

std::filesystem::path beside(const std::filesystem::path& file, std::string_view suffix) {
  return folder_of(file) / fmt::format(".{}{}", file.filename().native(), suffix);
}

[[noreturn]] void refuse(const std::filesystem::path& file, const std::string& sentence) {
  throw common::UsageError(fmt::format("{}: {}", shown(file), sentence));
}

[[noreturn]] void refuse_to_open(const std::filesystem::path& file, std::string_view what, int number) {
  if (number == ENOENT && what == kConfiguration) {
    refuse(file, fmt::format("{} is not there; make it with `monitor config create`, or name another one with "
                             "--config-path",
                             what));
  }
  if (number == ENOENT) refuse(file, fmt::format("{} is not there; name one that is", what));
  refuse(file, fmt::format("{} cannot be read: {}; give user {} the right to read it", what, common::errno_text(number),
                           ::geteuid()));
}

void refuse_owner(const std::filesystem::path& file, std::string_view what, const struct stat& status) {
  if (status.st_uid == 0 || status.st_uid == ::geteuid()) return;
  refuse(file, fmt::format("{} belongs to user {}; it must belong to root or to user {}, who runs this", what,
                           status.st_uid, ::geteuid()));
}

void refuse_status(const std::filesystem::path& file, std::string_view what, const struct stat& status,
                   std::size_t limit) {
  if (!S_ISREG(status.st_mode)) refuse(file, fmt::format("{} is not a regular file", what));
  refuse_owner(file, what, status);
  if ((status.st_mode & (S_IWGRP | S_IWOTH)) != 0) {
    refuse(file,
           fmt::format("{} may be written by others than its owner (mode {:04o}); take that away with: chmod go-w "
                       "'{}'",
                       what, status.st_mode & 07777U, shown(file)));
  }
  if (static_cast<std::uint64_t>(status.st_size) > limit) {
    refuse(file, fmt::format("{} holds {} bytes; {} are allowed", what, status.st_size, limit));
  }
}

/// Throws what ends a save: what was attempted, on what, why it failed, what is left.
[[noreturn]] void fail(std::string_view attempt, const std::filesystem::path& file, int number,
                       std::string_view advice) {
  throw common::Error(fmt::format("cannot {} {}: {}; {}", attempt, shown(file), common::errno_text(number), advice));
}

constexpr std::string_view kNothingChanged = "the configuration is unchanged";

void write_all(int descriptor, std::string_view text, const std::filesystem::path& file) {
  while (!text.empty()) {
    const auto written = ::write(descriptor, text.data(), text.size());
    if (written < 0 && errno == EINTR) continue;
    if (written < 0) fail("write", file, errno, kNothingChanged);
    text.remove_prefix(static_cast<std::size_t>(written));
  }
}

/// Removes the file it was given unless it is told that the file has its final name.
class Leftover {
 public:
  explicit Leftover(std::filesystem::path path) : path_(std::move(path)) {}
  ~Leftover() {
    if (!path_.empty()) ::unlink(path_.c_str());
  }
  Leftover(const Leftover&) = delete;
  Leftover& operator=(const Leftover&) = delete;
  void keep() { path_.clear(); }

 private:
  std::filesystem::path path_;
};

std::optional<struct stat> status_of(const std::filesystem::path& file) {
  struct stat status{};
  if (::stat(file.c_str(), &status) == 0) return status;
  if (errno == ENOENT) return std::nullopt;
  fail("look at", file, errno, kNothingChanged);
}

/// Owner and group of the old file; of its mode, what the owner may read and write and the group may read.
void take_over(int descriptor, const struct stat& old, const std::filesystem::path& file) {
  struct stat made{};
  if (::fstat(descriptor, &made) != 0) fail("look at", file, errno, kNothingChanged);
  const bool same = made.st_uid == old.st_uid && made.st_gid == old.st_gid;
  if (!same && ::fchown(descriptor, old.st_uid, old.st_gid) != 0) {
    fail(fmt::format("keep owner {} and group {} of", old.st_uid, old.st_gid), file, errno,
         fmt::format("{}; run this as root or as that owner", kNothingChanged));
  }
  if (::fchmod(descriptor, old.st_mode & kKeptMode) != 0) {
    fail("set the mode of", file, errno, kNothingChanged);
  }
}

void sync_folder(const std::filesystem::path& folder) {
  const Descriptor descriptor(::open(folder.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  if (!descriptor.is_open() || ::fsync(descriptor.get()) != 0) {
    fail("sync the folder", folder, errno, "the configuration is saved, but a power cut now could undo that");
  }
}

}  // namespace

FileText read_file(const std::filesystem::path& file, std::string_view what, std::size_t limit) {
  // Without O_NONBLOCK a named pipe would be waited for.
  const Descriptor descriptor(::open(file.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY));
  if (!descriptor.is_open()) refuse_to_open(file, what, errno);
  FileText out;
  if (::fstat(descriptor.get(), &out.status) != 0) refuse_to_open(file, what, errno);
  refuse_status(file, what, out.status, limit);
  out.text.resize(static_cast<std::size_t>(out.status.st_size));
  std::size_t length = 0;
  while (length < out.text.size()) {
    const auto got = ::read(descriptor.get(), out.text.data() + length, out.text.size() - length);
    if (got < 0 && errno == EINTR) continue;
    if (got < 0) refuse_to_open(file, what, errno);
    if (got == 0) break;
    length += static_cast<std::size_t>(got);
  }
  out.text.resize(length);
  return out;
}

std::filesystem::path real_file(const std::filesystem::path& file) {
  std::error_code error;
  auto real = std::filesystem::weakly_canonical(file, error);
  if (error) refuse(file, fmt::format("its path cannot be followed: {}", error.message()));
  return real;
}

std::filesystem::path real_file_to_make(const std::filesystem::path& file) {
  const auto real = real_file(file);
  std::error_code error;
  const auto status = std::filesystem::status(file, error);
  if (std::filesystem::is_directory(status) || !file.has_filename() || !real.has_filename()) {
    refuse(file, "this names a folder; name a file in it with --config-path");
  }
  if (status.type() == std::filesystem::file_type::not_found &&
      std::filesystem::is_symlink(std::filesystem::symlink_status(file, error))) {
    refuse(file,
           "this is a link to a file that is not there; remove the link, or name another file with --config-path");
  }
  if (!std::filesystem::exists(status)) return real;
  if (!std::filesystem::is_regular_file(status)) {
    refuse(file, "this is not a regular file; name another one with --config-path");
  }
  if (const auto old = status_of(real)) refuse_owner(file, "the file that is there", *old);
  return real;
}

void delete_file(const std::filesystem::path& file) {
  if (::unlink(file.c_str()) != 0) {
    fail("delete", file, errno, "its folder must be writable for whoever deletes it");
  }
}

FileLock::FileLock(const std::filesystem::path& real, std::chrono::milliseconds wait) : path_(beside(real, ".lock")) {
  constexpr std::chrono::milliseconds kStep{10};
  for (auto waited = kStep.zero();; waited += kStep) {
    descriptor_ = ::open(path_.c_str(), O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, kPrivateFile);
    if (descriptor_ < 0)
      fail("make", path_, errno, "whoever changes the configuration must be able to write to its folder");
    struct stat ours{};
    struct stat there{};
    // Whoever held it before has removed it: then this lock is on a file that nobody else sees.
    if (::flock(descriptor_, LOCK_EX | LOCK_NB) == 0 && ::fstat(descriptor_, &ours) == 0 &&
        ::lstat(path_.c_str(), &there) == 0 && ours.st_ino == there.st_ino && ours.st_dev == there.st_dev) {
      return;
    }
    ::close(descriptor_);
    if (waited >= wait) {
      throw common::Error(
          fmt::format("another process has been changing {} for {} s; wait for it, or end it (`fuser '{}'` names it), "
                      "and try again",
                      shown(real), std::chrono::duration_cast<std::chrono::seconds>(wait).count(), shown(path_)));
    }
    std::this_thread::sleep_for(kStep);
  }
}

FileLock::~FileLock() {
  ::unlink(path_.c_str());
  ::close(descriptor_);
}

void make_folder_of(const std::filesystem::path& file) {
  const auto folder = folder_of(file);
  std::error_code error;
  if (std::filesystem::is_directory(folder, error)) return;
  if (folder.has_parent_path() && folder != folder.root_path()) make_folder_of(folder);
  if (::mkdir(folder.c_str(), kPrivateFolder) == 0) return;
  const int number = errno;
  if (!std::filesystem::is_directory(folder, error)) {
    fail("make the folder", folder, number, "nothing is written");
  }
}

void replace_file(const std::filesystem::path& real, std::string_view text) {
  const auto old = status_of(real);
  const auto path = beside(real, ".new");
  if (::unlink(path.c_str()) != 0 && errno != ENOENT) fail("remove the leftover", path, errno, kNothingChanged);
  Descriptor descriptor(::open(path.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, kPrivateFile));
  if (!descriptor.is_open()) fail("make", path, errno, kNothingChanged);
  Leftover leftover(path);
  write_all(descriptor.get(), text, path);
  if (old) take_over(descriptor.get(), *old, path);
  if (::fsync(descriptor.get()) != 0) fail("sync", path, errno, kNothingChanged);
  descriptor.close();
  if (::rename(path.c_str(), real.c_str()) != 0) fail("replace", real, errno, kNothingChanged);
  leftover.keep();
  sync_folder(folder_of(real));
}

}  // namespace monitor::config
