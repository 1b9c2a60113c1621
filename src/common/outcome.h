// The closed list of what a check can end with. The numbers are stored, so one is never changed or used again.
#pragma once

#include <array>
#include <cstdint>
#include <string_view>

namespace monitor::common {

enum class Verdict : std::uint8_t { kUnknown = 0, kUp = 1, kDegraded = 2, kDown = 3 };

enum class Outcome : std::uint8_t {
  kUp = 1,
  kStatus = 2,
  kBodyMismatch = 3,
  kDegraded = 4,
  kBodyForbidden = 5,
  kHeaderMismatch = 6,
  kJsonMismatch = 7,
  kTooSlow = 8,
  kCertExpiresSoon = 9,
  kDnsNxdomain = 10,
  kDnsTimeout = 11,
  kDnsFailure = 12,
  kConnectRefused = 20,
  kConnectTimeout = 21,
  kUnreachable = 22,
  kConnectionClosed = 23,
  kConnectionReset = 24,
  kTlsExpired = 30,
  kTlsNotYetValid = 31,
  kTlsHostname = 32,
  kTlsUntrusted = 33,
  kTlsHandshake = 34,
  kTlsTimeout = 35,
  kTlsVersion = 36,
  kWriteTimeout = 40,
  kFirstByteTimeout = 41,
  kBodyTimeout = 42,
  kTruncated = 43,
  kMalformedResponse = 44,
  kHeaderLimit = 45,
  kDecodeFailure = 46,
  kRedirectLimit = 50,
  kRedirectRefused = 51,
  kProxyFailure = 52,
  kLocalResource = 60,
  kLocalClock = 61,
  kAuthFailure = 62,
  kAddressDenied = 63,
};

struct OutcomeInfo {
  Outcome outcome;
  std::string_view name;
  Verdict verdict;
  std::string_view meaning;
};

inline constexpr std::array kOutcomes{
    OutcomeInfo{Outcome::kUp, "up", Verdict::kUp, "a complete response that meets every expectation"},
    OutcomeInfo{Outcome::kStatus, "status", Verdict::kDown, "a complete response with a status that is not expected"},
    OutcomeInfo{Outcome::kBodyMismatch, "body_mismatch", Verdict::kDown, "the body is not what is expected"},
    OutcomeInfo{Outcome::kDegraded, "degraded", Verdict::kDegraded, "a good response that took longer than warn_time"},
    OutcomeInfo{Outcome::kBodyForbidden, "body_forbidden", Verdict::kDown, "the body holds what it must not"},
    OutcomeInfo{Outcome::kHeaderMismatch, "header_mismatch", Verdict::kDown,
                "a header field is missing, wrong or forbidden"},
    OutcomeInfo{Outcome::kJsonMismatch, "json_mismatch", Verdict::kDown,
                "the body is not JSON, or a value in it is not what is expected"},
    OutcomeInfo{Outcome::kTooSlow, "too_slow", Verdict::kDown, "the check or a phase of it took longer than allowed"},
    OutcomeInfo{Outcome::kCertExpiresSoon, "cert_expires_soon", Verdict::kDegraded,
                "the certificate is valid for fewer days than expected"},
    OutcomeInfo{Outcome::kDnsNxdomain, "dns_nxdomain", Verdict::kDown, "the name does not exist"},
    OutcomeInfo{Outcome::kDnsTimeout, "dns_timeout", Verdict::kDown, "no answer from the name servers in time"},
    OutcomeInfo{Outcome::kDnsFailure, "dns_failure", Verdict::kDown, "the name servers answered with a failure"},
    OutcomeInfo{Outcome::kConnectRefused, "connect_refused", Verdict::kDown, "nothing listens on the port"},
    OutcomeInfo{Outcome::kConnectTimeout, "connect_timeout", Verdict::kDown, "no answer to the connection attempt"},
    OutcomeInfo{Outcome::kUnreachable, "unreachable", Verdict::kDown, "the network reported no way to the host"},
    OutcomeInfo{Outcome::kConnectionClosed, "connection_closed", Verdict::kDown,
                "closed by the server before a response"},
    OutcomeInfo{Outcome::kConnectionReset, "connection_reset", Verdict::kDown, "reset by the server"},
    OutcomeInfo{Outcome::kTlsExpired, "tls_expired", Verdict::kDown, "a certificate of the chain has expired"},
    OutcomeInfo{Outcome::kTlsNotYetValid, "tls_not_yet_valid", Verdict::kDown,
                "a certificate of the chain is not valid yet"},
    OutcomeInfo{Outcome::kTlsHostname, "tls_hostname", Verdict::kDown, "the certificate is for another host"},
    OutcomeInfo{Outcome::kTlsUntrusted, "tls_untrusted", Verdict::kDown, "the certificate's issuer is not trusted"},
    OutcomeInfo{Outcome::kTlsHandshake, "tls_handshake", Verdict::kDown, "the TLS handshake failed"},
    OutcomeInfo{Outcome::kTlsTimeout, "tls_timeout", Verdict::kDown, "the TLS handshake did not end in time"},
    OutcomeInfo{Outcome::kTlsVersion, "tls_version", Verdict::kDown, "the TLS version is older than expected"},
    OutcomeInfo{Outcome::kWriteTimeout, "write_timeout", Verdict::kDown, "the request could not be sent in time"},
    OutcomeInfo{Outcome::kFirstByteTimeout, "first_byte_timeout", Verdict::kDown, "no response header in time"},
    OutcomeInfo{Outcome::kBodyTimeout, "body_timeout", Verdict::kDown, "the response body did not end in time"},
    OutcomeInfo{Outcome::kTruncated, "truncated", Verdict::kDown, "the response ended before it was complete"},
    OutcomeInfo{Outcome::kMalformedResponse, "malformed_response", Verdict::kDown, "the response is not HTTP/1.x"},
    OutcomeInfo{Outcome::kHeaderLimit, "header_limit", Verdict::kDown, "the response header is larger than allowed"},
    OutcomeInfo{Outcome::kDecodeFailure, "decode_failure", Verdict::kDown,
                "the body's content coding is unknown, broken or beyond the limits"},
    OutcomeInfo{Outcome::kRedirectLimit, "redirect_limit", Verdict::kDown, "more redirects than allowed, or a loop"},
    OutcomeInfo{Outcome::kRedirectRefused, "redirect_refused", Verdict::kDown,
                "a redirect that must not or cannot be followed"},
    OutcomeInfo{Outcome::kProxyFailure, "proxy_failure", Verdict::kDown, "the proxy did not open the tunnel"},
    OutcomeInfo{Outcome::kLocalResource, "local_resource", Verdict::kUnknown,
                "we ran out of descriptors, ports or memory, or stood still during the check"},
    OutcomeInfo{Outcome::kLocalClock, "local_clock", Verdict::kUnknown, "our own clock is before the build date"},
    OutcomeInfo{Outcome::kAuthFailure, "auth_failure", Verdict::kUnknown,
                "no OAuth2 token could be had, so the request was not made"},
    OutcomeInfo{Outcome::kAddressDenied, "address_denied", Verdict::kUnknown,
                "limits.deny_networks forbids the address, so the request was not made"},
};

/// Null for a number that is not (yet) on the list, as a newer version may have stored.
constexpr const OutcomeInfo* find_outcome(std::uint8_t number) {
  for (const auto& info : kOutcomes) {
    if (static_cast<std::uint8_t>(info.outcome) == number) return &info;
  }
  return nullptr;
}
constexpr std::string_view name_of(Outcome outcome) {
  const auto* info = find_outcome(static_cast<std::uint8_t>(outcome));
  return info == nullptr ? std::string_view{"unknown"} : info->name;
}
constexpr Verdict verdict_of(Outcome outcome) {
  const auto* info = find_outcome(static_cast<std::uint8_t>(outcome));
  return info == nullptr ? Verdict::kUnknown : info->verdict;
}
constexpr std::string_view name_of(Verdict verdict) {
  switch (verdict) {
    case Verdict::kUp:
      return "up";
    case Verdict::kDegraded:
      return "degraded";
    case Verdict::kDown:
      return "down";
    case Verdict::kUnknown:
      break;
  }
  return "unknown";
}

}  // namespace monitor::common
