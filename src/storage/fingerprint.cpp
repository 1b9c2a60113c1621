#include "storage/fingerprint.h"

#include <new>

#include <openssl/sha.h>

#include "common/memory.h"

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
  // Without memory it fails, and what it leaves must not become the one fingerprint of many.
  const auto* bytes = reinterpret_cast<const unsigned char*>(fields_.data());
  while (SHA256(bytes, fields_.size(), digest.data()) == nullptr) {
    if (!common::make_memory()) throw std::bad_alloc();
  }
  return digest;
}

}  // namespace monitor::storage
