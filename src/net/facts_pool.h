// The facts of TLS handshakes, each kept once: equal ones are the same object. io thread only.
#pragma once

#include <array>
#include <compare>
#include <cstdint>
#include <map>

#include "net/tls_facts.h"

struct ssl_st;
struct x509_st;

namespace monitor::net {

class FactsPool {
 public:
  /// More than a monitor meets; beyond it all are forgotten here, and described anew when they are next seen.
  static constexpr std::size_t kMaxFacts = 1024;

  /// What `session` has shown so far, with the server's certificate (null: not seen). Null when it showed nothing.
  /// Nothing is formatted for a certificate that is known.
  SharedTlsFacts get(const ssl_st* session, const x509_st* certificate);
  std::size_t size() const { return known_.size(); }

 private:
  struct Key {
    std::array<std::uint8_t, 32> sha256{};
    bool has_certificate = false;
    int version = 0;
    std::uint32_t cipher = 0;
    auto operator<=>(const Key&) const = default;
  };
  std::map<Key, SharedTlsFacts> known_;
};

}  // namespace monitor::net
