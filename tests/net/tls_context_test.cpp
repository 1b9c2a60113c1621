#include "net/tls_context.h"

#include <fstream>

#include <gtest/gtest.h>

#include "common/error.h"
#include "support/certificates.h"
#include "support/temp_dir.h"

namespace monitor::net {
namespace {

class TlsContextTest : public ::testing::Test {
 protected:
  TlsContextTest() {
    system_.ca_file = file("system.pem");
    authority_.write_pem(system_.ca_file);
    wishes_.not_after = common::WallTime{std::chrono::sys_days{std::chrono::year{2199} / 1 / 1}};
    authority_.issue(wishes_).write_pem(file("cert.pem"), file("key.pem"));
  }
  std::string file(const std::string& name) { return (dir_ / name).string(); }
  TlsOptions pair(const std::string& cert, const std::string& key) {
    TlsOptions out;
    out.cert = file(cert);
    out.key = file(key);
    return out;
  }
  /// The sentence with which the options are refused; empty: they are not.
  std::string refused(const TlsOptions& options) {
    try {
      const TlsContext context(options, system_);
      return {};
    } catch (const common::UsageError& error) {
      return error.what();
    }
  }
  void write(const std::string& name, const std::string& text) { std::ofstream(dir_ / name) << text; }

  test::TempDir dir_;
  test::Authority authority_;
  test::CertificateWishes wishes_;
  System system_;
};

TEST_F(TlsContextTest, TakesAPairThatBelongsTogether) {
  EXPECT_EQ(refused(pair("cert.pem", "key.pem")), "");
  TlsOptions options;
  options.ca = file("system.pem");
  EXPECT_EQ(refused(options), "");
}

TEST_F(TlsContextTest, AMissingFileIsNamed) {
  for (const auto& options : {pair("none.pem", "key.pem"), pair("cert.pem", "none.pem")}) {
    EXPECT_NE(refused(options).find(file("none.pem") + ": No such file"), std::string::npos) << refused(options);
  }
  TlsOptions ca;
  ca.ca = file("none.pem");
  EXPECT_NE(refused(ca).find(file("none.pem") + ": No such file"), std::string::npos) << refused(ca);
  ca.ca = dir_.path().string();
  EXPECT_NE(refused(ca).find("Is a directory"), std::string::npos) << refused(ca);
}

TEST_F(TlsContextTest, WhatIsNotPemIsNamed) {
  write("junk.pem", "not a certificate\n");
  write("empty.pem", "");
  for (const auto* name : {"junk.pem", "empty.pem", "key.pem"}) {
    const auto why = refused(pair(name, "key.pem"));
    EXPECT_NE(why.find(file(name)), std::string::npos) << why;
    EXPECT_NE(why.find("PEM"), std::string::npos) << why;
  }
  for (const auto* name : {"junk.pem", "empty.pem", "cert.pem"}) {
    const auto why = refused(pair("cert.pem", name));
    EXPECT_NE(why.find(file(name)), std::string::npos) << why;
    EXPECT_NE(why.find("private key in PEM"), std::string::npos) << why;
  }
  TlsOptions ca;
  ca.ca = file("junk.pem");
  EXPECT_NE(refused(ca).find(file("junk.pem")), std::string::npos) << refused(ca);
}

TEST_F(TlsContextTest, AKeyOfAnotherCertificateIsRefused) {
  authority_.issue(wishes_).write_pem(file("other.pem"), file("other-key.pem"));
  const auto why = refused(pair("cert.pem", "other-key.pem"));
  EXPECT_NE(why.find("does not belong"), std::string::npos) << why;
  wishes_.key = "RSA-2048";
  authority_.issue(wishes_).write_pem(file("rsa.pem"), file("rsa-key.pem"));
  EXPECT_NE(refused(pair("cert.pem", "rsa-key.pem")).find("does not belong"), std::string::npos);
}

TEST_F(TlsContextTest, AnEncryptedKeyIsNeverAskedAPassphraseFor) {
  authority_.issue(wishes_).write_pem(file("cert.pem"), file("key.pem"), "opensesame");
  const auto why = refused(pair("cert.pem", "key.pem"));
  EXPECT_NE(why.find("without a passphrase"), std::string::npos) << why;
}

TEST_F(TlsContextTest, OneWithoutTheOtherIsRefused) {
  auto options = pair("cert.pem", "key.pem");
  options.key.clear();
  EXPECT_NE(refused(options).find("both"), std::string::npos);
}

TEST_F(TlsContextTest, AServerNameIsAHostNameOrAnAddress) {
  TlsOptions options;
  for (const auto* good : {"a.test", "A.Test.",
                           "b\xC3\xBC"
                           "cher.example",
                           "192.0.2.1", "2001:db8::1"}) {
    options.server_name = good;
    EXPECT_EQ(refused(options), "") << good;
  }
  for (const auto* bad :
       {"a.test:443", "https://a.test", "a..test", "user@a.test", "a.test/", "[2001:db8::1]", "a b"}) {
    options.server_name = bad;
    EXPECT_NE(refused(options), "") << bad;
  }
}

TEST_F(TlsContextTest, EqualOptionsShareOneContext) {
  TlsContexts contexts(system_);
  const auto plain = contexts.get({});
  EXPECT_EQ(plain, contexts.get({}));
  const auto client = contexts.get(pair("cert.pem", "key.pem"));
  EXPECT_NE(plain, client);
  EXPECT_EQ(client, contexts.get(pair("cert.pem", "key.pem")));
  TlsOptions other;
  other.verify = false;
  EXPECT_NE(plain, contexts.get(other));
}

TEST_F(TlsContextTest, TheSystemsStoreIsReadOnce) {
  TlsContexts contexts(system_);
  const auto first = contexts.get({});
  std::filesystem::remove(system_.ca_file);
  TlsOptions other;
  other.min = TlsVersion::k13;
  EXPECT_NO_THROW(contexts.get(other));
  TlsContexts without(system_);
  TlsOptions own;
  own.ca = file("cert.pem");
  EXPECT_NO_THROW(without.get(own)) << "with a store of its own the system's is not read at all";
  EXPECT_THROW(without.get({}), common::Error);
}

TEST_F(TlsContextTest, AChangedFileIsReadAgainForWhoeverAsksNext) {
  TlsContexts contexts(system_);
  const auto before = contexts.get(pair("cert.pem", "key.pem"));
  wishes_.common_name = "renewed.test with a longer name";
  authority_.issue(wishes_).write_pem(file("cert.pem"), file("key.pem"));
  EXPECT_NE(before, contexts.get(pair("cert.pem", "key.pem")));
}

TEST_F(TlsContextTest, ContextsThatNobodyHoldsAreForgotten) {
  TlsContexts contexts(system_);
  for (int i = 0; i < 500; ++i) {
    TlsOptions options;
    options.server_name = "a" + std::to_string(i) + ".test";
    contexts.get(options);
  }
  EXPECT_LE(contexts.size(), 64U);
}

}  // namespace
}  // namespace monitor::net
