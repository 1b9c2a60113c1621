#include "support/certificates.h"

#include <cstdio>
#include <stdexcept>

#include <fmt/ranges.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/ssl.h>
#include <openssl/x509v3.h>

namespace monitor::test {
namespace {

using Key = std::shared_ptr<EVP_PKEY>;
using Certificate = std::shared_ptr<X509>;

void require(bool done) {
  if (!done) throw std::runtime_error("OpenSSL could not make a test certificate");
}

Key make_key(const std::string& kind = "P-256") {
  EVP_PKEY* made = nullptr;
  if (kind.starts_with("RSA-")) {
    made = EVP_RSA_gen(std::stoul(kind.substr(4)));
  } else if (kind == "ED25519") {
    made = ::EVP_PKEY_Q_keygen(nullptr, nullptr, "ED25519");
  } else {
    made = ::EVP_EC_gen(kind.c_str());
  }
  require(made != nullptr);
  return {made, ::EVP_PKEY_free};
}

void sign(X509* certificate, EVP_PKEY* key) {
  const auto* const digest = ::EVP_PKEY_get_base_id(key) == EVP_PKEY_ED25519 ? nullptr : ::EVP_sha256();
  require(::X509_sign(certificate, key, digest) > 0);
}

using File = std::unique_ptr<std::FILE, int (*)(std::FILE*)>;

File create(const std::filesystem::path& file) {
  File out(std::fopen(file.c_str(), "we"), std::fclose);
  require(out != nullptr);
  return out;
}

void set_time(ASN1_TIME* field, common::WallTime time) {
  require(::ASN1_TIME_set(field, std::chrono::floor<std::chrono::seconds>(time).time_since_epoch().count()) != nullptr);
}

void add_extension(X509* certificate, int kind, const std::string& value) {
  X509V3_CTX context;
  X509V3_set_ctx_nodb(&context);
  ::X509V3_set_ctx(&context, certificate, certificate, nullptr, nullptr, 0);
  const std::unique_ptr<X509_EXTENSION, void (*)(X509_EXTENSION*)> extension(
      ::X509V3_EXT_conf_nid(nullptr, &context, kind, value.c_str()), ::X509_EXTENSION_free);
  require(extension != nullptr && ::X509_add_ext(certificate, extension.get(), -1) == 1);
}

Certificate make(const std::string& subject, const std::string& issuer, const Key& key, common::WallTime not_before,
                 common::WallTime not_after) {
  static int serial = 0;
  Certificate certificate(::X509_new(), ::X509_free);
  require(certificate != nullptr && ::X509_set_version(certificate.get(), X509_VERSION_3) == 1);
  ::ASN1_INTEGER_set(::X509_get_serialNumber(certificate.get()), ++serial);
  const auto name = [](X509_NAME* into, const std::string& text) {
    const auto* bytes = reinterpret_cast<const unsigned char*>(text.data());
    require(::X509_NAME_add_entry_by_txt(into, "CN", MBSTRING_UTF8, bytes, static_cast<int>(text.size()), -1, 0) == 1);
  };
  name(::X509_get_subject_name(certificate.get()), subject);
  name(::X509_get_issuer_name(certificate.get()), issuer);
  set_time(::X509_getm_notBefore(certificate.get()), not_before);
  set_time(::X509_getm_notAfter(certificate.get()), not_after);
  require(::X509_set_pubkey(certificate.get(), key.get()) == 1);
  return certificate;
}

}  // namespace

ServerIdentity::ServerIdentity(Key key, Certificate certificate, std::vector<Certificate> chain)
    : key_(std::move(key)),
      chain_{std::move(certificate)},
      context_(::SSL_CTX_new(::TLS_server_method()), ::SSL_CTX_free) {
  require(context_ != nullptr);
  ::SSL_CTX_set_security_level(context_.get(), 0);  // or weak keys could not be shown at all
  require(::SSL_CTX_use_certificate(context_.get(), chain_.front().get()) == 1 &&
          ::SSL_CTX_use_PrivateKey(context_.get(), key_.get()) == 1);
  for (auto& above : chain) {
    require(SSL_CTX_add1_chain_cert(context_.get(), above.get()) == 1);
    chain_.push_back(std::move(above));
  }
}

void ServerIdentity::require_client(const Authority& authority) const {
  require(::X509_STORE_add_cert(::SSL_CTX_get_cert_store(context_.get()), authority.certificate()) == 1);
  ::SSL_CTX_set_verify(context_.get(), SSL_VERIFY_PEER | SSL_VERIFY_FAIL_IF_NO_PEER_CERT, nullptr);
}

void ServerIdentity::write_pem(const std::filesystem::path& certificate, const std::filesystem::path& key,
                               const std::string& passphrase) const {
  const auto certificates = create(certificate);
  for (const auto& one : chain_) require(::PEM_write_X509(certificates.get(), one.get()) == 1);
  const auto keys = create(key);
  const auto* const cipher = passphrase.empty() ? nullptr : ::EVP_aes_128_cbc();
  require(::PEM_write_PKCS8PrivateKey(keys.get(), key_.get(), cipher, passphrase.data(),
                                      static_cast<int>(passphrase.size()), nullptr, nullptr) == 1);
}

Authority::Authority(const std::string& common_name) : name_(common_name), key_(make_key()) {
  // Valid at every time that a test sets its clock to.
  certificate_ = make(name_, name_, key_, common::from_unix_micros(0),
                      common::WallTime{std::chrono::sys_days{std::chrono::year{2199} / 1 / 1}});
  add_extension(certificate_.get(), NID_basic_constraints, "critical,CA:TRUE");
  sign(certificate_.get(), key_.get());
}

ServerIdentity Authority::issue(const CertificateWishes& wishes) const {
  const auto key = make_key(wishes.key);
  auto certificate = make(wishes.common_name, wishes.self_signed ? wishes.common_name : name_, key, wishes.not_before,
                          wishes.not_after);
  if (!wishes.names.empty()) {
    add_extension(certificate.get(), NID_subject_alt_name, fmt::format("{}", fmt::join(wishes.names, ",")));
  }
  sign(certificate.get(), (wishes.self_signed ? key : key_).get());
  return {key, certificate, wishes.without_chain || wishes.self_signed ? std::vector<Certificate>{} : chain_};
}

Authority Authority::intermediate(const CertificateWishes& wishes) const {
  Authority out(wishes.common_name);
  out.certificate_ = make(wishes.common_name, name_, out.key_, wishes.not_before, wishes.not_after);
  add_extension(out.certificate_.get(), NID_basic_constraints, "critical,CA:TRUE");
  sign(out.certificate_.get(), key_.get());
  out.chain_ = {out.certificate_};
  out.chain_.insert(out.chain_.end(), chain_.begin(), chain_.end());
  return out;
}

void Authority::write_pem(const std::filesystem::path& file) const {
  require(::PEM_write_X509(create(file).get(), certificate_.get()) == 1);
}

}  // namespace monitor::test
