#include "net/happy_eyeballs.h"

#include <algorithm>
#include <filesystem>
#include <future>
#include <optional>

#include <boost/asio/co_spawn.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/system/system_error.hpp>
#include <gmock/gmock.h>

#include "async/task_group.h"
#include "net/spare_sockets.h"
#include "support/io.h"
#include "support/script_server.h"

namespace monitor::net {
namespace {

namespace asio = boost::asio;
using common::Outcome;
using std::chrono::milliseconds;
using std::chrono::seconds;
using std::chrono::steady_clock;

Addresses addresses(const std::vector<std::string>& texts) {
  Addresses out;
  for (const auto& text : texts) out.push_back(asio::ip::make_address(text));
  return out;
}

std::ptrdiff_t descriptors() {
  return std::distance(std::filesystem::directory_iterator("/proc/self/fd"), {});
}

/// Addresses of loopback on which connecting at `port` gets no answer. Each takes a moment to fill, so all at once.
class BlackHoles {
 public:
  BlackHoles(std::size_t count, std::uint16_t port) {
    std::vector<std::future<std::unique_ptr<test::BlackHole>>> making;
    for (std::size_t i = 0; i < count; ++i) {
      names_.push_back("127.0.1." + std::to_string(i + 1));
      making.push_back(std::async(
          std::launch::async, [name = names_.back(), port] { return std::make_unique<test::BlackHole>(name, port); }));
    }
    for (auto& one : making) holes_.push_back(one.get());
  }
  const std::vector<std::string>& names() const { return names_; }

 private:
  std::vector<std::string> names_;
  std::vector<std::unique_ptr<test::BlackHole>> holes_;
};

/// The most of each that was held at once.
struct Peak {
  std::ptrdiff_t descriptors = 0;
  std::size_t spare = 0;
};

class HappyEyeballs : public ::testing::Test {
 protected:
  /// As run(), and looks after every step.
  RaceResult watch(Peak& peak, const std::vector<std::string>& texts, std::uint16_t port,
                   milliseconds limit = seconds{20}) {
    const auto before = descriptors();
    std::optional<RaceResult> result;
    asio::co_spawn(io_, race(io_.get_executor(), addresses(texts), port, steady_clock::now() + limit),
                   [&result](std::exception_ptr error, RaceResult raced) {
                     if (!error) result = std::move(raced);
                   });
    io_.restart();
    while (!result && io_.run_one() > 0) {
      peak.descriptors = std::max(peak.descriptors, descriptors() - before);
      peak.spare = std::max(peak.spare, spare_.taken());
    }
    return result ? std::move(*result) : RaceResult{};
  }
  RaceResult run(const std::vector<std::string>& texts, std::uint16_t port, milliseconds limit = seconds{20}) {
    return test::run(io_, race(io_.get_executor(), addresses(texts), port, steady_clock::now() + limit));
  }
  asio::io_context io_{1};
  asio::ip::tcp::socket first_{io_};  ///< makes the descriptors of the io_context itself
  SpareSockets& spare_ = SpareSockets::of(io_.get_executor());
};

TEST(Interleave, TakesTheFamiliesInTurnsBeginningWithIpv6) {  // RFC 8305 §4
  EXPECT_EQ(interleave(addresses({"192.0.2.1", "192.0.2.2", "192.0.2.3", "2001:db8::1", "2001:db8::2"})),
            addresses({"2001:db8::1", "192.0.2.1", "2001:db8::2", "192.0.2.2", "192.0.2.3"}));
  EXPECT_EQ(interleave(Addresses(200, asio::ip::address_v4::loopback())).size(), kMaxAttempts);
}

TEST(AttemptDelay, ShrinksSoThatEachAddressHasItsTurn) {
  EXPECT_EQ(attempt_delay(seconds{15}, 2), kAttemptDelay);
  EXPECT_EQ(attempt_delay(seconds{5}, 64), milliseconds{39});
  EXPECT_EQ(attempt_delay(milliseconds{100}, 64), kMinAttemptDelay);
  EXPECT_EQ(attempt_delay(milliseconds{-100}, 2), kMinAttemptDelay);
}

TEST_F(HappyEyeballs, AnAddressThatRefusesIsFollowedAtOnceAndTold) {
  const test::ScriptServer server([](test::Peer& peer) { peer.hold(); });
  const auto began = steady_clock::now();
  const auto won = run({"127.0.0.8", "127.0.0.9", "127.0.0.1"}, server.port());
  ASSERT_TRUE(won.socket) << won.failure.reason;
  EXPECT_EQ(won.peer.to_string(), "127.0.0.1");
  EXPECT_LT(steady_clock::now() - began, 2 * kAttemptDelay);
  EXPECT_EQ(won.passed_over,
            "127.0.0.8:" + std::to_string(server.port()) + " was passed over: connection refused, and 1 more");
}

TEST_F(HappyEyeballs, AnAddressThatIsSilentIsOvertakenAfterTheDelay) {
  const test::ScriptServer server([](test::Peer& peer) { peer.hold(); });
  const test::BlackHole hole("127.0.0.9", server.port());
  const auto began = steady_clock::now();
  const auto won = run({"127.0.0.9", "127.0.0.1"}, server.port());
  ASSERT_TRUE(won.socket) << won.failure.reason;
  EXPECT_EQ(won.peer.to_string(), "127.0.0.1");
  EXPECT_GE(steady_clock::now() - began, kAttemptDelay);
  EXPECT_THAT(won.passed_over, testing::StartsWith("127.0.0.9:" + std::to_string(server.port()) +
                                                   " was passed over: no answer within "));
}

TEST_F(HappyEyeballs, TheLastOf64AddressesIsReachedInTime) {
  const test::ScriptServer server([](test::Peer& peer) { peer.hold(); });
  const BlackHoles holes(63, server.port());
  auto all = holes.names();
  all.emplace_back("127.0.0.1");
  const auto before = descriptors();
  {
    const auto won = run(all, server.port(), milliseconds{2500});
    ASSERT_TRUE(won.socket) << won.failure.reason;
    EXPECT_EQ(won.peer.to_string(), "127.0.0.1");
  }
  io_.poll();
  EXPECT_LE(descriptors(), before + 1) << "the others are closed (the server's end of the winner may still be open)";
}

TEST_F(HappyEyeballs, WhenAllAreSilentThatIsSaidAtTheDeadline) {
  const test::BlackHole first("127.0.0.9");
  const test::BlackHole second("127.0.0.10", first.port());
  const auto lost = run({"127.0.0.9", "127.0.0.10"}, first.port(), milliseconds{600});
  ASSERT_FALSE(lost.socket);
  EXPECT_EQ(lost.failure.outcome, Outcome::kConnectTimeout);
  EXPECT_NE(lost.failure.reason.find("(2 addresses tried)"), std::string::npos) << lost.failure.reason;
}

TEST_F(HappyEyeballs, ARefusalTellsMoreThanSilence) {
  const test::BlackHole hole("127.0.0.9");
  const auto lost = run({"127.0.0.1", "127.0.0.9"}, hole.port(), milliseconds{300});
  EXPECT_EQ(lost.failure.outcome, Outcome::kConnectRefused) << lost.failure.reason;
}

TEST_F(HappyEyeballs, ADeadlineThatHasPassedIsATimeoutAndLeavesNothing) {
  const test::BlackHole hole("127.0.0.9");
  const auto before = descriptors();
  const auto lost = run({"127.0.0.9", "127.0.0.10"}, hole.port(), milliseconds{-1});
  EXPECT_EQ(lost.failure.outcome, Outcome::kConnectTimeout) << lost.failure.reason;
  EXPECT_EQ(descriptors(), before);
}

TEST_F(HappyEyeballs, CancellingClosesEverything) {
  const test::BlackHole hole("127.0.0.9");
  const auto before = descriptors();
  async::TaskGroup group(io_.get_executor(), [](const std::string& name, std::exception_ptr) { FAIL() << name; });
  bool returned = false;
  const auto racer = [](asio::any_io_executor io, std::uint16_t port, bool& back) -> asio::awaitable<void> {
    co_await race(std::move(io), addresses({"127.0.0.9", "127.0.0.9"}), port, steady_clock::now() + seconds{20});
    back = true;
  };
  group.spawn("racer", racer(io_.get_executor(), hole.port(), returned));
  while (spare_.taken() == 0 && io_.run_one() > 0) {
  }
  EXPECT_EQ(descriptors(), before + 2);
  group.cancel();
  test::run(io_, group.join());
  EXPECT_FALSE(returned);
  EXPECT_EQ(descriptors(), before);
  EXPECT_EQ(spare_.taken(), 0U);
}

TEST_F(HappyEyeballs, WithoutSpareSocketsTheNextAttemptTakesThePlaceOfTheOldest) {
  const test::ScriptServer server([](test::Peer& peer) { peer.hold(); });
  const test::BlackHole hole("127.0.0.9", server.port());
  spare_.limit(0);
  const auto won = run({"127.0.0.9", "127.0.0.1"}, server.port(), seconds{2});
  ASSERT_TRUE(won.socket) << won.failure.reason;
  EXPECT_EQ(won.peer.to_string(), "127.0.0.1");
  EXPECT_THAT(won.passed_over,
              testing::StartsWith("127.0.0.9:" + std::to_string(server.port()) + " was passed over: no answer within"));
}

TEST_F(HappyEyeballs, NoMoreSpareSocketsAreHeldThanThereMayBe) {
  const test::BlackHole first("127.0.0.9");
  const auto port = first.port();
  const test::BlackHole second("127.0.0.10", port), third("127.0.0.11", port), fourth("127.0.0.12", port);
  const std::vector<std::string> all{"127.0.0.9", "127.0.0.10", "127.0.0.11", "127.0.0.12"};
  for (const std::size_t most : {0, 1, 2}) {
    spare_.limit(most);
    Peak peak;
    const auto lost = watch(peak, all, port, milliseconds{1500});
    EXPECT_EQ(lost.failure.outcome, Outcome::kConnectTimeout) << lost.failure.reason;
    EXPECT_THAT(lost.failure.reason, testing::EndsWith("(4 addresses tried)"));
    EXPECT_EQ(peak.spare, most);
    EXPECT_EQ(peak.descriptors, static_cast<std::ptrdiff_t>(1 + most));
    EXPECT_EQ(spare_.taken(), 0U) << "given back at the deadline";
  }
}

TEST_F(HappyEyeballs, AnAddressThatRefusesAtOnceTakesNobodysPlace) {
  const test::BlackHole hole("127.0.0.9");
  spare_.limit(0);
  const auto start = std::chrono::steady_clock::now();
  const auto lost = run({"127.0.0.9", "127.0.0.1"}, hole.port(), milliseconds{600});
  EXPECT_FALSE(lost.socket);
  EXPECT_GE(std::chrono::steady_clock::now() - start, milliseconds{590}) << "the first one still had time to answer";
}

TEST_F(HappyEyeballs, AnAddressThatNoServerHasTakesNobodysPlace) {
  const test::BlackHole hole("127.0.0.9");
  spare_.limit(0);
  const auto lost = run({"127.0.0.9", "224.0.0.1"}, hole.port(), milliseconds{300});
  EXPECT_THAT(lost.failure.reason, testing::HasSubstr("within 0.3 s"));
}

TEST_F(HappyEyeballs, WhoWinsGivesSpareSocketsBack) {
  const test::ScriptServer server([](test::Peer& peer) { peer.hold(); });
  const test::BlackHole first("127.0.0.9", server.port());
  const test::BlackHole second("127.0.0.10", server.port());
  Peak peak;
  const auto won = watch(peak, {"127.0.0.9", "127.0.0.10", "127.0.0.1"}, server.port());
  ASSERT_TRUE(won.socket) << won.failure.reason;
  EXPECT_GE(peak.spare, 1U) << "or this test shows nothing";
  EXPECT_EQ(spare_.taken(), 0U);
}

TEST_F(HappyEyeballs, AnAttemptThatFailsIsClosedAtOnceAndLeavesItsPlace) {
  const test::BlackHole hole("127.0.0.9");
  Peak peak;
  const auto lost =
      watch(peak, {"127.0.0.9", "127.0.0.1", "127.0.0.2", "127.0.0.3", "127.0.0.4"}, hole.port(), milliseconds{500});
  EXPECT_EQ(lost.failure.outcome, Outcome::kConnectRefused) << lost.failure.reason;
  EXPECT_LE(peak.descriptors, 2);
  EXPECT_LE(peak.spare, 1U);
  EXPECT_EQ(spare_.taken(), 0U);
}

TEST(SpareSocketsOfAnIoContext, ThatGoesWhileARaceRunsAreNotTouchedAfterwards) {
  const test::BlackHole hole("127.0.0.9");
  asio::io_context io{1};
  const auto until = steady_clock::now() + seconds{20};
  asio::co_spawn(io, race(io.get_executor(), addresses({"127.0.0.9", "127.0.0.9"}), hole.port(), until),
                 [](std::exception_ptr, const RaceResult&) { FAIL() << "it was cut off"; });
  const auto& spare = SpareSockets::of(io.get_executor());
  while (spare.taken() == 0 && io.run_one() > 0) {
  }
  EXPECT_EQ(spare.taken(), 1U);
}

}  // namespace
}  // namespace monitor::net
