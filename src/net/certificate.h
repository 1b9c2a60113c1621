// What a server's certificate says, and what verification found wrong with it. Pure.
#pragma once

#include <optional>
#include <string>

#include "common/units.h"
#include "net/failure.h"
#include "net/tls_facts.h"

struct asn1_string_st;
struct x509_st;

namespace monitor::net {

/// The first thing that verification found wrong. A hostile certificate's texts are cut short and escaped.
struct CertificateFault {
  int code = 0;   ///< X509_V_ERR_…
  int depth = 0;  ///< 0: the server's own certificate
  std::string subject, issuer;
  std::optional<common::WallTime> not_before, not_after;  ///< nothing: a date that cannot be read
  std::optional<common::WallTime> own_not_after;          ///< of the server's own certificate
  bool has_alt_names = true;                              ///< a subjectAltName of whatever kind
};

/// Subject, issuer and dates; `sha256` is left to the caller. A date that cannot be read is 1970.
Certificate describe(const x509_st* certificate);

/// `certificate`: the one at fault (null: unknown); `own`: the server's (null: unknown).
CertificateFault describe_fault(int code, int depth, const x509_st* certificate, const x509_st* own);

/// RFC 5280 §4.1.2.5: UTCTime or GeneralizedTime.
std::optional<common::WallTime> to_time(const asn1_string_st* time);

/// The outcome and the sentence for a certificate that was not accepted for `host`.
Failure explain_certificate(const CertificateFault& fault, const std::string& host, common::WallTime now,
                            common::WallTime built);

}  // namespace monitor::net
