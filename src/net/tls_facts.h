// What a TLS handshake showed, whether or not it succeeded. Plain data, immutable and shared: it rarely changes.
#pragma once

#include <array>
#include <cstdint>
#include <memory>
#include <string>

#include "common/units.h"

namespace monitor::net {

/// The server's own certificate; its texts are escaped and cut short.
struct Certificate {
  std::array<std::uint8_t, 32> sha256{};  ///< of the DER encoding
  std::string subject, issuer;            ///< RFC 4514
  common::WallTime not_before{}, not_after{};
  bool operator==(const Certificate&) const = default;
};

struct TlsFacts {
  std::string version;  ///< `TLSv1.3`; empty: the handshake did not come that far
  std::string cipher;   ///< `TLS_AES_256_GCM_SHA384`; empty likewise
  bool has_certificate = false;
  Certificate certificate;
  bool operator==(const TlsFacts&) const = default;
};

using SharedTlsFacts = std::shared_ptr<const TlsFacts>;

}  // namespace monitor::net
