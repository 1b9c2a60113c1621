// Certificates made in the test's own process: an authority, and servers good and bad.
#pragma once

#include <filesystem>
#include <memory>
#include <string>
#include <vector>

#include "common/units.h"

struct evp_pkey_st;
struct ssl_ctx_st;
struct x509_st;

namespace monitor::test {

/// What a server's certificate says.
struct CertificateWishes {
  std::string common_name = "server.test";
  std::vector<std::string> names;  ///< as OpenSSL writes them: `DNS:www.x.test`, `IP:127.0.0.1`
  common::WallTime not_before{};
  common::WallTime not_after{};
  bool self_signed = false;
  std::string key = "P-256";   ///< or `ED25519`, `RSA-2048`, `RSA-1024`…
  bool without_chain = false;  ///< the server does not send the intermediate authorities
};

class Authority;

/// A key and a certificate, and the server context that presents them.
class ServerIdentity {
 public:
  ServerIdentity(std::shared_ptr<evp_pkey_st> key, std::shared_ptr<x509_st> certificate,
                 std::vector<std::shared_ptr<x509_st>> chain = {});
  ssl_ctx_st* context() const { return context_.get(); }
  /// Refuses clients without a certificate of `authority`.
  void require_client(const Authority& authority) const;
  /// For a client: its certificate with the chain, and its key, encrypted if there is a passphrase.
  void write_pem(const std::filesystem::path& certificate, const std::filesystem::path& key,
                 const std::string& passphrase = {}) const;

 private:
  std::shared_ptr<evp_pkey_st> key_;
  std::vector<std::shared_ptr<x509_st>> chain_;  ///< our own certificate first
  std::shared_ptr<ssl_ctx_st> context_;
};

class Authority {
 public:
  explicit Authority(const std::string& common_name = "Test Authority");
  ServerIdentity issue(const CertificateWishes& wishes) const;
  /// An authority whose certificate this one has signed. Of the wishes, its name and dates count.
  Authority intermediate(const CertificateWishes& wishes) const;
  void write_pem(const std::filesystem::path& file) const;
  x509_st* certificate() const { return certificate_.get(); }

 private:
  std::string name_;
  std::shared_ptr<evp_pkey_st> key_;
  std::shared_ptr<x509_st> certificate_;
  std::vector<std::shared_ptr<x509_st>> chain_;  ///< from this one up to below the root, which has none
};

}  // namespace monitor::test
