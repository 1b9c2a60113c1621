#include "storage/lock_file.h"

#include <array>
#include <cerrno>
#include <fcntl.h>
#include <sstream>
#include <string>
#include <string_view>
#include <sys/file.h>
#include <unistd.h>
#include <utility>

#include <fmt/format.h>

#include "common/error.h"
#include "common/log.h"
#include "storage/files.h"

namespace monitor::storage {
namespace {

constexpr const char* kSuffix = ".lock";
// Lines of a fixed length, written in place: on a full disk they need no room that they do not have.
constexpr std::size_t kPidBytes = 16;
constexpr std::size_t kNoteBytes = 64;
constexpr std::size_t kUuidLength = 36;

std::string holder(int descriptor) {
  std::array<char, 32> text{};
  const ssize_t length = ::pread(descriptor, text.data(), text.size(), 0);
  std::string_view pid(text.data(), length > 0 ? static_cast<std::size_t>(length) : 0);
  pid = pid.substr(0, pid.find_first_not_of("0123456789"));
  return pid.empty() ? "another process" : fmt::format("process {}", pid);
}

std::optional<Noted> noted_in(int descriptor) {
  std::array<char, kNoteBytes> text{};
  const ssize_t length = ::pread(descriptor, text.data(), text.size(), kPidBytes);
  if (length != static_cast<ssize_t>(text.size())) return std::nullopt;
  std::istringstream fields(std::string(text.data(), text.size()));
  Noted noted;
  if (!(fields >> noted.agent_id >> noted.commit) || noted.agent_id.size() != kUuidLength) return std::nullopt;
  return noted;
}

}  // namespace

LockFile::LockFile(const std::filesystem::path& database)
    : database_(database), descriptor_(lock()), found_(noted_in(descriptor_)) {}

int LockFile::lock() const {
  const std::string name = beside(database_, kSuffix).string();
  const int descriptor = ::open(name.c_str(), O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
  if (descriptor < 0) {
    throw common::Error(fmt::format("cannot open the lock file {}: {}; let this user write it and its folder", name,
                                    common::errno_text(errno)));
  }
  if (::flock(descriptor, LOCK_EX | LOCK_NB) != 0) {
    const int number = errno;
    const std::string owner = holder(descriptor);
    ::close(descriptor);
    if (number == EWOULDBLOCK) {
      throw common::Error(
          fmt::format("the local database {} is in use by {}; stop that one, or use another local_database_path",
                      database_.string(), owner));
    }
    throw common::Error(
        fmt::format("cannot lock {}: {}; the local database needs a local disk", name, common::errno_text(number)));
  }
  // The pid only helps the next one's error message; on a full disk the lock holds without it.
  const std::string pid = fmt::format("{:<{}}\n", ::getpid(), kPidBytes - 1);
  [[maybe_unused]] const ssize_t written = ::pwrite(descriptor, pid.data(), pid.size(), 0);
  return descriptor;
}

void LockFile::note(std::string_view agent_id, std::int64_t commit) {
  std::string line = fmt::format("{} {}", agent_id, commit);
  line.resize(kNoteBytes - 1, ' ');
  line += '\n';
  [[maybe_unused]] const ssize_t written = ::pwrite(descriptor_, line.data(), line.size(), kPidBytes);
}

void LockFile::keep() {
  const auto name = beside(database_, kSuffix);
  if (place_of(name) == place_of(descriptor_)) return;
  const int fresh = lock();
  ::close(std::exchange(descriptor_, fresh));
  common::log::warning("The lock file {} was taken away while we run; it is made and locked again", name.string());
}

LockFile::~LockFile() {
  ::close(descriptor_);
}

}  // namespace monitor::storage
