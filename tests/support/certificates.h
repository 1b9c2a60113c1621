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
};

/// A key and a certificate, and the server context that presents them.
class ServerIdentity {
 public:
  ServerIdentity(std::shared_ptr<evp_pkey_st> key, std::shared_ptr<x509_st> certificate);
  ssl_ctx_st* context() const { return context_.get(); }

 private:
  std::shared_ptr<ssl_ctx_st> context_;
};

class Authority {
 public:
  explicit Authority(const std::string& common_name = "Test Authority");
  ServerIdentity issue(const CertificateWishes& wishes) const;
  void write_pem(const std::filesystem::path& file) const;

 private:
  std::string name_;
  std::shared_ptr<evp_pkey_st> key_;
  std::shared_ptr<x509_st> certificate_;
};

}  // namespace monitor::test
