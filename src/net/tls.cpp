#include "net/tls.h"

#include <cerrno>
#include <sys/socket.h>

#include <fmt/format.h>
#include <openssl/err.h>
#include <openssl/ssl.h>
#include <openssl/x509v3.h>

#include "common/error.h"

namespace monitor::net {
namespace {

using common::Outcome;
using Status = Step::Status;

/// The day this was built, so that a clock that stands before it is known to be wrong.
constexpr common::WallTime kBuilt{std::chrono::days{MONITOR_BUILD_DAY}};
/// What one step takes from the socket: several records, so that a flood of empty messages does not hold up the others.
constexpr std::size_t kStepBytes = std::size_t{64} << 10;

std::string words_for(unsigned long code) {
  if (code == 0) return {};
  const char* reason = ::ERR_reason_error_string(code);
  return reason == nullptr ? fmt::format("error {:x}", code) : std::string(reason);
}

}  // namespace

/// What OpenSSL calls: the verification of each certificate, and a BIO that sends without raising SIGPIPE.
struct TlsSession::Callbacks {
  static int verified(int accepted, X509_STORE_CTX* store) {
    if (accepted == 1) return 1;
    const auto* ssl = static_cast<SSL*>(::X509_STORE_CTX_get_ex_data(store, ::SSL_get_ex_data_X509_STORE_CTX_idx()));
    auto* self = static_cast<TlsSession*>(SSL_get_app_data(ssl));
    if (!self->verify_) return 1;
    if (self->fault_) return 0;
    auto* const own = ::X509_STORE_CTX_get0_cert(store);
    self->fault_ = describe_fault(::X509_STORE_CTX_get_error(store), ::X509_STORE_CTX_get_error_depth(store),
                                  ::X509_STORE_CTX_get_current_cert(store), own);
    if (own != nullptr && ::X509_up_ref(own) == 1) self->own_ = std::shared_ptr<X509>(own, ::X509_free);
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
    auto& from = wire(bio);
    const auto room = std::min(static_cast<std::size_t>(length), from.allowance);
    if (room == 0) {  // the others' turn
      BIO_set_retry_read(bio);
      return -1;
    }
    const auto received = ::recv(from.descriptor, data, room, MSG_DONTWAIT);
    if (received > 0) {
      from.allowance -= static_cast<std::size_t>(received);
      from.received += static_cast<std::size_t>(received);
      return static_cast<int>(received);
    }
    if (received == 0) {
      from.ended = true;
      return 0;
    }
    if (errno == EAGAIN || errno == EINTR) {
      from.drained = errno == EAGAIN;
      BIO_set_retry_read(bio);
    } else {
      from.error_number = errno;
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

TlsSession::TlsSession(const TlsContext& context, int descriptor, const TlsTarget& target, common::WallTime now)
    : verify_(context.verifies()), session_(::SSL_new(context.native()), ::SSL_free) {
  auto* bio = session_ ? ::BIO_new(Callbacks::method()) : nullptr;
  if (bio == nullptr) throw std::bad_alloc();
  wire_.descriptor = descriptor;
  ::BIO_set_data(bio, &wire_);
  ::BIO_set_init(bio, 1);
  auto* const session = session_.get();
  ::SSL_set_bio(session, bio, bio);
  SSL_set_app_data(session, this);
  ::SSL_set_verify(session, verify_ ? SSL_VERIFY_PEER : SSL_VERIFY_NONE, Callbacks::verified);
  ::X509_VERIFY_PARAM_set_time(::SSL_get0_param(session),
                               std::chrono::floor<std::chrono::seconds>(now).time_since_epoch().count());
  if (context.server_name().empty()) {
    expect(target.host, target.literal);
  } else {
    expect(context.server_name(), context.server_literal());
  }
  ::SSL_set_connect_state(session);
}

TlsSession::~TlsSession() = default;

void TlsSession::expect(const std::string& host, const std::optional<boost::asio::ip::address>& literal) {
  auto* const rules = ::SSL_get0_param(session_.get());
  verified_host_ = host;
  if (literal) {
    ::X509_VERIFY_PARAM_set1_ip_asc(rules, host.c_str());
    return;
  }
  const std::string name = host.ends_with('.') ? host.substr(0, host.size() - 1) : host;
  ::X509_VERIFY_PARAM_set_hostflags(rules, X509_CHECK_FLAG_NO_PARTIAL_WILDCARDS | X509_CHECK_FLAG_NEVER_CHECK_SUBJECT);
  ::X509_VERIFY_PARAM_set1_host(rules, name.c_str(), name.size());
  SSL_set_tlsext_host_name(session_.get(), name.c_str());
}

void TlsSession::begin_step() {
  ::ERR_clear_error();
  wire_.drained = false;
  wire_.allowance = kStepBytes;
}

Step TlsSession::step(int result) {
  switch (::SSL_get_error(session_.get(), result)) {
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
  const auto code = ::ERR_get_error();
  ::ERR_clear_error();
  library_reason_ = words_for(code);
  if (ERR_GET_REASON(code) == ERR_R_MALLOC_FAILURE) return {Status::kFailed, 0, false, ENOMEM};
  if (wire_.error_number != 0) return {Status::kFailed, 0, false, wire_.error_number};
  return {wire_.ended ? Status::kEnd : Status::kFailed, 0, false, 0};
}

Step TlsSession::handshake() {
  begin_step();
  const auto done = step(::SSL_connect(session_.get()));
  received_with_data_ = wire_.received;
  if (done.status != Status::kWantRead || wire_.received <= kMaxHandshakeBytes) return done;
  library_reason_ = fmt::format("the server sent more than {}", common::format_size(kMaxHandshakeBytes));
  return {Status::kFailed, 0, false, 0};
}

Step TlsSession::read(std::span<char> into) {
  begin_step();
  const auto done = step(::SSL_read(session_.get(), into.data(), static_cast<int>(into.size())));
  if (done.status == Status::kDone) received_with_data_ = wire_.received;
  const bool waits = done.status == Status::kWantRead || done.status == Status::kWantWrite;
  if (!waits || wire_.received - received_with_data_ <= kMaxIdleBytes) return done;
  library_reason_ = "session tickets, key updates or requests to renegotiate without end";
  return {Status::kFailed, 0, false, 0};
}

Step TlsSession::write(std::string_view bytes) {
  begin_step();
  return step(::SSL_write(session_.get(), bytes.data(), static_cast<int>(bytes.size())));
}

bool TlsSession::quiet() {
  constexpr int kMaxTickets = 16;
  for (int i = 0; i < kMaxTickets; ++i) {
    begin_step();
    char byte = 0;
    if (step(::SSL_peek(session_.get(), &byte, 1)).status != Status::kWantRead) return false;
    if (wire_.drained) return true;
  }
  return false;
}

void TlsSession::say_goodbye() {
  ::SSL_shutdown(session_.get());
  ::ERR_clear_error();
}

SharedTlsFacts TlsSession::facts(FactsPool& pool) const {
  const X509* const accepted = ::SSL_get0_peer_certificate(session_.get());
  return pool.get(session_.get(), accepted != nullptr ? accepted : own_.get());
}

Failure TlsSession::explain_handshake(const Step& step, const std::string& endpoint, common::WallTime now) const {
  if (fault_) return explain_certificate(*fault_, verified_host_, now, kBuilt);
  if (step.error_number != 0) {
    const bool ours = is_local_fault(step.error_number);
    return {ours ? Outcome::kLocalResource : Outcome::kConnectionReset,
            fmt::format("the connection to {} failed during the TLS handshake: {}", endpoint,
                        common::errno_text(step.error_number))};
  }
  if (step.status == Status::kEnd) {
    return {Outcome::kTlsHandshake, fmt::format("{} closed the connection during the TLS handshake", endpoint)};
  }
  if (library_reason_ == "wrong version number" || library_reason_ == "http request") {
    return {Outcome::kTlsHandshake,
            fmt::format("the TLS handshake with {} failed: what answers there does not speak TLS", endpoint)};
  }
  return {Outcome::kTlsHandshake, fmt::format("the TLS handshake with {} failed: {}", endpoint, library_reason_)};
}

}  // namespace monitor::net
