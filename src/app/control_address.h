// The address of the control socket, however long its path is. Any thread.
#pragma once

#include <filesystem>
#include <sys/un.h>

namespace monitor::app::control {

/// An address that is good while this lives: one for a path that does not fit is a way there through its open folder.
class Address {
 public:
  /// Throws common::Error: the folder cannot be opened, or the file's own name is too long.
  explicit Address(const std::filesystem::path& socket);
  ~Address();
  Address(const Address&) = delete;
  Address& operator=(const Address&) = delete;

  const sockaddr* data() const { return reinterpret_cast<const sockaddr*>(&address_); }
  socklen_t size() const { return sizeof address_; }

 private:
  sockaddr_un address_{};
  int folder_ = -1;
};

}  // namespace monitor::app::control
