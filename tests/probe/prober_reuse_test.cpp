#include <gmock/gmock.h>

#include "probe/prober_fixture.h"
#include "support/certificates.h"

namespace monitor::probe {
namespace {

using common::Outcome;
using test::Peer;
using test::ScriptServer;
using testing::HasSubstr;

class ProberReuseTest : public ProberTest {
 protected:
  static Service reusing(const std::string& url, const std::string& method = "GET") {
    return specified(service(url, method), {.reuse = true});
  }
  /// How many connections two checks of a server need that answers everything with `response`.
  int connections_for(const std::string& response, const std::string& method = "GET", std::size_t body_limit = 1000) {
    Recorder server([&](const std::string&) { return response; });
    auto what = reusing(server.url(), method);
    what.body_limit = body_limit;
    for (int i = 0; i < 2; ++i) {
      const auto seen = probe(what);
      EXPECT_EQ(seen.outcome, Outcome::kUp) << seen.reason;
    }
    return server.connections();
  }
};

TEST_F(ProberReuseTest, TheSecondCheckUsesTheFirstOnesConnection) {
  Recorder server([](const std::string&) { return ok("hello"); });
  const auto first = probe(reusing(server.url()));
  EXPECT_EQ(first.outcome, Outcome::kUp) << first.reason;
  EXPECT_FALSE(first.reused);
  const auto second = probe(reusing(server.url()));
  EXPECT_EQ(second.outcome, Outcome::kUp) << second.reason;
  EXPECT_TRUE(second.reused);
  EXPECT_FALSE(second.retried);
  EXPECT_EQ(second.remote_address, "127.0.0.1");
  EXPECT_FALSE(second.phases.connect);
  EXPECT_TRUE(second.phases.first_byte);
  EXPECT_TRUE(second.hops.empty());
  EXPECT_EQ(server.connections(), 1);
  EXPECT_EQ(server.requests().at(1).find("Connection:"), std::string::npos) << "keeping it is HTTP/1.1's default";
}

TEST_F(ProberReuseTest, AFreshCheckLeavesIdleConnectionsAlone) {
  Recorder server([](const std::string&) { return ok("hello"); });
  EXPECT_EQ(probe(reusing(server.url())).outcome, Outcome::kUp);
  const auto fresh = probe(service(server.url()));
  EXPECT_FALSE(fresh.reused);
  EXPECT_TRUE(fresh.phases.connect);
  EXPECT_EQ(server.connections(), 2);
}

TEST_F(ProberReuseTest, AReloadLeavesIdleConnectionsToTheirService) {
  Recorder server([](const std::string&) { return ok("hello"); });
  EXPECT_EQ(probe(reusing(server.url())).outcome, Outcome::kUp);
  prober().adjust({.dns_cache = false, .max_idle = 7, .deny_networks = {"192.0.2.0/24"}});
  EXPECT_TRUE(probe(reusing(server.url())).reused);
  EXPECT_EQ(server.connections(), 1);
}

TEST_F(ProberReuseTest, OnlyAConnectionThatIsCleanIsKept) {
  EXPECT_EQ(connections_for(ok("hello")), 1);
  EXPECT_EQ(connections_for("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n"), 1);
  EXPECT_EQ(connections_for("HTTP/1.1 204 No\r\n\r\n"), 1);
  EXPECT_EQ(connections_for("HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\n", "HEAD"), 1);
  EXPECT_EQ(connections_for(ok("hello", "Connection: close\r\n")), 2);
  EXPECT_EQ(connections_for("HTTP/1.0 200 OK\r\nConnection: keep-alive\r\nContent-Length: 0\r\n\r\n"), 2);
  EXPECT_EQ(connections_for(ok("hello") + "garbage"), 2) << "bytes after the response";
  EXPECT_EQ(connections_for(ok("one") + ok("two")), 2) << "two responses to one request";
  EXPECT_EQ(connections_for("HTTP/1.1 204 No\r\nContent-Length: 4\r\n\r\nbody"), 2);
  EXPECT_EQ(connections_for(ok("hello"), "HEAD"), 2) << "a body after HEAD";
  EXPECT_EQ(connections_for(ok("hello"), "GET", 3), 2) << "cut at body_limit";
}

/// Answers the first request of its first connection, and ends that one when the second comes.
class StaleServer {
 public:
  explicit StaleServer(bool reset)
      : server_([this, reset](Peer& peer) {
          peer.read_request();
          peer.send(ok("hello"));
          if (server_.connections() > 1) return peer.hold();
          peer.read_request();
          reset ? peer.reset() : peer.close();
        }) {}
  const ScriptServer& server() const { return server_; }

 private:
  ScriptServer server_;
};

TEST_F(ProberReuseTest, AStaleConnectionIsReplacedOnceWhereTheMethodAllowsIt) {
  for (const bool reset : {false, true}) {
    for (const std::string method : {"GET", "HEAD", "PUT", "DELETE", "OPTIONS", "TRACE"}) {
      const StaleServer stale(reset);
      auto what = reusing(stale.server().url(), method);
      if (method == "HEAD") what.body_limit = 0;
      const auto first = probe(reusing(stale.server().url()));
      ASSERT_EQ(first.outcome, Outcome::kUp) << first.reason;
      const auto seen = probe(what);
      EXPECT_EQ(seen.outcome, Outcome::kUp) << method << seen.reason;
      EXPECT_TRUE(seen.retried) << method;
      EXPECT_FALSE(seen.reused);
      ASSERT_EQ(seen.hops.size(), 2U);
      EXPECT_TRUE(seen.hops[0].reused);
      EXPECT_FALSE(seen.hops[0].status);
      EXPECT_EQ(seen.hops[0].url, stale.server().url());
      EXPECT_EQ(seen.hops[1].status, 200);
      EXPECT_EQ(stale.server().connections(), 2);
    }
  }
}

TEST_F(ProberReuseTest, WhatMayNotBeSentTwiceIsNot) {
  for (const std::string method : {"POST", "PATCH"}) {
    const StaleServer stale(false);
    const auto what = reusing(stale.server().url(), method);
    ASSERT_EQ(probe(what).outcome, Outcome::kUp);
    const auto seen = probe(what);
    EXPECT_EQ(seen.outcome, Outcome::kConnectionClosed);
    EXPECT_EQ(seen.reason, "127.0.0.1:" + std::to_string(stale.server().port()) +
                               " closed the connection that was to be used again before a response came; a " + method +
                               " is not sent twice");
    EXPECT_FALSE(seen.retried);
    EXPECT_EQ(stale.server().connections(), 1);
  }
}

TEST_F(ProberReuseTest, ARequestThatWasBeingAnsweredIsNotSentAgain) {
  const ScriptServer server([](Peer& peer) {
    peer.read_request();
    peer.send(ok("hello"));
    peer.read_request();
    peer.send("HTTP/1.1 200 OK\r\n");
    peer.close();
    peer.hold();
  });
  ASSERT_EQ(probe(reusing(server.url())).outcome, Outcome::kUp);
  const auto seen = probe(reusing(server.url()));
  EXPECT_EQ(seen.outcome, Outcome::kTruncated) << seen.reason;
  EXPECT_FALSE(seen.retried);
  EXPECT_EQ(server.connections(), 1);
}

TEST_F(ProberReuseTest, ASilentReusedConnectionIsATimeoutAndNoRetry) {
  const ScriptServer server([](Peer& peer) {
    peer.read_request();
    peer.send(ok("hello"));
    peer.hold();
  });
  auto what = reusing(server.url());
  what.timeout = std::chrono::seconds{1};
  ASSERT_EQ(probe(what).outcome, Outcome::kUp);
  const auto seen = probe(what);
  EXPECT_EQ(seen.outcome, Outcome::kFirstByteTimeout) << seen.reason;
  EXPECT_EQ(server.connections(), 1);
}

TEST_F(ProberReuseTest, ConnectionsAreSharedOnlyByWhatIsMadeInTheSameWay) {
  const test::Authority authority;
  authority.write_pem(dir_ / "ca.pem");
  test::CertificateWishes wishes;
  wishes.names = {"IP:127.0.0.1"};
  wishes.not_before = clock_.wall() - std::chrono::days{1};
  wishes.not_after = clock_.wall() + std::chrono::days{1};
  const auto who = authority.issue(wishes);
  Recorder server([](const std::string&) { return ok("hello"); }, who.context());
  Spec trusting{.tls = {.ca = (dir_ / "ca.pem").string()}, .reuse = true};
  Spec blind{.tls = {.verify = false}, .reuse = true};
  EXPECT_EQ(probe(specified(service(server.url()), blind)).outcome, Outcome::kUp);
  EXPECT_FALSE(probe(specified(service(server.url()), trusting)).reused) << "what was not verified is not trusted";
  EXPECT_EQ(server.connections(), 2);
  trusting.expect.warn_time = common::Micros{1'000'000};
  const auto again = probe(specified(service(server.url("/other")), trusting));
  EXPECT_TRUE(again.reused) << "another service with the same options";
  EXPECT_EQ(again.outcome, Outcome::kUp) << again.reason;
  EXPECT_FALSE(again.phases.tls);
  ASSERT_TRUE(again.tls_facts) << "they are still those of this connection";
  EXPECT_EQ(again.tls_facts->certificate.subject, "CN=server.test");
  EXPECT_EQ(server.connections(), 2);
}

TEST_F(ProberReuseTest, HopsOfARedirectUseTheSameConnection) {
  Recorder server([](const std::string& request) {
    return request.starts_with("GET /end ") ? ok("hello")
                                            : "HTTP/1.1 302 Go\r\nLocation: /end\r\nContent-Length: 3\r\n\r\nbye";
  });
  const auto seen = probe(specified(service(server.url()), {.redirects = {.follow = true}, .reuse = true}));
  EXPECT_EQ(seen.outcome, Outcome::kUp) << seen.reason;
  EXPECT_EQ(server.connections(), 1);
  EXPECT_TRUE(seen.hops.at(1).reused);
}

}  // namespace
}  // namespace monitor::probe
