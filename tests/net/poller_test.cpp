#include "net/poller.h"

#include <array>
#include <memory>
#include <optional>
#include <string>
#include <sys/mman.h>
#include <sys/socket.h>
#include <unistd.h>
#include <utility>
#include <vector>

#include <boost/asio/bind_cancellation_slot.hpp>
#include <boost/asio/cancellation_signal.hpp>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/error.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/post.hpp>
#include <boost/system/system_error.hpp>
#include <gtest/gtest.h>

#include "async/task_group.h"
#include "support/io.h"

namespace monitor::net {
namespace {

namespace asio = boost::asio;
using Ready = Poller::Ready;
using Socket = Poller::Socket;
using std::chrono::milliseconds;
using std::chrono::seconds;
using std::chrono::steady_clock;

/// Two ends of one connection: ours is polled, the other one is the test's.
struct Pair {
  explicit Pair(asio::io_context& io) : ours(std::make_unique<Socket>(Poller::of(io.get_executor()))) {
    std::array<int, 2> ends{};
    if (::socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, ends.data()) != 0) std::abort();
    ours->open(ends[0]);
    theirs = ends[1];
  }
  ~Pair() { hang_up(); }
  Pair(const Pair&) = delete;
  Pair& operator=(const Pair&) = delete;
  void say(std::string_view text) const { EXPECT_EQ(::write(theirs, text.data(), text.size()), std::ssize(text)); }
  void hang_up() {
    if (theirs >= 0) ::close(std::exchange(theirs, -1));
  }
  /// Reads all that has come, as a user of the socket would.
  std::string hear() const {
    std::array<char, 4096> room{};
    const auto count = ::read(ours->descriptor(), room.data(), room.size());
    ours->drained(Socket::kRead);
    return {room.data(), static_cast<std::size_t>(std::max<ssize_t>(count, 0))};
  }

  std::unique_ptr<Socket> ours;
  int theirs = -1;
};

class PollerTest : public ::testing::Test {
 protected:
  Ready wait(Socket& socket, Socket::Wants what = Socket::kRead, milliseconds limit = seconds{20}) {
    return test::run(io_, socket.wait(what, steady_clock::now() + limit));
  }
  void spawn(asio::awaitable<void> task) { tasks_.spawn("test", std::move(task)); }
  void settle() {
    io_.restart();
    while (io_.poll() > 0) {
    }
  }

  asio::io_context io_{1};
  async::TaskGroup tasks_{io_.get_executor(), [](const std::string& name, std::exception_ptr) { FAIL() << name; }};
};

asio::awaitable<void> note_turn(Socket& socket, std::string name, std::vector<std::string>& turns,
                                common::SteadyTime deadline) {
  const auto how = co_await socket.wait(Socket::kRead, deadline);
  turns.push_back(name + (how == Ready::kReady ? " is ready" : " is late"));
}

TEST_F(PollerTest, TellsWhatCameBeforeTheWaitAndWhatComesDuringIt) {
  Pair pair(io_);
  pair.say("a");
  EXPECT_EQ(wait(*pair.ours), Ready::kReady);
  EXPECT_EQ(pair.hear(), "a");
  std::vector<std::string> turns;
  spawn(note_turn(*pair.ours, "it", turns, steady_clock::now() + seconds{20}));
  settle();
  EXPECT_TRUE(turns.empty()) << "all had been read";
  pair.say("b");
  test::run(io_, tasks_.join());
  EXPECT_EQ(turns, std::vector<std::string>{"it is ready"});
  EXPECT_EQ(pair.hear(), "b");
}

TEST_F(PollerTest, WhatIsLeftUnreadIsStillToldOf) {
  Pair pair(io_);
  pair.say("ab");
  EXPECT_EQ(wait(*pair.ours), Ready::kReady);
  std::array<char, 1> room{};
  ASSERT_EQ(::read(pair.ours->descriptor(), room.data(), room.size()), 1);
  EXPECT_EQ(wait(*pair.ours), Ready::kReady);
}

TEST_F(PollerTest, AnEndIsToldOfAgainAndAgain) {
  Pair pair(io_);
  pair.hang_up();
  for (int i = 0; i < 3; ++i) {
    EXPECT_EQ(wait(*pair.ours), Ready::kReady);
    EXPECT_EQ(pair.hear(), "");
  }
}

TEST_F(PollerTest, APeerThatSaysNoMoreIsStillWaitedForUntilItTakesMore) {
  Pair pair(io_);
  ASSERT_EQ(::shutdown(pair.theirs, SHUT_WR), 0);
  EXPECT_EQ(wait(*pair.ours, Socket::kEither), Ready::kReady);
  const std::string much(std::size_t{1} << 20, 'x');
  while (::write(pair.ours->descriptor(), much.data(), much.size()) > 0) {
  }
  pair.ours->drained(Socket::kWrite);
  EXPECT_EQ(wait(*pair.ours, Socket::kWrite, milliseconds{10}), Ready::kTimeout) << "the other end reads nothing";
  EXPECT_EQ(pair.hear(), "");
  EXPECT_EQ(wait(*pair.ours), Ready::kReady) << "its end is told of again and again";
}

TEST_F(PollerTest, WhatCannotBeWatchedThrows) {
  Socket file(Poller::of(io_.get_executor()));
  file.open(::memfd_create("poller_test", MFD_CLOEXEC));
  ASSERT_TRUE(file.is_open());
  EXPECT_THROW(wait(file), boost::system::system_error);
}

TEST_F(PollerTest, WritingBeginsToBeWatchedWhenItIsWaitedFor) {
  Pair pair(io_);
  EXPECT_EQ(wait(*pair.ours, Socket::kRead, milliseconds{10}), Ready::kTimeout);
  EXPECT_EQ(wait(*pair.ours, Socket::kWrite), Ready::kReady);
  EXPECT_EQ(wait(*pair.ours, Socket::kEither), Ready::kReady);
  const std::string much(std::size_t{1} << 20, 'x');
  while (::write(pair.ours->descriptor(), much.data(), much.size()) > 0) {
  }
  pair.ours->drained(Socket::kWrite);
  EXPECT_EQ(wait(*pair.ours, Socket::kWrite, milliseconds{10}), Ready::kTimeout) << "the other end reads nothing";
  pair.say("a");
  EXPECT_EQ(wait(*pair.ours, Socket::kEither), Ready::kReady);
  EXPECT_EQ(pair.hear(), "a");
}

TEST_F(PollerTest, EachWaitEndsAtItsOwnDeadlineTheEarliestFirst) {
  std::vector<std::unique_ptr<Pair>> pairs;
  std::vector<std::string> turns;
  const auto now = steady_clock::now();
  for (const int late : {50, 10, 30, 20, 40}) {
    pairs.push_back(std::make_unique<Pair>(io_));
    spawn(note_turn(*pairs.back()->ours, std::to_string(late), turns, now + milliseconds{late}));
  }
  pairs.push_back(std::make_unique<Pair>(io_));
  spawn(note_turn(*pairs.back()->ours, "never", turns, common::SteadyTime::max()));
  settle();
  pairs.back()->say("a");
  test::run(io_, tasks_.join());
  EXPECT_GE(steady_clock::now(), now + milliseconds{50});
  std::erase(turns, "never is ready");
  EXPECT_EQ(turns, (std::vector<std::string>{"10 is late", "20 is late", "30 is late", "40 is late", "50 is late"}));
}

TEST_F(PollerTest, ADeadlineThatHasPassedEndsTheWaitThoughSomethingCame) {
  Pair pair(io_);
  pair.say("a");
  EXPECT_EQ(wait(*pair.ours, Socket::kRead, milliseconds{0}), Ready::kTimeout);
}

TEST_F(PollerTest, OneThatAlwaysFindsSomethingGivesWayToTheOthers) {
  Pair greedy(io_);
  Pair other(io_);
  bool done = false;
  int turns = 0;
  spawn([](Socket& socket, const bool& stop, int& count) -> asio::awaitable<void> {
    for (; !stop && count < 100'000; ++count) {
      socket.may_have_more(Socket::kRead);
      co_await socket.wait(Socket::kRead, common::SteadyTime::max());
    }
  }(*greedy.ours, done, turns));
  spawn([](Socket& socket, bool& stop) -> asio::awaitable<void> {
    co_await socket.wait(Socket::kRead, common::SteadyTime::max());
    stop = true;
  }(*other.ours, done));
  other.say("a");
  test::run(io_, tasks_.join());
  EXPECT_LT(turns, 100'000);
}

TEST_F(PollerTest, ASocketThatGoesWhileItsTurnIsStillToComeIsForgotten) {
  Pair first(io_);
  Pair second(io_);
  const auto close_other = [](Pair& own, Pair& other) -> asio::awaitable<void> {
    try {
      co_await own.ours->wait(Socket::kRead, common::SteadyTime::max());
    } catch (const boost::system::system_error&) {
      co_return;  // closed by the other one
    }
    other.ours.reset();
  };
  spawn(close_other(first, second));
  spawn(close_other(second, first));
  settle();
  first.say("a");
  second.say("a");
  test::run(io_, tasks_.join());
  EXPECT_NE(first.ours == nullptr, second.ours == nullptr);
}

TEST_F(PollerTest, ACancelledWaitThrowsAndTheNextOneWaitsAgain) {
  Pair pair(io_);
  std::vector<std::string> turns;
  spawn(note_turn(*pair.ours, "it", turns, common::SteadyTime::max()));
  settle();
  tasks_.cancel();
  test::run(io_, tasks_.join());
  EXPECT_TRUE(turns.empty());
  pair.say("a");
  EXPECT_EQ(wait(*pair.ours), Ready::kReady);
}

TEST_F(PollerTest, ACancellationAfterItsSocketHasGoneFindsNobodyElse) {
  const Pair first(io_), second(io_);
  std::optional<Socket> socket(std::in_place, Poller::of(io_.get_executor()));
  socket->open(::dup(first.theirs));
  asio::cancellation_signal signal;
  asio::co_spawn(io_, socket->wait(Socket::kRead, common::SteadyTime::max()),
                 asio::bind_cancellation_slot(signal.slot(), [](const std::exception_ptr& error, Ready) {
                   EXPECT_THROW(std::rethrow_exception(error), boost::system::system_error);
                 }));
  settle();
  std::vector<std::string> turns;
  asio::post(io_, [&] {
    socket.emplace(Poller::of(io_.get_executor()));  // the wait of the first one has ended; its turn is still to come
    socket->open(::dup(second.theirs));
    spawn(note_turn(*socket, "it", turns, common::SteadyTime::max()));
    signal.emit(asio::cancellation_type::terminal);
  });
  settle();
  ASSERT_EQ(::write(second.ours->descriptor(), "a", 1), 1);
  test::run(io_, tasks_.join());
  EXPECT_EQ(turns, std::vector<std::string>{"it is ready"});
}

TEST_F(PollerTest, ACancellationAfterTheWaitHasEndedFindsNobody) {
  Pair pair(io_);
  asio::cancellation_signal signal;
  const auto wait_and_go = [](Pair& own, asio::cancellation_signal& late) -> asio::awaitable<Ready> {
    const auto how = co_await own.ours->wait(Socket::kRead, common::SteadyTime::max());
    own.ours.reset();
    late.emit(asio::cancellation_type::terminal);
    co_return how;
  };
  std::optional<Ready> ended;
  asio::co_spawn(io_, wait_and_go(pair, signal),
                 asio::bind_cancellation_slot(signal.slot(), [&ended](const std::exception_ptr& error, Ready how) {
                   if (!error) ended = how;
                 }));
  settle();
  pair.say("a");
  while (!ended && io_.run_one() > 0) {
  }
  EXPECT_EQ(ended, Ready::kReady);
}

TEST_F(PollerTest, WhileNothingWaitsTheIoContextMayEnd) {
  Pair pair(io_);
  EXPECT_EQ(wait(*pair.ours, Socket::kRead, milliseconds{5}), Ready::kTimeout);
  pair.say("a");
  EXPECT_EQ(wait(*pair.ours), Ready::kReady);
  io_.restart();
  io_.run_for(seconds{10});
  EXPECT_TRUE(io_.stopped());
}

TEST(Poller, AnIoContextThatGoesTakesWhatWaitsWithIt) {
  auto released = std::make_shared<bool>(false);
  {
    asio::io_context io{1};
    asio::co_spawn(
        io,
        [](asio::io_context& on, std::shared_ptr<bool> gone) -> asio::awaitable<void> {
          const Pair pair(on);
          const std::shared_ptr<void> last(nullptr, [gone](void*) { *gone = true; });
          co_await pair.ours->wait(Socket::kRead, common::SteadyTime::max());
        }(io, released),
        [](std::exception_ptr) {});
    while (io.poll() > 0) {
    }
    EXPECT_FALSE(*released);
  }
  EXPECT_TRUE(*released);
}

}  // namespace
}  // namespace monitor::net
