#include <gtest/gtest.h>

#include "common/error.h"
#include "probe/prober_fixture.h"
#include "support/certificates.h"

namespace monitor::probe {
namespace {

using common::Outcome;
using std::chrono::days;
using test::Peer;
using test::ScriptServer;

/// The clock stands long after any build, the authority is trusted, and `server.test` is 127.0.0.1.
class ProberTlsTest : public ProberTest {
 protected:
  ProberTlsTest() {
    clock_.step_wall(common::WallTime{std::chrono::sys_days{std::chrono::year{2100} / 6 / 15}} - clock_.wall());
    authority_.write_pem(dir_ / "ca.pem");
    system_.ca_file = (dir_ / "ca.pem").string();
    dns_.set("server.test", {.v4 = {"127.0.0.1"}});
    wishes_.names = {"DNS:server.test", "IP:127.0.0.1"};
    wishes_.not_before = clock_.wall() - days{30};
    wishes_.not_after = clock_.wall() + days{30};
  }

  test::ServerIdentity identity() const { return authority_.issue(wishes_); }

  Observation handshake_with(const test::ServerIdentity& who, const std::string& host = "server.test") {
    const ScriptServer server(ScriptServer::reply(ok("hello")), who.context());
    return probe("https://" + host + ":" + std::to_string(server.port()) + "/");
  }
  Observation meet_tls(ScriptServer::Script script) {
    const auto who = identity();
    const ScriptServer server(std::move(script), who.context());
    return probe("https://server.test:" + std::to_string(server.port()) + "/");
  }

  test::Authority authority_;
  test::CertificateWishes wishes_;
};

TEST_F(ProberTlsTest, AGoodCertificateIsUp) {
  const auto seen = handshake_with(identity());
  EXPECT_EQ(seen.outcome, Outcome::kUp) << seen.reason;
  EXPECT_TRUE(seen.phases.tls);
  EXPECT_EQ(seen.body_bytes, 5);
}

TEST_F(ProberTlsTest, AnAddressIsVerifiedAsAnAddress) {
  EXPECT_EQ(handshake_with(identity(), "127.0.0.1").outcome, Outcome::kUp);
  wishes_.names = {"DNS:127.0.0.1"};
  const auto seen = handshake_with(identity(), "127.0.0.1");
  EXPECT_EQ(seen.outcome, Outcome::kTlsHostname) << seen.reason;
}

TEST_F(ProberTlsTest, AnExpiredCertificateIsNamedWithItsDate) {
  wishes_.not_before = clock_.wall() - days{60};
  wishes_.not_after = common::WallTime{std::chrono::sys_days{std::chrono::year{2100} / 6 / 1}};
  const auto seen = handshake_with(identity());
  EXPECT_EQ(seen.outcome, Outcome::kTlsExpired);
  EXPECT_EQ(seen.reason,
            "the certificate for CN=server.test expired on 2100-06-01 (code 10, depth 0, issuer CN=Test Authority)");
  EXPECT_FALSE(seen.status);
  EXPECT_EQ(seen.remote_address, "127.0.0.1");
  EXPECT_TRUE(seen.phases.tls);
}

TEST_F(ProberTlsTest, ACertificateFromTheFutureIsNotYetValid) {
  wishes_.not_before = clock_.wall() + days{1};
  const auto seen = handshake_with(identity());
  EXPECT_EQ(seen.outcome, Outcome::kTlsNotYetValid) << seen.reason;
  EXPECT_NE(seen.reason.find("2100-06-16"), std::string::npos) << seen.reason;
}

TEST_F(ProberTlsTest, WithAClockBeforeTheBuildTheFaultIsOurs) {
  clock_.step_wall(common::WallTime{std::chrono::sys_days{std::chrono::year{2020} / 1 / 1}} - clock_.wall());
  const auto seen = handshake_with(identity());
  EXPECT_EQ(seen.outcome, Outcome::kLocalClock) << seen.reason;
  EXPECT_EQ(common::verdict_of(seen.outcome), common::Verdict::kUnknown);
}

TEST_F(ProberTlsTest, ACertificateForAnotherHostIsRefused) {
  wishes_.common_name = "other.test";
  wishes_.names = {"DNS:other.test", "DNS:*.other.test"};
  const auto seen = handshake_with(identity());
  EXPECT_EQ(seen.outcome, Outcome::kTlsHostname) << seen.reason;
  EXPECT_NE(seen.reason.find("is not for the host server.test"), std::string::npos) << seen.reason;
}

TEST_F(ProberTlsTest, ACommonNameAloneIsNoHostName) {  // RFC 9525 §2
  wishes_.common_name = "server.test";
  wishes_.names.clear();
  const auto seen = handshake_with(identity());
  EXPECT_EQ(seen.outcome, Outcome::kTlsHostname) << seen.reason;
  EXPECT_NE(seen.reason.find("no subjectAltName"), std::string::npos) << seen.reason;
  wishes_.names = {"IP:127.0.0.1"};
  const auto numbered = handshake_with(identity());
  EXPECT_EQ(numbered.outcome, Outcome::kTlsHostname) << "nor is it one beside an address: " << numbered.reason;
  EXPECT_EQ(numbered.reason.find("no subjectAltName"), std::string::npos) << numbered.reason;
}

TEST_F(ProberTlsTest, AnUnknownAuthorityIsNotTrusted) {
  const test::Authority other("Other Authority");
  const auto seen = handshake_with(other.issue(wishes_));
  EXPECT_EQ(seen.outcome, Outcome::kTlsUntrusted) << seen.reason;
  EXPECT_NE(seen.reason.find("Other Authority"), std::string::npos) << seen.reason;
}

TEST_F(ProberTlsTest, ASelfSignedCertificateIsNotTrusted) {
  wishes_.self_signed = true;
  const auto seen = handshake_with(identity());
  EXPECT_EQ(seen.outcome, Outcome::kTlsUntrusted) << seen.reason;
  EXPECT_NE(seen.reason.find("self-signed"), std::string::npos) << seen.reason;
}

TEST_F(ProberTlsTest, AServerThatDoesNotSpeakTls) {
  const ScriptServer plain([](Peer& peer) {
    peer.send("HTTP/1.1 400 Bad Request\r\nContent-Length: 0\r\n\r\n");
    peer.hold();
  });
  const auto seen = probe("https://server.test:" + std::to_string(plain.port()) + "/");
  EXPECT_EQ(seen.outcome, Outcome::kTlsHandshake);
  EXPECT_NE(seen.reason.find("does not speak TLS"), std::string::npos) << seen.reason;
}

TEST_F(ProberTlsTest, AServerThatGoesAwayInTheHandshake) {
  const ScriptServer closing([](Peer& peer) {
    peer.close();
    peer.hold();
  });
  const auto closed = probe("https://server.test:" + std::to_string(closing.port()) + "/");
  EXPECT_EQ(closed.outcome, Outcome::kTlsHandshake) << closed.reason;
  EXPECT_NE(closed.reason.find("closed the connection"), std::string::npos) << closed.reason;
  const ScriptServer resetting([](Peer& peer) { peer.reset(); });
  const auto reset = probe("https://server.test:" + std::to_string(resetting.port()) + "/");
  EXPECT_EQ(reset.outcome, Outcome::kConnectionReset) << reset.reason;
}

TEST_F(ProberTlsTest, AHandshakeThatDoesNotEnd) {
  const ScriptServer silent([](Peer& peer) { peer.hold(); });
  const auto url = "https://server.test:" + std::to_string(silent.port()) + "/";
  const auto seen = probe(hurried(url));
  EXPECT_EQ(seen.outcome, Outcome::kTlsTimeout);
  EXPECT_EQ(seen.reason,
            "the TLS handshake with server.test:" + std::to_string(silent.port()) + " did not end within 1.0 s");
}

TEST_F(ProberTlsTest, ABodyWithoutALengthNeedsAGoodbye) {
  const auto polite = meet_tls([](Peer& peer) {
    peer.read_request();
    peer.send("HTTP/1.1 200 OK\r\n\r\nhello");
    peer.close(true);
    peer.hold();
  });
  EXPECT_EQ(polite.outcome, Outcome::kUp) << polite.reason;
  const auto cut = meet_tls([](Peer& peer) {
    peer.read_request();
    peer.send("HTTP/1.1 200 OK\r\n\r\nhello");
    peer.close(false);
    peer.hold();
  });
  EXPECT_EQ(cut.outcome, Outcome::kTruncated);
  EXPECT_NE(cut.reason.find("close_notify"), std::string::npos) << cut.reason;
  EXPECT_EQ(cut.status, 200);
}

TEST_F(ProberTlsTest, ABodyWithALengthNeedsNone) {
  for (const bool holds : {false, true}) {
    const auto seen = meet_tls([holds](Peer& peer) {
      peer.read_request();
      peer.send(ok("hello"));
      if (!holds) peer.close(false);
      peer.hold();
    });
    EXPECT_EQ(seen.outcome, Outcome::kUp) << seen.reason;
  }
}

TEST_F(ProberTlsTest, ALargeBodyComesWhole) {
  const std::string large(std::size_t{900} << 10, 'x');
  const auto seen = meet_tls([&](Peer& peer) {
    peer.read_request();
    peer.send(ok(large));
    peer.hold();
  });
  EXPECT_EQ(seen.outcome, Outcome::kUp) << seen.reason;
  EXPECT_EQ(seen.body_bytes, static_cast<std::int64_t>(large.size()));
}

TEST_F(ProberTlsTest, WithoutReadableCertificatesAServiceIsNotPrepared) {
  system_.ca_file = (dir_ / "missing.pem").string();
  EXPECT_THROW(prober().prepare(service("https://server.test/")), common::Error);
  EXPECT_NO_THROW(prober().prepare(service("http://server.test/")));
}

}  // namespace
}  // namespace monitor::probe
