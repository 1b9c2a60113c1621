#include "net/certificate.h"

#include <ctime>
#include <memory>

#include <fmt/format.h>
#include <openssl/x509v3.h>

#include "common/text.h"

namespace monitor::net {
namespace {

using common::Outcome;
using common::WallTime;

constexpr std::size_t kMaxNameText = 200;

std::string name_text(const X509_NAME* name) {
  const std::unique_ptr<BIO, int (*)(BIO*)> text(::BIO_new(::BIO_s_mem()), ::BIO_free);
  if (!text || ::X509_NAME_print_ex(text.get(), name, 0, XN_FLAG_RFC2253 & ~ASN1_STRFLGS_ESC_MSB) < 0) return "?";
  char* data = nullptr;
  const auto size = BIO_get_mem_data(text.get(), &data);
  if (size <= 0) return "(no name)";
  return common::storable(common::escape_controls({data, static_cast<std::size_t>(size)}), kMaxNameText);
}

std::string date_text(const std::optional<WallTime>& time) {
  return time ? common::format_time(*time).substr(0, 10) : "an unreadable date";
}

/// A certificate that is refused for another reason may have expired as well, which would else be news tomorrow.
std::string expired_too(const CertificateFault& fault, WallTime now) {
  const bool told = fault.code == X509_V_ERR_CERT_HAS_EXPIRED && fault.depth == 0;
  if (told || !fault.own_not_after || *fault.own_not_after >= now) return {};
  return fmt::format("; the server's certificate also expired on {}", date_text(fault.own_not_after));
}

Failure explain_first(const CertificateFault& fault, const std::string& host, WallTime now, WallTime built) {
  const auto evidence = fmt::format("(code {}, depth {}, issuer {}", fault.code, fault.depth, fault.issuer);
  const auto until = fmt::format(", valid until {})", date_text(fault.not_after));
  switch (fault.code) {
    case X509_V_ERR_CERT_HAS_EXPIRED:
      return {Outcome::kTlsExpired, fmt::format("the certificate for {} expired on {} {})", fault.subject,
                                                date_text(fault.not_after), evidence)};
    case X509_V_ERR_CERT_NOT_YET_VALID:
      if (now < built) {
        return {Outcome::kLocalClock,
                fmt::format("our own clock stands at {}, before this program was built, so the certificate for {} "
                            "seems not valid before {}: set the clock",
                            date_text(now), fault.subject, date_text(fault.not_before))};
      }
      return {Outcome::kTlsNotYetValid, fmt::format("the certificate for {} is not valid before {} {}{}", fault.subject,
                                                    date_text(fault.not_before), evidence, until)};
    case X509_V_ERR_HOSTNAME_MISMATCH:
    case X509_V_ERR_IP_ADDRESS_MISMATCH:
      return {Outcome::kTlsHostname,
              fmt::format("the certificate for {} is not for the host {}{} {}{}", fault.subject, host,
                          fault.has_alt_names ? "" : ": it has no subjectAltName, and a Common Name does not count",
                          evidence, until)};
    default:
      return {Outcome::kTlsUntrusted, fmt::format("the certificate for {} is not trusted: {} {}{}", fault.subject,
                                                  ::X509_verify_cert_error_string(fault.code), evidence, until)};
  }
}

}  // namespace

std::optional<WallTime> to_time(const ASN1_TIME* time) {
  std::tm parts{};
  if (time == nullptr || ::ASN1_TIME_to_tm(time, &parts) != 1) return std::nullopt;
  return WallTime{std::chrono::seconds{::timegm(&parts)}};
}

Certificate describe(const X509* certificate) {
  Certificate out;
  out.subject = name_text(::X509_get_subject_name(certificate));
  out.issuer = name_text(::X509_get_issuer_name(certificate));
  out.not_before = to_time(::X509_get0_notBefore(certificate)).value_or(WallTime{});
  out.not_after = to_time(::X509_get0_notAfter(certificate)).value_or(WallTime{});
  return out;
}

CertificateFault describe_fault(int code, int depth, const X509* certificate, const X509* own) {
  CertificateFault fault;
  fault.code = code;
  fault.depth = depth;
  if (own != nullptr) fault.own_not_after = to_time(::X509_get0_notAfter(own));
  if (certificate == nullptr) return fault;
  fault.subject = name_text(::X509_get_subject_name(certificate));
  fault.issuer = name_text(::X509_get_issuer_name(certificate));
  fault.not_before = to_time(::X509_get0_notBefore(certificate));
  fault.not_after = to_time(::X509_get0_notAfter(certificate));
  fault.has_alt_names = ::X509_get_ext_by_NID(certificate, NID_subject_alt_name, -1) >= 0;
  return fault;
}

Failure explain_certificate(const CertificateFault& fault, const std::string& host, WallTime now, WallTime built) {
  auto failure = explain_first(fault, host, now, built);
  if (failure.outcome != Outcome::kLocalClock) failure.reason += expired_too(fault, now);
  return failure;
}

}  // namespace monitor::net
