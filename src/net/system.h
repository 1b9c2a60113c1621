// Where this machine says how names are resolved and whom TLS trusts. Plain data; a test points elsewhere.
#pragma once

#include <cstdint>
#include <string>

namespace monitor::net {

struct System {
  std::string resolv_conf = "/etc/resolv.conf";
  /// Empty: names are the name servers' alone: no file, `localhost` is asked for too, and no search domain is added.
  std::string hosts = "/etc/hosts";
  std::string name_servers;     ///< `127.0.0.1:5353,[::1]:53`; empty: those that resolv_conf names
  std::uint16_t dns_port = 53;  ///< of the name servers that resolv_conf names
  std::string ca_file;          ///< PEM; empty: OpenSSL's defaults (SSL_CERT_FILE, SSL_CERT_DIR, the system's store)
};

}  // namespace monitor::net
