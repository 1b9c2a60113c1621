#include "probe/prober.h"

#include <future>
#include <unistd.h>

#include <boost/system/system_error.hpp>
#include <gmock/gmock.h>

#include "async/task_group.h"
#include "common/error.h"
#include "probe/prober_fixture.h"
#include "support/noise.h"

namespace monitor::probe {
namespace {

namespace asio = boost::asio;
using common::Outcome;
using test::Peer;
using test::ScriptServer;

TEST_F(ProberTest, ACompleteGoodResponseIsUp) {
  const ScriptServer server(ScriptServer::reply(ok("hello")));
  const auto seen = probe(server.url());
  EXPECT_EQ(seen.outcome, Outcome::kUp) << seen.reason;
  EXPECT_EQ(seen.reason, "");
  EXPECT_EQ(seen.status, 200);
  EXPECT_EQ(seen.body_bytes, 5);
  EXPECT_EQ(seen.remote_address, "127.0.0.1");
  EXPECT_EQ(seen.started, clock_.wall());
  EXPECT_FALSE(seen.phases.dns) << "an address is not looked up";
  EXPECT_TRUE(seen.phases.connect && seen.phases.first_byte && seen.phases.transfer);
  EXPECT_FALSE(seen.phases.tls);
  EXPECT_FALSE(seen.capped || seen.contains_regex || seen.dns_cached);
}

class Wire : public ProberTest {
 protected:
  std::string request(Service what, const std::string& path = "/") {
    std::string seen;
    {
      const ScriptServer server([&seen](Peer& peer) {
        seen = peer.read_request();
        peer.send("HTTP/1.1 204 No Content\r\n\r\n");
        peer.close();
      });
      host_ = "127.0.0.1:" + std::to_string(server.port());
      what.url = what.target = "http://" + userinfo_ + host_ + path;
      EXPECT_EQ(probe(what).outcome, Outcome::kUp);
    }
    return seen;
  }
  std::string host_;
  std::string userinfo_;
};

TEST_F(Wire, TheRequestSaysWhoAsksAndThatItIsTheOnlyOne) {
  EXPECT_EQ(request(service(""), "/a b?c[]=d#e"), "GET /a%20b?c%5B%5D=d HTTP/1.1\r\nHost: " + host_ +
                                                      "\r\nUser-Agent: monitoring-client\r\nAccept: */*\r\n"
                                                      "Connection: close\r\n\r\n");
}

TEST_F(Wire, EveryMethodIsSentAsItIs) {
  for (const auto& method : allowed_methods()) {
    const auto text = request(service("", method));
    EXPECT_TRUE(text.starts_with((method == "OPTION" ? "OPTIONS" : method) + " / HTTP/1.1\r\n")) << text;
    const bool announces = method == "POST" || method == "PUT" || method == "PATCH";
    EXPECT_EQ(text.find("Content-Length: 0\r\n") != std::string::npos, announces) << text;
  }
}

TEST_F(Wire, UserAndPasswordGoIntoAnAuthorizationAlone) {
  userinfo_ = "user:s3cret@";
  const auto text = request(service(""));
  EXPECT_NE(text.find("Authorization: Basic dXNlcjpzM2NyZXQ=\r\n"), std::string::npos) << text;
  EXPECT_EQ(text.find("s3cret"), std::string::npos);
}

TEST_F(ProberTest, AServiceThatTheRulesRefuseIsNotPrepared) {
  EXPECT_THROW(prober().prepare(service("ftp://a.test/")), common::UsageError);
  EXPECT_THROW(prober().prepare(service("http://a.test/", "get")), common::UsageError);
  EXPECT_THROW(prober().prepare(searching("http://a.test/", "(?=x)")), common::UsageError);
}

TEST_F(ProberTest, AStatusOutsideTheGoodRangeIsDown) {
  const auto seen = meet(ScriptServer::reply("HTTP/1.1 503 Busy\r\nContent-Length: 0\r\n\r\n"));
  EXPECT_EQ(seen.outcome, Outcome::kStatus);
  EXPECT_EQ(seen.reason, "status 503 is outside 200-399");
  EXPECT_EQ(seen.status, 503);
}

TEST_F(ProberTest, ARedirectIsNotFollowed) {
  const ScriptServer server(
      ScriptServer::reply("HTTP/1.1 302 Found\r\nLocation: http://127.0.0.1:1/\r\nContent-Length: 0\r\n\r\n"));
  const auto seen = probe(server.url());
  EXPECT_EQ(seen.outcome, Outcome::kUp);
  EXPECT_EQ(seen.status, 302);
  EXPECT_EQ(server.connections(), 1);
}

TEST_F(ProberTest, TheRegexIsSearchedForInTheDecodedBody) {
  const ScriptServer server(ScriptServer::reply(ok("caf\xE9\n", "Content-Type: text/plain; charset=iso-8859-1\r\n")));
  const auto seen = probe(searching(server.url(), "^caf.$"));
  EXPECT_EQ(seen.outcome, Outcome::kUp) << seen.reason;
  EXPECT_TRUE(seen.contains_regex);
  const auto missing = probe(searching(server.url(), "tea"));
  EXPECT_EQ(missing.outcome, Outcome::kBodyMismatch);
  EXPECT_EQ(missing.reason, "the regular expression was not found in the 5 B body");
  EXPECT_EQ(missing.status, 200);
  EXPECT_FALSE(missing.contains_regex);
}

TEST_F(ProberTest, ABodyBeyondTheLimitIsJudgedByItsBeginning) {
  const ScriptServer server([](Peer& peer) {
    peer.read_request();
    peer.send("HTTP/1.1 200 OK\r\n\r\nmarker");
    while (peer.send(std::string(4096, 'x'))) {
    }
  });
  auto what = searching(server.url(), "marker");
  what.body_limit = 100'000;
  const auto seen = probe(what);
  EXPECT_EQ(seen.outcome, Outcome::kUp) << seen.reason;
  EXPECT_TRUE(seen.capped);
  EXPECT_EQ(seen.body_bytes, 100'000);
  what.regex = "not there";
  EXPECT_EQ(probe(what).outcome, Outcome::kBodyMismatch);
}

TEST_F(ProberTest, ABodyWithoutALengthEndsWithTheConnection) {
  const auto seen = meet(ScriptServer::reply("HTTP/1.0 200 OK\r\n\r\nhello"));
  EXPECT_EQ(seen.outcome, Outcome::kUp) << seen.reason;
  EXPECT_EQ(seen.body_bytes, 5);
}

TEST_F(ProberTest, ACompleteResponseIsNotWaitedOn) {
  const auto seen = meet([](Peer& peer) {
    peer.read_request();
    peer.send(ok("hello"));
    peer.hold();  // says neither goodbye nor anything else
  });
  EXPECT_EQ(seen.outcome, Outcome::kUp) << seen.reason;
}

TEST_F(ProberTest, WhatHasNoBodyIsNotWaitedFor) {
  const ScriptServer server([](Peer& peer) {
    peer.read_request();
    peer.send("HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello");
    peer.hold();
  });
  const auto head = probe(service(server.url(), "HEAD"));
  EXPECT_EQ(head.outcome, Outcome::kUp) << head.reason;
  EXPECT_EQ(head.body_bytes, 0);
  for (const std::string status : {"204 No Content", "304 Not Modified"}) {
    const auto seen = meet([&](Peer& peer) {
      peer.read_request();
      peer.send("HTTP/1.1 " + status + "\r\nContent-Length: 5\r\n\r\n");
      peer.hold();
    });
    EXPECT_EQ(seen.outcome, Outcome::kUp) << seen.reason;
  }
}

TEST_F(ProberTest, ADripIsAResponse) {
  const auto seen = meet([](Peer& peer) {
    peer.read_request();
    peer.drip("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n");
    peer.hold();
  });
  EXPECT_EQ(seen.outcome, Outcome::kUp) << seen.reason;
  EXPECT_EQ(seen.body_bytes, 5);
}

TEST_F(ProberTest, AMillionChunksOfOneByteAreABody) {
  std::string chunks;
  for (int i = 0; i < 1000; ++i) chunks += "1\r\nx\r\n";
  const auto seen = meet([&](Peer& peer) {
    peer.read_request();
    peer.send("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n");
    for (int i = 0; i < 1000; ++i) peer.send(chunks);
    peer.send("0\r\n\r\n");
    peer.hold();
  });
  EXPECT_EQ(seen.outcome, Outcome::kUp) << seen.reason;
  EXPECT_EQ(seen.body_bytes, 1'000'000);
}

TEST_F(ProberTest, ACancelledProbeThrows) {
  const ScriptServer server([](Peer& peer) { peer.hold(); });
  async::TaskGroup group(io_.get_executor(), [](const std::string& name, std::exception_ptr) { FAIL() << name; });
  bool aborted = false;
  group.spawn("probe", [](Prober& with, std::shared_ptr<const Check> check, bool& thrown) -> asio::awaitable<void> {
    try {
      co_await with.probe(std::move(check));
    } catch (const boost::system::system_error& error) {
      thrown = error.code() == asio::error::operation_aborted;
    }
  }(prober(), prober().prepare(service(server.url())), aborted));
  io_.run_for(std::chrono::milliseconds{20});
  group.cancel();
  test::run(io_, group.join());
  EXPECT_TRUE(aborted);
}

TEST_F(ProberTest, ASlowSearchHoldsUpNoOtherCheckAndIsNotTheServersTime) {
  std::promise<void> asked, matching;
  const ScriptServer slow([&](Peer& peer) {
    peer.read_request();
    const auto response = ok(test::noise(std::size_t{256} << 10, "abcdefgh"));
    peer.send(std::string_view(response).substr(0, response.size() - 1));
    asked.get_future().wait_for(std::chrono::seconds{10});
    peer.send(std::string_view(response).substr(response.size() - 1));
    peer.hold();  // the client closes once it has the body, and then searches it
    matching.set_value();
  });
  const ScriptServer quick([&](Peer& peer) {
    peer.read_request();
    asked.set_value();
    matching.get_future().wait_for(std::chrono::seconds{10});
    peer.send(ok("hello"));
    peer.close();
  });
  async::TaskGroup group(io_.get_executor(), [](const std::string& name, std::exception_ptr) { FAIL() << name; });
  std::vector<Observation> ended;
  const auto run = [this](std::shared_ptr<const Check> check, std::vector<Observation>& into) -> asio::awaitable<void> {
    into.push_back(co_await prober().probe(std::move(check)));
    clock_.advance(std::chrono::hours{1});
  };
  group.spawn("slow", run(prober().prepare(searching(slow.url(), "a.{0,200}error")), ended));
  group.spawn("quick", run(prober().prepare(service(quick.url())), ended));
  test::run(io_, group.join());
  ASSERT_EQ(ended.size(), 2U);
  EXPECT_EQ(ended[0].outcome, Outcome::kUp) << "the quick one ends first: " << ended[0].reason;
  EXPECT_EQ(ended[1].outcome, Outcome::kBodyMismatch) << ended[1].reason;
  EXPECT_EQ(ended[1].body_bytes, 256 << 10);
  EXPECT_EQ(ended[1].phases.transfer, common::Micros{0});
  EXPECT_EQ(ended[1].total, common::Micros{0}) << "the hour that passed during the search is not counted";
}

TEST_F(ProberTest, ALargeBodyIsDecodedAndFoundAsASmallOneIs) {
  const std::string body = std::string(std::size_t{100} << 10, 'x') + "caf\xE9\n";
  const ScriptServer server(ScriptServer::reply(ok(body, "Content-Type: text/plain; charset=iso-8859-1\r\n")));
  const auto seen = probe(searching(server.url(), "café$"));
  EXPECT_EQ(seen.outcome, Outcome::kUp) << seen.reason;
  EXPECT_TRUE(seen.contains_regex);
  EXPECT_EQ(seen.body_bytes, static_cast<std::int64_t>(body.size()));
}

TEST_F(ProberTest, AReasonNeverHoldsASecret) {
  for (const auto& secret : {std::string("http://user:s3cret@127.0.0.1:") + std::to_string(test::closed_port()) + "/",
                             std::string("http://user:s3cret@name.test/?token=s3cret")}) {
    const auto seen = probe(secret);
    EXPECT_NE(seen.outcome, Outcome::kUp);
    EXPECT_EQ(seen.reason.find("s3cret"), std::string::npos) << seen.reason;
  }
}

TEST_F(ProberTest, TellsHowLongABusyServerAsksToBeLeftAlone) {
  const auto busy = [&](const std::string& fields) {
    return meet(ScriptServer::reply("HTTP/1.1 503 Busy\r\n" + fields + "Content-Length: 0\r\n\r\n"));
  };
  EXPECT_EQ(busy("Retry-After: 120\r\n").retry_after, std::chrono::seconds{120});
  EXPECT_EQ(busy("Retry-After: Sun, 15 Jun 2025 15:07:40 GMT\r\n").retry_after, std::chrono::seconds{60})
      << "by the clock of the prober";
  EXPECT_EQ(busy("Retry-After: soon\r\n").retry_after, std::nullopt);
  EXPECT_EQ(busy("").retry_after, std::nullopt);
  // A body that breaks off changes nothing of what the header said.
  const auto cut = meet(ScriptServer::reply("HTTP/1.1 503 Busy\r\nRetry-After: 9\r\nContent-Length: 5\r\n\r\nab"));
  EXPECT_EQ(cut.outcome, Outcome::kTruncated);
  EXPECT_EQ(cut.retry_after, std::chrono::seconds{9});
}

TEST_F(ProberTest, WhatTheEnvironmentGaveIsInNoReason) {
  auto what = service("http://s3cret.missing.test:8443/x");
  what.url = "http://${TENANT}.missing.test:${PORT}/x";
  const auto seen = probe(what);
  EXPECT_EQ(seen.outcome, Outcome::kDnsNxdomain);
  EXPECT_THAT(seen.reason, testing::Not(testing::HasSubstr("s3cret")));
  EXPECT_THAT(seen.reason, testing::HasSubstr("${TENANT}.missing.test"));
}

}  // namespace
}  // namespace monitor::probe
