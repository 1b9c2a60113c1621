// The file of the control socket: made, looked at, and taken away by who made it. io thread only.
#pragma once

#include <cstdint>
#include <filesystem>
#include <optional>
#include <utility>

namespace monitor::app::control {

class SocketFile {
 public:
  explicit SocketFile(std::filesystem::path path) : path_(std::move(path)) {}
  ~SocketFile() { remove(); }
  SocketFile(const SocketFile&) = delete;
  SocketFile& operator=(const SocketFile&) = delete;

  const std::filesystem::path& path() const { return path_; }
  /// A socket that listens there, mode 0600, the caller's to close; one that a killed daemon left is replaced, one that
  /// somebody listens at is not. The database's lock is held. Throws common::Error.
  int make();
  /// Whether the path leads to what make() made last.
  bool is_there() const;
  /// Does nothing where somebody else's file has its place.
  void remove();

 private:
  using Identity = std::pair<std::uint64_t, std::uint64_t>;  // device and inode

  std::optional<Identity> found() const;

  const std::filesystem::path path_;
  std::optional<Identity> made_;
};

}  // namespace monitor::app::control
