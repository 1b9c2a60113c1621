#include <gmock/gmock.h>

#include "probe/prober_fixture.h"
#include "support/certificates.h"
#include "support/compress.h"
#include "support/noise.h"

namespace monitor::probe {
namespace {

using common::Outcome;
using common::Secret;
using test::Peer;
using test::ScriptServer;
using testing::HasSubstr;
using testing::Not;

class ProberJudgementTest : public ProberTest {
 protected:
  Observation expecting(const Expect& expect, const std::string& response) {
    Recorder server([&](const std::string&) { return response; });
    return probe(specified(service(server.url()), {.expect = expect}));
  }
};

TEST_F(ProberJudgementTest, EachRuleIsHeldAgainstARealResponse) {
  const auto page = ok(R"({"state":"ready"})", "Content-Type: application/json\r\nServer: x\r\n");
  using Is = JsonRule::Is;
  EXPECT_EQ(expecting({.status = {{201, 201}}}, page).outcome, Outcome::kStatus);
  EXPECT_EQ(expecting({.body = {"absent"}}, page).outcome, Outcome::kBodyMismatch);
  EXPECT_EQ(expecting({.body_not = {"ready"}}, page).outcome, Outcome::kBodyForbidden);
  EXPECT_EQ(expecting({.headers = {{"content-type", "^text/"}}}, page).outcome, Outcome::kHeaderMismatch);
  EXPECT_EQ(expecting({.headers = {{"X-Missing", ""}}}, page).outcome, Outcome::kHeaderMismatch);
  EXPECT_EQ(expecting({.headers_not = {{"SERVER", ""}}}, page).outcome, Outcome::kHeaderMismatch);
  EXPECT_EQ(expecting({.json = {{"/state", Is::kEqual, "\"broken\""}}}, page).outcome, Outcome::kJsonMismatch);
  EXPECT_EQ(expecting({.sha256 = std::string(64, '0')}, page).outcome, Outcome::kBodyMismatch);
  EXPECT_EQ(expecting({.tls_min = net::TlsVersion::k12}, page).outcome, Outcome::kTlsVersion);
  const auto good = expecting({.status = {{200, 299}},
                               .body = {"ready", "state"},
                               .body_not = {"broken"},
                               .headers = {{"Content-Type", "json$"}},
                               .headers_not = {{"X-Missing", ""}},
                               .json = {{"/state", Is::kEqual, "\"ready\""}}},
                              page);
  EXPECT_EQ(good.outcome, Outcome::kUp) << good.reason;
}

TEST_F(ProberJudgementTest, ALargeBodyIsInspectedTheSameWay) {
  const auto page = ok(R"({"state":"ready","fill":")" + std::string(100'000, 'x') + "\"}");
  EXPECT_EQ(expecting({.json = {{"/state", JsonRule::Is::kEqual, "\"ready\""}}}, page).outcome, Outcome::kUp);
  const auto broken = expecting({.json = {{"/state", JsonRule::Is::kEqual, "\"broken\""}}}, page);
  EXPECT_EQ(broken.outcome, Outcome::kJsonMismatch);
  EXPECT_THAT(broken.reason, HasSubstr("ready"));
}

/// Every look at the time takes 10 ms.
class Ticking final : public async::Clock {
 public:
  common::WallTime wall() const override { return common::from_unix_micros(1'750'000'000'000'000); }
  common::SteadyTime steady() const override { return now_ += std::chrono::milliseconds{10}; }
  common::SteadyTime boot() const override { return steady(); }

 private:
  mutable common::SteadyTime now_{std::chrono::hours{1}};
};

TEST_F(ProberJudgementTest, TimesAreHeldAgainstTheirLimits) {
  Recorder server([](const std::string&) { return ok("hello"); });
  const Ticking clock;
  const auto ticking = Prober::create(io_.get_executor(), clock, net::Options{}, system_);
  const auto outcome = [&](const Expect& expect) {
    const auto what = specified(service(server.url()), {.expect = expect});
    return test::run(io_, ticking->probe(ticking->prepare(what))).outcome;
  };
  using common::Micros;
  EXPECT_EQ(outcome({.max_time = Micros{10'000}}), Outcome::kTooSlow);
  EXPECT_EQ(outcome({.max_time = Micros{10'000'000}}), Outcome::kUp);
  EXPECT_EQ(outcome({.max_connect = Micros{5'000}}), Outcome::kTooSlow);
  EXPECT_EQ(outcome({.max_dns = Micros{1}}), Outcome::kUp) << "an address is not looked up";
  EXPECT_EQ(outcome({.warn_time = Micros{10'000}}), Outcome::kDegraded);
  EXPECT_EQ(outcome({.max_time = Micros{20'000}, .warn_time = Micros{10'000}}), Outcome::kTooSlow);
}

TEST_F(ProberJudgementTest, TheCertificateIsHeldAgainstItsDays) {
  const test::Authority authority;
  test::CertificateWishes wishes;
  wishes.names = {"IP:127.0.0.1"};
  wishes.not_before = clock_.wall() - std::chrono::days{60};
  wishes.not_after = clock_.wall() + std::chrono::days{10};
  const auto who = authority.issue(wishes);
  Recorder server([](const std::string&) { return ok("hello"); }, who.context());
  Spec spec{.tls = {.verify = false}, .expect = {.cert_days = 9}};
  EXPECT_EQ(probe(specified(service(server.url()), spec)).outcome, Outcome::kUp);
  spec.expect.cert_days = 14;
  const auto soon = probe(specified(service(server.url()), spec));
  EXPECT_EQ(soon.outcome, Outcome::kCertExpiresSoon) << soon.reason;
  EXPECT_EQ(common::verdict_of(soon.outcome), common::Verdict::kDegraded);
  ASSERT_TRUE(soon.tls_facts);
  EXPECT_EQ(soon.tls_facts->certificate.subject, "CN=server.test");
  spec.tls.verify = true;
  const auto untrusted = probe(specified(service(server.url()), spec));
  EXPECT_EQ(untrusted.outcome, Outcome::kTlsUntrusted) << untrusted.reason;
  ASSERT_TRUE(untrusted.tls_facts) << "the facts are had all the same";
  EXPECT_EQ(untrusted.tls_facts->certificate.not_after, wishes.not_after);
}

class ProberEvidenceTest : public ProberTest {
 protected:
  static constexpr const char* kBad =
      "HTTP/1.1 503 Busy\r\nServer: x\r\nSet-Cookie: id=canary\r\nContent-Length: 4\r\n\r\noops";
  std::string kept(const std::string& response, Keep keep, const Spec& spec = {}) {
    Recorder server([&](const std::string&) { return response; });
    return probe(specified(service(server.url()), spec), keep).evidence;
  }
};

TEST_F(ProberEvidenceTest, IsKeptOnlyOfWhatWasAskedFor) {
  EXPECT_EQ(kept(kBad, Keep::kIfBad), "HTTP/1.1 503 Busy\nServer: x\nSet-Cookie: ***\nContent-Length: 4\n\noops");
  EXPECT_EQ(kept(kBad, Keep::kIfGood), "");
  EXPECT_EQ(kept(kBad, Keep::kNothing), "");
  EXPECT_EQ(kept(ok("hello"), Keep::kIfBad), "");
  EXPECT_EQ(kept(ok("hello"), Keep::kIfGood), "HTTP/1.1 200 OK\nContent-Length: 5\n\nhello");
  EXPECT_EQ(kept(kBad, Keep::kIfBad, {.evidence = {.none = true}}), "");
  EXPECT_EQ(kept(kBad, Keep::kIfBad, {.evidence = {.bytes = 2}}),
            "HTTP/1.1 503 Busy\nServer: x\nSet-Cookie: ***\nContent-Length: 4\n\noo");
}

TEST_F(ProberEvidenceTest, HoldsNoneOfOurSecretsThatAServerSendsBack) {
  Recorder server([](const std::string& request) {
    return "HTTP/1.1 500 No\r\nContent-Length: " + std::to_string(request.size()) + "\r\n\r\n" + request;
  });
  Spec spec{.headers = {{"X-Token", Secret("canary1")}, {"Accept", Secret("text/plain")}},
            .auth = {.kind = Auth::Kind::kBasic, .user = "user", .secret = Secret("canary2")},
            .evidence = {.redact = {"Host: [^\r]*"}}};
  auto what = specified(service("http://u:canary3@" + server.host() + "/?t=canary4"), spec);
  what.url = "http://u:canary3@" + server.host() + "/?t=${TOKEN}";
  const auto seen = probe(what, Keep::kIfBad);
  EXPECT_THAT(seen.evidence,
              testing::AllOf(HasSubstr("GET /?t=*** HTTP/1.1"), HasSubstr("X-Token: ***"), HasSubstr("Basic ***"),
                             HasSubstr("Accept: text/plain"), Not(HasSubstr("canary")), Not(HasSubstr(server.host()))));
}

TEST_F(ProberEvidenceTest, HoldsNothingOfABodyThatAServerSendsBack) {
  Recorder server([](const std::string& request) {
    const auto body = request.substr(request.find("\r\n\r\n") + 4);
    return ok("you sent " + body + " and {canary2}");
  });
  const Spec spec{.body = Secret("pw=canary1"), .expect = {.body_not = {"you"}}, .values = {Secret("canary2")}};
  EXPECT_THAT(probe(specified(service(server.url(), "POST"), spec), Keep::kIfBad).evidence,
              testing::EndsWith("you sent *** and {***}"));
}

TEST_F(ProberEvidenceTest, KnowsASecretThatAServerSpellsInJson) {
  Recorder server([](const std::string&) { return ok(R"({"sent": "{\"pw\":\"canary1\"}", "token": "a\\canary2"})"); });
  const Spec spec{.headers = {{"X-Token", Secret("a\\canary2")}}, .body = Secret(R"({"pw":"canary1"})")};
  EXPECT_THAT(probe(specified(service(server.url(), "POST"), spec), Keep::kIfGood).evidence,
              testing::EndsWith(R"({"sent": "***", "token": "***"})"));
}

TEST_F(ProberEvidenceTest, NoReasonShowsWhatTheEnvironmentGave) {
  Recorder server([](const std::string&) { return ok(R"({"a": "canary1"})"); });
  const Spec spec{.expect = {.json = {{"/a", JsonRule::Is::kEqual, "\"canary2\"", true}}},
                  .values = {Secret("canary1"), Secret("canary2")}};
  EXPECT_EQ(probe(specified(service(server.url()), spec)).reason, "the JSON value at /a is \"***\", not ***");
  const Spec proxied{.proxy = "http://127.0.0.1:1", .values = {Secret("127.0.0.1")}};
  EXPECT_THAT(probe(specified(service("http://a.test/"), proxied)).reason,
              testing::AllOf(HasSubstr("the proxy ***:1"), Not(HasSubstr("127.0.0.1"))));
}

TEST_F(ProberEvidenceTest, IsKeptOfAResponseThatBrokeOff) {
  const auto cut = [&](const std::string& sent) {
    const ScriptServer server(ScriptServer::reply(sent));
    return probe(service(server.url()), Keep::kIfBad).evidence;
  };
  EXPECT_EQ(cut("HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nhello"), "HTTP/1.1 200 OK\nContent-Length: 9\n\nhello");
  EXPECT_EQ(cut("HTTP/1.1 200 OK\r\nContent-"), "HTTP/1.1 200 OK\nContent-");
  EXPECT_EQ(cut("SSH-2.0-\x1B[2J\r\n"), "SSH-2.0-\\x1b[2J");
  EXPECT_EQ(cut(""), "");
}

TEST_F(ProberEvidenceTest, ShowsABodyAsItIsJudged) {
  const auto packed = test::compressed("hello, body", test::Format::kGzip);
  const auto response = ok(packed, "Content-Encoding: gzip\r\n");
  EXPECT_THAT(kept(response, Keep::kIfGood, {.compression = true}), HasSubstr("\n\nhello, body"));
  EXPECT_THAT(kept(response, Keep::kIfGood), Not(HasSubstr("hello")));
  EXPECT_THAT(kept(ok("caf\xE9", "Content-Type: text/plain; charset=iso-8859-1\r\n"), Keep::kIfGood),
              HasSubstr("\n\ncafé"));
  EXPECT_THAT(kept(response, Keep::kIfBad, {.compression = true, .expect = {.body = {"absent"}}}),
              HasSubstr("\n\nhello, body"));
}

TEST_F(ProberEvidenceTest, OfALargeBodyOnlyTheBeginningIsKept) {
  const auto large = test::noise(200'000, "abcdefgh ");
  const auto text = kept(ok(large), Keep::kIfGood);
  EXPECT_THAT(text, HasSubstr(large.substr(0, 4000)));
  EXPECT_LT(text.size(), 4096U + 200);
  const auto searched = kept(ok(large), Keep::kIfBad, {.expect = {.body = {"absent"}}});
  EXPECT_THAT(searched, HasSubstr(large.substr(0, 4000)));
}

}  // namespace
}  // namespace monitor::probe
