#include "net/connection.h"

#include <array>
#include <atomic>

#include <boost/asio/io_context.hpp>
#include <boost/system/system_error.hpp>
#include <gtest/gtest.h>

#include "async/task_group.h"
#include "support/io.h"
#include "support/script_server.h"

namespace monitor::net {
namespace {

namespace asio = boost::asio;
using common::Outcome;
using std::chrono::steady_clock;

SharedAddresses addresses(const std::vector<std::string>& texts) {
  auto out = std::make_shared<Addresses>();
  for (const auto& text : texts) out->push_back(asio::ip::make_address(text));
  return out;
}

class ConnectionTest : public ::testing::Test {
 protected:
  std::unique_ptr<Connection> make(std::chrono::milliseconds limit = std::chrono::seconds{20}) {
    auto out = std::make_unique<Connection>(io_.get_executor());
    out->set_deadline(steady_clock::now() + limit);
    return out;
  }
  asio::io_context io_{1};
};

TEST_F(ConnectionTest, TriesTheAddressesInOrderUntilOneAnswers) {
  test::ScriptServer server([](test::Peer& peer) { peer.hold(); });
  auto connection = make();
  const auto failure =
      test::run(io_, connection->connect(addresses({"127.0.0.8", "127.0.0.9", "127.0.0.1"}), server.port()));
  ASSERT_FALSE(failure) << failure->reason;
  EXPECT_EQ(connection->peer()->to_string(), "127.0.0.1");
}

TEST_F(ConnectionTest, ABlackHoleDoesNotEatTheWholeTime) {
  test::ScriptServer server([](test::Peer& peer) { peer.hold(); });
  const test::BlackHole hole("127.0.0.9", server.port());
  auto connection = make(std::chrono::milliseconds{1500});
  const auto failure = test::run(io_, connection->connect(addresses({"127.0.0.9", "127.0.0.1"}), server.port()));
  ASSERT_FALSE(failure) << failure->reason;
  EXPECT_EQ(connection->peer()->to_string(), "127.0.0.1");
}

TEST_F(ConnectionTest, WhenNoneAnswersThatIsSaid) {
  const auto port = test::closed_port();
  auto connection = make();
  const auto failure = test::run(io_, connection->connect(addresses({"127.0.0.1", "127.0.0.9"}), port));
  ASSERT_TRUE(failure);
  EXPECT_EQ(failure->outcome, Outcome::kConnectRefused);
  EXPECT_EQ(failure->reason,
            "nothing listens on 127.0.0.9:" + std::to_string(port) + " (connection refused) (2 addresses tried)");
}

TEST_F(ConnectionTest, AnAddressWithoutAWaySaysLessThanOneThatRefuses) {
  const auto port = test::closed_port();
  auto connection = make();
  // A link-local address without its link cannot be reached from anywhere.
  const auto failure = test::run(io_, connection->connect(addresses({"127.0.0.1", "fe80::1"}), port));
  ASSERT_TRUE(failure);
  EXPECT_EQ(failure->outcome, Outcome::kConnectRefused) << failure->reason;
}

TEST_F(ConnectionTest, AnAddressThatNoServerHasIsUnreachableAndNotOurFault) {
  for (const auto* address : {"255.255.255.255", "224.0.0.1", "ff02::1", "fe80::1", "::ffff:224.0.0.1"}) {
    auto connection = make();
    const auto failure = test::run(io_, connection->connect(addresses({address}), 80));
    ASSERT_TRUE(failure) << address;
    EXPECT_EQ(failure->outcome, Outcome::kUnreachable) << failure->reason;
    EXPECT_NE(failure->reason.find(address), std::string::npos) << failure->reason;
  }
  auto connection = make();
  const auto failure = test::run(io_, connection->connect(addresses({"255.255.255.255", "224.0.0.1"}), 80));
  ASSERT_TRUE(failure);
  EXPECT_EQ(failure->outcome, Outcome::kUnreachable) << failure->reason;
}

TEST_F(ConnectionTest, IsUsableWhileThePeerIsQuiet) {
  std::atomic<bool> go{false};
  test::ScriptServer server([&](test::Peer& peer) {
    while (!go) std::this_thread::yield();
    peer.send("x");
    peer.hold();
  });
  auto connection = make();
  EXPECT_FALSE(connection->usable());
  ASSERT_FALSE(test::run(io_, connection->connect(addresses({"127.0.0.1"}), server.port())));
  EXPECT_TRUE(connection->usable());
  go = true;
  ASSERT_EQ(test::run(io_, connection->wait(Step::Status::kWantRead)), Connection::Ready::kReady);
  EXPECT_FALSE(connection->usable()) << "nobody asked for that";
  std::array<char, 8> buffer{};
  EXPECT_EQ(connection->read(buffer).bytes, 1U) << "it was not consumed";
  EXPECT_TRUE(connection->usable());
  connection->finish();
  EXPECT_FALSE(connection->usable());
}

TEST_F(ConnectionTest, ADeadlineThatPassedDoesNotCountForTheNextExchange) {
  test::ScriptServer server([](test::Peer& peer) { peer.hold(); });
  auto connection = make();
  ASSERT_FALSE(test::run(io_, connection->connect(addresses({"127.0.0.1", "127.0.0.9"}), server.port())));
  for (int exchange = 0; exchange < 3; ++exchange) {
    connection->set_deadline(steady_clock::now() + std::chrono::milliseconds{10});
    EXPECT_EQ(test::run(io_, connection->wait(Step::Status::kWantRead)), Connection::Ready::kTimeout);
    EXPECT_EQ(test::run(io_, connection->wait(Step::Status::kWantRead)), Connection::Ready::kTimeout);
  }
}

TEST_F(ConnectionTest, AWriteThatCannotGoOnWaitsUntilTheDeadline) {
  test::ScriptServer server([](test::Peer& peer) { peer.idle(); });
  auto connection = make(std::chrono::milliseconds{300});
  ASSERT_FALSE(test::run(io_, connection->connect(addresses({"127.0.0.1"}), server.port())));
  const std::string much(std::size_t{1} << 20, 'x');
  auto step = connection->write(much);
  while (step.status == Step::Status::kDone) step = connection->write(much);
  ASSERT_EQ(step.status, Step::Status::kWantWrite);
  EXPECT_EQ(test::run(io_, connection->wait(step.status)), Connection::Ready::kTimeout);
}

TEST_F(ConnectionTest, AWaitThatIsCancelledThrows) {
  test::ScriptServer server([](test::Peer& peer) { peer.hold(); });
  auto connection = make();
  ASSERT_FALSE(test::run(io_, connection->connect(addresses({"127.0.0.1"}), server.port())));
  async::TaskGroup group(io_.get_executor(), [](const std::string& name, std::exception_ptr) { FAIL() << name; });
  bool returned = false;
  group.spawn("reader", [](Connection& on, bool& back) -> asio::awaitable<void> {
    co_await on.wait(Step::Status::kWantRead);
    back = true;
  }(*connection, returned));
  io_.run_for(std::chrono::milliseconds{1});
  group.cancel();
  test::run(io_, group.join());
  EXPECT_FALSE(returned);
}

}  // namespace
}  // namespace monitor::net
