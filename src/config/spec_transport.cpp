// How a service is reached: TLS, redirects, addresses, proxy, and what becomes of the connection.
#include <arpa/inet.h>
#include <array>
#include <charconv>

#include <fmt/format.h>

#include "common/text.h"
#include "config/spec_fields.h"

namespace monitor::config {
namespace {

constexpr std::size_t kMaxPem = std::size_t{4} << 20;  // Debian's bundle of all authorities is 220 KiB
constexpr int kMostRedirects = 20;

bool is_address(const std::string& text) {
  std::array<unsigned char, sizeof(in6_addr)> out{};
  return ::inet_pton(AF_INET, text.c_str(), out.data()) == 1 || ::inet_pton(AF_INET6, text.c_str(), out.data()) == 1;
}

/// `host:port`, `[::1]:8443`; port 0 where there is none or it is no port.
probe::HostPort place_of(std::string_view text) {
  probe::HostPort place;
  const auto colon = text.rfind(':');
  auto host = text.substr(0, colon);
  if (host.starts_with('[') && host.ends_with(']')) {
    host = host.substr(1, host.size() - 2);
  } else if (host.find(':') != std::string_view::npos) {
    return place;  // an IPv6 address without brackets
  }
  place.host = std::string(host);
  if (colon == std::string_view::npos) return place;
  const auto port = text.substr(colon + 1);
  const auto [end, error] = std::from_chars(port.data(), port.data() + port.size(), place.port);
  if (error != std::errc{} || end != port.data() + port.size()) place.port = 0;
  return place;
}

class TlsReader : private SpecFields {
 public:
  explicit TlsReader(Draft& draft) : SpecFields(draft) {}

  void read(Index map) {
    const auto found = read_keys(*this, map, kKeys);
    if (whole() && (found[kCert] == kAbsent) != (found[kKey] == kAbsent)) {
      fault(std::max(found[kCert], found[kKey]) - 1, found[kKey] == kAbsent
                                                         ? "tls has a cert but no key; add the key"
                                                         : "tls has a key but no cert; add the cert");
    }
    if (whole() && options().min > options().max) {
      fault(found[kMin] - 1, "tls has a min above its max; no version is left");
    }
  }

 private:
  enum KeyNumber : std::uint8_t { kCa, kCert, kKey, kServerName, kVerify, kMin, kMax };
  static const std::array<Key<TlsReader>, kMax + 1> kKeys;

  net::TlsOptions& options() { return spec().tls; }

  void read_ca(Index value) { read_pem(value, "certificate authorities", "CERTIFICATE-----", false, options().ca); }
  void read_cert(Index value) { read_pem(value, "certificate", "CERTIFICATE-----", false, options().cert); }
  void read_key(Index value) { read_pem(value, "key", "PRIVATE KEY-----", true, options().key); }

  /// The file itself is read again when it is used; what can be said of it now is said now, with its place.
  void read_pem(Index value, std::string_view what, std::string_view label, bool secret, std::string& path) {
    const auto text = file_text(value, what, kMaxPem, secret);
    if (!text) return;
    const auto shown = common::escape_controls(read_from().native());
    if (text->find("-----BEGIN ENCRYPTED PRIVATE KEY") != std::string::npos && secret) {
      return fault(value, fmt::format("{}: the key in {} has a passphrase; take it away with `openssl pkey`, and keep "
                                      "the file for its owner alone",
                                      key_of(value), shown));
    }
    if (text->find("-----BEGIN ") == std::string::npos || text->find(label) == std::string::npos) {
      return fault(value, fmt::format("{}: the file {} holds no {} in PEM", key_of(value), shown,
                                      secret ? "private key" : "certificate"));
    }
    path = read_from().native();
  }

  void read_server_name(Index value) {
    auto text = used_text(value);
    if (!text) return;
    if (auto why = probe::refuse_place({*text, 443})) return fault(value, fmt::format("server_name: {}", *why));
    options().server_name = std::move(*text);
  }
  void read_verify(Index value) { options().verify = boolean(value).value_or(true); }
  void read_min(Index value) { options().min = tls_version(value).value_or(options().min); }
  void read_max(Index value) { options().max = tls_version(value).value_or(options().max); }
};

const std::array<Key<TlsReader>, TlsReader::kMax + 1> TlsReader::kKeys{{
    {"ca", &TlsReader::read_ca},
    {"cert", &TlsReader::read_cert},
    {"key", &TlsReader::read_key},
    {"server_name", &TlsReader::read_server_name},
    {"verify", &TlsReader::read_verify},
    {"min", &TlsReader::read_min},
    {"max", &TlsReader::read_max},
}};

class RedirectsReader : private SpecFields {
 public:
  explicit RedirectsReader(Draft& draft) : SpecFields(draft) {}
  void read(Index map) { read_keys(*this, map, kKeys); }

 private:
  static const std::array<Key<RedirectsReader>, 2> kKeys;

  void read_follow(Index value) { spec().redirects.follow = boolean(value).value_or(false); }
  void read_max(Index value) {
    spec().redirects.max = whole_number(value, 1, kMostRedirects).value_or(spec().redirects.max);
  }
};

const std::array<Key<RedirectsReader>, 2> RedirectsReader::kKeys{{
    {"follow", &RedirectsReader::read_follow},
    {"max", &RedirectsReader::read_max},
}};

class WayReader : private SpecFields {
 public:
  explicit WayReader(Draft& draft) : SpecFields(draft) {}

  void read_family(Index value) {
    static constexpr std::array<std::string_view, 3> kFamilies{"any", "ipv4", "ipv6"};
    if (const auto known = choice(value, kFamilies)) spec().family = static_cast<net::AddressFamily>(*known);
  }

  void read_connect_to(Index value) {
    const auto text = used_text(value);
    if (!text) return;
    auto place = place_of(*text);
    if (auto why = probe::refuse_place(place)) return fault(value, fmt::format("connect_to: {}", *why));
    spec().connect_to = std::move(place);
  }

  void read_resolver(Index value) {
    auto text = used_text(value);
    if (!text) return;
    const auto inner = text->starts_with('[') && text->ends_with(']') ? text->substr(1, text->size() - 2) : *text;
    const auto place = is_address(inner) ? probe::HostPort{inner, 53} : place_of(*text);
    if (place.port == 0 || !is_address(place.host)) {
      return fault(value,
                   "resolver must be the address of a name server, such as 127.0.0.1, 127.0.0.1:5353 or [::1]:53");
    }
    const bool v4 = place.host.find(':') == std::string::npos;
    spec().resolver =
        v4 ? fmt::format("{}:{}", place.host, place.port) : fmt::format("[{}]:{}", place.host, place.port);
  }

  void read_proxy(Index value) {
    auto url = used_url(value);
    if (!url) return;
    if (auto why = probe::refuse_proxy(url->text)) return fault(value, url->without_values(*why));
    spec().proxy = std::move(url->text);
  }

  void read_connection(Index value) {
    static constexpr std::array<std::string_view, 2> kKinds{"fresh", "reuse"};
    spec().reuse = choice(value, kKinds) == 1U;
  }

  void read_compression(Index value) { spec().compression = boolean(value).value_or(false); }
};

}  // namespace

void read_tls(Draft& draft, Tree::Index value) {
  TlsReader(draft).read(value);
}

void read_redirects(Draft& draft, Tree::Index value) {
  RedirectsReader(draft).read(value);
}

void read_family(Draft& draft, Tree::Index value) {
  WayReader(draft).read_family(value);
}

void read_connect_to(Draft& draft, Tree::Index value) {
  WayReader(draft).read_connect_to(value);
}

void read_resolver(Draft& draft, Tree::Index value) {
  WayReader(draft).read_resolver(value);
}

void read_proxy(Draft& draft, Tree::Index value) {
  WayReader(draft).read_proxy(value);
}

void read_connection(Draft& draft, Tree::Index value) {
  WayReader(draft).read_connection(value);
}

void read_compression(Draft& draft, Tree::Index value) {
  WayReader(draft).read_compression(value);
}

}  // namespace monitor::config
