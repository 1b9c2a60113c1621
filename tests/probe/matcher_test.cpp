#include "probe/matcher.h"

#include <vector>

#include <boost/asio/error.hpp>
#include <boost/asio/post.hpp>
#include <boost/system/system_error.hpp>
#include <gtest/gtest.h>

#include "async/task_group.h"
#include "support/io.h"
#include "support/noise.h"

namespace monitor::probe {
namespace {

namespace asio = boost::asio;
using std::chrono::steady_clock;

class MatcherTest : public ::testing::Test {
 protected:
  using Order = std::vector<std::string>;

  /// Inspects, and writes down how that ended.
  asio::awaitable<void> search(std::string name, std::string body, SharedExpectations expected,
                               steady_clock::time_point until) {
    try {
      const auto ended = co_await matcher_.inspect(received(std::move(body)), std::move(expected), until);
      const auto* const found = std::get_if<Findings>(&ended);
      const auto* const late = std::get_if<Matcher::GivenUp>(&ended);
      order_.push_back(
          name + (late ? (late->begun ? " gave up" : " never began") : (found->contains_regex ? " found" : " missed")));
    } catch (const boost::system::system_error& error) {
      order_.push_back(name + (error.code() == asio::error::operation_aborted ? " aborted" : " failed"));
    }
  }

  static SharedExpectations regex(std::string pattern) {
    RegexPool regexes;
    return std::make_shared<const Expectations>(Expectations::Source{std::move(pattern), {}, {}}, regexes);
  }
  static Received received(std::string body) {
    Received out;
    out.body = std::move(body);
    return out;
  }
  static async::TaskGroup::OnFailure fails() {
    return [](const std::string& name, std::exception_ptr) { FAIL() << name; };
  }
  static std::string hostile(std::size_t kib) { return test::noise(kib << 10, "acdefgh"); }

  const steady_clock::time_point late_ = steady_clock::now() + std::chrono::seconds{60};
  const SharedExpectations costly_ = regex("a.{0,200}error");
  Order order_;
  asio::io_context io_{1};
  Matcher matcher_{io_.get_executor()};
  async::TaskGroup group_{io_.get_executor(), fails()};
};

TEST_F(MatcherTest, TheIoThreadGoesOnWhileABodyIsSearched) {
  for (const auto* pattern : {"a.{0,200}error", "a.{300}b", "(.?){400}zz"}) {
    order_.clear();
    group_.spawn("slow", search("slow", hostile(64), regex(pattern), late_));
    asio::post(io_, [this] { order_.emplace_back("other"); });
    test::run(io_, group_.join());
    EXPECT_EQ(order_, (Order{"other", "slow missed"})) << pattern;
  }
}

TEST_F(MatcherTest, WhatIsFoundIsFound) {
  test::run(io_, search("here", "the marker is here", regex("marker"), late_));
  test::run(io_, search("nowhere", "nothing is here", regex("marker"), late_));
  EXPECT_EQ(order_, (Order{"here found", "nowhere missed"}));
}

TEST_F(MatcherTest, ACancelledSearchIsNotWaitedFor) {
  async::TaskGroup cut(io_.get_executor(), fails());
  group_.spawn("short", search("short", hostile(128), costly_, late_));
  cut.spawn("long", search("long", hostile(256), costly_, late_));
  asio::post(io_, [&cut] { cut.cancel(); });
  test::run(io_, group_.join());
  test::run(io_, cut.join());
  EXPECT_EQ(order_, (Order{"long aborted", "short missed"}));
}

TEST_F(MatcherTest, ASearchIsGivenUpAtItsTime) {
  group_.spawn("long", search("long", hostile(512), costly_, steady_clock::now() + std::chrono::milliseconds{200}));
  test::run(io_, group_.join());
  EXPECT_EQ(order_, (Order{"long gave up"}));
}

TEST_F(MatcherTest, OneServiceDoesNotTakeAllTheThreads) {
  const int service = 0;
  const auto hasty = [&]() -> asio::awaitable<void> {
    const auto until = steady_clock::now() + std::chrono::milliseconds{200};
    const auto ended = co_await matcher_.inspect(received(hostile(1024)), costly_, until, &service);
    const auto* const late = std::get_if<Matcher::GivenUp>(&ended);
    order_.emplace_back(late != nullptr && late->begun ? "gave up" : "ended");
  };
  for (int i = 0; i < 3; ++i) test::run(io_, hasty());
  test::run(io_, search("other", "the marker", regex("marker"), late_));
  EXPECT_EQ(order_, (Order{"gave up", "gave up", "gave up", "other found"}));
}

TEST_F(MatcherTest, WhoNeverGotAThreadIsToldApart) {
  for (const auto* name : {"one", "two"}) group_.spawn(name, search(name, hostile(256), costly_, late_));
  group_.spawn("third", search("third", "the marker", regex("marker"), steady_clock::now()));
  test::run(io_, group_.join());
  EXPECT_EQ(order_.front(), "third never began");
}

TEST_F(MatcherTest, WhatNobodyWaitsForIsNotBegun) {
  for (const auto* name : {"one", "two"}) {
    group_.spawn(name, search(name, hostile(128), costly_, late_));
  }
  // Behind them: minutes of work, were any of it begun.
  async::TaskGroup cut(io_.get_executor(), fails());
  const auto worst = regex("(.?){900}zz");
  const auto body = hostile(256);
  for (int i = 0; i < 20; ++i) cut.spawn("cut", search("cut", body, worst, late_));
  asio::post(io_, [&cut] { cut.cancel(); });
  test::run(io_, cut.join());
  test::run(io_, group_.join());
  test::run(io_, search("last", "the marker", regex("marker"), late_));
  EXPECT_EQ(order_.back(), "last found");
}

TEST_F(MatcherTest, OnlyLittleWorkIsDoneOnTheIoThread) {
  const auto simple = regex("openapi");
  const auto little = [](std::size_t bytes, const SharedExpectations& expected) {
    return Matcher::is_little(received(std::string(bytes, 'x')), *expected);
  };
  EXPECT_TRUE(little(0, costly_));
  EXPECT_TRUE(little(std::size_t{16} << 10, simple));
  EXPECT_FALSE(little((std::size_t{16} << 10) + 1, simple)) << "decoding costs too";
  EXPECT_TRUE(little(500, costly_));
  EXPECT_FALSE(little(std::size_t{16} << 10, costly_));
}

TEST_F(MatcherTest, CostlyRedactionIsDoneOnAThreadToo) {
  RegexPool regexes;
  const auto redacting = [&](const std::string& pattern) {
    const EvidenceOptions options{.redact = {pattern}};
    return std::make_shared<const Expectations>(Expectations::Source{std::nullopt, {}, options}, regexes);
  };
  const auto costly = redacting("x(.{0,400}y)?");
  EXPECT_FALSE(Matcher::is_little_evidence(4096, *costly));
  EXPECT_TRUE(Matcher::is_little_evidence(std::size_t{16} << 10, *redacting("token=[a-z]+")));
  const auto make = [&]() -> asio::awaitable<void> {
    const auto text =
        co_await matcher_.evidence("HTTP/1.1 500 No\r\n\r\n", std::string(4096, 'x'), costly, nullptr, late_);
    order_.push_back(text.value_or("gave up"));
  };
  group_.spawn("evidence", make());
  asio::post(io_, [this] { order_.emplace_back("other"); });
  test::run(io_, group_.join());
  ASSERT_EQ(order_.size(), 2U);
  EXPECT_EQ(order_[0], "other");
  EXPECT_TRUE(order_[1].starts_with("HTTP/1.1 500 No\n\n***")) << order_[1];
}

TEST_F(MatcherTest, EveryRuleCounts) {
  RegexPool regexes;
  const std::vector<std::string> ten(10, "a.{0,3}b");
  const Expectations one({std::nullopt, {.body = {ten.front()}}, {}}, regexes),
      many({std::nullopt, {.body = ten}, {}}, regexes),
      fields({std::nullopt, {.headers = {{"x", "a.{0,200}error"}}}, {}}, regexes), none({}, regexes);
  auto body = received(std::string(8000, 'x'));
  EXPECT_TRUE(Matcher::is_little(body, one));
  EXPECT_FALSE(Matcher::is_little(body, many));
  EXPECT_TRUE(Matcher::is_little(received(std::string(1 << 20, 'x')), none)) << "nobody looks at it";
  EXPECT_TRUE(Matcher::is_little(body, fields));
  body.fields = {{"x", std::string(16 << 10, 'x')}};
  EXPECT_FALSE(Matcher::is_little(body, fields));
  auto zipped = received("a few bytes");
  zipped.coding = "gzip";
  EXPECT_FALSE(Matcher::is_little(zipped, none)) << "they may become many";
}

}  // namespace
}  // namespace monitor::probe
