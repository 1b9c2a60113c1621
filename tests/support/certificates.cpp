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

Key make_key() {
  Key key(::EVP_EC_gen("P-256"), ::EVP_PKEY_free);
  require(key != nullptr);
  return key;
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

ServerIdentity::ServerIdentity(Key key, Certificate certificate)
    : context_(::SSL_CTX_new(::TLS_server_method()), ::SSL_CTX_free) {
  require(context_ != nullptr && ::SSL_CTX_use_certificate(context_.get(), certificate.get()) == 1 &&
          ::SSL_CTX_use_PrivateKey(context_.get(), key.get()) == 1);
}

Authority::Authority(const std::string& common_name) : name_(common_name), key_(make_key()) {
  // Valid at every time that a test sets its clock to.
  certificate_ = make(name_, name_, key_, common::from_unix_micros(0),
                      common::WallTime{std::chrono::sys_days{std::chrono::year{2199} / 1 / 1}});
  add_extension(certificate_.get(), NID_basic_constraints, "critical,CA:TRUE");
  require(::X509_sign(certificate_.get(), key_.get(), ::EVP_sha256()) > 0);
}

ServerIdentity Authority::issue(const CertificateWishes& wishes) const {
  const auto key = make_key();
  auto certificate = make(wishes.common_name, wishes.self_signed ? wishes.common_name : name_, key, wishes.not_before,
                          wishes.not_after);
  if (!wishes.names.empty()) {
    add_extension(certificate.get(), NID_subject_alt_name, fmt::format("{}", fmt::join(wishes.names, ",")));
  }
  require(::X509_sign(certificate.get(), (wishes.self_signed ? key : key_).get(), ::EVP_sha256()) > 0);
  return {key, certificate};
}

void Authority::write_pem(const std::filesystem::path& file) const {
  const std::unique_ptr<std::FILE, int (*)(std::FILE*)> out(std::fopen(file.c_str(), "we"), std::fclose);
  require(out != nullptr && ::PEM_write_X509(out.get(), certificate_.get()) == 1);
}

}  // namespace monitor::test
