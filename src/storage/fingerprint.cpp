#include "storage/fingerprint.h"

#include <openssl/sha.h>

namespace monitor::storage {

void Fingerprint::add(std::uint64_t number) {
  for (int shift = 56; shift >= 0; shift -= 8) fields_ += static_cast<char>((number >> shift) & 0xFF);
}

void Fingerprint::add(std::string_view text) {
  add(std::uint64_t{text.size()});
  fields_ += text;
}

Fingerprint::Digest Fingerprint::digest() const {
  Digest digest{};
  SHA256(reinterpret_cast<const unsigned char*>(fields_.data()), fields_.size(), digest.data());
  return digest;
}

}  // namespace monitor::storage
