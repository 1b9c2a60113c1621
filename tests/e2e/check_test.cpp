// `monitor check` as a person runs it: in a terminal, in a pipe, interrupted.
#include <array>
#include <pty.h>
#include <sys/wait.h>
#include <unistd.h>

#include <gmock/gmock.h>

#include "e2e/world.h"
#include "support/script_server.h"

namespace monitor::test {
namespace {

using testing::HasSubstr;
using testing::Not;

struct Shown {
  int status = -1;
  std::string text;
};

/// Runs `command` in /bin/sh on a terminal of its own; all that it prints.
Shown on_a_terminal(const std::string& command) {
  int terminal = -1;
  const pid_t pid = ::forkpty(&terminal, nullptr, nullptr, nullptr);
  if (pid == 0) {
    ::execl("/bin/sh", "sh", "-c", command.c_str(), nullptr);
    ::_exit(127);
  }
  Shown shown;
  std::array<char, 4096> part{};
  for (ssize_t size = 0; (size = ::read(terminal, part.data(), part.size())) > 0;) {
    shown.text.append(part.data(), static_cast<std::size_t>(size));
  }
  int status = -1;
  ::waitpid(pid, &status, 0);
  ::close(terminal);
  if (WIFEXITED(status)) shown.status = WEXITSTATUS(status);
  return shown;
}

class CheckTest : public testing::Test {
 protected:
  std::string command(const std::string& environment, const std::string& url) const {
    return "exec env HOME='" + world_.home().string() + "' TERM=xterm LC_ALL=C.UTF-8 " + environment + " " +
           MONITOR_BINARY + " check " + url;
  }
  World world_;
  ScriptServer up_{ScriptServer::reply("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok")};
  ScriptServer down_{ScriptServer::reply("HTTP/1.1 500 No\r\nContent-Length: 0\r\n\r\n")};
};

TEST_F(CheckTest, IsColouredOnATerminalUnlessThatIsNotWanted) {
  const auto up = on_a_terminal(command("", up_.url()));
  EXPECT_EQ(up.status, 0);
  EXPECT_THAT(up.text, HasSubstr("verdict      \x1b[32mup\x1b[0m"));
  EXPECT_THAT(up.text, HasSubstr("█"));
  const auto down = on_a_terminal(command("", down_.url()));
  EXPECT_EQ(down.status, 1);
  EXPECT_THAT(down.text, HasSubstr("\x1b[31mdown (status)\x1b[0m"));
  const auto plain = on_a_terminal(command("NO_COLOR=1", down_.url()));
  EXPECT_EQ(plain.status, 1);
  EXPECT_THAT(plain.text, HasSubstr("verdict      down (status)"));
  EXPECT_THAT(plain.text, Not(HasSubstr("\x1b")));
}

TEST_F(CheckTest, IsPlainInAPipeAndTouchesNoFile) {
  world_.set("LC_ALL", "C");
  const auto ended = world_.monitor({"check", down_.url()});
  EXPECT_EQ(ended.status, 1);
  EXPECT_EQ(ended.err, "");
  EXPECT_THAT(ended.out, HasSubstr("total"));
  EXPECT_TRUE(std::ranges::all_of(ended.out, [](char c) { return c == '\n' || (c >= ' ' && c <= '~'); })) << ended.out;
  EXPECT_TRUE(std::filesystem::is_empty(world_.home()));
}

TEST_F(CheckTest, OfAConfiguredServiceLeavesTheDatabaseAlone) {
  ASSERT_EQ(world_.monitor({"config", "create"}).status, 0);
  ASSERT_EQ(world_.monitor({"config", "services", "add", up_.url(), "GET", "--name", "web", "-q"}).status, 0);
  const auto ended = world_.monitor({"check", "web", "--json"});
  EXPECT_EQ(ended.status, 0) << ended.err;
  EXPECT_THAT(ended.out, HasSubstr(R"("verdict":"up")"));
  EXPECT_FALSE(std::filesystem::exists(world_.database()));
}

TEST_F(CheckTest, AnInterruptEndsItAtOnceWithoutAWord) {
  const ScriptServer silent([](Peer& peer) { peer.hold(); });
  for (const int number : {SIGINT, SIGTERM}) {
    const auto before = silent.connections();
    auto check = world_.start({"check", silent.url(), "--timeout", "300"});
    ASSERT_TRUE(eventually([&] { return silent.connections() > before; }));
    check->signal(number);
    EXPECT_EQ(check->wait(), 130);
    EXPECT_EQ(check->out() + check->err(), "");
  }
}

TEST_F(CheckTest, AReaderThatWentAwayIsNoVerdict) {
  Child check({.command = {"/bin/sh", "-c", "exec " + std::string{MONITOR_BINARY} + " check " + up_.url() + " >&-"},
               .environment = {{"HOME", world_.home().string()}}});
  EXPECT_EQ(check.wait(), 4);
  EXPECT_THAT(check.err(), HasSubstr("cannot write to the standard output"));
}

}  // namespace
}  // namespace monitor::test
