// Whom TLS trusts and who we are, read once; services that say the same share it. io thread only.
#pragma once

#include <memory>
#include <optional>
#include <string>
#include <unordered_map>

#include <boost/asio/ip/address.hpp>

#include "net/facts_pool.h"
#include "net/options.h"
#include "net/system.h"

struct ssl_ctx_st;
struct x509_store_st;

namespace monitor::net {

/// Certificates to trust; shared, as the system's are megabytes.
using TrustStore = std::shared_ptr<x509_store_st>;

/// The system's store, or `system.ca_file`. Throws common::Error when that file cannot be read.
TrustStore load_trust(const System& system);

/// What every session of one kind has in common: trust, our certificate, versions (TLS 1.2 at least), ALPN http/1.1.
class TlsContext {
 public:
  /// `system_trust` is used unless the options name a `ca`. Throws common::UsageError that names the file for one that
  /// cannot be used, and for a `server_name` that no server can have.
  TlsContext(const TlsOptions& options, TrustStore system_trust);
  TlsContext(const TlsOptions& options, const System& system);
  TlsContext(const TlsContext&) = delete;
  TlsContext& operator=(const TlsContext&) = delete;

  ssl_ctx_st* native() const { return context_.get(); }
  bool verifies() const { return verify_; }
  /// The `server_name` of the options: ASCII, lower case; empty: none. An address also is in `server_literal`.
  const std::string& server_name() const { return server_name_; }
  const std::optional<boost::asio::ip::address>& server_literal() const { return server_literal_; }
  FactsPool& facts() const { return facts_; }

 private:
  void present(const TlsOptions& options);
  void take_server_name(const std::string& typed);

  std::shared_ptr<ssl_ctx_st> context_;
  bool verify_;
  std::string server_name_;
  std::optional<boost::asio::ip::address> server_literal_;
  mutable FactsPool facts_;
};

/// The contexts in use. A file that has changed is read again for whoever asks next.
class TlsContexts {
 public:
  explicit TlsContexts(System system) : system_(std::move(system)) {}

  /// Equal options share one context for as long as anybody holds it. The system's store is read with the first that
  /// needs it, and kept. Throws as TlsContext does.
  std::shared_ptr<const TlsContext> get(const TlsOptions& options);
  std::size_t size() const { return contexts_.size(); }

 private:
  System system_;
  TrustStore trust_;
  std::unordered_map<std::string, std::weak_ptr<const TlsContext>> contexts_;
  std::size_t sweep_at_ = 64;  ///< so many entries, and those that nobody holds are forgotten
};

}  // namespace monitor::net
