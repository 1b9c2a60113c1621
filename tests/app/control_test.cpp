#include <array>
#include <ctime>
#include <fcntl.h>
#include <fstream>
#include <future>
#include <optional>
#include <poll.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <thread>
#include <unistd.h>
#include <vector>

#include <boost/asio/io_context.hpp>
#include <boost/asio/post.hpp>
#include <boost/json/serialize.hpp>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "app/control_address.h"
#include "app/control_client.h"
#include "app/control_file.h"
#include "app/control_protocol.h"
#include "app/control_server.h"
#include "support/temp_dir.h"

namespace monitor::app::control {
namespace {

namespace asio = boost::asio;
namespace json = boost::json;
using std::chrono::milliseconds;
using testing::HasSubstr;
using testing::StrEq;
using testing::ThrowsMessage;

using Handler = Server::Handler;

Handler giving(json::object answer) {
  return [answer](json::object) -> asio::awaitable<json::object> { co_return answer; };
}

/// A server on an io thread of its own, while it lives.
class Serving {
 public:
  explicit Serving(const std::filesystem::path& database, Patience patience = Patience{},
                   milliseconds look_every = Server::kLookEvery)
      : server_(io_.get_executor(), database, patience, look_every),
        tasks_(io_.get_executor(), [](const std::string&, const std::exception_ptr&) { ADD_FAILURE(); }) {
    server_.handle("health", giving({{"pid", 1}}));
    server_.handle("echo", [](json::object request) -> asio::awaitable<json::object> { co_return request; });
    server_.handle("fail", [](json::object) -> asio::awaitable<json::object> {
      throw common::Error("the disk is full");
      co_return json::object{};
    });
    server_.handle("wait", [this](json::object) -> asio::awaitable<json::object> {
      waiting_.set_value();
      co_await async::sleep_for(std::chrono::hours{1});
      co_return json::object{};
    });
    server_.handle("large", giving({{"text", std::string(kMaxAnswerBytes / 2, 'x')}}));
    server_.handle("long", giving({{"text", std::string(kMaxAnswerBytes, 'x')}}));
    server_.open();
    tasks_.spawn("control", server_.run());
    thread_ = std::thread([this] { io_.run(); });
  }
  ~Serving() { stop(); }
  Serving(const Serving&) = delete;
  Serving& operator=(const Serving&) = delete;

  void stop() {
    if (!thread_.joinable()) return;
    asio::post(io_, [this] { tasks_.cancel(); });
    thread_.join();
  }
  /// When the handler `wait` has been reached.
  std::future<void> reached() { return waiting_.get_future(); }

 private:
  asio::io_context io_{1};
  Server server_;
  async::TaskGroup tasks_;
  std::promise<void> waiting_;
  std::thread thread_;
};

/// A client that need not keep to the protocol.
class RawClient {
 public:
  explicit RawClient(const std::filesystem::path& database)
      : socket_(::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0)) {
    const Address address(socket_path(database));
    EXPECT_EQ(::connect(socket_, address.data(), address.size()), 0);
  }
  ~RawClient() { ::close(socket_); }
  RawClient(const RawClient&) = delete;
  RawClient& operator=(const RawClient&) = delete;

  void send(std::string_view text) const { ::send(socket_, text.data(), text.size(), MSG_NOSIGNAL); }
  bool hears_within(int milliseconds) const {
    pollfd watched{.fd = socket_, .events = POLLIN, .revents = 0};
    return ::poll(&watched, 1, milliseconds) == 1;
  }
  /// Everything until the server ends the connection.
  std::string rest() const {
    std::string text;
    std::array<char, 4096> piece;
    for (;;) {
      const auto got = ::recv(socket_, piece.data(), piece.size(), 0);
      if (got <= 0) return text;
      text.append(piece.data(), static_cast<std::size_t>(got));
    }
  }

 private:
  int socket_;
};

bool answers_in_time(const std::filesystem::path& database) {
  const auto end = std::chrono::steady_clock::now() + std::chrono::seconds{20};
  while (std::chrono::steady_clock::now() < end) {
    try {
      if (ask(database, {{"command", "health"}})) return true;
    } catch (const common::Error&) {  // it was being replaced
    }
    std::this_thread::yield();
  }
  return false;
}

class ControlSocket : public testing::Test {
 protected:
  test::TempDir folder_;
  std::filesystem::path database_ = folder_.path() / "local.sqlite3";
};

TEST_F(ControlSocket, AnswersACommand) {
  const Serving serving(database_);
  const auto answer = ask(database_, {{"command", "health"}});
  ASSERT_TRUE(answer);
  EXPECT_EQ(answer->at("ok"), json::value(true));
  EXPECT_EQ(answer->at("pid"), json::value(1));
}

TEST_F(ControlSocket, HandsTheRestOfTheRequestToTheCommand) {
  const Serving serving(database_);
  const auto answer = ask(database_, {{"command", "echo"}, {"seqs", {1, 2, 3}}});
  ASSERT_TRUE(answer);
  EXPECT_EQ(json::serialize(answer->at("seqs")), "[1,2,3]");
  EXPECT_FALSE(answer->contains("command"));
}

TEST_F(ControlSocket, OneAtWhichAnotherListensIsLeftToIt) {
  SocketFile others(socket_path(database_));
  const int listener = others.make();
  SocketFile ours(socket_path(database_));
  EXPECT_THAT([&] { ours.make(); }, ThrowsMessage<common::Error>(HasSubstr("another process listens there")));
  EXPECT_TRUE(others.is_there());
  ::close(listener);
  ::close(ours.make());
}

TEST_F(ControlSocket, GivesTheSentenceOfARefusal) {
  const Serving serving(database_);
  EXPECT_THAT([&] { ask(database_, {{"command", "fail"}}); }, ThrowsMessage<common::Error>(StrEq("the disk is full")));
  EXPECT_THAT([&] { ask(database_, {{"command", "dance"}}); },
              ThrowsMessage<common::Error>(HasSubstr("knows no command `dance`")));
}

TEST_F(ControlSocket, SaysThatAnAnswerIsTooLong) {
  const Serving serving(database_);
  EXPECT_THAT([&] { ask(database_, {{"command", "long"}}); },
              ThrowsMessage<common::Error>(HasSubstr("longer than 4 MiB; ask for less")));
}

TEST_F(ControlSocket, NobodyIsThereWithoutADaemonAndAfterItsEnd) {
  EXPECT_FALSE(ask(database_, {{"command", "health"}}));
  {
    const Serving serving(database_);
    EXPECT_TRUE(ask(database_, {{"command", "health"}}));
  }
  EXPECT_FALSE(std::filesystem::exists(socket_path(database_)));
  EXPECT_FALSE(ask(database_, {{"command", "health"}}));
}

TEST_F(ControlSocket, BelongsToItsUserAlone) {
  const Serving serving(database_);
  struct stat found{};
  ASSERT_EQ(::stat(socket_path(database_).c_str(), &found), 0);
  EXPECT_EQ(found.st_mode & 0777U, 0600U);
}

TEST_F(ControlSocket, ReplacesTheSocketOfAKilledDaemon) {
  const int left = ::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
  const Address address(socket_path(database_));
  ASSERT_EQ(::bind(left, address.data(), address.size()), 0);
  ::close(left);
  EXPECT_FALSE(ask(database_, {{"command", "health"}}));
  const Serving serving(database_);
  EXPECT_TRUE(ask(database_, {{"command", "health"}}));
}

TEST_F(ControlSocket, LeavesAFileThatIsNoSocket) {
  std::ofstream(socket_path(database_)) << "mine";
  asio::io_context io;
  Server server(io.get_executor(), database_);
  EXPECT_THAT([&] { server.open(); }, ThrowsMessage<common::Error>(HasSubstr("which is no socket")));
  EXPECT_EQ(std::filesystem::file_size(socket_path(database_)), 4U);
}

TEST_F(ControlSocket, IsMadeAgainWhenSomebodyTakesItAway) {
  const Serving serving(database_, Patience{}, milliseconds{5});
  for (int i = 0; i < 3; ++i) {
    std::filesystem::remove(socket_path(database_));
    EXPECT_TRUE(answers_in_time(database_));
  }
}

TEST_F(ControlSocket, AFileInItsPlaceIsLeftAndTheSocketMadeOnceThatIsGone) {
  {
    const Serving serving(database_, Patience{}, milliseconds{5});
    std::ofstream(folder_ / "mine") << "mine";
    std::filesystem::rename(folder_ / "mine", socket_path(database_));
    std::this_thread::sleep_for(milliseconds{50});  // ten looks
    EXPECT_EQ(std::filesystem::file_size(socket_path(database_)), 4U);
    std::filesystem::remove(socket_path(database_));
    EXPECT_TRUE(answers_in_time(database_));
    std::ofstream(folder_ / "mine") << "mine";
    std::filesystem::rename(folder_ / "mine", socket_path(database_));
  }
  EXPECT_EQ(std::filesystem::file_size(socket_path(database_)), 4U) << "nor is it taken away at the end";
}

TEST_F(ControlSocket, AFolderOfAnyDepthWillDo) {
  const auto deep = folder_.path() / std::string(90, 'a') / std::string(90, 'b');
  std::filesystem::create_directories(deep);
  const Serving serving(deep / "local.sqlite3");
  EXPECT_TRUE(ask(deep / "local.sqlite3", {{"command", "health"}}));
  EXPECT_TRUE(std::filesystem::is_socket(deep / "local.sqlite3.sock"));
}

TEST_F(ControlSocket, SaysThatAFileNameIsTooLong) {
  asio::io_context io;
  Server server(io.get_executor(), folder_.path() / std::string(120, 'a'));
  EXPECT_THAT([&] { server.open(); }, ThrowsMessage<common::Error>(HasSubstr("the name is too long")));
}

TEST_F(ControlSocket, RefusesWhatIsNoRequest) {
  const Serving serving(database_);
  for (const auto* line : {"\n", "{\n", "[]\n", "{}\n", "{\"command\": 7}\n", "{\"command\": \"\\n\"}\n", "\x80\n"}) {
    const RawClient client(database_);
    client.send(line);
    EXPECT_THAT(client.rest(), HasSubstr("\"ok\":false")) << line;
  }
  EXPECT_TRUE(ask(database_, {{"command", "health"}}));
}

TEST_F(ControlSocket, RefusesAnEndlessLine) {
  const Serving serving(database_);
  const RawClient client(database_);
  client.send(std::string(kMaxRequestBytes + 2, 'x'));
  EXPECT_THAT(client.rest(), HasSubstr("longer than 64 KiB"));
}

TEST_F(ControlSocket, GivesUpAClientThatSaysNothing) {
  const Serving serving(database_, {.request = milliseconds{50}, .answer = milliseconds{50}});
  const RawClient silent(database_);
  EXPECT_EQ(silent.rest(), "");
}

TEST_F(ControlSocket, GivesUpAClientThatDoesNotRead) {
  const Serving serving(database_, {.request = milliseconds{5000}, .answer = milliseconds{50}});
  std::vector<std::unique_ptr<RawClient>> deaf;
  for (std::size_t i = 0; i < Server::kMaxConnections; ++i) {
    deaf.push_back(std::make_unique<RawClient>(database_));
    deaf.back()->send("{\"command\": \"large\"}\n");
  }
  EXPECT_TRUE(ask(database_, {{"command", "health"}}));
}

TEST_F(ControlSocket, AHundredSilentClientsHoldNobodyUpForLong) {
  const Serving serving(database_, {.request = milliseconds{50}, .answer = milliseconds{50}});
  std::vector<std::unique_ptr<RawClient>> silent;
  for (int i = 0; i < 100; ++i) silent.push_back(std::make_unique<RawClient>(database_));
  EXPECT_TRUE(ask(database_, {{"command", "health"}}));
}

TEST_F(ControlSocket, WithoutADescriptorForAConnectionItTriesAgainAfterAWhile) {
  const Serving serving(database_);
  EXPECT_TRUE(ask(database_, {{"command", "health"}}));
  rlimit before{};
  ::getrlimit(RLIMIT_NOFILE, &before);
  const int next = ::dup(0);
  ::close(next);
  const rlimit one_more{static_cast<rlim_t>(next) + 1, before.rlim_max};
  ::setrlimit(RLIMIT_NOFILE, &one_more);
  const auto spent_before = std::clock();
  const RawClient client(database_);
  client.send("{\"command\": \"health\"}\n");
  EXPECT_FALSE(client.hears_within(300));
  const auto spent = std::clock() - spent_before;
  ::setrlimit(RLIMIT_NOFILE, &before);
  EXPECT_LT(spent, CLOCKS_PER_SEC / 50) << "it does nothing but try";
  EXPECT_THAT(client.rest(), HasSubstr("\"ok\":true"));
}

TEST_F(ControlSocket, SoManyAtOnceAndTheNextOneWaitsForOneToGo) {
  const Serving serving(database_, {.request = std::chrono::minutes{1}, .answer = std::chrono::minutes{1}});
  std::vector<std::unique_ptr<RawClient>> silent;
  for (std::size_t i = 0; i < Server::kMaxConnections; ++i) silent.push_back(std::make_unique<RawClient>(database_));
  const RawClient next(database_);
  next.send("{\"command\": \"health\"}\n");
  EXPECT_FALSE(next.hears_within(100));
  silent.pop_back();
  EXPECT_TRUE(next.hears_within(20'000));
}

TEST_F(ControlSocket, AClientThatGoesAwayHurtsNobody) {
  const Serving serving(database_);
  for (int i = 0; i < 40; ++i) {
    const RawClient client(database_);
    client.send(R"({"command": "health"})"
                "\n");
  }
  EXPECT_TRUE(ask(database_, {{"command", "health"}}));
}

TEST_F(ControlSocket, WhoAsksGivesUpInTime) {
  Serving serving(database_);
  EXPECT_THROW(ask(database_, {{"command", "wait"}}, milliseconds{50}), NoAnswer);
}

TEST_F(ControlSocket, WhoAsksTakesNoEndlessAnswer) {
  const int listener = ::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
  const Address address(socket_path(database_));
  ASSERT_EQ(::bind(listener, address.data(), address.size()), 0);
  ASSERT_EQ(::listen(listener, 1), 0);
  std::thread server([&] {
    const int client = ::accept4(listener, nullptr, nullptr, SOCK_CLOEXEC);
    const std::string piece(kMaxAnswerBytes / 8, 'x');
    for (int i = 0; i <= 8; ++i) ::send(client, piece.data(), piece.size(), MSG_NOSIGNAL);
    ::close(client);
  });
  EXPECT_THAT([&] { ask(database_, {{"command", "health"}}); },
              ThrowsMessage<common::Error>(HasSubstr("longer than 4 MiB")));
  server.join();
  ::close(listener);
}

/// Does `work` as a user who is neither root nor the one that runs the tests; gives what it gave.
template <typename Work>
int as_another_user(Work work) {
  constexpr uid_t kNobody = 65534;
  const pid_t child = ::fork();
  if (child == 0) ::_exit(::setresuid(kNobody, kNobody, kNobody) == 0 ? work() : 127);
  int status = -1;
  ::waitpid(child, &status, 0);
  return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

TEST_F(ControlSocket, AnotherUserIsRefusedThoughTheFileLetsHimIn) {
  if (::geteuid() != 0) GTEST_SKIP() << "only root can become another user";
  const Serving serving(database_);
  std::filesystem::permissions(folder_.path(), std::filesystem::perms{0711});
  std::filesystem::permissions(socket_path(database_), std::filesystem::perms{0666});
  EXPECT_EQ(as_another_user([&] {
              const RawClient client(database_);
              client.send("{\"command\": \"health\"}\n");
              return client.rest().find("only the daemon's own user and root may ask") == std::string::npos ? 1 : 0;
            }),
            0);
  EXPECT_TRUE(ask(database_, {{"command", "health"}}));
}

// Its child runs a thread of its own, which ThreadSanitizer does not bear after a fork.
#if !__has_feature(thread_sanitizer)
TEST_F(ControlSocket, RootMayAskTheDaemonOfAnotherUser) {
  if (::geteuid() != 0) GTEST_SKIP() << "only root can become another user";
  std::filesystem::permissions(folder_.path(), std::filesystem::perms{0777});
  std::array<int, 2> ready{}, done{};
  ASSERT_EQ(::pipe2(ready.data(), O_CLOEXEC), 0);
  ASSERT_EQ(::pipe2(done.data(), O_CLOEXEC), 0);
  auto daemon = std::async(std::launch::async, [&] {
    return as_another_user([&] {
      ::close(done[1]);
      const Serving serving(database_);
      char byte = 0;
      return ::write(ready[1], &byte, 1) == 1 && ::read(done[0], &byte, 1) == 0 ? 0 : 1;
    });
  });
  char byte = 0;
  ASSERT_EQ(::read(ready[0], &byte, 1), 1);
  // What is thrown here would wait for the other process.
  EXPECT_NO_THROW(EXPECT_TRUE(ask(database_, {{"command", "health"}})));
  ::close(done[1]);
  EXPECT_EQ(daemon.get(), 0);
  for (const int end : {ready[0], ready[1], done[0]}) ::close(end);
}
#endif

TEST_F(ControlSocket, EndsWhileARequestIsCarriedOut) {
  Serving serving(database_);
  auto reached = serving.reached();
  const auto asking = std::async(std::launch::async, [&] {
    EXPECT_THAT([&] { ask(database_, {{"command", "wait"}}, std::chrono::seconds{30}); },
                ThrowsMessage<common::Error>(HasSubstr("broke off")));
  });
  reached.wait();
  serving.stop();
}

}  // namespace
}  // namespace monitor::app::control
