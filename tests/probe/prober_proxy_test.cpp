#include <gmock/gmock.h>

#include "probe/prober_fixture.h"
#include "support/certificates.h"
#include "support/connect_proxy.h"

namespace monitor::probe {
namespace {

using common::Outcome;
using test::Peer;
using test::ScriptServer;
using testing::HasSubstr;
using testing::Not;

class ProberProxyTest : public ProberTest {
 protected:
  /// What comes of a check of `url` through a proxy that runs `script`.
  Observation through(ScriptServer::Script script, const std::string& url = "http://target.test/") {
    const ScriptServer proxy(std::move(script));
    proxy_ = "127.0.0.1:" + std::to_string(proxy.port());
    auto what = specified(hurried(url), {.proxy = proxy.url("")});
    return probe(what);
  }
  std::string proxy_;
};

TEST_F(ProberProxyTest, ATunnelCarriesTheRequestAndTheProxyLooksUpTheName) {
  test::ConnectProxy proxy;
  Recorder server([](const std::string&) { return ok("hello"); });
  const auto host = "target.test:" + std::to_string(server.port());
  const auto seen = probe(specified(service("http://" + host + "/x"), {.proxy = proxy.url("user:s3cret")}));
  EXPECT_EQ(seen.outcome, Outcome::kUp) << seen.reason;
  EXPECT_EQ(seen.body_bytes, 5);
  EXPECT_EQ(proxy.requests().at(0), "CONNECT " + host + " HTTP/1.1\r\nHost: " + host +
                                        "\r\nUser-Agent: monitoring-client\r\n"
                                        "Proxy-Authorization: Basic dXNlcjpzM2NyZXQ=\r\n\r\n");
  EXPECT_THAT(server.requests().at(0),
              testing::AllOf(HasSubstr("GET /x "), HasSubstr("Host: " + host), Not(HasSubstr("Proxy-Authorization"))));
  EXPECT_EQ(dns_.questions("target.test"), 0);
  EXPECT_FALSE(seen.phases.dns);
}

TEST_F(ProberProxyTest, TlsIsWithTheServerNotWithTheProxy) {
  const test::Authority authority;
  authority.write_pem(dir_ / "ca.pem");
  test::CertificateWishes wishes;
  wishes.names = {"DNS:target.test"};
  wishes.not_before = clock_.wall() - std::chrono::days{1};
  wishes.not_after = clock_.wall() + std::chrono::days{1};
  const auto who = authority.issue(wishes);
  test::ConnectProxy proxy;
  Recorder server([](const std::string&) { return ok("hello"); }, who.context());
  const auto port = std::to_string(server.port());
  Spec spec{.tls = {.ca = (dir_ / "ca.pem").string()}, .proxy = proxy.url(), .reuse = true};
  const auto seen = probe(specified(service("https://target.test:" + port + "/"), spec));
  EXPECT_EQ(seen.outcome, Outcome::kUp) << seen.reason;
  EXPECT_TRUE(seen.phases.tls && seen.phases.connect && seen.phases.first_byte);
  EXPECT_TRUE(probe(specified(service("https://target.test:" + port + "/"), spec)).reused) << "the tunnel is kept";
  EXPECT_EQ(proxy.requests().size(), 1U);
  const auto other = probe(specified(service("https://other.test:" + port + "/"), spec));
  EXPECT_EQ(other.outcome, Outcome::kTlsHostname) << other.reason;
}

TEST_F(ProberProxyTest, WhatAProxyAnswersInsteadIsAProxyFailure) {
  struct Case {
    std::string answer, says;
  };
  for (const auto& [answer, says] : std::vector<Case>{
           {"HTTP/1.1 407 Who\r\nContent-Length: 0\r\n\r\n",
            "refused a tunnel to target.test:80 with status 407: it wants user and password"},
           {"HTTP/1.1 502 Bad\r\n\r\n", "refused a tunnel to target.test:80 with status 502"},
           {"HTTP/1.1 302 Go\r\nLocation: /\r\n\r\n", "with status 302"},
           {"SSH-2.0-x\r\n", "gave no proper answer: the answer does not begin with an HTTP/1.x status line"},
           {"HTTP/1.1 200 OK\r\nX: " + std::string(20'000, 'x'), "answered with a header of more than 16 KiB"},
           {"HTTP/1.1 200 OK\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n",
            "sent bytes through the tunnel before anything was asked"}}) {
    const auto seen = through([&](Peer& peer) {
      peer.read_request();
      peer.send(answer);
      peer.hold();
    });
    EXPECT_EQ(seen.outcome, Outcome::kProxyFailure) << answer.substr(0, 60) << seen.reason;
    EXPECT_THAT(seen.reason, testing::AllOf(HasSubstr("the proxy " + proxy_), HasSubstr(says)));
    EXPECT_FALSE(seen.status) << "it is not the service's";
    EXPECT_TRUE(seen.phases.first_byte);
  }
}

TEST_F(ProberProxyTest, AProxyThatIsGoneOrSilentIsNamed) {
  const auto silent = through([](Peer& peer) { peer.hold(); });
  EXPECT_EQ(silent.outcome, Outcome::kProxyFailure);
  EXPECT_EQ(silent.reason, "the proxy " + proxy_ + " did not open a tunnel to target.test:80 within 1.0 s");
  const auto closing = through([](Peer& peer) {
    peer.read_request();
    peer.close();
    peer.hold();
  });
  EXPECT_EQ(closing.outcome, Outcome::kProxyFailure);
  EXPECT_EQ(closing.reason, "the proxy " + proxy_ + " closed the connection before it opened a tunnel");
  const auto resetting = through([](Peer& peer) {
    peer.read_request();
    peer.reset();
  });
  EXPECT_EQ(resetting.outcome, Outcome::kProxyFailure) << resetting.reason;
  const auto port = std::to_string(test::closed_port());
  const auto refused = probe(specified(service("http://target.test/"), {.proxy = "http://127.0.0.1:" + port}));
  EXPECT_EQ(refused.outcome, Outcome::kProxyFailure);
  EXPECT_EQ(refused.reason, "the proxy 127.0.0.1:" + port + " could not be reached: nothing listens on 127.0.0.1:" +
                                port + " (connection refused)");
  const auto unknown = probe(specified(service("http://target.test/"), {.proxy = "http://proxy.test:1"}));
  EXPECT_EQ(unknown.outcome, Outcome::kProxyFailure);
  EXPECT_THAT(unknown.reason, HasSubstr("the proxy proxy.test:1 could not be reached: "));
}

TEST_F(ProberProxyTest, NoSentenceHoldsTheProxysPassword) {
  const auto port = std::to_string(test::closed_port());
  const auto seen = probe(specified(service("http://target.test/"), {.proxy = "http://user:s3cret@127.0.0.1:" + port}));
  EXPECT_THAT(seen.reason, Not(HasSubstr("s3cret")));
}

}  // namespace
}  // namespace monitor::probe
