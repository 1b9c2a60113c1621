#include "net/facts_pool.h"

#include <openssl/evp.h>
#include <openssl/ssl.h>
#include <openssl/x509.h>

#include "net/certificate.h"

namespace monitor::net {

SharedTlsFacts FactsPool::get(const SSL* session, const X509* certificate) {
  // Before a ServerHello there is no cipher, and the version is the newest one that we would speak.
  const SSL_CIPHER* const cipher = ::SSL_get_current_cipher(session);
  if (cipher == nullptr && certificate == nullptr) return nullptr;
  Key key;
  if (cipher != nullptr) {
    key.version = ::SSL_version(session);
    key.cipher = ::SSL_CIPHER_get_id(cipher);
  }
  if (certificate != nullptr) {
    unsigned int size = key.sha256.size();
    key.has_certificate = ::X509_digest(certificate, ::EVP_sha256(), key.sha256.data(), &size) == 1;
  }
  if (const auto found = known_.find(key); found != known_.end()) return found->second;
  TlsFacts facts;
  if (cipher != nullptr) {
    facts.version = ::SSL_get_version(session);
    facts.cipher = ::SSL_CIPHER_standard_name(cipher);
  }
  facts.has_certificate = key.has_certificate;
  if (key.has_certificate) {
    facts.certificate = describe(certificate);
    facts.certificate.sha256 = key.sha256;
  }
  if (known_.size() >= kMaxFacts) known_.clear();
  return known_.emplace(key, std::make_shared<const TlsFacts>(std::move(facts))).first->second;
}

}  // namespace monitor::net
