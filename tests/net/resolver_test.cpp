#include "net/resolver.h"

#include <filesystem>
#include <fstream>
#include <iterator>

#include <boost/asio/io_context.hpp>
#include <boost/system/system_error.hpp>
#include <gtest/gtest.h>

#include "async/task_group.h"
#include "support/dns_stub.h"
#include "support/io.h"
#include "support/script_server.h"
#include "support/temp_dir.h"

namespace monitor::net {
namespace {

namespace asio = boost::asio;
using common::Outcome;
using std::chrono::steady_clock;
using test::DnsAnswer;

constexpr std::chrono::seconds kPatience{20};  // never reached in a test that passes

class ResolverTest : public ::testing::Test {
 protected:
  ResolverTest() {
    system_.name_servers = stub_.address();
    system_.resolv_conf = (dir_ / "resolv.conf").string();
    system_.hosts = (dir_ / "hosts").string();
  }

  Resolver make(bool cache = true) { return Resolver(io_.get_executor(), Options{cache}, system_); }
  Resolved resolve(Resolver& resolver, const std::string& name, std::chrono::milliseconds patience = kPatience,
                   AddressFamily family = AddressFamily::kAny) {
    return test::run(io_, resolver.resolve(name, steady_clock::now() + patience, family));
  }
  static std::vector<std::string> text(const Resolved& answer) {
    std::vector<std::string> out;
    if (!answer.addresses) return out;
    for (const auto& address : *answer.addresses) out.push_back(address.to_string());
    return out;
  }

  test::TempDir dir_;
  test::DnsStub stub_;
  System system_;
  asio::io_context io_{1};
};

TEST_F(ResolverTest, AsksForBothFamiliesAndPutsIpv6First) {
  stub_.set("both.test", {.v4 = {"192.0.2.1", "192.0.2.2"}, .v6 = {"2001:db8::1"}});
  auto resolver = make();
  const auto answer = resolve(resolver, "both.test");
  EXPECT_EQ(text(answer), (std::vector<std::string>{"2001:db8::1", "192.0.2.1", "192.0.2.2"}));
  EXPECT_FALSE(answer.cached);
  EXPECT_EQ(stub_.questions("both.test"), 2);
}

TEST_F(ResolverTest, KeepsAnAnswerForItsTtl) {
  stub_.set("cached.test", {.v4 = {"192.0.2.1"}, .ttl = 300});
  auto resolver = make();
  resolve(resolver, "cached.test");
  const auto again = resolve(resolver, "cached.test");
  EXPECT_TRUE(again.cached);
  EXPECT_EQ(text(again), std::vector<std::string>{"192.0.2.1"});
  EXPECT_EQ(stub_.questions("cached.test"), 2);
}

TEST_F(ResolverTest, ATtlOfZeroIsNotKept) {
  stub_.set("moving.test", {.v4 = {"192.0.2.1"}, .ttl = 0});
  auto resolver = make();
  resolve(resolver, "moving.test");
  stub_.set("moving.test", {.v4 = {"192.0.2.9"}, .ttl = 0});
  const auto again = resolve(resolver, "moving.test");
  EXPECT_FALSE(again.cached);
  EXPECT_EQ(text(again), std::vector<std::string>{"192.0.2.9"});
}

TEST_F(ResolverTest, AsksForEveryCheckWhenTheCacheIsOff) {
  stub_.set("name.test", {.v4 = {"192.0.2.1"}, .ttl = 300});
  auto resolver = make(false);
  resolve(resolver, "name.test");
  EXPECT_FALSE(resolve(resolver, "name.test").cached);
  EXPECT_EQ(stub_.questions("name.test"), 4);
}

TEST_F(ResolverTest, ManyWhoWaitForOneNameAskOnce) {
  stub_.set("busy.test", {.silent = true});
  auto resolver = make();
  async::TaskGroup group(io_.get_executor(), [](const std::string& name, std::exception_ptr) { FAIL() << name; });
  int answered = 0;
  const auto waiter = [](Resolver& from, int& count) -> asio::awaitable<void> {
    const auto answer = co_await from.resolve("busy.test", steady_clock::now() + kPatience);
    if (answer.addresses) ++count;
  };
  for (int i = 0; i < 50; ++i) group.spawn("waiter", waiter(resolver, answered));
  io_.run_for(std::chrono::milliseconds{1});
  ASSERT_TRUE(stub_.wait_for("busy.test", 2));
  stub_.set("busy.test", {.v4 = {"192.0.2.1"}});
  stub_.answer_now();
  test::run(io_, group.join());
  EXPECT_EQ(answered, 50);
  EXPECT_EQ(stub_.questions("busy.test"), 2);
}

TEST_F(ResolverTest, TellsTheFailuresApart) {
  stub_.set("servfail.test", {.rcode = 2});
  stub_.set("refused.test", {.rcode = 5});
  stub_.set("empty.test", {});
  auto resolver = make();
  const auto missing = resolve(resolver, "missing.test").failure;
  EXPECT_EQ(missing.outcome, Outcome::kDnsNxdomain);
  EXPECT_EQ(missing.reason, "the name missing.test does not exist (NXDOMAIN)");
  const auto servfail = resolve(resolver, "servfail.test").failure;
  EXPECT_EQ(servfail.outcome, Outcome::kDnsFailure);
  EXPECT_NE(servfail.reason.find("SERVFAIL"), std::string::npos) << servfail.reason;
  const auto refused = resolve(resolver, "refused.test").failure;
  EXPECT_EQ(refused.outcome, Outcome::kDnsFailure);
  EXPECT_NE(refused.reason.find("REFUSED"), std::string::npos) << refused.reason;
  const auto empty = resolve(resolver, "empty.test").failure;
  EXPECT_EQ(empty.outcome, Outcome::kDnsFailure);
  EXPECT_NE(empty.reason.find("no address"), std::string::npos) << empty.reason;
}

TEST_F(ResolverTest, AFailureIsNotKept) {
  auto resolver = make();
  EXPECT_FALSE(resolve(resolver, "late.test").addresses);
  stub_.set("late.test", {.v4 = {"192.0.2.1"}});
  EXPECT_TRUE(resolve(resolver, "late.test").addresses);
}

TEST_F(ResolverTest, TheDeadlineAbandonsTheWaitAndTheLateAnswerIsStillOfUse) {
  stub_.set("slow.test", {.silent = true});
  auto resolver = make();
  const auto answer = resolve(resolver, "slow.test", std::chrono::milliseconds{100});
  EXPECT_EQ(answer.failure.outcome, Outcome::kDnsTimeout);
  EXPECT_EQ(answer.failure.reason, "no answer from the name servers for slow.test within 0.1 s");
  stub_.set("slow.test", {.v4 = {"192.0.2.1"}});
  stub_.answer_now();
  const auto later = resolve(resolver, "slow.test");
  EXPECT_EQ(text(later), std::vector<std::string>{"192.0.2.1"});
  EXPECT_EQ(stub_.questions("slow.test"), 2);
}

// A question is given up after two rounds, so that few are open; who may wait longer asks anew.
TEST_F(ResolverTest, AsksAnewForAsLongAsThereIsTime) {
  stub_.set("deaf.test", {.silent = true});
  auto resolver = make();
  const auto answer = resolve(resolver, "deaf.test", std::chrono::seconds{5});
  EXPECT_EQ(answer.failure.outcome, Outcome::kDnsTimeout);
  EXPECT_EQ(answer.failure.reason, "no answer from the name servers for deaf.test within 5.0 s");
  EXPECT_EQ(stub_.questions("deaf.test"), 6);
}

TEST_F(ResolverTest, ANameServerThatIsBackIsAskedAnewThoughAnOldQuestionIsOpen) {
  stub_.set("name.test", {.silent = true});
  auto resolver = make();
  // The question has been asked for the second time by then, and stays open for 2.5 s more.
  EXPECT_EQ(resolve(resolver, "name.test", Resolver::kJoinWithin).failure.outcome, Outcome::kDnsTimeout);
  stub_.set("name.test", {.v4 = {"192.0.2.1"}});
  EXPECT_EQ(text(resolve(resolver, "name.test", std::chrono::milliseconds{1500})),
            std::vector<std::string>{"192.0.2.1"});
}

TEST_F(ResolverTest, OneFamilyIsNotHeldUpByTheOther) {
  stub_.set("half.test", {.v4 = {"192.0.2.1"}, .silent_v6 = true});
  auto resolver = make();
  EXPECT_EQ(text(resolve(resolver, "half.test", std::chrono::seconds{1})), std::vector<std::string>{"192.0.2.1"});
}

TEST_F(ResolverTest, ADeadNameDelaysNoOther) {
  stub_.set_default({.silent = true});
  stub_.set("alive.test", {.v4 = {"192.0.2.1"}});
  auto resolver = make();
  async::TaskGroup group(io_.get_executor(), [](const std::string& name, std::exception_ptr) { FAIL() << name; });
  int dead = 0;
  const auto waiter = [](Resolver& from, std::string name, int& count) -> asio::awaitable<void> {
    co_await from.resolve(std::move(name), steady_clock::now() + kPatience);
    ++count;
  };
  for (int i = 0; i < 1000; ++i) group.spawn("dead", waiter(resolver, "dead" + std::to_string(i) + ".test", dead));
  EXPECT_TRUE(resolve(resolver, "alive.test").addresses);
  EXPECT_EQ(dead, 0);
  group.cancel();
  test::run(io_, group.join());
}

TEST_F(ResolverTest, CancellingAWaiterLeavesTheLookupToTheOthers) {
  stub_.set("name.test", {.silent = true});
  auto resolver = make();
  async::TaskGroup impatient(io_.get_executor(), [](const std::string& name, std::exception_ptr) { FAIL() << name; });
  const auto waiter = [](Resolver& from, bool& done) -> asio::awaitable<void> {
    const auto answer = co_await from.resolve("name.test", steady_clock::now() + kPatience);
    done = answer.addresses != nullptr;
  };
  bool cancelled = false;
  bool patient = false;
  impatient.spawn("impatient", waiter(resolver, cancelled));
  async::TaskGroup others(io_.get_executor(), [](const std::string& name, std::exception_ptr) { FAIL() << name; });
  others.spawn("patient", waiter(resolver, patient));
  io_.run_for(std::chrono::milliseconds{1});
  ASSERT_TRUE(stub_.wait_for("name.test", 2));
  impatient.cancel();
  test::run(io_, impatient.join());
  stub_.set("name.test", {.v4 = {"192.0.2.1"}});
  stub_.answer_now();
  test::run(io_, others.join());
  EXPECT_FALSE(cancelled);
  EXPECT_TRUE(patient);
}

TEST_F(ResolverTest, LocalhostIsBothLoopbackAddressesAndNeverAskedFor) {
  auto resolver = make();
  EXPECT_EQ(text(resolve(resolver, "localhost")), (std::vector<std::string>{"::1", "127.0.0.1"}));
  EXPECT_EQ(text(resolve(resolver, "app.localhost")), (std::vector<std::string>{"::1", "127.0.0.1"}));
  EXPECT_EQ(stub_.questions("localhost") + stub_.questions("app.localhost"), 0);
}

TEST_F(ResolverTest, TheHostsFileGoesBeforeTheNameServers) {
  stub_.set("name.test", {.v4 = {"192.0.2.1"}});
  std::ofstream(dir_ / "hosts") << "192.0.2.7 name.test\n";
  auto resolver = make();
  EXPECT_EQ(text(resolve(resolver, "name.test")), std::vector<std::string>{"192.0.2.7"});
  EXPECT_EQ(stub_.questions("name.test"), 0);
}

TEST_F(ResolverTest, FollowsAChangedResolvConf) {
  system_.name_servers.clear();
  system_.dns_port = stub_.port();
  stub_.set("name.test", {.v4 = {"192.0.2.1"}});
  // Nothing answers on 127.0.0.9 at the stub's port.
  std::ofstream(dir_ / "resolv.conf") << "nameserver 127.0.0.9\n";
  auto resolver = make();
  EXPECT_EQ(resolve(resolver, "name.test").failure.outcome, Outcome::kDnsFailure);
  std::ofstream(dir_ / "resolv.conf") << "nameserver 127.0.0.1\noptions ndots:1\n";
  EXPECT_EQ(text(resolve(resolver, "name.test")), std::vector<std::string>{"192.0.2.1"});
}

TEST_F(ResolverTest, AServerThatFailsIsPassedOverForTheNext) {
  test::DnsStub good;
  good.set("name.test", {.v4 = {"192.0.2.1"}});
  stub_.set("name.test", {.rcode = 2});
  system_.name_servers = stub_.address() + "," + good.address();
  auto resolver = make();
  EXPECT_EQ(text(resolve(resolver, "name.test")), std::vector<std::string>{"192.0.2.1"});
  good.set("broken.test", {.rcode = 5});
  stub_.set("broken.test", {.rcode = 2});
  const auto broken = resolve(resolver, "broken.test").failure;
  EXPECT_NE(broken.reason.find("SERVFAIL"), std::string::npos) << broken.reason;
}

TEST_F(ResolverTest, ASearchDomainCompletesAShortName) {
  std::ofstream(dir_ / "resolv.conf") << "search corp.test\n";
  stub_.set("intranet.corp.test", {.v4 = {"192.0.2.1"}, .v6 = {"2001:db8::1"}});
  auto resolver = make();
  EXPECT_EQ(text(resolve(resolver, "intranet")), (std::vector<std::string>{"2001:db8::1", "192.0.2.1"}));
}

TEST_F(ResolverTest, ASearchDomainAddsNoAddressesOfSomebodyElse) {
  std::ofstream(dir_ / "resolv.conf") << "search wildcard.test\n";
  stub_.set("only4.test", {.v4 = {"192.0.2.1"}});
  stub_.set("only4.test.wildcard.test", {.v6 = {"2001:db8::bad"}});
  auto resolver = make();
  EXPECT_EQ(text(resolve(resolver, "only4.test")), std::vector<std::string>{"192.0.2.1"});
  EXPECT_EQ(stub_.questions("only4.test.wildcard.test"), 1) << "or this test shows nothing";
}

TEST_F(ResolverTest, OnlyTheFamilyThatIsAskedForIsLookedUp) {
  stub_.set("both.test", {.v4 = {"192.0.2.1"}, .v6 = {"2001:db8::1"}});
  stub_.set("only4.test", {.v4 = {"192.0.2.1"}});
  auto resolver = make();
  EXPECT_EQ(text(resolve(resolver, "both.test", kPatience, AddressFamily::kIpv4)),
            std::vector<std::string>{"192.0.2.1"});
  EXPECT_EQ(stub_.questions("both.test"), 1);
  EXPECT_EQ(text(resolve(resolver, "both.test", kPatience, AddressFamily::kIpv6)),
            std::vector<std::string>{"2001:db8::1"});
  EXPECT_EQ(stub_.questions("both.test"), 2);
  EXPECT_EQ(text(resolve(resolver, "both.test")).size(), 2U) << "what is kept of one family is not taken for both";
  EXPECT_TRUE(resolver.known("both.test", AddressFamily::kIpv4)->cached);
  const auto none = resolve(resolver, "only4.test", kPatience, AddressFamily::kIpv6).failure;
  EXPECT_EQ(none.outcome, Outcome::kDnsFailure);
  EXPECT_EQ(none.reason, "the name only4.test has no IPv6 address (AAAA), and family asks for one");
}

TEST_F(ResolverTest, TheFamilyCountsForTheHostsFileAndLocalhostToo) {
  std::ofstream(dir_ / "hosts") << "192.0.2.7 name.test\n2001:db8::7 name.test\n192.0.2.8 four.test\n";
  stub_.set("four.test", {.v6 = {"2001:db8::8"}});
  auto resolver = make();
  EXPECT_EQ(text(resolve(resolver, "name.test", kPatience, AddressFamily::kIpv4)),
            std::vector<std::string>{"192.0.2.7"});
  EXPECT_EQ(text(resolve(resolver, "name.test", kPatience, AddressFamily::kIpv6)),
            std::vector<std::string>{"2001:db8::7"});
  EXPECT_EQ(text(resolve(resolver, "four.test", kPatience, AddressFamily::kIpv6)),
            std::vector<std::string>{"2001:db8::8"});
  EXPECT_EQ(text(*resolver.known("localhost", AddressFamily::kIpv4)), std::vector<std::string>{"127.0.0.1"});
  EXPECT_EQ(text(*resolver.known("localhost", AddressFamily::kIpv6)), std::vector<std::string>{"::1"});
}

TEST_F(ResolverTest, AnAnswerThatIsNobodysAddressIsUnreachable) {
  stub_.set("zero.test", {.v4 = {"0.0.0.0"}, .v6 = {"::"}});
  stub_.set("mapped.test", {.v6 = {"::ffff:0.0.0.0"}});
  stub_.set("half.test", {.v4 = {"0.0.0.0", "192.0.2.1"}});
  std::ofstream(dir_ / "hosts") << "0.0.0.0 blocked.test\n";
  auto resolver = make();
  for (const auto* name : {"zero.test", "mapped.test", "blocked.test"}) {
    const auto answer = resolve(resolver, name);
    EXPECT_FALSE(answer.addresses) << name;
    EXPECT_EQ(answer.failure.outcome, Outcome::kUnreachable) << name;
    EXPECT_NE(answer.failure.reason.find(name), std::string::npos) << answer.failure.reason;
  }
  EXPECT_EQ(text(resolve(resolver, "half.test")), std::vector<std::string>{"192.0.2.1"});
}

TEST_F(ResolverTest, ANameServerOfOnesOwnIsAskedForEveryNameAsItIs) {
  std::ofstream(dir_ / "resolv.conf") << "search corp.test\n";
  std::ofstream(dir_ / "hosts") << "192.0.2.7 name.test\n";
  system_.hosts.clear();
  stub_.set("localhost", {.v4 = {"192.0.2.1"}});
  stub_.set("name.test", {.v4 = {"192.0.2.2"}});
  stub_.set("short", {.v4 = {"192.0.2.3"}});
  stub_.set("intranet.corp.test", {.v4 = {"192.0.2.4"}});
  auto resolver = make();
  EXPECT_EQ(text(resolve(resolver, "localhost")), std::vector<std::string>{"192.0.2.1"});
  EXPECT_EQ(text(resolve(resolver, "name.test")), std::vector<std::string>{"192.0.2.2"});
  EXPECT_EQ(text(resolve(resolver, "short")), std::vector<std::string>{"192.0.2.3"});
  EXPECT_EQ(resolve(resolver, "intranet").failure.outcome, Outcome::kDnsNxdomain);
}

TEST_F(ResolverTest, TheFirst64AddressesOfAFamilyAreKept) {
  DnsAnswer many;
  for (int i = 1; i <= 90; ++i) many.v4.push_back("192.0.2." + std::to_string(i));
  stub_.set("many.test", many);
  stub_.listen_tcp();
  auto resolver = make();
  const auto found = text(resolve(resolver, "many.test"));
  ASSERT_EQ(found.size(), 64U);
  EXPECT_EQ(found.front(), "192.0.2.1");
  EXPECT_EQ(found.back(), "192.0.2.64");
}

TEST_F(ResolverTest, AliasesAreFollowedAndALoopEnds) {
  DnsAnswer chain{.v4 = {"192.0.2.1"}};
  for (int i = 0; i < 50; ++i) chain.chain.push_back("a" + std::to_string(i) + ".test");
  stub_.set("long.test", chain);
  stub_.listen_tcp();
  stub_.set("loop.test", {.chain = {"pool.test", "loop.test", "pool.test"}});
  auto resolver = make();
  EXPECT_EQ(text(resolve(resolver, "long.test")), std::vector<std::string>{"192.0.2.1"});
  const auto loop = resolve(resolver, "loop.test").failure;
  EXPECT_EQ(loop.outcome, Outcome::kDnsFailure) << loop.reason;
}

TEST_F(ResolverTest, NoiseIsNoAnswer) {
  stub_.set("noisy.test", {.v4 = {"192.0.2.1"}, .noise = true});
  auto resolver = make();
  EXPECT_EQ(text(resolve(resolver, "noisy.test")), std::vector<std::string>{"192.0.2.1"});
}

TEST_F(ResolverTest, AnAnswerThatCannotBeReadIsAFailure) {
  stub_.set("broken.test", {.v4 = {"192.0.2.1"}, .broken = true});
  auto resolver = make();
  const auto broken = resolve(resolver, "broken.test", kPatience, AddressFamily::kIpv4).failure;
  EXPECT_EQ(broken.outcome, Outcome::kDnsFailure) << broken.reason;
}

TEST_F(ResolverTest, ATruncatedAnswerIsAskedForAgainOverTcp) {
  stub_.set("long.test", {.v4 = {"192.0.2.1"}, .truncated = true});
  auto resolver = make();
  const auto refused = resolve(resolver, "long.test").failure;  // nobody listens
  EXPECT_EQ(refused.outcome, Outcome::kDnsFailure) << refused.reason;
  const test::ScriptServer silent([](test::Peer& peer) { peer.hold(); }, nullptr, "127.0.0.1", stub_.port());
  const auto hanging = resolve(resolver, "long.test", std::chrono::milliseconds{300}).failure;
  EXPECT_EQ(hanging.outcome, Outcome::kDnsTimeout) << hanging.reason;
  EXPECT_GT(silent.connections(), 0) << "or it was not asked over TCP";
}

TEST_F(ResolverTest, ANameThatCannotBeAskedForIsAFailure) {
  auto resolver = make();
  EXPECT_EQ(resolve(resolver, std::string(64, 'a') + ".test").failure.outcome, Outcome::kDnsFailure);
  EXPECT_EQ(resolve(resolver, std::string(300, 'a')).failure.outcome, Outcome::kDnsFailure);
}

TEST_F(ResolverTest, WithoutAResolvConfTheServerOnThisMachineIsAsked) {
  system_.name_servers.clear();
  system_.dns_port = stub_.port();
  stub_.set("name.test", {.v4 = {"192.0.2.1"}});
  auto resolver = make(false);
  EXPECT_EQ(text(resolve(resolver, "name.test")), std::vector<std::string>{"192.0.2.1"});
  std::ofstream(dir_ / "resolv.conf") << "# nothing\n";
  EXPECT_EQ(text(resolve(resolver, "name.test")), std::vector<std::string>{"192.0.2.1"});
}

std::size_t open_files() {
  const std::filesystem::directory_iterator files("/proc/self/fd");
  return static_cast<std::size_t>(std::distance(begin(files), end(files)));
}

TEST_F(ResolverTest, LeavesNoDescriptorBehind) {
  stub_.set("name.test", {.v4 = {"192.0.2.1"}});
  stub_.set("dead.test", {.silent = true});
  const auto look_up_and_go = [this] {
    auto resolver = make();
    resolve(resolver, "name.test");
    resolve(resolver, "dead.test", std::chrono::milliseconds{10});
  };
  look_up_and_go();  // what Asio opens once is open from here on
  const auto before = open_files();
  for (int i = 0; i < 3; ++i) look_up_and_go();
  EXPECT_EQ(open_files(), before);
}

TEST_F(ResolverTest, MayBeDestroyedWhileLookupsRun) {
  stub_.set("name.test", {.silent = true});
  async::TaskGroup group(io_.get_executor(), [](const std::string&, std::exception_ptr) {});
  {
    auto resolver = make();
    const auto waiter = [](Resolver& from) -> asio::awaitable<void> {
      co_await from.resolve("name.test", steady_clock::now() + kPatience);
    };
    group.spawn("waiter", waiter(resolver));
    io_.run_for(std::chrono::milliseconds{1});
    ASSERT_TRUE(stub_.wait_for("name.test", 2));
  }
  test::run(io_, group.join());
}

}  // namespace
}  // namespace monitor::net
