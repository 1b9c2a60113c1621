// Probes of names, and of names with several addresses.
#include <fstream>

#include <gmock/gmock.h>

#include "async/task_group.h"
#include "net/spare_sockets.h"
#include "probe/prober_fixture.h"

namespace monitor::probe {
namespace {

namespace asio = boost::asio;
using common::Outcome;
using test::Peer;
using test::ScriptServer;

TEST_F(ProberTest, ANameIsResolvedAndEveryAddressTried) {
  const ScriptServer server(ScriptServer::reply(ok("hello")));
  dns_.set("many.test", {.v4 = {"127.0.0.8", "127.0.0.9", "127.0.0.1"}});
  const auto url = "http://many.test:" + std::to_string(server.port()) + "/";
  const auto seen = probe(url);
  EXPECT_EQ(seen.outcome, Outcome::kUp) << seen.reason;
  EXPECT_EQ(seen.remote_address, "127.0.0.1");
  EXPECT_TRUE(seen.phases.dns);
  EXPECT_FALSE(seen.dns_cached);
  EXPECT_TRUE(probe(url).dns_cached);
}

TEST_F(ProberTest, AnAddressThatWasPassedOverIsToldWithWhateverIsWrong) {
  const ScriptServer server([](Peer& peer) {
    const auto request = peer.read_request();
    peer.send(request.starts_with("GET /up ") ? ok("hello") : "HTTP/1.1 503 No\r\nContent-Length: 0\r\n\r\n");
  });
  std::ofstream(system_.hosts) << "127.0.0.9 two.test\n127.0.0.1 two.test\n";
  const auto at = ":" + std::to_string(server.port());
  const auto told = "127.0.0.9" + at + " was passed over: connection refused";
  const auto down = probe("http://two.test" + at + "/");
  EXPECT_EQ(down.outcome, Outcome::kStatus);
  EXPECT_EQ(down.remote_address, "127.0.0.1");
  EXPECT_EQ(down.passed_over, told);
  EXPECT_EQ(down.reason, "status 503 is outside 200-399; " + told);
  const auto up = probe("http://two.test" + at + "/up");
  EXPECT_EQ(up.outcome, Outcome::kUp);
  EXPECT_EQ(up.passed_over, told);
  EXPECT_EQ(up.reason, "");
  EXPECT_EQ(probe(server.url("/up")).passed_over, "");
}

TEST_F(ProberTest, AnInternationalNameIsLookedUpInALabels) {
  const ScriptServer server(ScriptServer::reply(ok("hello")));
  dns_.set("xn--bcher-kva.test", {.v4 = {"127.0.0.1"}});
  EXPECT_EQ(probe("http://Bücher.test:" + std::to_string(server.port()) + "/").outcome, Outcome::kUp);
}

TEST_F(ProberTest, LocalhostMeansWhicheverAnswers) {
  const ScriptServer server(ScriptServer::reply(ok("hello")));
  const auto seen = probe("http://localhost:" + std::to_string(server.port()) + "/");
  EXPECT_EQ(seen.outcome, Outcome::kUp) << seen.reason;
  EXPECT_EQ(seen.remote_address, "127.0.0.1");
}

TEST_F(ProberTest, NamesFailInTheirOwnWays) {
  dns_.set("servfail.test", {.rcode = 2});
  dns_.set("silent.test", {.silent = true});
  EXPECT_EQ(probe("http://missing.test/").outcome, Outcome::kDnsNxdomain);
  EXPECT_EQ(probe("http://servfail.test/").outcome, Outcome::kDnsFailure);
  const auto silent = probe(hurried("http://silent.test/"));
  EXPECT_EQ(silent.outcome, Outcome::kDnsTimeout);
  EXPECT_EQ(silent.reason, "no answer from the name servers for silent.test within 1.0 s");
  EXPECT_TRUE(silent.phases.dns);
  EXPECT_FALSE(silent.phases.connect);
}

TEST_F(ProberTest, AThousandDeadNamesDelayNoOtherProbe) {
  const ScriptServer server(ScriptServer::reply(ok("hello")));
  dns_.set_default({.silent = true});
  dns_.set("alive.test", {.v4 = {"127.0.0.1"}});
  std::vector<std::string> order;
  async::TaskGroup group(io_.get_executor(), [](const std::string& name, std::exception_ptr) { FAIL() << name; });
  const auto run = [](Prober& with, Service what, std::vector<std::string>& ended) -> asio::awaitable<void> {
    const auto seen = co_await with.probe(with.prepare(what));
    ended.emplace_back(common::name_of(seen.outcome));
  };
  auto dead = service("");
  dead.timeout = std::chrono::seconds{2};
  for (int i = 0; i < 1000; ++i) {
    dead.url = dead.target = "http://dead" + std::to_string(i) + ".test/";
    group.spawn("dead", run(prober(), dead, order));
  }
  group.spawn("alive", run(prober(), service("http://alive.test:" + std::to_string(server.port()) + "/"), order));
  test::run(io_, group.join());
  ASSERT_EQ(order.size(), 1001U);
  EXPECT_EQ(order.front(), "up");
  EXPECT_EQ(std::ranges::count(order, "dns_timeout"), 1000);
}

TEST(SpareSocketsOfAProber, AreAsManyAsItsOptionsSay) {
  asio::io_context io{1};
  const async::SystemClock clock;
  auto& spare = net::SpareSockets::of(io.get_executor());
  const auto one = Prober::create(io.get_executor(), clock, net::Options{.max_spare = 1});
  EXPECT_TRUE(spare.any());
  spare.take();
  EXPECT_FALSE(spare.any());
}

}  // namespace
}  // namespace monitor::probe
