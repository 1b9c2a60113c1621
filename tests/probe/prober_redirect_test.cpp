#include <gmock/gmock.h>

#include "probe/prober_fixture.h"
#include "support/certificates.h"

namespace monitor::probe {
namespace {

using common::Outcome;
using common::Secret;
using test::Peer;
using test::ScriptServer;
using testing::HasSubstr;
using testing::Not;

std::string to(const std::string& location, int status = 302) {
  return "HTTP/1.1 " + std::to_string(status) + " Go\r\nLocation: " + location + "\r\nContent-Length: 0\r\n\r\n";
}

bool asks_for(const std::string& request, const std::string& path) {
  return request.substr(request.find(' ') + 1).starts_with(path + " ");
}

class ProberRedirectTest : public ProberTest {
 protected:
  static Spec following(int max = 10) { return {.redirects = {.follow = true, .max = max}}; }
  static Service follower(const std::string& url, const std::string& method = "GET") {
    return specified(service(url, method), following());
  }
};

TEST_F(ProberRedirectTest, TheLastAnswerIsJudgedAndEveryHopIsNoted) {
  Recorder server([](const std::string& request) {
    return asks_for(request, "/start?k=v")         ? to("/middle?t=s3cret")
           : asks_for(request, "/middle?t=s3cret") ? to("end", 301)
                                                   : ok("hello");
  });
  const auto seen = probe(follower(server.url("/start?k=v")));
  EXPECT_EQ(seen.outcome, Outcome::kUp) << seen.reason;
  EXPECT_EQ(seen.status, 200);
  EXPECT_EQ(seen.body_bytes, 5);
  ASSERT_EQ(seen.hops.size(), 3U);
  EXPECT_EQ(seen.hops[0].url, server.url("/start?k=v")) << "as typed";
  EXPECT_EQ(seen.hops[0].status, 302);
  EXPECT_EQ(seen.hops[1].url, server.url("/middle?t=***")) << "a server gave us the value";
  EXPECT_EQ(seen.hops[1].status, 301);
  EXPECT_EQ(seen.hops[2].url, server.url("/end"));
  EXPECT_EQ(seen.hops[2].status, 200);
  EXPECT_EQ(seen.hops[2].remote_address, "127.0.0.1");
  EXPECT_TRUE(seen.hops[2].phases.transfer);
  EXPECT_EQ(server.connections(), 3) << "each on a fresh connection";
}

TEST_F(ProberRedirectTest, WhatWeToldAServerIsNotShownWhereItLeadsUs) {
  Recorder server([](const std::string& request) {
    return asks_for(request, "/canary1")         ? to("/canary1/?canary2=1")
           : asks_for(request, "/out")           ? to("ftp://a.test/canary3")
           : asks_for(request, "/round")         ? to("/round/canary3")
           : asks_for(request, "/round/canary3") ? to("/round/canary3")
                                                 : ok("hello");
  });
  auto spec = following();
  spec.headers = {{"X-Token", Secret("canary2")}};
  spec.values = {Secret("canary3")};
  auto what = specified(service(server.url("/canary1")), spec);
  what.url = server.url("/${PATH}");
  const auto seen = probe(what);
  ASSERT_EQ(seen.hops.size(), 2U) << seen.reason;
  EXPECT_EQ(seen.hops[0].url, server.url("/${PATH}"));
  EXPECT_EQ(seen.hops[1].url, server.url("/***/?***=***"));
  for (const auto* path : {"/out", "/round"}) {
    const auto refused = probe(specified(service(server.url(path)), spec));
    EXPECT_EQ(common::verdict_of(refused.outcome), common::Verdict::kDown);
    EXPECT_THAT(refused.reason, testing::AllOf(HasSubstr("redirect"), Not(HasSubstr("canary"))));
  }
}

TEST_F(ProberRedirectTest, AChainOfOneHasNoHops) {
  Recorder server([](const std::string&) { return ok("hello"); });
  EXPECT_TRUE(probe(follower(server.url())).hops.empty());
}

TEST_F(ProberRedirectTest, PhasesAreSummedOverTheHops) {
  /// Every look at it takes a millisecond.
  class Ticking final : public async::Clock {
   public:
    common::WallTime wall() const override { return common::from_unix_micros(1'750'000'000'000'000); }
    common::SteadyTime steady() const override { return now_ += std::chrono::milliseconds{1}; }
    common::SteadyTime boot() const override { return steady(); }

   private:
    mutable common::SteadyTime now_{std::chrono::hours{1}};
  };
  Recorder server([](const std::string& request) { return asks_for(request, "/") ? to("/end") : ok("hello"); });
  const Ticking clock;
  const auto ticking = Prober::create(io_.get_executor(), clock, net::Options{}, system_);
  const auto seen = test::run(io_, ticking->probe(ticking->prepare(follower(server.url()))));
  ASSERT_EQ(seen.hops.size(), 2U) << seen.reason;
  const auto sum = [&](auto phase) { return *(seen.hops[0].phases.*phase) + *(seen.hops[1].phases.*phase); };
  EXPECT_EQ(seen.phases.connect, sum(&Phases::connect));
  EXPECT_EQ(seen.phases.first_byte, sum(&Phases::first_byte));
  EXPECT_EQ(seen.phases.transfer, sum(&Phases::transfer));
  EXPECT_GT(seen.phases.connect, common::Micros{0});
  EXPECT_GE(seen.total, *seen.phases.connect + *seen.phases.first_byte + *seen.phases.transfer);
}

TEST_F(ProberRedirectTest, WhatIsOursGoesToTheSameOriginAlone) {
  Recorder elsewhere([&](const std::string&) { return ok(""); });
  std::string target;
  Recorder home([&](const std::string& request) { return asks_for(request, "/") ? to(target) : ok(""); });
  auto spec = following();
  spec.headers = {{"X-Token", Secret("canary1")}, {"Cookie", Secret("canary2")}, {"Accept", Secret("canary3")}};
  spec.auth = {.kind = Auth::Kind::kBearer, .secret = Secret("canary4")};
  const auto what = specified(service("http://user:canary5@" + home.host() + "/"), spec);

  target = "/inside";
  EXPECT_EQ(probe(what).outcome, Outcome::kUp);
  const auto inside = home.requests().at(1);
  EXPECT_THAT(inside,
              testing::AllOf(HasSubstr("GET /inside "), HasSubstr("X-Token: canary1"), HasSubstr("Cookie: canary2"),
                             HasSubstr("Accept: canary3"), HasSubstr("Bearer canary4")));

  target = elsewhere.url("/x");  // the same host, another port
  EXPECT_EQ(probe(what).outcome, Outcome::kUp);
  EXPECT_EQ(elsewhere.requests().at(0),
            "GET /x HTTP/1.1\r\nHost: " + elsewhere.host() +
                "\r\nUser-Agent: monitoring-client\r\nAccept: */*\r\nConnection: close\r\n\r\n");

  target = "http://localhost:" + std::to_string(elsewhere.port()) + "/y";  // another host
  EXPECT_EQ(probe(what).outcome, Outcome::kUp);
  EXPECT_THAT(elsewhere.requests().at(1), Not(HasSubstr("canary")));
}

TEST_F(ProberRedirectTest, WhatCameBackHomeIsOursAgain) {
  std::string home_url;
  Recorder elsewhere([&](const std::string&) { return to(home_url); });
  Recorder home([&](const std::string& request) { return asks_for(request, "/") ? to(elsewhere.url()) : ok(""); });
  home_url = home.url("/back");
  auto spec = following();
  spec.headers = {{"X-Token", Secret("canary")}};
  EXPECT_EQ(probe(specified(service(home.url()), spec)).outcome, Outcome::kUp);
  EXPECT_THAT(elsewhere.requests().at(0), Not(HasSubstr("canary")));
  EXPECT_THAT(home.requests().at(1), HasSubstr("canary"));
}

TEST_F(ProberRedirectTest, APostBecomesAGetOrStaysOne) {
  for (const auto& [status, method, has_body] :
       {std::tuple{302, "GET", false}, {303, "GET", false}, {307, "POST", true}, {308, "POST", true}}) {
    Recorder server([&](const std::string& request) { return asks_for(request, "/") ? to("/next", status) : ok(""); });
    auto spec = following();
    spec.body = Secret("payload");
    EXPECT_EQ(probe(specified(service(server.url(), "POST"), spec)).outcome, Outcome::kUp);
    const auto next = server.requests().at(1);
    EXPECT_THAT(next, testing::StartsWith(std::string(method) + " /next "));
    EXPECT_EQ(next.ends_with("\r\n\r\npayload"), has_body) << status << next;
    EXPECT_EQ(next.find("Content-Length: 7") != std::string::npos, has_body) << status << next;
  }
}

TEST_F(ProberRedirectTest, ABodyIsNotSentToAnotherOrigin) {
  Recorder elsewhere([](const std::string&) { return ok(""); });
  Recorder home([&](const std::string&) { return to(elsewhere.url(), 307); });
  auto spec = following();
  spec.body = Secret("payload");
  const auto seen = probe(specified(service(home.url(), "POST"), spec));
  EXPECT_EQ(seen.outcome, Outcome::kRedirectRefused) << seen.reason;
  EXPECT_EQ(seen.status, 307);
  EXPECT_EQ(elsewhere.connections(), 0);
}

TEST_F(ProberRedirectTest, CirclesAndEndlessChainsEnd) {
  Recorder self([](const std::string&) { return to("/"); });
  const auto loop = probe(follower(self.url()));
  EXPECT_EQ(loop.outcome, Outcome::kRedirectLimit);
  EXPECT_THAT(loop.reason, HasSubstr("in a circle"));
  EXPECT_EQ(self.connections(), 1);

  Recorder pair([](const std::string& request) { return to(asks_for(request, "/") ? "/b" : "/"); });
  EXPECT_EQ(probe(follower(pair.url())).outcome, Outcome::kRedirectLimit);
  EXPECT_EQ(pair.connections(), 2);

  std::atomic<int> next = 0;
  Recorder endless([&](const std::string&) { return to("/" + std::to_string(++next)); });
  const auto many = probe(specified(service(endless.url()), following(3)));
  EXPECT_EQ(many.outcome, Outcome::kRedirectLimit);
  EXPECT_EQ(many.reason, "more than 3 redirects came, the last one to " + endless.url("/4"));
  EXPECT_EQ(endless.connections(), 4);
  EXPECT_EQ(many.hops.size(), 4U);
  EXPECT_EQ(many.status, 302);
}

TEST_F(ProberRedirectTest, ALocationThatLeadsNowhereIsRefused) {
  for (const std::string location : {"", "ftp://a.test/", "javascript:alert(1)", "http://a:b@c.test/", "http://",
                                     "http://a.test%2Fb/", "http://2130706433/"}) {
    const auto seen = [&] {
      Recorder server([&](const std::string&) { return to(location); });
      return probe(follower(server.url()));
    }();
    EXPECT_EQ(seen.outcome, Outcome::kRedirectRefused) << location << seen.reason;
    EXPECT_EQ(seen.status, 302);
  }
  Recorder without([](const std::string&) { return "HTTP/1.1 302 Go\r\nContent-Length: 0\r\n\r\n"; });
  EXPECT_EQ(probe(follower(without.url())).outcome, Outcome::kRedirectRefused);
}

TEST_F(ProberRedirectTest, AHopThatFailsIsTheFailure) {
  const auto closed = test::closed_port();
  Recorder server([&](const std::string&) { return to("http://127.0.0.1:" + std::to_string(closed) + "/"); });
  const auto seen = probe(follower(server.url()));
  EXPECT_EQ(seen.outcome, Outcome::kConnectRefused) << seen.reason;
  EXPECT_FALSE(seen.status) << "of the last hop";
  ASSERT_EQ(seen.hops.size(), 2U);
  EXPECT_EQ(seen.hops[0].status, 302);
  EXPECT_FALSE(seen.hops[1].status);
}

TEST_F(ProberRedirectTest, OneDeadlineHoldsForTheWholeChain) {
  std::atomic<int> hops = 0;
  const ScriptServer slow([&](Peer& peer) {
    peer.read_request();
    if (hops++ == 0) {
      peer.send(to("/next"));
    }
    peer.hold();
  });
  auto what = specified(hurried(slow.url()), following());
  const auto began = std::chrono::steady_clock::now();
  const auto seen = probe(what);
  EXPECT_EQ(seen.outcome, Outcome::kFirstByteTimeout) << seen.reason;
  EXPECT_LT(std::chrono::steady_clock::now() - began, std::chrono::milliseconds{1900});
  EXPECT_EQ(seen.hops.size(), 2U);
}

TEST_F(ProberRedirectTest, TheBodyOfARedirectIsNotReadForEver) {
  std::atomic<int> hops = 0;
  const ScriptServer server([&](Peer& peer) {
    peer.read_request();
    if (hops++ > 0) {
      peer.send(ok("hello"));
      return peer.hold();
    }
    peer.send("HTTP/1.1 302 Go\r\nLocation: /next\r\n\r\n");
    while (peer.send(std::string(4096, 'x'))) {
    }
  });
  const auto seen = probe(follower(server.url()));
  EXPECT_EQ(seen.outcome, Outcome::kUp) << seen.reason;
  EXPECT_FALSE(seen.capped) << "the last body is whole";
}

TEST_F(ProberRedirectTest, HeadersAreCountedOverAllHops) {
  std::atomic<int> next = 0;
  Recorder server([&](const std::string&) {
    return "HTTP/1.1 302 Go\r\nLocation: /" + std::to_string(++next) +
           "\r\nX: " + std::string(std::size_t{60} << 10, 'x') + "\r\nContent-Length: 0\r\n\r\n";
  });
  const auto seen = probe(follower(server.url()));
  EXPECT_EQ(seen.outcome, Outcome::kHeaderLimit) << seen.reason;
  EXPECT_EQ(server.connections(), 5);
}

TEST_F(ProberRedirectTest, ConnectToIsForTheFirstOriginAlone) {
  Recorder elsewhere([](const std::string&) { return ok(""); });
  Recorder home([&](const std::string& request) {
    return asks_for(request, "/") ? to("/inside") : to(elsewhere.url("/outside"));
  });
  auto spec = following();
  spec.connect_to = HostPort{"127.0.0.1", home.port()};
  const auto seen = probe(specified(service("http://www.far.test/"), spec));
  EXPECT_EQ(seen.outcome, Outcome::kUp) << seen.reason;
  EXPECT_EQ(home.connections(), 2);
  EXPECT_EQ(elsewhere.connections(), 1);
}

class ProberTlsRedirectTest : public ProberRedirectTest {
 protected:
  ProberTlsRedirectTest() {
    authority_.write_pem(dir_ / "ca.pem");
    system_.ca_file = (dir_ / "ca.pem").string();
    wishes_.names = {"DNS:server.test", "IP:127.0.0.1"};
    wishes_.not_before = clock_.wall() - std::chrono::days{30};
    wishes_.not_after = clock_.wall() + std::chrono::days{30};
  }
  test::Authority authority_;
  test::CertificateWishes wishes_;
};

TEST_F(ProberTlsRedirectTest, HttpMayLeadToHttpsAndNeverBack) {
  const auto who = authority_.issue(wishes_);
  Recorder secure([](const std::string&) { return ok("hello"); }, who.context());
  Recorder plain([&](const std::string&) { return to(secure.url("/s")); });
  const auto up = probe(follower(plain.url()));
  EXPECT_EQ(up.outcome, Outcome::kUp) << up.reason;
  EXPECT_TRUE(up.tls_facts);

  Recorder target([](const std::string&) { return ok(""); });
  Recorder downgrading([&](const std::string&) { return to(target.url()); }, who.context());
  const auto down = probe(follower(downgrading.url()));
  EXPECT_EQ(down.outcome, Outcome::kRedirectRefused) << down.reason;
  EXPECT_THAT(down.reason, HasSubstr("not encrypted"));
  EXPECT_EQ(target.connections(), 0);
}

TEST_F(ProberTlsRedirectTest, OurCertificateIsShownToTheFirstOriginAlone) {
  const auto who = authority_.issue(wishes_);
  who.require_client(authority_);
  authority_
      .issue({.common_name = "client",
              .not_before = wishes_.not_before,
              .not_after = wishes_.not_before + std::chrono::years{100}})  // the server goes by the real clock

      .write_pem(dir_ / "client.pem", dir_ / "client.key");
  Recorder elsewhere([](const std::string&) { return ok(""); }, who.context());
  std::string target = "/inside";
  Recorder home([&](const std::string& request) { return asks_for(request, "/") ? to(target) : ok(""); },
                who.context());
  auto spec = following();
  spec.tls.cert = (dir_ / "client.pem").string();
  spec.tls.key = (dir_ / "client.key").string();
  const auto what = specified(service(home.url()), spec);
  const auto inside = probe(what);
  EXPECT_EQ(inside.outcome, Outcome::kUp) << inside.reason;
  EXPECT_EQ(inside.hops.size(), 2U);
  target = elsewhere.url();
  const auto outside = probe(what);
  EXPECT_NE(outside.outcome, Outcome::kUp) << "it refuses who shows no certificate";
  EXPECT_TRUE(elsewhere.requests().empty());
}

}  // namespace
}  // namespace monitor::probe
