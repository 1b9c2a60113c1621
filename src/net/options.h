// How names are resolved and connections are made, as the configuration says it. Plain data.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

namespace monitor::net {

struct Options {
  /// Keep DNS answers for their TTL (`dns_cache: ttl`), or ask for every check (`dns_cache: off`).
  bool dns_cache = true;
  /// Connections that may wait to be used again, over all services; each is a descriptor.
  std::size_t max_idle = 256;
  /// Sockets that races (RFC 8305) may hold beside one each, over all services.
  std::size_t max_spare = 64;
  /// `limits.deny_networks`: where no check may connect to; each as refuse_network() accepts it.
  std::vector<std::string> deny_networks{};
};

/// Why `text` is neither an address, nor a network with its length, nor the name of a set of them.
std::optional<std::string> refuse_network(const std::string& text);

/// Which addresses of a name are used; `kAny` races them (RFC 8305).
enum class AddressFamily : std::uint8_t { kAny, kIpv4, kIpv6 };

/// Those that can be asked for: OpenSSL as Debian builds it does not speak the older ones.
enum class TlsVersion : std::uint8_t { k12, k13 };

/// How a server proves who it is, and we who we are. Services with equal options share one context.
struct TlsOptions {
  std::string ca;           ///< PEM file of whom to trust instead of the system's store; empty: the system's
  std::string cert, key;    ///< PEM files of our own certificate (chain) and its key; both or none
  std::string server_name;  ///< sent as SNI and verified instead of the URL's host; empty: the host
  bool verify = true;       ///< false: any certificate is accepted, and looked at all the same
  TlsVersion min = TlsVersion::k12, max = TlsVersion::k13;
  bool operator==(const TlsOptions&) const = default;
};

}  // namespace monitor::net
