// SHA-256 over fields, each with its length, so that two sets of fields never read alike. Any one thread.
#pragma once

#include <array>
#include <cstdint>
#include <string>
#include <string_view>

namespace monitor::storage {

/// What it gives is part of the remote schema: the order and form of the fields of a kind of row never change.
class Fingerprint {
 public:
  using Digest = std::array<std::uint8_t, 32>;

  void add(std::uint64_t number);
  void add(std::string_view text);
  Digest digest() const;

 private:
  std::string fields_;
};

}  // namespace monitor::storage
