// One session with PostgreSQL, without an exporter around it.
#include <arpa/inet.h>
#include <array>
#include <ifaddrs.h>
#include <net/if.h>

#include "exporter/postgres.h"
#include "fixture.h"

namespace monitor::exporter {
namespace {

/// An IPv4 address of this machine that is not loopback; empty: none.
std::string outer_address() {
  ifaddrs* all = nullptr;
  if (::getifaddrs(&all) != 0) return {};
  const std::unique_ptr<ifaddrs, decltype(&::freeifaddrs)> owner(all, &::freeifaddrs);
  for (const auto* one = all; one != nullptr; one = one->ifa_next) {
    if (one->ifa_addr == nullptr || one->ifa_addr->sa_family != AF_INET || (one->ifa_flags & IFF_LOOPBACK) != 0)
      continue;
    std::array<char, INET_ADDRSTRLEN> text{};
    const auto& address = reinterpret_cast<const sockaddr_in*>(one->ifa_addr)->sin_addr;
    return ::inet_ntop(AF_INET, &address, text.data(), text.size());
  }
  return {};
}

TEST(Breaker, WatchesNothingButWhatItCanInterrupt) {
  Breaker breaker;
  EXPECT_THROW(breaker.watch(-1), Unavailable) << "as where no descriptor is left";
}

TEST_F(ExporterTest, ARefusedBeginLeavesNoTransactionOpen) {
  limits_.lock = std::chrono::milliseconds{-1};  // no value of lock_timeout
  Breaker breaker;
  const auto session = Session::open(server().uri(), limits_, breaker);
  EXPECT_THROW(session->begin(), Refused);
  EXPECT_EQ(server().value("SELECT state FROM pg_stat_activity WHERE application_name = 'monitor'"), "idle");
}

TEST(Exposure, IsWhatSomebodyBetweenCouldDo) {
  EXPECT_EQ(exposure_of("prefer", false, true), "") << "it never leaves the machine";
  EXPECT_EQ(exposure_of("verify-full", true, false), "");
  EXPECT_EQ(exposure_of("prefer", false, false), "is not encrypted (sslmode=prefer)");
  for (const char* mode : {"allow", "prefer", "require"}) {
    EXPECT_NE(exposure_of(mode, true, false).find("its certificate could be anyone's"), std::string::npos) << mode;
  }
  EXPECT_NE(exposure_of("verify-ca", true, false).find("its name could be anyone's"), std::string::npos);
}

TEST_F(ExporterTest, AConnectionWithinTheMachineIsNotWarnedOf) {
  for (const auto& uri : {server().uri(), server().socket_uri()}) {
    Breaker breaker;
    EXPECT_EQ(Session::open(uri, limits_, breaker)->exposure(), "");
  }
}

TEST_F(ExporterTest, AConnectionThatLeavesTheMachineUnprotectedIsWarnedOfOnce) {
  const auto address = outer_address();
  if (address.empty()) GTEST_SKIP() << "this machine has no address but loopback";
  use_own_server();
  server().exec("ALTER SYSTEM SET listen_addresses = '*'");
  server().stop();
  server().start();
  server().allow_clients(true);
  options_.uri =
      fmt::format("postgresql://monitor:{}@{}:{}/monitor", test::Postgres::kPassword, address, server().port());
  add_results(1);
  const auto log = logged([&] {
    EXPECT_EQ(drain(), Progress::kIdle) << exporter().health().problem;
    server().kill_backends();
    add_results(1);
    EXPECT_EQ(step(), Progress::kUnavailable);
    EXPECT_EQ(drain(), Progress::kIdle);
  });
  EXPECT_EQ(count(log, "is not encrypted (sslmode=prefer)"), 1) << log;
  EXPECT_EQ(count(log, "sslmode=verify-full"), 1) << log;
}

}  // namespace
}  // namespace monitor::exporter
