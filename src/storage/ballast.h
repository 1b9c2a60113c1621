// Room kept for a bad day: on a full disk SQLite refuses even DELETE and checkpoint, and releasing this file lets them
// go on. Used on the store's thread.
#pragma once

#include <cstdint>
#include <filesystem>

namespace monitor::storage {

class Ballast {
 public:
  static constexpr std::uint64_t kBytes = std::uint64_t{1} << 20;  // enough for purge and checkpoint, measured

  explicit Ballast(const std::filesystem::path& database);

  bool held() const { return held_; }
  /// Makes the file, really allocated, if the disk has room for twice that. False: there is no room.
  bool make();
  /// Gives the room back. False: there was none to give.
  bool release();

 private:
  std::filesystem::path file_;
  bool held_ = false;
};

}  // namespace monitor::storage
