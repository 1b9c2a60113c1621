#include "app/control_file.h"

#include <cerrno>
#include <string>
#include <string_view>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include <fmt/format.h>

#include "app/control_address.h"
#include "common/error.h"

namespace monitor::app::control {
namespace {

constexpr mode_t kPrivate = 0600;

[[noreturn]] void fail(const std::filesystem::path& path, std::string_view action) {
  const std::string reason = common::errno_text(errno);
  throw common::Error(fmt::format("cannot {} the control socket {}: {}", action, path.string(), reason));
}

/// Whether somebody listens there: a daemon whose database was moved away while another began in its place, say.
bool is_live(const Address& address) {
  const int socket = ::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
  if (socket < 0) return false;
  const bool live = ::connect(socket, address.data(), address.size()) == 0 || errno == EAGAIN;
  ::close(socket);
  return live;
}

/// Only what a daemon left: a file of another kind is somebody else's.
void remove_stale(const std::filesystem::path& path) {
  struct stat found{};
  if (::lstat(path.c_str(), &found) != 0) return;
  if (!S_ISSOCK(found.st_mode)) {
    throw common::Error(
        fmt::format("cannot make the control socket {}: a file of that name is there, which is no socket; move it away",
                    path.string()));
  }
  ::unlink(path.c_str());
}

}  // namespace

int SocketFile::make() {
  const Address address(path_);
  if (is_live(address)) {
    throw common::Error(fmt::format(
        "cannot make the control socket {}: another process listens there; stop one of the two", path_.string()));
  }
  remove_stale(path_);
  const int socket = ::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
  if (socket < 0) fail(path_, "make");
  // Before bind(): the file has this mode from its first moment.
  if (::fchmod(socket, kPrivate) != 0 || ::bind(socket, address.data(), address.size()) != 0 ||
      ::listen(socket, SOMAXCONN) != 0) {
    const int reason = errno;
    ::close(socket);
    errno = reason;
    fail(path_, "make");
  }
  made_ = found();
  return socket;
}

bool SocketFile::is_there() const {
  return made_ && found() == made_;
}

void SocketFile::remove() {
  if (is_there()) ::unlink(path_.c_str());
  made_.reset();
}

std::optional<SocketFile::Identity> SocketFile::found() const {
  struct stat found{};
  if (::lstat(path_.c_str(), &found) != 0) return std::nullopt;
  return Identity{found.st_dev, found.st_ino};
}

}  // namespace monitor::app::control
