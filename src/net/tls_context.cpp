#include "net/tls_context.h"

#include <algorithm>
#include <array>
#include <cerrno>
#include <fcntl.h>
#include <new>
#include <string_view>
#include <unistd.h>
#include <variant>

#include <fmt/format.h>
#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/ssl.h>

#include "common/error.h"
#include "net/hosts_file.h"
#include "net/url.h"

namespace monitor::net {
namespace {

using common::UsageError;

/// In OpenSSL's words. Throws std::bad_alloc where it found no memory: that is no fault of what it was given.
std::string first_error() {
  const auto code = ::ERR_get_error();
  ::ERR_clear_error();
  if (ERR_GET_REASON(code) == ERR_R_MALLOC_FAILURE) throw std::bad_alloc();
  const char* reason = code == 0 ? nullptr : ::ERR_reason_error_string(code);
  return reason == nullptr ? fmt::format("error {:x}", code) : std::string(reason);
}

/// Throws std::bad_alloc if one of the errors so far is that there was no memory.
void require_memory() {
  while (const auto code = ::ERR_get_error()) {
    if (ERR_GET_REASON(code) == ERR_R_MALLOC_FAILURE) throw std::bad_alloc();
  }
}

/// Why the file cannot be read, before OpenSSL says so in words of its own.
void require_readable(const std::string& file, std::string_view what) {
  const int descriptor = ::open(file.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK);
  char byte = 0;
  const bool readable = descriptor >= 0 && ::read(descriptor, &byte, 1) >= 0;
  const int error = errno;
  if (descriptor >= 0) ::close(descriptor);
  if (!readable) {
    throw UsageError(fmt::format("cannot read the {} from {}: {}", what, file, common::errno_text(error)));
  }
}

TrustStore make_store() {
  TrustStore store(::X509_STORE_new(), ::X509_STORE_free);
  if (!store) throw std::bad_alloc();
  return store;
}

TrustStore read_ca(const std::string& file) {
  require_readable(file, "certificates to trust (ca)");
  auto store = make_store();
  ::ERR_clear_error();
  if (::X509_STORE_load_file(store.get(), file.c_str()) != 1) {
    throw UsageError(
        fmt::format("cannot read the certificates to trust (ca) from {}: {}: it must hold certificates in PEM", file,
                    first_error()));
  }
  return store;
}

void read_certificate(SSL_CTX* context, const std::string& file) {
  require_readable(file, "certificate (cert)");
  ::ERR_clear_error();
  if (::SSL_CTX_use_certificate_chain_file(context, file.c_str()) != 1) {
    throw UsageError(fmt::format(
        "cannot use the certificate (cert) in {}: {}: it must be in PEM, our own first, those that issued it after it",
        file, first_error()));
  }
}

int asked_for_a_passphrase(char* /*into*/, int /*size*/, int /*writing*/, void* asked) {
  *static_cast<bool*>(asked) = true;
  return -1;
}

std::shared_ptr<EVP_PKEY> read_key(const std::string& file) {
  require_readable(file, "key");
  const std::unique_ptr<BIO, int (*)(BIO*)> text(::BIO_new_file(file.c_str(), "re"), ::BIO_free);
  bool encrypted = false;
  ::ERR_clear_error();
  EVP_PKEY* const key =
      text ? ::PEM_read_bio_PrivateKey(text.get(), nullptr, asked_for_a_passphrase, &encrypted) : nullptr;
  if (key != nullptr) return {key, ::EVP_PKEY_free};
  const auto why = first_error();
  if (encrypted) {
    throw UsageError(
        fmt::format("the key in {} is encrypted: write it without a passphrase (openssl pkey -in {} -out "
                    "NEW-FILE), readable by the monitor alone",
                    file, file));
  }
  throw UsageError(fmt::format("cannot use the key in {}: {}: it must be a private key in PEM", file, why));
}

int to_native(TlsVersion version) {
  return version == TlsVersion::k13 ? TLS1_3_VERSION : TLS1_2_VERSION;
}

std::shared_ptr<SSL_CTX> make_context(const TlsOptions& options) {
  std::shared_ptr<SSL_CTX> made(::SSL_CTX_new(::TLS_client_method()), ::SSL_CTX_free);
  if (!made) throw std::bad_alloc();
  auto* const context = made.get();
  constexpr std::string_view kAlpn = "\x08http/1.1";
  ::SSL_CTX_set_min_proto_version(context, to_native(options.min));
  ::SSL_CTX_set_max_proto_version(context, to_native(options.max));
  ::SSL_CTX_set_session_cache_mode(context, SSL_SESS_CACHE_OFF);
  ::SSL_CTX_set_options(context, SSL_OP_NO_RENEGOTIATION);
  ::SSL_CTX_set_alpn_protos(context, reinterpret_cast<const unsigned char*>(kAlpn.data()), kAlpn.size());
  // A server that sends handshake records without end gets the loop back to us after each of them.
  ::SSL_CTX_clear_mode(context, SSL_MODE_AUTO_RETRY);
  // Without its buffers a connection that waits, or idles, is 34 kB smaller.
  ::SSL_CTX_set_mode(context,
                     SSL_MODE_ENABLE_PARTIAL_WRITE | SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER | SSL_MODE_RELEASE_BUFFERS);
  return made;
}

/// Which content the options' files have now.
std::string stamp_text(const std::string& file) {
  if (file.empty()) return {};
  const auto stamp = FileStamp::of(file);
  return fmt::format("{}.{}.{}.{}", stamp.inode, stamp.size, stamp.seconds, stamp.nanoseconds);
}

std::string key_of(const TlsOptions& options) {
  std::string key;
  for (const auto* file : {&options.ca, &options.cert, &options.key}) {
    key += fmt::format("{}:{}:{};", file->size(), *file, stamp_text(*file));
  }
  return key + fmt::format("{}:{}:{}:{}", options.verify, static_cast<int>(options.min), static_cast<int>(options.max),
                           options.server_name);
}

/// What X509_STORE_set_default_paths() does, which says nothing of a want of memory: half of the certificates would
/// make strangers of good servers. That the file or the folder is not there is no fault.
void load_default_paths(X509_STORE* store) {
  auto* file = ::X509_STORE_add_lookup(store, ::X509_LOOKUP_file());
  auto* folder = ::X509_STORE_add_lookup(store, ::X509_LOOKUP_hash_dir());
  if (file == nullptr || folder == nullptr) throw std::bad_alloc();
  ::X509_LOOKUP_load_file(file, nullptr, X509_FILETYPE_DEFAULT);
  ::X509_LOOKUP_add_dir(folder, nullptr, X509_FILETYPE_DEFAULT);
  require_memory();
}

}  // namespace

TrustStore load_trust(const System& system) {
  auto store = make_store();
  ::ERR_clear_error();
  if (system.ca_file.empty()) {
    load_default_paths(store.get());
  } else if (::X509_STORE_load_file(store.get(), system.ca_file.c_str()) != 1) {
    throw common::Error(
        fmt::format("cannot read certificates from {}: {}: it must be a PEM file", system.ca_file, first_error()));
  }
  ::ERR_clear_error();
  return store;
}

TlsContext::TlsContext(const TlsOptions& options, TrustStore system_trust)
    : context_(make_context(options)), verify_(options.verify) {
  const auto store = options.ca.empty() ? std::move(system_trust) : read_ca(options.ca);
  ::SSL_CTX_set1_cert_store(context_.get(), store.get());
  present(options);
  take_server_name(options.server_name);
}

TlsContext::TlsContext(const TlsOptions& options, const System& system)
    : TlsContext(options, options.ca.empty() ? load_trust(system) : nullptr) {}

void TlsContext::present(const TlsOptions& options) {
  if (options.cert.empty() && options.key.empty()) return;
  if (options.cert.empty() || options.key.empty()) {
    throw UsageError("a certificate of our own needs both tls.cert and tls.key");
  }
  read_certificate(context_.get(), options.cert);
  const auto key = read_key(options.key);
  ::ERR_clear_error();
  const bool matches = ::X509_check_private_key(::SSL_CTX_get0_certificate(context_.get()), key.get()) == 1;
  ::ERR_clear_error();
  if (!matches) {
    throw UsageError(
        fmt::format("the key in {} does not belong to the certificate in {}: name the pair that was made "
                    "together",
                    options.key, options.cert));
  }
  if (::SSL_CTX_use_PrivateKey(context_.get(), key.get()) != 1) {
    throw UsageError(fmt::format("cannot use the key in {}: {}", options.key, first_error()));
  }
}

void TlsContext::take_server_name(const std::string& typed) {
  if (typed.empty()) return;
  boost::system::error_code error;
  const auto address = boost::asio::ip::make_address(typed, error);
  if (!error) {
    server_literal_ = address;
    server_name_ = address.to_string();
    return;
  }
  auto url = parse_url(fmt::format("https://{}/", typed));
  if (typed.find_first_of("/?#@:") != std::string::npos || std::holds_alternative<UrlRefusal>(url)) {
    throw UsageError("tls.server_name is no name that a server can have: write a host name or an address alone");
  }
  server_name_ = std::move(std::get<Url>(url).host);
}

std::shared_ptr<const TlsContext> TlsContexts::get(const TlsOptions& options) {
  auto key = key_of(options);
  if (const auto found = contexts_.find(key); found != contexts_.end()) {
    if (auto shared = found->second.lock()) return shared;
  }
  if (options.ca.empty() && !trust_) trust_ = load_trust(system_);
  auto made = std::make_shared<const TlsContext>(options, trust_);
  if (contexts_.size() >= sweep_at_) {
    std::erase_if(contexts_, [](const auto& entry) { return entry.second.expired(); });
    sweep_at_ = std::max(sweep_at_, 2 * contexts_.size());
  }
  contexts_[std::move(key)] = made;
  return made;
}

}  // namespace monitor::net
