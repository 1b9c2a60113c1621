#include "storage/ballast.h"

#include <fcntl.h>
#include <unistd.h>

#include "storage/files.h"

namespace monitor::storage {

Ballast::Ballast(const std::filesystem::path& database)
    : file_(beside(database, ".ballast")), held_(size_of(file_) >= kBytes) {}

bool Ballast::make() {
  if (held_) return true;
  if (disk_free(file_.parent_path()) < 2 * kBytes) return false;
  const int descriptor = ::open(file_.c_str(), O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
  if (descriptor < 0) return false;
  held_ = ::posix_fallocate(descriptor, 0, kBytes) == 0;
  ::close(descriptor);
  if (!held_) ::unlink(file_.c_str());
  return held_;
}

bool Ballast::release() {
  if (!held_) return false;
  held_ = false;
  return ::unlink(file_.c_str()) == 0;
}

}  // namespace monitor::storage
