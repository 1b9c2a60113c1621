#include <future>

#include <boost/system/system_error.hpp>
#include <gmock/gmock.h>

#include "async/task_group.h"
#include "probe/prober_fixture.h"

namespace monitor::probe {
namespace {

namespace asio = boost::asio;
using common::Outcome;
using common::Secret;
using test::Peer;
using test::ScriptServer;
using testing::HasSubstr;
using testing::Not;

class ProberOauthTest : public ProberTest {
 protected:
  static std::string token(const std::string& text, int lasts = 3600) {
    return ok("{\"access_token\":\"" + text + "\",\"token_type\":\"Bearer\",\"expires_in\":" + std::to_string(lasts) +
              "}");
  }
  static Spec client(const std::string& token_url) {
    return {.auth = {.kind = Auth::Kind::kOauth2,
                     .user = "my client",
                     .secret = Secret("s3cret+"),
                     .token_url = token_url,
                     .scope = "read"}};
  }
  Observation ask(const Recorder& service_server, const std::string& token_url) {
    // A token lives as long as a check that uses it.
    held_.push_back(prober().prepare(specified(service(service_server.url()), client(token_url))));
    return test::run(io_, prober().probe(held_.back()));
  }
  static asio::awaitable<void> run(Prober& with, std::shared_ptr<const Check> check, std::vector<Observation>& into) {
    into.push_back(co_await with.probe(std::move(check)));
  }
  /// Runs `io_` until another thread has made `condition` true.
  template <typename Condition>
  void run_until(Condition condition) {
    const auto end = std::chrono::steady_clock::now() + std::chrono::seconds{10};
    while (!condition() && std::chrono::steady_clock::now() < end) io_.run_one_for(std::chrono::milliseconds{1});
  }

  std::vector<std::shared_ptr<const Check>> held_;
};

TEST_F(ProberOauthTest, ATokenIsFetchedOnceAndSentWithEveryCheck) {
  Recorder endpoint([](const std::string&) { return token("t0ken"); });
  Recorder server([](const std::string&) { return ok("hello"); });
  for (int i = 0; i < 2; ++i) {
    const auto seen = ask(server, endpoint.url("/token"));
    EXPECT_EQ(seen.outcome, Outcome::kUp) << seen.reason;
    EXPECT_TRUE(seen.hops.empty());
  }
  EXPECT_THAT(server.requests().at(1), HasSubstr("\r\nAuthorization: Bearer t0ken\r\n"));
  ASSERT_EQ(endpoint.requests().size(), 1U);
  EXPECT_EQ(endpoint.requests().at(0),
            "POST /token HTTP/1.1\r\nHost: " + endpoint.host() +
                "\r\nUser-Agent: monitoring-client\r\nAuthorization: Basic "
                "bXkrY2xpZW50OnMzY3JldCUyQg==\r\nAccept: application/json\r\n"
                "Content-Type: application/x-www-form-urlencoded\r\nContent-Length: 40\r\nConnection: close\r\n\r\n"
                "grant_type=client_credentials&scope=read");
}

TEST_F(ProberOauthTest, ATokenIsRenewedBeforeItEndsAndAfterItWasRefused) {
  std::atomic<int> fetched = 0;
  std::atomic<bool> refuse = false;
  Recorder endpoint([&](const std::string&) { return token("t" + std::to_string(++fetched)); });
  Recorder server(
      [&](const std::string&) { return refuse ? "HTTP/1.1 401 No\r\nContent-Length: 0\r\n\r\n" : ok("hello"); });
  ask(server, endpoint.url());
  clock_.advance(std::chrono::seconds{3569});
  ask(server, endpoint.url());
  EXPECT_EQ(fetched, 1);
  clock_.advance(std::chrono::seconds{2});
  ask(server, endpoint.url());
  EXPECT_EQ(fetched, 2) << "30 s before its end";
  refuse = true;
  EXPECT_EQ(ask(server, endpoint.url()).outcome, Outcome::kStatus);
  refuse = false;
  EXPECT_EQ(ask(server, endpoint.url()).outcome, Outcome::kUp);
  EXPECT_EQ(fetched, 3);
  EXPECT_THAT(server.requests().back(), HasSubstr("Bearer t3"));
}

TEST_F(ProberOauthTest, WithoutATokenTheServiceIsNotAskedAndNothingIsKnownOfIt) {
  Recorder server([](const std::string&) { return ok("hello"); });
  struct Case {
    std::string answer, says;
  };
  for (const auto& [answer, says] : std::vector<Case>{
           {"HTTP/1.1 401 No\r\nContent-Length: 26\r\n\r\n{\"error\":\"invalid_client\"}",
            "it answered with status 401 (invalid_client)"},
           {ok("s3cret"), "its answer is not a JSON object"},
           {ok("{\"access_token\":\"" + std::string(70'000, 'x') + "\"}"), "its answer is larger than 64 KiB"},
           {"SSH-2.0-x\r\n", "does not begin with an HTTP/1.x status line"}}) {
    Recorder endpoint([&](const std::string&) { return answer; });
    const auto seen = ask(server, endpoint.url());
    EXPECT_EQ(seen.outcome, Outcome::kAuthFailure);
    EXPECT_EQ(common::verdict_of(seen.outcome), common::Verdict::kUnknown);
    EXPECT_THAT(seen.reason, testing::AllOf(HasSubstr("no access token could be had from " + endpoint.host()),
                                            HasSubstr(says), Not(HasSubstr("s3cret"))));
    EXPECT_FALSE(seen.status);
  }
  const auto port = std::to_string(test::closed_port());
  const auto refused = ask(server, "http://127.0.0.1:" + port + "/");
  EXPECT_EQ(refused.outcome, Outcome::kAuthFailure);
  EXPECT_THAT(refused.reason, HasSubstr("nothing listens on 127.0.0.1:" + port));
  EXPECT_EQ(server.connections(), 0);
}

TEST_F(ProberOauthTest, AnEndpointThatFailsIsAskedOnceInFiveSeconds) {
  Recorder endpoint([](const std::string&) { return "HTTP/1.1 500 Oops\r\nContent-Length: 0\r\n\r\n"; });
  Recorder server([](const std::string&) { return ok("hello"); });
  const auto first = ask(server, endpoint.url());
  clock_.advance(std::chrono::milliseconds{4999});
  const auto second = ask(server, endpoint.url());
  EXPECT_EQ(second.outcome, Outcome::kAuthFailure);
  EXPECT_EQ(second.reason, first.reason);
  EXPECT_EQ(endpoint.connections(), 1);
  clock_.advance(std::chrono::milliseconds{1});
  ask(server, endpoint.url());
  EXPECT_EQ(endpoint.connections(), 2);
}

TEST_F(ProberOauthTest, ChecksThatNeedOneAtTheSameTimeShareTheFetch) {
  std::promise<void> all_wait;
  Recorder endpoint([&](const std::string&) {
    all_wait.get_future().wait_for(std::chrono::seconds{10});
    return token("t0ken");
  });
  Recorder server([](const std::string&) { return ok("hello"); });
  async::TaskGroup group(io_.get_executor(), [](const std::string& name, std::exception_ptr) { FAIL() << name; });
  std::vector<Observation> ended;
  for (int i = 0; i < 5; ++i) {
    auto what = specified(service(server.url()), client(endpoint.url()));  // a Spec of its own, equal to the others
    group.spawn("check", run(prober(), prober().prepare(what), ended));
  }
  run_until([&] { return !endpoint.requests().empty(); });
  all_wait.set_value();
  test::run(io_, group.join());
  ASSERT_EQ(ended.size(), 5U);
  for (const auto& seen : ended) EXPECT_EQ(seen.outcome, Outcome::kUp) << seen.reason;
  EXPECT_EQ(endpoint.connections(), 1);
}

TEST_F(ProberOauthTest, AnEndpointThatIsSilentCostsNoMoreThanTheTimeout) {
  const ScriptServer endpoint([](Peer& peer) { peer.hold(); });
  Recorder server([](const std::string&) { return ok("hello"); });
  auto what = specified(hurried(server.url()), client(endpoint.url()));
  async::TaskGroup group(io_.get_executor(), [](const std::string& name, std::exception_ptr) { FAIL() << name; });
  std::vector<Observation> ended;
  for (int i = 0; i < 2; ++i) group.spawn("check", run(prober(), prober().prepare(what), ended));
  test::run(io_, group.join());
  ASSERT_EQ(ended.size(), 2U);
  for (const auto& seen : ended) {
    EXPECT_EQ(seen.outcome, Outcome::kAuthFailure) << seen.reason;
    EXPECT_FALSE(seen.phases.connect) << "none of it is the service's time";
  }
  EXPECT_EQ(server.connections(), 0);
}

TEST_F(ProberOauthTest, WhenWhoFetchesIsCutOffAnotherTakesOver) {
  std::atomic<int> asked = 0;
  const ScriptServer endpoint([&](Peer& peer) {
    peer.read_request();
    if (asked++ > 0) peer.send(token("t0ken"));
    peer.hold();
  });
  Recorder server([](const std::string&) { return ok("hello"); });
  const auto what = specified(service(server.url()), client(endpoint.url()));
  async::TaskGroup first(io_.get_executor(), [](const std::string& name, std::exception_ptr) { FAIL() << name; });
  async::TaskGroup second(io_.get_executor(), [](const std::string& name, std::exception_ptr) { FAIL() << name; });
  std::vector<Observation> cut, ended;
  const auto cuttable = [](Prober& with, std::shared_ptr<const Check> check,
                           std::vector<Observation>& into) -> asio::awaitable<void> {
    try {
      into.push_back(co_await with.probe(std::move(check)));
    } catch (const boost::system::system_error&) {
    }
  };
  first.spawn("first", cuttable(prober(), prober().prepare(what), cut));
  second.spawn("second", run(prober(), prober().prepare(what), ended));
  run_until([&] { return asked > 0; });
  first.cancel();
  test::run(io_, first.join());
  test::run(io_, second.join());
  EXPECT_TRUE(cut.empty());
  ASSERT_EQ(ended.size(), 1U);
  EXPECT_EQ(ended[0].outcome, Outcome::kUp) << ended[0].reason;
  EXPECT_EQ(asked, 2);
}

TEST_F(ProberOauthTest, WhenTheTimeOfWhoFetchesIsOverAnotherTakesOver) {
  std::atomic<int> asked = 0;
  const ScriptServer endpoint([&](Peer& peer) {
    peer.read_request();
    if (asked++ > 0) peer.send(token("t0ken"));
    peer.hold();
  });
  Recorder server([](const std::string&) { return ok("hello"); });
  const auto hasty = specified(hurried(server.url()), client(endpoint.url()));
  const auto patient = specified(service(server.url()), client(endpoint.url()));
  async::TaskGroup group(io_.get_executor(), [](const std::string& name, std::exception_ptr) { FAIL() << name; });
  std::vector<Observation> ended;
  group.spawn("hasty", run(prober(), prober().prepare(hasty), ended));
  group.spawn("patient", run(prober(), prober().prepare(patient), ended));
  test::run(io_, group.join());
  ASSERT_EQ(ended.size(), 2U);
  EXPECT_EQ(ended[0].outcome, Outcome::kAuthFailure) << ended[0].reason;
  EXPECT_EQ(ended[1].outcome, Outcome::kUp) << ended[1].reason;
}

TEST_F(ProberOauthTest, ATokenIsNotShownWhenTheServerSendsItBack) {
  Recorder endpoint([](const std::string&) { return token("t0ken-canary"); });
  Recorder server([](const std::string& request) { return ok(request); });
  auto spec = client(endpoint.url());
  spec.expect.status = {{500, 599}};
  const auto seen = probe(specified(service(server.url()), spec), Keep::kIfBad);
  EXPECT_EQ(seen.outcome, Outcome::kStatus);
  EXPECT_THAT(seen.evidence, testing::AllOf(HasSubstr("GET / HTTP/1.1"), Not(HasSubstr("canary"))));
}

}  // namespace
}  // namespace monitor::probe
