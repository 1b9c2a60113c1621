#include "app/one_check.h"

#include <csignal>
#include <cstdlib>

#include <gmock/gmock.h>

#include "app/signals.h"
#include "common/error.h"
#include "support/certificates.h"
#include "support/noise.h"
#include "support/script_server.h"

namespace monitor::app {
namespace {

using common::Outcome;
using test::Peer;
using test::ScriptServer;

probe::Service service(const std::string& url) {
  probe::Service out;
  out.url = out.target = url;
  out.method = "GET";
  return out;
}

OneCheck check(const std::string& url) {
  constexpr int kStatus = 42;
  OneCheck seen;
  const int status = check_once(service(url), {}, [&](const OneCheck& told) {
    seen = told;
    return kStatus;
  });
  EXPECT_EQ(status, kStatus);
  return seen;
}

TEST(OneCheckTest, TellsWhatAServerAnswered) {
  const ScriptServer server(ScriptServer::reply("HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello"));
  const auto seen = check(server.url());
  EXPECT_EQ(seen.outcome, Outcome::kUp) << seen.reason;
  EXPECT_EQ(seen.status, 200);
  EXPECT_EQ(seen.body_bytes, 5);
  EXPECT_EQ(seen.remote_address, "127.0.0.1");
  EXPECT_TRUE(seen.phases.connect && seen.phases.first_byte && seen.phases.transfer);
  EXPECT_GT(seen.total.count(), 0);
  EXPECT_EQ(seen.tls_facts, nullptr);
}

TEST(OneCheckTest, HasAHopAlsoWhereThereIsOnlyOne) {
  const ScriptServer server(ScriptServer::reply("HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n"));
  const auto typed = "http://user:hunter2@" + server.url().substr(7);
  const auto seen = check(typed);
  EXPECT_EQ(seen.outcome, Outcome::kStatus);
  ASSERT_EQ(seen.hops.size(), 1U);
  EXPECT_EQ(seen.hops[0].url, server.url());
  EXPECT_EQ(seen.hops[0].method, "GET");
  EXPECT_EQ(seen.hops[0].status, 404);
  EXPECT_EQ(seen.hops[0].remote_address, "127.0.0.1");
  EXPECT_THAT(seen.hops_json, testing::HasSubstr(R"("status":404)"));
  EXPECT_THAT(seen.hops_json, testing::Not(testing::HasSubstr("hunter2")));
}

TEST(OneCheckTest, KeepsTheCertificateThatWasRefused) {
  const test::Authority authority;  // trusted by nobody
  test::CertificateWishes wishes;
  wishes.names = {"IP:127.0.0.1"};
  wishes.not_before = std::chrono::floor<common::Micros>(std::chrono::system_clock::now()) - std::chrono::days{1};
  wishes.not_after = wishes.not_before + std::chrono::days{30};
  const auto identity = authority.issue(wishes);
  const ScriptServer server(ScriptServer::reply("HTTP/1.1 200 OK\r\n\r\n"), identity.context());
  const auto seen = check("https://127.0.0.1:" + std::to_string(server.port()) + "/");
  EXPECT_EQ(seen.outcome, Outcome::kTlsUntrusted) << seen.reason;
  ASSERT_NE(seen.tls_facts, nullptr);
  EXPECT_TRUE(seen.tls_facts->has_certificate);
  EXPECT_THAT(seen.tls_facts->certificate.subject, testing::HasSubstr("server.test"));
}

TEST(OneCheckTest, RefusesWhatCannotBeAsked) {
  EXPECT_THROW(check_once(service("ftp://localhost/"), {}, nullptr), common::UsageError);
}

TEST(OneCheckTest, IsNotHeldUpByABodyThatTakesHoursToSearch) {
  constexpr int kStatus = 42;
  const auto body = test::noise(std::size_t{4} << 20, "acdefgh");
  const ScriptServer server([&body](Peer& peer) {
    peer.read_request();
    peer.send("HTTP/1.1 200 OK\r\nContent-Length: " + std::to_string(body.size()) + "\r\n\r\n" + body);
  });
  auto costly = service(server.url());
  costly.check_regex = true;
  costly.regex = "(.?){900}zz";
  costly.body_limit = body.size();
  costly.timeout = std::chrono::seconds{3};
  // It ends the process, so the process is another one: begun afresh, since this one has threads.
  GTEST_FLAG_SET(death_test_style, "threadsafe");
  EXPECT_EXIT(check_once(costly, {},
                         [](const OneCheck& told) {
                           EXPECT_EQ(told.outcome, Outcome::kLocalResource) << told.reason;
                           return kStatus;
                         }),
              testing::ExitedWithCode(kStatus), "");
}

// The one test that sends a signal: a second one would end the process.
TEST(OneCheckTest, ASignalCutsIt) {
  const ScriptServer server([](Peer& peer) {
    peer.read_request();
    ::kill(::getpid(), SIGINT);
    peer.hold();
  });
  const int status = check_once(service(server.url()), {}, [](const OneCheck&) { return EXIT_SUCCESS; });
  EXPECT_EQ(status, kExitForced);
}

}  // namespace
}  // namespace monitor::app
