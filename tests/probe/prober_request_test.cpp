#include <gmock/gmock.h>

#include "common/error.h"
#include "probe/prober_fixture.h"
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

class ProberRequestTest : public ProberTest {
 protected:
  /// What a server gets of `spec`.
  std::string sent(const Spec& spec, const std::string& method = "GET", const std::string& userinfo = "") {
    Recorder server([](const std::string&) { return ok(""); });
    const auto url = "http://" + userinfo + server.host() + "/";
    EXPECT_EQ(probe(specified(service(url, method), spec)).outcome, Outcome::kUp);
    return server.requests().empty() ? std::string() : server.requests().front();
  }
};

TEST_F(ProberRequestTest, HeadersAndCredentialsGoWithTheRequest) {
  EXPECT_THAT(sent({.headers = {{"X-Token", Secret("t0ken")}}}), HasSubstr("\r\nX-Token: t0ken\r\n"));
  EXPECT_THAT(sent({.auth = {.kind = Auth::Kind::kBearer, .secret = Secret("t0ken")}}),
              HasSubstr("\r\nAuthorization: Bearer t0ken\r\n"));
  const Spec basic{.auth = {.kind = Auth::Kind::kBasic, .user = "user", .secret = Secret("s3cret")}};
  const auto text = sent(basic, "GET", "other:word@");
  EXPECT_THAT(text, HasSubstr("\r\nAuthorization: Basic dXNlcjpzM2NyZXQ=\r\n")) << "it goes before the URL's";
  EXPECT_EQ(text.find("Authorization"), text.rfind("Authorization"));
}

TEST_F(ProberRequestTest, ABodyArrivesWholeWhateverItsSize) {
  for (const std::size_t size : {1, 1024, 1025, 1 << 20}) {
    const auto body = test::noise(size, "abcdefgh");
    EXPECT_THAT(sent({.body = Secret(body)}, "POST"),
                testing::AllOf(HasSubstr("Content-Length: " + std::to_string(size) + "\r\n"),
                               testing::EndsWith("\r\n\r\n" + body)))
        << size;
  }
}

TEST_F(ProberRequestTest, ASpecThatTheRulesRefuseIsNotPrepared) {
  const auto prepare = [this](const Spec& spec) { prober().prepare(specified(service("http://a.test/"), spec)); };
  EXPECT_THROW(prepare({.headers = {{"X", Secret("a\r\nY: b")}}}), common::UsageError);
  EXPECT_THROW(prepare({.headers = {{"Content-Length", Secret("5")}}}), common::UsageError);
  EXPECT_THROW(prepare({.auth = {.kind = Auth::Kind::kBearer, .secret = Secret("a b")}}), common::UsageError);
  EXPECT_THROW(prepare({.auth = {.kind = Auth::Kind::kBasic, .user = "a:b"}}), common::UsageError);
  EXPECT_THROW(prepare({.auth = {.kind = Auth::Kind::kOauth2, .token_url = "ftp://a.test/"}}), common::UsageError);
  EXPECT_THROW(prepare({.connect_to = HostPort{"a/b", 80}}), common::UsageError);
  EXPECT_THROW(prepare({.proxy = "socks5://a.test:1"}), common::UsageError);
  EXPECT_THROW(prepare({.connect_to = HostPort{"a.test", 80}, .proxy = "http://b.test:1"}), common::UsageError);
  EXPECT_THROW(prepare({.expect = {.body = {"(?=x)"}}}), common::UsageError);
  try {
    prepare({.headers = {{"X-Token", Secret("s3cret\n")}}});
  } catch (const common::UsageError& refusal) {
    EXPECT_STREQ(refusal.what(),
                 "GET http://a.test/: the value of X-Token holds a control character: write it on one line");
  }
}

TEST_F(ProberRequestTest, ConnectToChangesWhereTheConnectionGoesAndNothingElse) {
  Recorder server([](const std::string&) { return ok(""); });
  const Spec spec{.connect_to = HostPort{"127.0.0.1", server.port()}};
  const auto seen = probe(specified(service("http://www.far.test/x"), spec));
  EXPECT_EQ(seen.outcome, Outcome::kUp) << seen.reason;
  EXPECT_EQ(seen.remote_address, "127.0.0.1");
  EXPECT_THAT(server.requests().at(0), HasSubstr("\r\nHost: www.far.test\r\n"));
  EXPECT_EQ(dns_.questions("www.far.test"), 0);
  dns_.set("near.test", {.v4 = {"127.0.0.1"}});
  const Spec named{.connect_to = HostPort{"near.test", server.port()}};
  EXPECT_EQ(probe(specified(service("http://www.far.test/x"), named)).outcome, Outcome::kUp);
  EXPECT_GT(dns_.questions("near.test"), 0);
}

TEST_F(ProberRequestTest, AResolverOfItsOwnIsAskedInsteadOfTheSystems) {
  Recorder server([](const std::string&) { return ok(""); });
  test::DnsStub own;
  own.set("inside.test", {.v4 = {"127.0.0.1"}});
  const auto what = service("http://inside.test:" + std::to_string(server.port()) + "/");
  EXPECT_EQ(probe(what).outcome, Outcome::kDnsNxdomain);
  const auto seen = probe(specified(what, {.resolver = own.address()}));
  EXPECT_EQ(seen.outcome, Outcome::kUp) << seen.reason;
  EXPECT_TRUE(seen.phases.dns);
}

TEST_F(ProberRequestTest, OnlyTheFamilyThatIsAskedForIsUsed) {
  Recorder server([](const std::string&) { return ok(""); });
  dns_.set("both.test", {.v4 = {"127.0.0.1"}, .v6 = {"::1"}});
  const auto what = service("http://both.test:" + std::to_string(server.port()) + "/");
  const auto four = probe(specified(what, {.family = net::AddressFamily::kIpv4}));
  EXPECT_EQ(four.outcome, Outcome::kUp) << four.reason;
  const auto six = probe(specified(what, {.family = net::AddressFamily::kIpv6}));
  EXPECT_NE(six.outcome, Outcome::kUp) << "nothing listens there";
  EXPECT_EQ(six.reason.find("127.0.0.1"), std::string::npos) << six.reason;
  const auto literal = probe(specified(service(server.url()), {.family = net::AddressFamily::kIpv6}));
  EXPECT_EQ(literal.outcome, Outcome::kUnreachable);
  EXPECT_EQ(literal.reason, "127.0.0.1 is not an address of the family that is asked for");
}

TEST_F(ProberRequestTest, CompressionIsUndoneOnlyWhenItWasAskedFor) {
  const auto packed = test::compressed("hello, marker", test::Format::kGzip);
  Recorder server([&](const std::string&) { return ok(packed, "Content-Encoding: gzip\r\n"); });
  auto what = searching(server.url(), "marker");
  const auto asked = probe(specified(what, {.compression = true}));
  EXPECT_EQ(asked.outcome, Outcome::kUp) << asked.reason;
  EXPECT_EQ(asked.body_bytes, static_cast<std::int64_t>(packed.size()));
  EXPECT_THAT(server.requests().at(0), HasSubstr("\r\nAccept-Encoding: gzip, deflate\r\n"));
  const auto unasked = probe(what);
  EXPECT_EQ(unasked.outcome, Outcome::kBodyMismatch) << "the bytes are taken as they come";
  EXPECT_THAT(server.requests().at(1), Not(HasSubstr("Accept-Encoding")));
}

TEST_F(ProberRequestTest, ACodingThatIsBrokenOrUnknownIsADecodeFailureEvenWithoutARule) {
  const auto packed = test::compressed("hello", test::Format::kGzip);
  for (const auto& [body, coding] : {std::pair{packed.substr(0, packed.size() - 4), "gzip"},
                                     {packed, "br"},
                                     {packed, "gzip, gzip"},
                                     {std::string("plain"), "gzip"}}) {
    Recorder server([&](const std::string&) { return ok(body, std::string("Content-Encoding: ") + coding + "\r\n"); });
    const auto seen = probe(specified(service(server.url()), {.compression = true}));
    EXPECT_EQ(seen.outcome, Outcome::kDecodeFailure) << coding << seen.reason;
    EXPECT_EQ(seen.status, 200);
  }
  Recorder empty([](const std::string&) { return ok("", "Content-Encoding: gzip\r\n"); });
  EXPECT_EQ(probe(specified(service(empty.url()), {.compression = true})).outcome, Outcome::kUp);
}

class LargeBody : public ProberRequestTest {
 protected:
  /// More than any system takes from us before the server reads.
  static Service posting(const std::string& url, std::chrono::seconds timeout) {
    static const Secret body(std::string(std::size_t{16} << 20, 'x'));
    auto out = specified(service(url, "POST"), {.body = body});
    out.timeout = timeout;
    return out;
  }
};

TEST_F(LargeBody, AServerThatReadsNothingGetsAWriteTimeout) {
  const ScriptServer server([](Peer& peer) { peer.idle(); });
  const auto seen = probe(posting(server.url(), std::chrono::seconds{1}));
  EXPECT_EQ(seen.outcome, Outcome::kWriteTimeout);
  EXPECT_EQ(seen.reason, "the request could not be sent to 127.0.0.1:" + std::to_string(server.port()) +
                             " within 1.0 s: the server did not take all of it");
  EXPECT_TRUE(seen.phases.first_byte);
}

TEST_F(LargeBody, AnAnswerThatComesBeforeAllIsSentIsJudged) {  // RFC 9112 §9.3
  const ScriptServer holding([](Peer& peer) {
    peer.send("HTTP/1.1 413 Too Large\r\nContent-Length: 3\r\n\r\nno!");
    peer.idle();
  });
  const auto held = probe(posting(holding.url(), std::chrono::seconds{10}));
  EXPECT_EQ(held.outcome, Outcome::kStatus) << held.reason;
  EXPECT_EQ(held.status, 413);
  EXPECT_EQ(held.body_bytes, 3);
  EXPECT_TRUE(held.phases.transfer);
}

TEST_F(LargeBody, AServerThatGoesAwayWhileItIsSentIsSeen) {
  const ScriptServer closing([](Peer& peer) {
    peer.read_some();
    peer.reset();
  });
  const auto reset = probe(posting(closing.url(), std::chrono::seconds{10}));
  EXPECT_EQ(reset.outcome, Outcome::kConnectionReset) << reset.reason;
  EXPECT_THAT(reset.reason, HasSubstr("before a response"));
}

TEST_F(LargeBody, AServerThatReadsItAllMayAnswerLate) {
  Recorder server([](const std::string& request) { return ok(std::to_string(request.size())); });
  const auto seen = probe(posting(server.url(), std::chrono::seconds{10}));
  EXPECT_EQ(seen.outcome, Outcome::kUp) << seen.reason;
  EXPECT_GT(server.requests().at(0).size(), std::size_t{16} << 20);
}

}  // namespace
}  // namespace monitor::probe
