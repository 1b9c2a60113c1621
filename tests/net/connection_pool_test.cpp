#include "net/connection_pool.h"

#include <atomic>

#include <boost/asio/io_context.hpp>
#include <gtest/gtest.h>

#include "support/io.h"
#include "support/script_server.h"

namespace monitor::net {
namespace {

namespace asio = boost::asio;
using std::chrono::milliseconds;
using std::chrono::seconds;
using std::chrono::steady_clock;

class ConnectionPoolTest : public ::testing::Test {
 protected:
  std::unique_ptr<Connection> connected(std::uint16_t port) {
    auto out = std::make_unique<Connection>(io_.get_executor());
    out->set_deadline(steady_clock::now() + seconds{20});
    const auto to = std::make_shared<const Addresses>(Addresses{asio::ip::address_v4::loopback()});
    const auto failure = test::run(io_, out->connect(to, port));
    EXPECT_FALSE(failure) << failure->reason;
    return out;
  }
  std::unique_ptr<Connection> connected() { return connected(server_.port()); }

  asio::io_context io_{1};
  test::ScriptServer server_{[](test::Peer& peer) { peer.hold(); }};
};

TEST_F(ConnectionPoolTest, TheNewestOfAKeyIsTakenFirst) {
  ConnectionPool pool(io_.get_executor(), 10);
  auto first = connected();
  auto second = connected();
  auto other = connected();
  const auto* const older = first.get();
  const auto* const newer = second.get();
  pool.put("a", std::move(first));
  pool.put("a", std::move(second));
  pool.put("b", std::move(other));
  EXPECT_EQ(pool.take("a").get(), newer);
  EXPECT_EQ(pool.take("a").get(), older);
  EXPECT_EQ(pool.take("a"), nullptr);
  EXPECT_EQ(pool.size(), 1U);
}

TEST_F(ConnectionPoolTest, WhatTheServerHasClosedIsNotGivenOut) {
  std::atomic<bool> close_now{false};
  const test::ScriptServer closing([&](test::Peer& peer) {
    while (!close_now) std::this_thread::yield();
    peer.close();
    peer.hold();
  });
  ConnectionPool pool(io_.get_executor(), 10);
  auto stale = connected(closing.port());
  auto* const seen = stale.get();
  pool.put("a", std::move(stale));
  ASSERT_EQ(pool.size(), 1U);
  close_now = true;
  while (seen->usable()) std::this_thread::yield();
  EXPECT_EQ(pool.take("a"), nullptr);
  EXPECT_EQ(pool.size(), 0U);
}

TEST_F(ConnectionPoolTest, TheOldestGoesWhenThereAreTooMany) {
  ConnectionPool pool(io_.get_executor(), 2);
  for (const auto* key : {"a", "b", "c"}) pool.put(key, connected());
  EXPECT_EQ(pool.size(), 2U);
  EXPECT_EQ(pool.take("a"), nullptr);
  EXPECT_NE(pool.take("b"), nullptr);
  EXPECT_NE(pool.take("c"), nullptr);
  ConnectionPool none(io_.get_executor(), 0);
  none.put("a", connected());
  EXPECT_EQ(none.size(), 0U);
}

TEST_F(ConnectionPoolTest, TheOldestOfOneKeyGoesToo) {
  ConnectionPool pool(io_.get_executor(), 2);
  std::vector<const Connection*> made;
  for (int i = 0; i < 3; ++i) {
    auto connection = connected();
    made.push_back(connection.get());
    pool.put("a", std::move(connection));
  }
  EXPECT_EQ(pool.take("a").get(), made[2]);
  EXPECT_EQ(pool.take("a").get(), made[1]);
  EXPECT_EQ(pool.take("a"), nullptr);
}

TEST_F(ConnectionPoolTest, KeysThatAreNotUsedAgainAreForgotten) {
  ConnectionPool pool(io_.get_executor(), 2);
  for (int i = 0; i < 50; ++i) {
    const auto key = std::to_string(i);
    pool.put(key, connected());
    EXPECT_NE(pool.take(key), nullptr);
    EXPECT_LE(pool.keys(), 6U);
  }
  pool.put("a", connected());
  EXPECT_NE(pool.take("a"), nullptr);
}

TEST_F(ConnectionPoolTest, AConnectionThatNobodyTakesIsClosedInTime) {
  ConnectionPool pool(io_.get_executor(), 10, milliseconds{50});
  pool.put("a", connected());
  pool.put("b", connected());
  EXPECT_EQ(pool.size(), 2U);
  io_.restart();
  io_.run();  // ends: an empty pool keeps no timer
  EXPECT_EQ(pool.size(), 0U);
}

TEST_F(ConnectionPoolTest, WhatIsTooOldIsNotGivenOutThoughTheTimerHasNotRun) {
  ConnectionPool pool(io_.get_executor(), 10, milliseconds{0});
  pool.put("a", connected());
  EXPECT_EQ(pool.take("a"), nullptr);
}

TEST_F(ConnectionPoolTest, DestroyingItLetsTheIoContextEnd) {
  {
    ConnectionPool pool(io_.get_executor(), 10);
    pool.put("a", connected());
  }
  io_.restart();
  io_.run_for(seconds{10});
  EXPECT_TRUE(io_.stopped());
}

TEST_F(ConnectionPoolTest, AnIdleConnectionHasNoDeadlineOfItsLastUse) {
  ConnectionPool pool(io_.get_executor(), 10);
  auto connection = connected();
  connection->set_deadline(steady_clock::now() + milliseconds{20});
  EXPECT_EQ(test::run(io_, connection->wait(Step::Status::kWantRead)), Connection::Ready::kTimeout);
  connection->set_deadline(steady_clock::now() + seconds{20});
  EXPECT_EQ(test::run(io_, connection->wait(Step::Status::kWantWrite)), Connection::Ready::kReady);
  pool.put("a", std::move(connection));
  const auto again = pool.take("a");
  ASSERT_NE(again, nullptr);
  EXPECT_EQ(test::run(io_, again->wait(Step::Status::kWantWrite)), Connection::Ready::kReady);
}

}  // namespace
}  // namespace monitor::net
