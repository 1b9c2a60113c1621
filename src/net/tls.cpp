#include "net/tls.h"

#include <cerrno>
#include <ctime>
#include <sys/socket.h>

#include <fmt/format.h>
#include <openssl/err.h>
#include <openssl/ssl.h>
#include <openssl/x509v3.h>

#include "common/error.h"
#include "common/text.h"

namespace monitor::net {
namespace {

using common::Outcome;
using Status = Step::Status;

/// The day this was built, so that a clock that stands before it is known to be wrong.
constexpr common::WallTime kBuilt{std::chrono::days{MONITOR_BUILD_DAY}};
constexpr std::size_t kMaxNameText = 200;

std::string first_error() {
  const auto code = ::ERR_get_error();
  ::ERR_clear_error();
  if (code == 0) return {};
  const char* reason = ::ERR_reason_error_string(code);
  return reason == nullptr ? fmt::format("error {:x}", code) : std::string(reason);
}

std::string name_text(const X509_NAME* name) {
  const std::unique_ptr<BIO, int (*)(BIO*)> text(::BIO_new(::BIO_s_mem()), ::BIO_free);
  if (!text || ::X509_NAME_print_ex(text.get(), name, 0, XN_FLAG_RFC2253 & ~ASN1_STRFLGS_ESC_MSB) < 0) return "?";
  char* data = nullptr;
  const auto size = BIO_get_mem_data(text.get(), &data);
  if (size <= 0) return "(no name)";
  return common::storable(common::escape_controls({data, static_cast<std::size_t>(size)}), kMaxNameText);
}

std::string date_text(const ASN1_TIME* time) {
  std::tm parts{};
  if (::ASN1_TIME_to_tm(time, &parts) != 1) return "an unreadable date";
  return fmt::format("{:04}-{:02}-{:02}", parts.tm_year + 1900, parts.tm_mon + 1, parts.tm_mday);
}

void trust(SSL_CTX* context, const System& system) {
  if (system.ca_file.empty()) {
    ::SSL_CTX_set_default_verify_paths(context);
    ::ERR_clear_error();
    return;
  }
  if (::SSL_CTX_load_verify_locations(context, system.ca_file.c_str(), nullptr) != 1) {
    throw common::Error(
        fmt::format("cannot read certificates from {}: {}: it must be a PEM file", system.ca_file, first_error()));
  }
}

}  // namespace

/// What OpenSSL calls: the verification of each certificate, and a BIO that sends without raising SIGPIPE.
struct TlsSession::Callbacks {
  static int verified(int accepted, X509_STORE_CTX* store) {
    if (accepted == 1) return 1;
    const auto* ssl = static_cast<SSL*>(::X509_STORE_CTX_get_ex_data(store, ::SSL_get_ex_data_X509_STORE_CTX_idx()));
    auto* self = static_cast<TlsSession*>(SSL_get_app_data(ssl));
    if (self->fault_) return 0;
    auto& fault = self->fault_.emplace();
    fault.code = ::X509_STORE_CTX_get_error(store);
    fault.depth = ::X509_STORE_CTX_get_error_depth(store);
    if (const X509* certificate = ::X509_STORE_CTX_get_current_cert(store)) {
      fault.subject = name_text(::X509_get_subject_name(certificate));
      fault.issuer = name_text(::X509_get_issuer_name(certificate));
      fault.not_before = date_text(::X509_get0_notBefore(certificate));
      fault.not_after = date_text(::X509_get0_notAfter(certificate));
      fault.has_alt_names = ::X509_get_ext_by_NID(certificate, NID_subject_alt_name, -1) >= 0;
    }
    return 0;
  }

  static Wire& wire(BIO* bio) { return *static_cast<Wire*>(::BIO_get_data(bio)); }

  static int send(BIO* bio, const char* data, int length) {
    BIO_clear_retry_flags(bio);
    const auto sent = ::send(wire(bio).descriptor, data, static_cast<std::size_t>(length), MSG_NOSIGNAL | MSG_DONTWAIT);
    if (sent >= 0) return static_cast<int>(sent);
    if (errno == EAGAIN || errno == EINTR) {
      BIO_set_retry_write(bio);
    } else {
      wire(bio).error_number = errno;
    }
    return -1;
  }

  static int receive(BIO* bio, char* data, int length) {
    BIO_clear_retry_flags(bio);
    const auto received = ::recv(wire(bio).descriptor, data, static_cast<std::size_t>(length), MSG_DONTWAIT);
    if (received > 0) return static_cast<int>(received);
    if (received == 0) {
      wire(bio).ended = true;
      return 0;
    }
    if (errno == EAGAIN || errno == EINTR) {
      BIO_set_retry_read(bio);
    } else {
      wire(bio).error_number = errno;
    }
    return -1;
  }

  static long control(BIO* bio, int command, long /*number*/, void* /*pointer*/) {
    if (command == BIO_CTRL_FLUSH) return 1;
    return command == BIO_CTRL_EOF && wire(bio).ended ? 1 : 0;
  }

  static const BIO_METHOD* method() {
    static const BIO_METHOD* const made = [] {
      auto* fresh = ::BIO_meth_new(::BIO_get_new_index() | BIO_TYPE_SOURCE_SINK, "socket");
      if (fresh == nullptr) throw std::bad_alloc();
      ::BIO_meth_set_write(fresh, send);
      ::BIO_meth_set_read(fresh, receive);
      ::BIO_meth_set_ctrl(fresh, control);
      return fresh;
    }();
    return made;
  }
};

TlsContext::TlsContext(const System& system) : context_(::SSL_CTX_new(::TLS_client_method())) {
  if (context_ == nullptr) throw std::bad_alloc();
  constexpr std::string_view kAlpn = "\x08http/1.1";
  ::SSL_CTX_set_min_proto_version(context_, TLS1_2_VERSION);
  ::SSL_CTX_set_session_cache_mode(context_, SSL_SESS_CACHE_OFF);
  ::SSL_CTX_set_options(context_, SSL_OP_NO_RENEGOTIATION);
  ::SSL_CTX_set_alpn_protos(context_, reinterpret_cast<const unsigned char*>(kAlpn.data()), kAlpn.size());
  // A server that sends handshake records without end gets the loop back to us after each of them.
  ::SSL_CTX_clear_mode(context_, SSL_MODE_AUTO_RETRY);
  ::SSL_CTX_set_mode(context_, SSL_MODE_ENABLE_PARTIAL_WRITE | SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER);
  try {
    trust(context_, system);
  } catch (...) {
    ::SSL_CTX_free(context_);
    throw;
  }
}

TlsContext::~TlsContext() {
  ::SSL_CTX_free(context_);
}

TlsSession::TlsSession(const TlsContext& context, int descriptor, const Url& url, common::WallTime now)
    : wire_{descriptor, 0, false}, session_(::SSL_new(context.native())) {
  auto* bio = session_ == nullptr ? nullptr : ::BIO_new(Callbacks::method());
  if (bio == nullptr) {
    ::SSL_free(session_);
    throw std::bad_alloc();
  }
  ::BIO_set_data(bio, &wire_);
  ::BIO_set_init(bio, 1);
  ::SSL_set_bio(session_, bio, bio);
  SSL_set_app_data(session_, this);
  ::SSL_set_verify(session_, SSL_VERIFY_PEER, Callbacks::verified);
  auto* rules = ::SSL_get0_param(session_);
  ::X509_VERIFY_PARAM_set_time(rules, std::chrono::floor<std::chrono::seconds>(now).time_since_epoch().count());
  if (url.literal) {
    ::X509_VERIFY_PARAM_set1_ip_asc(rules, url.host.c_str());
  } else {
    const std::string name = url.host.ends_with('.') ? url.host.substr(0, url.host.size() - 1) : url.host;
    ::X509_VERIFY_PARAM_set_hostflags(rules,
                                      X509_CHECK_FLAG_NO_PARTIAL_WILDCARDS | X509_CHECK_FLAG_NEVER_CHECK_SUBJECT);
    ::X509_VERIFY_PARAM_set1_host(rules, name.c_str(), name.size());
    SSL_set_tlsext_host_name(session_, name.c_str());
  }
  ::SSL_set_connect_state(session_);
}

TlsSession::~TlsSession() {
  ::SSL_free(session_);
}

Step TlsSession::step(int result) {
  switch (::SSL_get_error(session_, result)) {
    case SSL_ERROR_NONE:
      return {Status::kDone, static_cast<std::size_t>(result), false, 0};
    case SSL_ERROR_WANT_READ:
      return {Status::kWantRead, 0, false, 0};
    case SSL_ERROR_WANT_WRITE:
      return {Status::kWantWrite, 0, false, 0};
    case SSL_ERROR_ZERO_RETURN:
      return {Status::kEnd, 0, true, 0};
    default:
      break;
  }
  library_reason_ = first_error();
  if (wire_.error_number != 0) return {Status::kFailed, 0, false, wire_.error_number};
  return {wire_.ended ? Status::kEnd : Status::kFailed, 0, false, 0};
}

Step TlsSession::handshake() {
  ::ERR_clear_error();
  return step(::SSL_connect(session_));
}

Step TlsSession::read(std::span<char> into) {
  ::ERR_clear_error();
  return step(::SSL_read(session_, into.data(), static_cast<int>(into.size())));
}

Step TlsSession::write(std::string_view bytes) {
  ::ERR_clear_error();
  return step(::SSL_write(session_, bytes.data(), static_cast<int>(bytes.size())));
}

void TlsSession::say_goodbye() {
  ::SSL_shutdown(session_);
  ::ERR_clear_error();
}

Failure TlsSession::explain_handshake(const Step& step, const Url& url, common::WallTime now) const {
  if (fault_) return explain_certificate(*fault_, url, now, kBuilt);
  const auto server = url.endpoint();
  if (step.error_number != 0) {
    const bool ours = is_local_fault(step.error_number);
    return {ours ? Outcome::kLocalResource : Outcome::kConnectionReset,
            fmt::format("the connection to {} failed during the TLS handshake: {}", server,
                        common::errno_text(step.error_number))};
  }
  if (step.status == Status::kEnd) {
    return {Outcome::kTlsHandshake, fmt::format("{} closed the connection during the TLS handshake", server)};
  }
  if (library_reason_ == "wrong version number" || library_reason_ == "http request") {
    return {Outcome::kTlsHandshake,
            fmt::format("the TLS handshake with {} failed: what answers there does not speak TLS", server)};
  }
  return {Outcome::kTlsHandshake, fmt::format("the TLS handshake with {} failed: {}", server, library_reason_)};
}

Failure explain_certificate(const CertificateFault& fault, const Url& url, common::WallTime now,
                            common::WallTime built) {
  const auto evidence = fmt::format("(code {}, depth {}, issuer {})", fault.code, fault.depth, fault.issuer);
  switch (fault.code) {
    case X509_V_ERR_CERT_HAS_EXPIRED:
      return {Outcome::kTlsExpired,
              fmt::format("the certificate for {} expired on {} {}", fault.subject, fault.not_after, evidence)};
    case X509_V_ERR_CERT_NOT_YET_VALID:
      if (now < built) {
        return {Outcome::kLocalClock,
                fmt::format("our own clock stands at {}, before this program was built, so the certificate for {} "
                            "seems not valid before {}: set the clock",
                            common::format_time(now).substr(0, 10), fault.subject, fault.not_before)};
      }
      return {Outcome::kTlsNotYetValid, fmt::format("the certificate for {} is not valid before {} {}", fault.subject,
                                                    fault.not_before, evidence)};
    case X509_V_ERR_HOSTNAME_MISMATCH:
    case X509_V_ERR_IP_ADDRESS_MISMATCH:
      return {Outcome::kTlsHostname,
              fmt::format("the certificate for {} is not for the host {}{} {}", fault.subject, url.host,
                          fault.has_alt_names ? "" : ": it has no subjectAltName, and a Common Name does not count",
                          evidence)};
    default:
      return {Outcome::kTlsUntrusted, fmt::format("the certificate for {} is not trusted: {} {}", fault.subject,
                                                  ::X509_verify_cert_error_string(fault.code), evidence)};
  }
}

}  // namespace monitor::net
