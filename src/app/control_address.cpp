#include "app/control_address.h"

#include <algorithm>
#include <cerrno>
#include <fcntl.h>
#include <string>
#include <unistd.h>

#include <fmt/format.h>

#include "common/error.h"

namespace monitor::app::control {

Address::Address(const std::filesystem::path& socket) {
  constexpr std::size_t kMost = sizeof address_.sun_path - 1;
  std::string path = socket.string();
  if (path.size() > kMost) {
    folder_ = ::open(socket.parent_path().c_str(), O_PATH | O_DIRECTORY | O_CLOEXEC);
    if (folder_ < 0) {
      throw common::Error(
          fmt::format("cannot open the folder of {}: {}; let this user read it", path, common::errno_text(errno)));
    }
    path = fmt::format("/proc/self/fd/{}/{}", folder_, socket.filename().string());
  }
  if (path.size() > kMost) {
    ::close(folder_);
    throw common::Error(
        fmt::format("cannot use {} as a socket: the name is too long; give the local database a shorter one",
                    socket.filename().string()));
  }
  address_.sun_family = AF_UNIX;
  std::ranges::copy(path, address_.sun_path);
}

Address::~Address() {
  if (folder_ >= 0) ::close(folder_);
}

}  // namespace monitor::app::control
