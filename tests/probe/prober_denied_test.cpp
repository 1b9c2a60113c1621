// What limits.deny_networks keeps checks from, on every way to an address.
#include <gmock/gmock.h>

#include "net/deny_list.h"
#include "probe/prober_fixture.h"
#include "support/connect_proxy.h"

namespace monitor::probe {
namespace {

using common::Outcome;
using testing::HasSubstr;

/// 127.0.0.2 is denied, and 127.0.0.1, where the target listens, is not.
class ProberDeniedTest : public ProberTest {
 protected:
  ProberDeniedTest() { deny({"127.0.0.2"}); }

  void deny(std::vector<std::string> networks) {
    net::Options options;
    options.deny_networks = std::move(networks);
    prober_ = Prober::create(io_.get_executor(), clock_, options, system_);
  }
  std::string denied(const std::string& host = "127.0.0.2") const {
    return "http://" + host + ":" + std::to_string(target_.port()) + "/";
  }
  static void expect_denied(const Observation& seen) {
    EXPECT_EQ(seen.outcome, Outcome::kAddressDenied) << seen.reason;
    EXPECT_EQ(common::verdict_of(seen.outcome), common::Verdict::kUnknown);
    EXPECT_THAT(seen.reason, HasSubstr("limits.deny_networks holds 127.0.0.2"));
  }

  Recorder target_{[](const std::string&) { return ok("hello"); }};
};

TEST_F(ProberDeniedTest, AnAddressInTheUrlIsNotConnectedTo) {
  expect_denied(probe(denied()));
  expect_denied(probe(denied("[::ffff:127.0.0.2]")));
  EXPECT_EQ(probe(target_.url()).outcome, Outcome::kUp) << "others are";
  EXPECT_EQ(target_.connections(), 1);
}

TEST_F(ProberDeniedTest, AnAddressThatANameHasIsJudgedWhenItIsUsed) {
  dns_.set("inside.test", {.v4 = {"127.0.0.2"}});
  expect_denied(probe(denied("inside.test")));
  EXPECT_EQ(target_.connections(), 0);
}

TEST_F(ProberDeniedTest, OfSeveralAddressesTheOthersAreUsed) {
  dns_.set("both.test", {.v4 = {"127.0.0.2", "127.0.0.1"}});
  const auto seen = probe(denied("both.test"));
  EXPECT_EQ(seen.outcome, Outcome::kUp) << seen.reason;
  EXPECT_EQ(seen.remote_address, "127.0.0.1");
  EXPECT_THAT(seen.passed_over, HasSubstr("was passed over: limits.deny_networks forbids it"));
}

TEST_F(ProberDeniedTest, ARedirectThereIsTheServersFault) {
  Recorder sender([this](const std::string&) {
    return "HTTP/1.1 302 Go\r\nLocation: " + denied() + "\r\nContent-Length: 0\r\n\r\n";
  });
  const auto seen = probe(specified(service(sender.url()), {.redirects = {.follow = true}}));
  EXPECT_EQ(seen.outcome, Outcome::kRedirectRefused) << seen.reason;
  EXPECT_THAT(seen.reason, HasSubstr("limits.deny_networks holds 127.0.0.2"));
  EXPECT_EQ(target_.connections(), 0);
}

TEST_F(ProberDeniedTest, SoAreConnectToAndAProxy) {
  expect_denied(
      probe(specified(service("http://outside.test/"), {.connect_to = HostPort{"127.0.0.2", target_.port()}})));
  expect_denied(probe(specified(service("http://outside.test/"), {.proxy = denied()})));
  EXPECT_EQ(target_.connections(), 0);
}

TEST_F(ProberDeniedTest, AProxyIsNotAskedForADeniedAddress) {
  test::ConnectProxy proxy;
  expect_denied(probe(specified(service(denied()), {.proxy = proxy.url()})));
  EXPECT_TRUE(proxy.requests().empty());
}

TEST_F(ProberDeniedTest, ANameServerThatAServiceNamesIsNotAsked) {
  expect_denied(probe(specified(service("http://some.test/"), {.resolver = "127.0.0.2:5353"})));
}

TEST_F(ProberDeniedTest, ATokenIsNotFetchedFromThere) {
  Spec spec;
  spec.auth = {.kind = Auth::Kind::kOauth2, .user = "id", .secret = common::Secret("s3cret"), .token_url = denied()};
  const auto seen = probe(specified(service(target_.url()), spec));
  EXPECT_EQ(seen.outcome, Outcome::kAuthFailure) << seen.reason;
  EXPECT_THAT(seen.reason, HasSubstr("limits.deny_networks holds 127.0.0.2"));
  EXPECT_EQ(target_.connections(), 0);
}

TEST_F(ProberDeniedTest, AKeptConnectionIsNotUsedOnceItsAddressIsDenied) {
  const auto reusing = specified(service(target_.url()), {.reuse = true});
  EXPECT_EQ(probe(reusing).outcome, Outcome::kUp);
  net::DenyList::of(io_.get_executor()).deny({"127.0.0.1"});
  EXPECT_EQ(probe(reusing).outcome, Outcome::kAddressDenied);
  EXPECT_EQ(target_.requests().size(), 1U);
}

TEST_F(ProberDeniedTest, AKeptTunnelIsNotUsedOnceTheAddressBehindItIsDenied) {
  deny({"192.0.2.1"});
  test::ConnectProxy proxy;
  const auto url = "http://127.0.0.2:" + std::to_string(target_.port()) + "/";
  const auto reusing = specified(service(url), {.proxy = proxy.url(), .reuse = true});
  EXPECT_EQ(probe(reusing).outcome, Outcome::kUp);
  net::DenyList::of(io_.get_executor()).deny({"127.0.0.2"});
  expect_denied(probe(reusing));
  EXPECT_EQ(target_.requests().size(), 1U);
}

TEST_F(ProberDeniedTest, AKeptConnectionIsNotUsedOnceItsNameServerIsDenied) {
  deny({"192.0.2.1"});
  const auto reusing = specified(service(target_.url()), {.resolver = "127.0.0.2:5353", .reuse = true});
  EXPECT_EQ(probe(reusing).outcome, Outcome::kUp);
  net::DenyList::of(io_.get_executor()).deny({"127.0.0.2"});
  expect_denied(probe(reusing));
  EXPECT_EQ(target_.requests().size(), 1U);
}

TEST_F(ProberDeniedTest, NobodysAddressIsRefusedWithoutAnyList) {
  deny({});
  for (const auto* host : {"0.0.0.0", "[::]", "[::ffff:0.0.0.0]"}) {
    const auto seen = probe(denied(host));
    EXPECT_EQ(seen.outcome, Outcome::kUnreachable) << seen.reason;
    EXPECT_THAT(seen.reason, HasSubstr("nobody's"));
  }
  EXPECT_EQ(target_.connections(), 0);
}

}  // namespace
}  // namespace monitor::probe
