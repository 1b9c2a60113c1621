// How the process starts, stops and reports to systemd: real signals, real sockets.
#include <pty.h>
#include <sys/wait.h>
#include <unistd.h>

#include <gmock/gmock.h>

#include "e2e/notify_socket.h"
#include "e2e/world.h"

namespace monitor::test {
namespace {

using std::chrono::seconds;
using testing::HasSubstr;

std::int64_t unix_micros() {
  return std::chrono::duration_cast<std::chrono::microseconds>(std::chrono::system_clock::now().time_since_epoch())
      .count();
}

class Lifecycle : public testing::Test {
 protected:
  void services(int count, const std::string& path, const std::string& more = "") {
    std::string text = "interval_limits: {min: 1, max: 86400}\n" + more + "services:\n";
    for (int i = 0; i < count; ++i) {
      text += "  - {name: service-" + std::to_string(i) + ", url: \"" + example_.url() + path +
              "\", method: GET, interval_sec: 1, timeout: 30}\n";
    }
    world_.write_config(text);
  }
  /// Local rows that are there, whatever the schema's first commit left to do.
  std::int64_t results() {
    try {
      return world_.local_number("SELECT count(*) FROM results");
    } catch (const std::exception&) {
      return 0;
    }
  }
  World world_;
  Example example_;
};

TEST_F(Lifecycle, SigtermUnderLoadKeepsEveryResultThatWasTaken) {
  services(200, "/");
  auto monitor = world_.start({"start", "-vvvvv", "--yes"});
  ASSERT_TRUE(eventually([&] { return results() > 300; })) << monitor->err();
  monitor->signal(SIGTERM);
  EXPECT_EQ(monitor->wait(), 0) << monitor->err();
  // Each check that ended said so before it was stored.
  const auto err = monitor->err();
  std::int64_t taken = 0;
  for (auto at = err.find(": up after "); at != std::string::npos; at = err.find(": up after ", at + 1)) ++taken;
  EXPECT_EQ(results(), taken);
  EXPECT_EQ(world_.local("PRAGMA integrity_check").at(0).at(0), "ok");
}

TEST_F(Lifecycle, ARunningCheckIsCutAtTheGracePeriodAndCountsAsSkipped) {
  services(1, "/slow?ms=20000", "stop_grace: 1\n");
  auto monitor = world_.start();
  ASSERT_TRUE(eventually([&] {
    return results() == 0 && std::filesystem::exists(world_.database()) &&
           world_.local_number("SELECT count(*) FROM skipped") > 0;  // a second slot came while the first still ran
  })) << monitor->err();
  const auto start = std::chrono::steady_clock::now();
  monitor->signal(SIGINT);
  EXPECT_EQ(monitor->wait(), 0) << monitor->err();
  EXPECT_LT(std::chrono::steady_clock::now() - start, seconds{10});
  // The one that was cut, and those that came due in the second of grace.
  EXPECT_GE(world_.local_number("SELECT sum(count) FROM skipped WHERE reason = 4"), 2);
}

TEST_F(Lifecycle, ASecondSignalEndsItAtOnce) {
  services(1, "/slow?ms=20000", "stop_grace: 25\n");
  auto monitor = world_.start();
  ASSERT_TRUE(monitor->wait_for("Starting Agent worker."));
  ASSERT_TRUE(eventually([&] {
    return std::filesystem::exists(world_.database()) && world_.local_number("SELECT count(*) FROM skipped") > 0;
  }));
  monitor->signal(SIGINT);
  ASSERT_TRUE(monitor->wait_for("Stopping: SIGINT"));
  // One that comes within 100 ms of the first counts as the same; the next one does not.
  EXPECT_TRUE(eventually(
      [&] {
        monitor->signal(SIGINT);
        return monitor->wait(seconds{0}) >= 0;
      },
      seconds{5}));
  EXPECT_EQ(monitor->wait(), 130);
}

TEST_F(Lifecycle, AfterTheProcessStoodStillNothingBurstsAndEverySlotIsOnItsPhase) {
  constexpr std::int64_t kServices = 50;
  services(static_cast<int>(kServices), "/");
  auto monitor = world_.start();
  ASSERT_TRUE(eventually([&] { return results() > 2 * kServices; })) << monitor->err();
  monitor->signal(SIGSTOP);
  std::this_thread::sleep_for(seconds{6});  // the standstill itself
  const auto woken = unix_micros();
  monitor->signal(SIGCONT);
  ASSERT_TRUE(eventually([&] {
    return world_.local_number("SELECT count(*) FROM results WHERE requested_at > " + std::to_string(woken)) >
           4 * kServices;
  })) << monitor->err();
  monitor->signal(SIGTERM);
  ASSERT_EQ(monitor->wait(), 0) << monitor->err();
  EXPECT_THAT(monitor->err(), HasSubstr("The process stood still"));
  EXPECT_GE(world_.local_number("SELECT sum(count) FROM skipped WHERE reason = 3"), 5 * kServices);
  const auto report = world_.monitor({"report", "--json"}).out;
  EXPECT_THAT(report, testing::ContainsRegex("\"suspended\": ([5-9]|[1-9][0-9])"));
  EXPECT_THAT(report, testing::Not(HasSubstr("\"coverage_percent\": 100")));
  // In its first second awake each service ran once at most, and nothing that was due long before.
  const auto early = " WHERE requested_at BETWEEN " + std::to_string(woken) + " AND " + std::to_string(woken + 900'000);
  EXPECT_LE(world_.local_number("SELECT count(*) FROM results" + early), kServices);
  EXPECT_EQ(world_.local_number("SELECT count(*) FROM results" + early + " AND lateness_us > 2000000"), 0);
  EXPECT_EQ(world_.local_number("SELECT count(*) FROM monitoring_view WHERE NOT up"), 0);
  const auto due = due_moments(world_, 1'000'000);
  EXPECT_EQ(due.size(), static_cast<std::size_t>(kServices));
  for (const auto& [definition, moments] : due) {
    for (std::size_t i = 1; i < moments.size(); ++i) {
      EXPECT_NEAR(static_cast<double>(moments[i] - moments[i - 1]), 1e6, 20'000) << "service " << definition;
    }
  }
}

TEST_F(Lifecycle, TheTimeAfterAKillIsAGapFromTheLastSignOfLife) {
  services(5, "/");
  auto first = world_.start();
  ASSERT_TRUE(eventually([&] { return results() > 10; })) << first->err();
  first->signal(SIGKILL);
  first->wait();
  const auto killed = unix_micros();        // not before: it may commit until the signal is there
  std::this_thread::sleep_for(seconds{2});  // the time without it
  const auto before = results();
  auto second = world_.start();
  ASSERT_TRUE(eventually([&] { return results() > before; })) << second->err();
  second->signal(SIGTERM);
  ASSERT_EQ(second->wait(), 0) << second->err();
  const auto gaps = world_.local("SELECT from_at, to_at FROM gaps WHERE reason = 4");
  ASSERT_EQ(gaps.size(), 1U);
  EXPECT_LE(std::stoll(gaps[0][0]), killed);
  EXPECT_GE(std::stoll(gaps[0][0]), killed - 6'000'000);
  EXPECT_GE(std::stoll(gaps[0][1]), killed + 2'000'000);
  EXPECT_THAT(world_.monitor({"report", "--json"}).out, testing::ContainsRegex("\"not_running\": ([2-9]|[1-9][0-9])"));
  EXPECT_EQ(world_.local_number("SELECT count(*) FROM results WHERE requested_at > " + gaps[0][0] +
                                " AND requested_at < " + gaps[0][1]),
            0);
}

TEST_F(Lifecycle, ASecondInstanceIsRefusedAndNamesTheFirst) {
  services(1, "/");
  auto first = world_.start();
  ASSERT_TRUE(first->wait_for("Starting Agent worker."));
  const auto second = world_.monitor({"start", "--yes"});
  EXPECT_EQ(second.status, 1);
  EXPECT_THAT(second.err, HasSubstr(std::to_string(first->pid())));
  first->signal(SIGTERM);
  EXPECT_EQ(first->wait(), 0) << first->err();
}

TEST_F(Lifecycle, ALongRestIsRememberedButAShortServiceStartsAtOnceAgain) {
  services(1, "/");
  for (int round = 0; round < 2; ++round) {
    const auto before = results();
    auto monitor = world_.start();
    ASSERT_TRUE(eventually([&] { return results() > before; })) << monitor->err();
    monitor->signal(SIGTERM);
    ASSERT_EQ(monitor->wait(), 0) << monitor->err();
  }
}

TEST_F(Lifecycle, AClosedStderrNeverStopsThePolling) {
  services(5, "/");
  Child monitor(
      {.command = {"/bin/sh", "-c", "exec " + std::string{MONITOR_BINARY} + " start -vvvvv --yes 2>&- >/dev/null"},
       .environment = {{"HOME", world_.home().string()}}});
  EXPECT_TRUE(eventually([&] { return results() > 10; }));
  monitor.signal(SIGTERM);
  EXPECT_EQ(monitor.wait(), 0) << monitor.err();
}

TEST_F(Lifecycle, NothingOfTheProgramTakesTheNumberOfAClosedStream) {
  services(1, "/");
  Child monitor(
      {.command = {"/bin/sh", "-c", "exec " + std::string{MONITOR_BINARY} + " start -vvvvv --yes <&- >&- 2>&-"},
       .environment = {{"HOME", world_.home().string()}}});
  EXPECT_TRUE(eventually([&] { return results() > 0; }));
  for (const char* number : {"0", "1", "2"}) {
    const auto link = std::filesystem::path("/proc") / std::to_string(monitor.pid()) / "fd" / number;
    EXPECT_EQ(std::filesystem::read_symlink(link), "/dev/null") << number;
  }
  monitor.signal(SIGTERM);
  EXPECT_NE(monitor.wait(), -1);
}

TEST_F(Lifecycle, ItAsksForNoCoreFileThoughTheShellAllowsOne) {
  services(1, "/");
  Child monitor(
      {.command = {"/bin/sh", "-c", "ulimit -c $(ulimit -H -c); exec " + std::string{MONITOR_BINARY} + " start --yes"},
       .environment = {{"HOME", world_.home().string()}}});
  EXPECT_TRUE(eventually([&] { return results() > 0; }));
  std::ostringstream limits;
  limits << std::ifstream("/proc/" + std::to_string(monitor.pid()) + "/limits").rdbuf();
  EXPECT_THAT(limits.str(), testing::ContainsRegex("Max core file size +[01] "));
  monitor.signal(SIGTERM);
  EXPECT_EQ(monitor.wait(), 0) << monitor.err();
}

TEST_F(Lifecycle, AFullLogPipeNeverStopsThePollingOrTheStop) {
  services(300, "/");
  // Nobody reads the pipe: it is full after 64 KiB, which is some 600 checks at this level of logging.
  Child monitor({.command = {"/bin/sh", "-c",
                             "mkfifo \"$HOME/log\" && exec 3<>\"$HOME/log\" && exec " + std::string{MONITOR_BINARY} +
                                 " start -vvvvv --yes 2>\"$HOME/log\""},
                 .environment = {{"HOME", world_.home().string()}}});
  EXPECT_TRUE(eventually([&] { return results() > 1500; }));
  monitor.signal(SIGTERM);
  EXPECT_EQ(monitor.wait(seconds{15}), 0) << monitor.err();
  EXPECT_EQ(world_.local("PRAGMA integrity_check").at(0).at(0), "ok");
}

TEST_F(Lifecycle, AHangupUnderASupervisorReloadsAndPollingGoesOn) {
  services(1, "/");
  auto monitor = world_.start();
  ASSERT_TRUE(monitor->wait_for("Starting Agent worker."));
  monitor->signal(SIGHUP);
  EXPECT_TRUE(monitor->wait_for("1 as they were."));
  const auto before = results();
  EXPECT_TRUE(eventually([&] { return results() > before; }));
  monitor->signal(SIGTERM);
  EXPECT_EQ(monitor->wait(), 0) << monitor->err();
}

TEST_F(Lifecycle, ClosingTheTerminalStopsItInOrder) {
  services(5, "/");
  int terminal = -1;
  const pid_t pid = ::forkpty(&terminal, nullptr, nullptr, nullptr);
  ASSERT_GE(pid, 0);
  if (pid == 0) {
    ::setenv("HOME", world_.home().c_str(), 1);  // a child of its own, with one thread
    ::execl(MONITOR_BINARY, "monitor", "start", "--yes", nullptr);
    ::_exit(127);
  }
  EXPECT_TRUE(eventually([&] { return results() > 5; }));
  ::close(terminal);
  int status = -1;
  EXPECT_TRUE(eventually([&] { return ::waitpid(pid, &status, WNOHANG) == pid; })) << "it lives without a terminal";
  if (status == -1) ::kill(pid, SIGKILL);
  EXPECT_TRUE(WIFEXITED(status));
  EXPECT_EQ(WEXITSTATUS(status), 0);
}

TEST_F(Lifecycle, SystemdHearsReadyStatusWatchdogAndStopping) {
  services(3, "/");
  const auto path = world_.home() / "notify";
  NotifySocket socket(path);
  world_.set("NOTIFY_SOCKET", path.string());
  world_.set("WATCHDOG_USEC", "600000");
  auto monitor = world_.start({"start", "-vvvv", "--yes", "-ns"});
  EXPECT_EQ(socket.next("READY"), "READY=1") << monitor->err();
  EXPECT_THAT(socket.next("STATUS"), HasSubstr("3 services"));
  EXPECT_EQ(socket.next("WATCHDOG"), "WATCHDOG=1");
  EXPECT_EQ(socket.next("WATCHDOG"), "WATCHDOG=1");
  EXPECT_THAT(monitor->err(), HasSubstr("Systemd notification is enabled."));
  monitor->signal(SIGTERM);
  EXPECT_EQ(socket.next("STOPPING"), "STOPPING=1");
  EXPECT_EQ(monitor->wait(), 0) << monitor->err();
}

TEST_F(Lifecycle, StartWithoutAServiceIsAnErrorUnlessTheAgentIsSwitchedOff) {
  world_.write_config("services: []\n");
  EXPECT_EQ(world_.monitor({"start", "--yes"}).status, 2);
  world_.write_config("workers: {agent: false}\n");
  auto monitor = world_.start();
  EXPECT_TRUE(monitor->wait_for("Starting Collector worker.")) << monitor->err();
  EXPECT_THAT(monitor->err(), testing::Not(HasSubstr("Starting Agent worker.")));
  monitor->signal(SIGTERM);
  EXPECT_EQ(monitor->wait(), 0) << monitor->err();
}

}  // namespace
}  // namespace monitor::test
