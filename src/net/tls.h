// Whom TLS trusts, and one TLS session over a connected socket, driven without blocking. io thread only.
#pragma once

#include <cstddef>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>

#include "common/units.h"
#include "net/failure.h"
#include "net/system.h"
#include "net/url.h"

struct bio_st;
struct ssl_ctx_st;
struct ssl_st;

namespace monitor::net {

/// What one step on a socket came to.
struct Step {
  enum class Status { kDone, kWantRead, kWantWrite, kEnd, kFailed };
  Status status = Status::kDone;
  std::size_t bytes = 0;   ///< for kDone: how many were moved, at least 1
  bool clean_end = false;  ///< for kEnd: TLS said close_notify (RFC 8446 §6.1), or it is plain TCP
  int error_number = 0;    ///< for kFailed: errno; 0 when the TLS layer itself failed
};

/// The certificates we trust, read once, and what every session has in common: TLS 1.2 or newer, ALPN http/1.1.
class TlsContext {
 public:
  /// Throws common::Error when `system.ca_file` is set and cannot be read.
  explicit TlsContext(const System& system);
  ~TlsContext();
  TlsContext(const TlsContext&) = delete;
  TlsContext& operator=(const TlsContext&) = delete;
  ssl_ctx_st* native() const { return context_; }

 private:
  ssl_ctx_st* context_;
};

/// The first thing that verification found wrong. A hostile certificate's texts are cut short and escaped.
struct CertificateFault {
  int code = 0;   ///< X509_V_ERR_…
  int depth = 0;  ///< 0: the server's own certificate
  std::string subject, issuer, not_before, not_after;
  bool has_alt_names = true;  ///< a subjectAltName of whatever kind
};

/// One client session. Name and address are verified as RFC 9525 says, SNI is sent for names alone (RFC 6066 §3).
class TlsSession {
 public:
  /// `descriptor` must stay open for as long as the session exists. Certificates are judged at the time `now`.
  TlsSession(const TlsContext& context, int descriptor, const Url& url, common::WallTime now);
  ~TlsSession();
  TlsSession(const TlsSession&) = delete;
  TlsSession& operator=(const TlsSession&) = delete;

  Step handshake();
  Step read(std::span<char> into);
  Step write(std::string_view bytes);
  /// Says goodbye without waiting for the answer.
  void say_goodbye();

  /// OpenSSL's own words for the first error of the last step.
  const std::string& reason() const { return library_reason_; }
  /// Why handshake() came to kEnd or kFailed. `now` before the build's own date: a certificate that is not valid yet is
  /// our clock's fault.
  Failure explain_handshake(const Step& step, const Url& url, common::WallTime now) const;

 private:
  /// What the BIO under the session saw; OpenSSL itself does not hand out errno reliably.
  struct Wire {
    int descriptor = -1;
    int error_number = 0;
    bool ended = false;
  };
  struct Callbacks;

  Step step(int result);

  Wire wire_;
  std::optional<CertificateFault> fault_;
  std::string library_reason_;
  ssl_st* session_;
};

/// The outcome and the sentence for a certificate that was not accepted. Pure.
Failure explain_certificate(const CertificateFault& fault, const Url& url, common::WallTime now,
                            common::WallTime built);

}  // namespace monitor::net
