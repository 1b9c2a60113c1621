// One TLS session over a connected socket, driven without blocking. io thread only.
#pragma once

#include <cstddef>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>

#include <boost/asio/ip/address.hpp>

#include "common/units.h"
#include "net/certificate.h"
#include "net/failure.h"
#include "net/tls_context.h"
#include "net/tls_facts.h"

struct bio_st;
struct ssl_st;
struct x509_st;

namespace monitor::net {

/// What one step on a socket came to.
struct Step {
  enum class Status { kDone, kWantRead, kWantWrite, kEnd, kFailed };
  Status status = Status::kDone;
  std::size_t bytes = 0;   ///< for kDone: how many were moved, at least 1
  bool clean_end = false;  ///< for kEnd: TLS said close_notify (RFC 8446 §6.1), or it is plain TCP
  int error_number = 0;    ///< for kFailed: errno; 0 when the TLS layer itself failed
};

/// Whom a session is with: the context's `server_name` goes before it.
struct TlsTarget {
  const std::string& host;                          ///< as Url::host
  std::optional<boost::asio::ip::address> literal;  ///< as Url::literal
  const std::string& endpoint;                      ///< how sentences name the server
};

/// One client session. Name and address are verified as RFC 9525 says, SNI is sent for names alone (RFC 6066 §3).
class TlsSession {
 public:
  /// A handshake that takes more from the server than this is given up (certificates alone: 100 KiB at most).
  static constexpr std::size_t kMaxHandshakeBytes = std::size_t{256} << 10;
  /// So much may come without data in it (a record of data is 16 KiB at most): tickets, key updates, requests to
  /// renegotiate, each of which costs us more than the server.
  static constexpr std::size_t kMaxIdleBytes = std::size_t{64} << 10;

  /// `descriptor` must stay open for as long as the session exists. Certificates are judged at the time `now`.
  TlsSession(const TlsContext& context, int descriptor, const TlsTarget& target, common::WallTime now);
  ~TlsSession();
  TlsSession(const TlsSession&) = delete;
  TlsSession& operator=(const TlsSession&) = delete;

  Step handshake();
  Step read(std::span<char> into);
  Step write(std::string_view bytes);
  /// Whether the last step took all that had come.
  bool drained() const { return wire_.drained; }
  /// Whether the server has neither closed nor sent data. Takes in the tickets that came meanwhile (RFC 8446 §4.6.1).
  bool quiet();
  /// Says goodbye without waiting for the answer.
  void say_goodbye();

  /// OpenSSL's own words for the first error of the last step.
  const std::string& reason() const { return library_reason_; }
  /// What has been seen so far; null: nothing.
  SharedTlsFacts facts(FactsPool& pool) const;
  /// Why handshake() came to kEnd or kFailed. `now` before the build's own date: a certificate that is not valid yet is
  /// our clock's fault.
  Failure explain_handshake(const Step& step, const std::string& endpoint, common::WallTime now) const;

 private:
  /// What the BIO under the session saw; OpenSSL itself does not hand out errno reliably.
  struct Wire {
    int descriptor = -1;
    int error_number = 0;
    bool ended = false;
    bool drained = false;       ///< the last thing a step heard of the socket was that there is no more yet
    std::size_t received = 0;   ///< in all
    std::size_t allowance = 0;  ///< what this step may still take
  };
  struct Callbacks;

  void begin_step();
  Step step(int result);
  void expect(const std::string& host, const std::optional<boost::asio::ip::address>& literal);

  Wire wire_;
  bool verify_;
  std::string verified_host_;
  std::shared_ptr<x509_st> own_;  ///< the server's certificate, when verification refused the chain
  std::optional<CertificateFault> fault_;
  std::string library_reason_;
  std::size_t received_with_data_ = 0;  ///< Wire::received when data, or the end of the handshake, last came
  std::unique_ptr<ssl_st, void (*)(ssl_st*)> session_;
};

}  // namespace monitor::net
