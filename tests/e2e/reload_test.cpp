// The real binary goes over to another configuration while it runs.
#include <csignal>
#include <netinet/in.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>
#include <utility>

#include <gmock/gmock.h>

#include "e2e/notify_socket.h"
#include "e2e/world.h"

namespace monitor::test {
namespace {

using testing::HasSubstr;
using testing::Not;

/// The kernel accepts what connects to it, and nobody answers.
class SilentListener {
 public:
  SilentListener() : socket_(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0)) {
    sockaddr_in address{.sin_family = AF_INET, .sin_port = 0, .sin_addr = {htonl(INADDR_LOOPBACK)}, .sin_zero = {}};
    socklen_t size = sizeof address;
    auto* any = reinterpret_cast<sockaddr*>(&address);
    if (::bind(socket_, any, size) != 0 || ::listen(socket_, 8) != 0 || ::getsockname(socket_, any, &size) != 0) {
      throw std::runtime_error("no port to listen on");
    }
    port_ = ntohs(address.sin_port);
  }
  ~SilentListener() { close(); }
  SilentListener(const SilentListener&) = delete;
  SilentListener& operator=(const SilentListener&) = delete;

  std::string uri() const {
    return "postgresql://u:password@127.0.0.1:" + std::to_string(port_) + "/x?connect_timeout=30";
  }
  void wait_for_client() const {
    pollfd waiting{socket_, POLLIN, 0};
    if (::poll(&waiting, 1, 30'000) != 1) throw std::runtime_error("nobody connected");
  }
  void close() {
    if (socket_ >= 0) ::close(std::exchange(socket_, -1));
  }

 private:
  int socket_;
  int port_ = 0;
};

class Reload : public testing::Test {
 protected:
  std::string text(int services, const std::string& more = "") const {
    std::string out = "interval_limits: {min: 1, max: 300}\n" + more + "services:\n";
    for (int i = 0; i < services; ++i) {
      out += "  - {name: service-" + std::to_string(i) + ", url: \"" + example_.url() +
             "/\", method: GET, interval_sec: 1, timeout: 5}\n";
    }
    return out;
  }
  std::int64_t results(const std::string& name) {
    try {
      return world_.local_number(
          "SELECT count(*) FROM results r JOIN definitions d ON r.definition = d.id WHERE d.name = '" + name + "'");
    } catch (const std::exception&) {
      return 0;
    }
  }
  std::unique_ptr<Child> begin(int services, const std::string& more = "") {
    world_.write_config(text(services, more));
    auto monitor = world_.start();
    EXPECT_TRUE(eventually([&] { return results("service-0") > 0; })) << monitor->err();
    return monitor;
  }
  void stop(Child& monitor) {
    monitor.signal(SIGTERM);
    EXPECT_EQ(monitor.wait(), 0) << monitor.err();
  }

  World world_;
  Example example_;
};

TEST_F(Reload, ASignalTakesOverWhatComesAndGoesAndTheRestKeepsItsPhase) {
  auto monitor = begin(3);
  std::string next = text(3, "stop_grace: 2\n");
  const auto gone = next.find("service-2");
  next.replace(gone, 9, "service-9");
  world_.write_config(next);
  monitor->signal(SIGHUP);
  EXPECT_TRUE(monitor->wait_for("services: 1 added, 0 changed, 1 removed, 2 as they were. Also in force: stop_grace."))
      << monitor->err();
  EXPECT_TRUE(eventually([&] { return results("service-9") > 1; })) << monitor->err();
  const auto last = results("service-2");
  const auto now = results("service-0");
  EXPECT_TRUE(eventually([&] { return results("service-0") > now + 2; }));
  EXPECT_LE(results("service-2"), last + 1) << "the check that ran";
  stop(*monitor);
  for (const auto& [definition, moments] : due_moments(world_, 1'000'000)) {
    for (std::size_t i = 1; i < moments.size(); ++i) {
      EXPECT_NEAR(static_cast<double>(moments[i] - moments[i - 1]), 1e6, 50'000) << "service " << definition;
    }
  }
}

TEST_F(Reload, ABadFileIsToldWithItsPlaceAndChangesNothing) {
  auto monitor = begin(1);
  world_.write_config(text(2, "stop_grace: soon\n"));
  monitor->signal(SIGHUP);
  EXPECT_TRUE(monitor->wait_for("not taken over; the one in force stays: ")) << monitor->err();
  EXPECT_THAT(monitor->err(), HasSubstr("monitoring-config:2:13: "));
  const auto asked = world_.monitor({"reload"});
  EXPECT_EQ(asked.status, 1);
  EXPECT_THAT(asked.err, HasSubstr("monitoring-config:2:13: "));
  const auto now = results("service-0");
  EXPECT_TRUE(eventually([&] { return results("service-0") > now; }));
  EXPECT_EQ(results("service-1"), 0);
  stop(*monitor);
}

TEST_F(Reload, TheConfigCommandsSayWhetherTheRunningMonitorTookTheChange) {
  auto monitor = begin(1);
  const auto added =
      world_.monitor({"config", "services", "add", example_.url() + "/", "GET", "--name", "new", "--interval", "1"});
  EXPECT_THAT(added.out, HasSubstr("The running monitor has taken the change: services: 1 added")) << added.err;
  EXPECT_TRUE(eventually([&] { return results("new") > 0; })) << monitor->err();
  const auto removed = world_.monitor({"config", "services", "remove", "new", "--yes"});
  EXPECT_THAT(removed.out, HasSubstr("1 removed"));
  const auto moved = world_.monitor({"config", "databases", "update", "--local-path", "/tmp/elsewhere.sqlite3"});
  EXPECT_THAT(moved.out, HasSubstr("After a restart only: local_database_path."));
  stop(*monitor);
}

TEST_F(Reload, AMonitorOfAnotherConfigurationIsNotAskedToTakeIt) {
  auto monitor = begin(1);
  const auto other = world_.home() / "other";
  std::ofstream(other) << text(2);
  const auto asked = world_.monitor({"reload", "--config-path", other.string()});
  EXPECT_EQ(asked.status, 1);
  EXPECT_THAT(asked.err, HasSubstr("it runs with another configuration"));
  stop(*monitor);
}

TEST_F(Reload, WhereNoMonitorRunsThatIsSaid) {
  world_.write_config(text(1));
  EXPECT_EQ(world_.monitor({"reload"}).status, 1);
  const auto added = world_.monitor({"config", "services", "add", example_.url() + "/x", "GET"});
  EXPECT_THAT(added.out, HasSubstr("The change counts from the next start"));
}

TEST_F(Reload, AWatchedFileIsTakenOverUnlessMostOfItIsGone) {
  auto monitor = begin(3, "watch_config: true\n");
  world_.write_config(text(4, "watch_config: true\n"));
  EXPECT_TRUE(monitor->wait_for("services: 1 added, 0 changed, 0 removed, 3 as they were.")) << monitor->err();
  world_.write_config(text(1, "watch_config: true\n"));
  EXPECT_TRUE(monitor->wait_for("3 of its 4 services are gone")) << monitor->err();
  EXPECT_EQ(world_.monitor({"reload"}).status, 0);
  EXPECT_THAT(monitor->err(), HasSubstr("3 removed"));
  stop(*monitor);
}

TEST_F(Reload, APostgresThatNeverAnswersIsLeftWithoutHoldingUpTheChecks) {
  SilentListener silent;
  auto monitor = begin(20, "external_database_uri: \"" + silent.uri() + "\"\n");
  silent.wait_for_client();
  world_.write_config(text(20));
  monitor->signal(SIGHUP);
  EXPECT_TRUE(monitor->wait_for("Also in force: external_database_uri.")) << monitor->err();
  const auto now = results("service-19");
  EXPECT_TRUE(eventually([&] { return results("service-19") > now; })) << monitor->err();
  silent.close();
  stop(*monitor);
  EXPECT_EQ(world_.local_number("SELECT count(*) FROM skipped"), 0);
  EXPECT_LT(world_.local_number("SELECT max(lateness_us) FROM results"), 900'000);
}

TEST_F(Reload, SystemdHearsThatItReloadsAndThatItIsReady) {
  world_.write_config(text(1));
  const auto path = world_.home() / "notify";
  NotifySocket socket(path);
  world_.set("NOTIFY_SOCKET", path.string());
  auto monitor = world_.start({"start", "-vvvv", "--yes", "-ns"});
  EXPECT_EQ(socket.next("READY"), "READY=1");
  monitor->signal(SIGHUP);
  EXPECT_THAT(socket.next("RELOADING"), testing::MatchesRegex("RELOADING=1\nMONOTONIC_USEC=[0-9]+"));
  EXPECT_EQ(socket.next("READY"), "READY=1") << "after a good one";
  world_.write_config("nonsense");
  monitor->signal(SIGHUP);
  EXPECT_THAT(socket.next("RELOADING"), HasSubstr("RELOADING=1"));
  EXPECT_EQ(socket.next("READY"), "READY=1") << "after a bad one";
  stop(*monitor);
}

TEST_F(Reload, AHundredSignalsComeToFewReadings) {
  auto monitor = begin(1);
  for (int i = 0; i < 100; ++i) monitor->signal(SIGHUP);
  EXPECT_TRUE(monitor->wait_for("was read again"));
  EXPECT_EQ(world_.monitor({"reload"}).status, 0);
  std::size_t readings = 0;
  const auto err = monitor->err();
  for (auto at = err.find("was read again"); at != std::string::npos; at = err.find("was read again", at + 1)) {
    ++readings;
  }
  EXPECT_LT(readings, 20U);
  stop(*monitor);
}

}  // namespace
}  // namespace monitor::test
