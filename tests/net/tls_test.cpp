#include "net/tls.h"

#include <atomic>

#include <boost/asio/io_context.hpp>
#include <gtest/gtest.h>
#include <openssl/ssl.h>

#include "net/connection.h"
#include "support/certificates.h"
#include "support/io.h"
#include "support/script_server.h"
#include "support/temp_dir.h"

namespace monitor::net {
namespace {

namespace asio = boost::asio;
using common::Outcome;
using common::WallTime;
using std::chrono::days;
using std::chrono::seconds;
using std::chrono::steady_clock;
using test::Peer;
using test::ScriptServer;

const WallTime kNow{std::chrono::sys_days{std::chrono::year{2100} / 6 / 15}};

class TlsTest : public ::testing::Test {
 protected:
  TlsTest() {
    options_.ca = (dir_ / "ca.pem").string();
    authority_.write_pem(options_.ca);
    wishes_.names = {"DNS:server.test"};
    wishes_.not_before = kNow - days{30};
    wishes_.not_after = kNow + days{30};
    target_.literal.reset();
  }

  std::optional<Failure> meet(const test::ServerIdentity& identity, const ScriptServer::Script& script = hold()) {
    server_.reset();
    identity_.emplace(identity);
    server_ = std::make_unique<ScriptServer>(script, identity_->context());
    return handshake();
  }
  std::optional<Failure> handshake() {
    connection_ = std::make_unique<Connection>(io_.get_executor());
    connection_->set_deadline(steady_clock::now() + limit_);
    const auto to = std::make_shared<const Addresses>(Addresses{asio::ip::address_v4::loopback()});
    EXPECT_FALSE(test::run(io_, connection_->connect(to, server_->port())));
    if (!context_) context_ = std::make_unique<TlsContext>(options_, System{});
    return test::run(io_, connection_->handshake(*context_, target_, now_));
  }
  /// What comes next: bytes, or how it ended.
  Step next() {
    for (;;) {
      const auto step = connection_->read(buffer_);
      const bool waits = step.status == Step::Status::kWantRead || step.status == Step::Status::kWantWrite;
      if (!waits || test::run(io_, connection_->wait(step.status)) == Connection::Ready::kTimeout) return step;
    }
  }
  const TlsFacts& facts() const {
    static const TlsFacts kNothing;
    return connection_->tls_facts() ? *connection_->tls_facts() : kNothing;
  }
  static ScriptServer::Script hold() {
    return [](Peer& peer) { peer.hold(); };
  }

  test::TempDir dir_;
  test::Authority authority_;
  test::CertificateWishes wishes_;
  TlsOptions options_;
  std::string host_ = "server.test", endpoint_ = "server.test:443";
  TlsTarget target_{host_, {}, endpoint_};
  WallTime now_ = kNow;
  seconds limit_{20};
  asio::io_context io_{1};
  std::optional<test::ServerIdentity> identity_;
  std::unique_ptr<ScriptServer> server_;
  std::unique_ptr<TlsContext> context_;
  std::unique_ptr<Connection> connection_;
  std::vector<char> buffer_ = std::vector<char>(65536);
};

TEST_F(TlsTest, AGoodHandshakeShowsItsFacts) {
  ASSERT_FALSE(meet(authority_.issue(wishes_)));
  EXPECT_EQ(facts().version, "TLSv1.3");
  EXPECT_EQ(facts().cipher, "TLS_AES_256_GCM_SHA384");
  ASSERT_TRUE(facts().has_certificate);
  EXPECT_EQ(facts().certificate.subject, "CN=server.test");
  EXPECT_EQ(facts().certificate.issuer, "CN=Test Authority");
  EXPECT_EQ(facts().certificate.not_before, wishes_.not_before);
  EXPECT_EQ(facts().certificate.not_after, wishes_.not_after);
  EXPECT_NE(facts().certificate.sha256, decltype(Certificate::sha256){});
}

TEST_F(TlsTest, EqualFactsAreOneObject) {
  ASSERT_FALSE(meet(authority_.issue(wishes_)));
  const auto first = connection_->tls_facts();
  ASSERT_FALSE(handshake());
  EXPECT_EQ(connection_->tls_facts(), first);
  ASSERT_FALSE(meet(authority_.issue(wishes_)));
  EXPECT_NE(connection_->tls_facts(), first) << "another certificate";
}

TEST_F(TlsTest, KeysOfEveryUsualKindAreGood) {
  for (const auto* key : {"P-256", "RSA-2048", "ED25519"}) {
    wishes_.key = key;
    const auto failure = meet(authority_.issue(wishes_));
    EXPECT_FALSE(failure) << key << ": " << failure->reason;
  }
}

TEST_F(TlsTest, TheCertificateIsKnownAlsoWhenItIsRefused) {
  wishes_.names = {"DNS:other.test"};
  const auto failure = meet(authority_.issue(wishes_));
  ASSERT_TRUE(failure);
  EXPECT_EQ(failure->outcome, Outcome::kTlsHostname);
  EXPECT_EQ(failure->reason,
            "the certificate for CN=server.test is not for the host server.test (code 62, depth 0, issuer CN=Test "
            "Authority, valid until 2100-07-15)");
  EXPECT_EQ(facts().version, "TLSv1.3");
  EXPECT_TRUE(facts().has_certificate);
  EXPECT_EQ(facts().certificate.not_after, wishes_.not_after);
}

TEST_F(TlsTest, ExpiryIsToldAlsoWhenTheFaultIsAnother) {
  wishes_.not_after = kNow - days{1};
  const auto expired = meet(authority_.issue(wishes_));
  ASSERT_TRUE(expired);
  EXPECT_EQ(expired->outcome, Outcome::kTlsExpired);
  wishes_.self_signed = true;
  const auto untrusted = meet(authority_.issue(wishes_));
  ASSERT_TRUE(untrusted);
  EXPECT_EQ(untrusted->outcome, Outcome::kTlsUntrusted);
  EXPECT_NE(untrusted->reason.find("; the server's certificate also expired on 2100-06-14"), std::string::npos)
      << untrusted->reason;
}

TEST_F(TlsTest, AFaultyIntermediateIsNamedAndTheServersOwnCertificateKept) {
  auto middle = wishes_;
  middle.common_name = "Middle Authority";
  const auto good = authority_.intermediate(middle);
  ASSERT_FALSE(meet(good.issue(wishes_)));
  middle.not_after = kNow - days{1};
  const auto failure = meet(authority_.intermediate(middle).issue(wishes_));
  ASSERT_TRUE(failure);
  EXPECT_EQ(failure->outcome, Outcome::kTlsExpired);
  EXPECT_EQ(failure->reason,
            "the certificate for CN=Middle Authority expired on 2100-06-14 (code 10, depth 1, issuer CN=Test "
            "Authority)");
  EXPECT_EQ(facts().certificate.subject, "CN=server.test");
}

TEST_F(TlsTest, AMissingIntermediateIsNotTrusted) {
  auto middle = wishes_;
  middle.common_name = "Middle Authority";
  wishes_.without_chain = true;
  const auto failure = meet(authority_.intermediate(middle).issue(wishes_));
  ASSERT_TRUE(failure);
  EXPECT_EQ(failure->outcome, Outcome::kTlsUntrusted) << failure->reason;
  EXPECT_EQ(facts().certificate.issuer, "CN=Middle Authority");
}

TEST_F(TlsTest, AWeakKeyIsNotTrusted) {
  wishes_.key = "RSA-1024";
  const auto failure = meet(authority_.issue(wishes_));
  ASSERT_TRUE(failure);
  EXPECT_EQ(failure->outcome, Outcome::kTlsUntrusted) << failure->reason;
  EXPECT_NE(failure->reason.find("code 66"), std::string::npos) << failure->reason;
}

TEST_F(TlsTest, WithoutVerificationAnyCertificateIsTakenAndLookedAt) {
  options_.verify = false;
  wishes_.self_signed = true;
  wishes_.not_after = kNow - days{1};
  wishes_.names = {"DNS:other.test"};
  const auto failure = meet(authority_.issue(wishes_));
  ASSERT_FALSE(failure) << failure->reason;
  EXPECT_EQ(facts().certificate.not_after, wishes_.not_after);
}

TEST_F(TlsTest, TheServerNameIsSentAndVerifiedInsteadOfTheHost) {
  options_.server_name = "Internal.Test";
  wishes_.names = {"DNS:internal.test"};
  const auto identity = authority_.issue(wishes_);
  std::mutex mutex;
  std::string asked;
  const auto script = [&](Peer& peer) {
    const auto* const name = ::SSL_get_servername(peer.session(), TLSEXT_NAMETYPE_host_name);
    {
      const std::lock_guard lock(mutex);
      asked = name == nullptr ? "" : name;
    }
    peer.send("x");
    peer.hold();
  };
  const auto failure = meet(identity, script);
  ASSERT_FALSE(failure) << failure->reason;
  EXPECT_EQ(next().bytes, 1U);
  const std::lock_guard lock(mutex);
  EXPECT_EQ(asked, "internal.test");
}

TEST_F(TlsTest, AServerNameThatIsAnAddressIsVerifiedAsOne) {
  options_.server_name = "192.0.2.7";
  wishes_.names = {"IP:192.0.2.7"};
  ASSERT_FALSE(meet(authority_.issue(wishes_)));
  wishes_.names = {"DNS:192.0.2.7", "DNS:server.test"};
  const auto failure = meet(authority_.issue(wishes_));
  ASSERT_TRUE(failure);
  EXPECT_EQ(failure->outcome, Outcome::kTlsHostname);
  EXPECT_NE(failure->reason.find("the host 192.0.2.7"), std::string::npos) << failure->reason;
}

TEST_F(TlsTest, OurCertificateIsShownToAServerThatAsks) {
  const test::Authority clients("Client Authority");
  auto identity = authority_.issue(wishes_);
  identity.require_client(clients);
  auto ours = wishes_;
  ours.common_name = "monitor";
  clients.issue(ours).write_pem(dir_ / "cert.pem", dir_ / "key.pem");
  options_.cert = (dir_ / "cert.pem").string();
  options_.key = (dir_ / "key.pem").string();
  // The server judges at the real time.
  const auto real = std::chrono::time_point_cast<common::Micros>(std::chrono::system_clock::now());
  wishes_.not_before = real - days{1};
  ours.not_before = real - days{1};
  ours.not_after = real + days{1};
  clients.issue(ours).write_pem(dir_ / "cert.pem", dir_ / "key.pem");
  ASSERT_FALSE(meet(identity, [](Peer& peer) {
    peer.send("welcome");
    peer.hold();
  }));
  EXPECT_EQ(next().bytes, 7U);
}

TEST_F(TlsTest, AServerThatMissesOurCertificateSaysSo) {
  const auto identity = authority_.issue(wishes_);
  identity.require_client(authority_);
  ::SSL_CTX_set_max_proto_version(identity.context(), TLS1_2_VERSION);
  const auto failure = meet(identity);
  ASSERT_TRUE(failure);
  EXPECT_EQ(failure->outcome, Outcome::kTlsHandshake) << failure->reason;
  EXPECT_TRUE(facts().has_certificate);
  EXPECT_EQ(facts().version, "TLSv1.2");
  ::SSL_CTX_set_max_proto_version(identity.context(), TLS1_3_VERSION);
  ASSERT_FALSE(handshake()) << "TLS 1.3 tells after our side is done";
  const auto step = next();
  EXPECT_EQ(step.status, Step::Status::kFailed);
  EXPECT_NE(connection_->tls_reason().find("certificate required"), std::string::npos) << connection_->tls_reason();
}

TEST_F(TlsTest, VersionsAreBounded) {
  const auto identity = authority_.issue(wishes_);
  ::SSL_CTX_set_max_proto_version(identity.context(), TLS1_2_VERSION);
  ASSERT_FALSE(meet(identity));
  EXPECT_EQ(facts().version, "TLSv1.2");
  EXPECT_TRUE(facts().cipher.starts_with("TLS_ECDHE_ECDSA_WITH_")) << facts().cipher;
  options_.min = TlsVersion::k13;
  context_.reset();
  const auto too_old = handshake();
  ASSERT_TRUE(too_old);
  EXPECT_EQ(too_old->outcome, Outcome::kTlsHandshake) << too_old->reason;
  EXPECT_EQ(connection_->tls_facts(), nullptr) << "nothing was seen";
  options_.min = options_.max = TlsVersion::k12;
  context_.reset();
  ::SSL_CTX_set_max_proto_version(identity.context(), TLS1_3_VERSION);
  ASSERT_FALSE(handshake());
  EXPECT_EQ(facts().version, "TLSv1.2");
}

TEST_F(TlsTest, AHandshakeThatStallsAfterTheCertificateStillShowsIt) {
  limit_ = seconds{1};
  const auto identity = authority_.issue(wishes_);
  ::SSL_CTX_set_max_proto_version(identity.context(), TLS1_2_VERSION);
  // Its answer to our Finished does not come while this is so.
  static std::atomic<bool> stalls{true};
  ::SSL_CTX_set_info_callback(identity.context(), [](const SSL* session, int where, int) {
    const bool ours = where == SSL_CB_ACCEPT_LOOP && ::SSL_get_state(session) == TLS_ST_SR_FINISHED;
    if (ours) stalls.wait(true);
  });
  const auto failure = meet(identity);
  stalls = false;
  stalls.notify_all();
  ASSERT_TRUE(failure);
  EXPECT_EQ(failure->outcome, Outcome::kTlsTimeout) << failure->reason;
  EXPECT_EQ(facts().certificate.subject, "CN=server.test");
}

TEST_F(TlsTest, AChainOfAMegabyteIsRefused) {
  const auto identity = authority_.issue(wishes_);
  for (int i = 0; i < 3000; ++i) SSL_CTX_add1_chain_cert(identity.context(), authority_.certificate());
  const auto failure = meet(identity);
  ASSERT_TRUE(failure);
  EXPECT_EQ(failure->outcome, Outcome::kTlsHandshake) << failure->reason;
}

// OpenSSL's server does not notice that a ticket could not be sent, so the floods end when the test says so.
TEST_F(TlsTest, TicketsWithoutEndAreGivenUp) {
  const auto enough = std::make_shared<std::atomic<bool>>(false);  // the server's thread may look after we have gone
  ASSERT_FALSE(meet(authority_.issue(wishes_), [enough](Peer& peer) {
    while (!*enough && ::SSL_new_session_ticket(peer.session()) == 1) ::SSL_do_handshake(peer.session());
  }));
  const auto step = next();
  *enough = true;
  EXPECT_EQ(step.status, Step::Status::kFailed);
  EXPECT_NE(connection_->tls_reason().find("without end"), std::string::npos) << connection_->tls_reason();
}

TEST_F(TlsTest, KeyUpdatesWithoutEndAreGivenUp) {
  const auto enough = std::make_shared<std::atomic<bool>>(false);  // the server's thread may look after we have gone
  ASSERT_FALSE(meet(authority_.issue(wishes_), [enough](Peer& peer) {
    while (!*enough && ::SSL_key_update(peer.session(), SSL_KEY_UPDATE_NOT_REQUESTED) == 1) {
      ::SSL_do_handshake(peer.session());
    }
  }));
  const auto step = next();
  *enough = true;
  EXPECT_EQ(step.status, Step::Status::kFailed) << connection_->tls_reason();
}

TEST_F(TlsTest, ARenegotiationIsNotTakenUp) {
  const auto identity = authority_.issue(wishes_);
  ::SSL_CTX_set_max_proto_version(identity.context(), TLS1_2_VERSION);
  ASSERT_FALSE(meet(identity, [](Peer& peer) {
    ::SSL_renegotiate(peer.session());
    ::SSL_do_handshake(peer.session());
    peer.send("x");
    peer.hold();
  }));
  EXPECT_EQ(next().status, Step::Status::kDone);
}

TEST_F(TlsTest, TicketsLeaveAConnectionUsableButDataAndTheEndDoNot) {
  std::atomic<int> go{0};
  ASSERT_FALSE(meet(authority_.issue(wishes_), [&](Peer& peer) {
    peer.send("x");
    while (go < 1) std::this_thread::yield();
    ::SSL_new_session_ticket(peer.session());
    ::SSL_do_handshake(peer.session());
    while (go < 2) std::this_thread::yield();
    peer.send("surplus");
    peer.hold();
  }));
  EXPECT_EQ(next().bytes, 1U);
  EXPECT_TRUE(connection_->usable());
  go = 1;
  EXPECT_EQ(test::run(io_, connection_->wait(Step::Status::kWantRead)), Connection::Ready::kReady);
  EXPECT_TRUE(connection_->usable()) << "a ticket is no data";
  go = 2;
  EXPECT_EQ(test::run(io_, connection_->wait(Step::Status::kWantRead)), Connection::Ready::kReady);
  EXPECT_FALSE(connection_->usable());
  ASSERT_FALSE(meet(authority_.issue(wishes_), [](Peer& peer) {
    peer.close();
    peer.hold();
  }));
  while (connection_->usable()) std::this_thread::yield();
  connection_->finish();
  EXPECT_FALSE(connection_->usable());
}

TEST_F(TlsTest, AConnectionOutlivesItsContext) {
  ASSERT_FALSE(meet(authority_.issue(wishes_), [](Peer& peer) {
    peer.read_request();
    peer.send("late");
    peer.hold();
  }));
  context_.reset();
  EXPECT_TRUE(connection_->usable());
  EXPECT_EQ(connection_->write("GET / HTTP/1.1\r\n\r\n").status, Step::Status::kDone);
  EXPECT_EQ(next().bytes, 4U);
}

TEST(FactsPoolTest, NothingShownIsNull) {
  FactsPool pool;
  const std::unique_ptr<SSL_CTX, void (*)(SSL_CTX*)> context(::SSL_CTX_new(::TLS_client_method()), ::SSL_CTX_free);
  const std::unique_ptr<SSL, void (*)(SSL*)> session(::SSL_new(context.get()), ::SSL_free);
  EXPECT_EQ(pool.get(session.get(), nullptr), nullptr);
}

TEST(FactsPoolTest, IsBounded) {
  FactsPool pool;
  const test::Authority authority;
  const std::unique_ptr<SSL_CTX, void (*)(SSL_CTX*)> context(::SSL_CTX_new(::TLS_client_method()), ::SSL_CTX_free);
  const std::unique_ptr<SSL, void (*)(SSL*)> session(::SSL_new(context.get()), ::SSL_free);
  const std::unique_ptr<X509, void (*)(X509*)> certificate(::X509_dup(authority.certificate()), ::X509_free);
  for (std::size_t i = 0; i < FactsPool::kMaxFacts + 10; ++i) {
    ::ASN1_INTEGER_set(::X509_get_serialNumber(certificate.get()), static_cast<long>(i));
    ::i2d_re_X509_tbs(certificate.get(), nullptr);  // or its old encoding would be used
    pool.get(session.get(), certificate.get());
  }
  EXPECT_LE(pool.size(), FactsPool::kMaxFacts);
  EXPECT_GE(pool.size(), 10U) << "or the certificates did not differ";
}

}  // namespace
}  // namespace monitor::net
