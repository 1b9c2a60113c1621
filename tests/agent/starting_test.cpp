// A start that finds no memory: it is tried again, told of, and other services may be had in its place.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "async/task_group.h"
#include "common/memory.h"
#include "fixture.h"

namespace monitor::agent {
namespace {

using std::chrono::seconds;
using testing::HasSubstr;
using testing::IsEmpty;

constexpr const char* kProblem = "no memory to make the services ready: none is checked";

class Starting : public AgentTest {
 protected:
  ~Starting() override {
    agent_->stop();
    turn_until([this] { return tasks_.size() == 0; });
  }
  void begin() {
    make_idle(2, 100, seconds{5});
    io_.restart();
    tasks_.spawn("agent", agent_->run());
  }
  template <typename Done>
  void turn_until(Done done) {
    io_.restart();
    while (!done() && io_.run_one_for(seconds{10}) > 0) {
    }
    EXPECT_TRUE(done());
  }
  /// Over to the first service alone.
  void reload() {
    Options before;
    for (const auto& url : {kFirst, kSecond}) before.services.push_back(service(url));
    Options next;
    next.services.push_back(before.services.front());
    Change change = change_of(before.services, std::move(next));
    test::run(io_, agent_->apply(change, 100));
  }
  static probe::Service service(const std::string& url) {
    probe::Service out;
    out.url = out.target = url;
    out.method = "GET";
    out.interval = seconds{5};
    return out;
  }

  std::string died_;
  async::TaskGroup tasks_{io_.get_executor(), [this](const std::string& name, std::exception_ptr) { died_ = name; }};
  const boost::asio::executor_work_guard<boost::asio::io_context::executor_type> guard_{io_.get_executor()};
};

TEST_F(Starting, ThatFoundsNoMemoryIsAProblemUntilOneFindsSome) {
  prober_.no_memory_for = kSecond;
  const auto log = logged([&] {
    begin();
    turn_until([this] { return agent_->health().steps > 0; });
  });
  EXPECT_FALSE(common::is_memory_short()) << "who found none was not operator new";
  EXPECT_EQ(agent_->health().problem, kProblem);
  EXPECT_THAT(log, HasSubstr("There is no memory to make the services ready: none is checked"));
  prober_.no_memory_for.clear();
  EXPECT_THAT(logged([&] { turn_until([this] { return agent_->health().problem.empty(); }); }),
              HasSubstr("There was memory at last to make 2 services ready: checks begin."));
}

TEST_F(Starting, ThatLastsIsToldOfOnce) {
  prober_.no_memory_for = kSecond;
  begin();
  turn_until([this] { return agent_->health().steps > 0; });
  EXPECT_THAT(logged([&] { turn_until([this] { return agent_->health().steps > 1; }); }), IsEmpty());
}

TEST_F(Starting, ThatLastsForAnHourIsToldOfAgain) {
  prober_.no_memory_for = kSecond;
  begin();
  turn_until([this] { return agent_->health().steps > 0; });
  clock_.advance(std::chrono::hours{1});
  EXPECT_THAT(logged([&] { turn_until([this] { return agent_->health().steps > 1; }); }),
              HasSubstr("There is no memory to make the services ready"));
}

TEST_F(Starting, SaysInWhoseWordsMemoryWasShort) {
  prober_.refused = kSecond;
  common::MemoryReserve reserve;
  reserve.give();
  EXPECT_THAT(logged([&] {
                begin();
                turn_until([this] { return agent_->health().steps > 0; });
              }),
              HasSubstr("to make the services ready: no such thing: none is checked"));
  EXPECT_EQ(died_, "");
}

TEST_F(Starting, FewerServicesAreTakenInPlaceOfThoseThatFoundNoMemory) {
  prober_.no_memory_for = kSecond;
  begin();
  turn_until([this] { return agent_->health().steps > 0; });
  reload();
  EXPECT_EQ(agent_->health().problem, "");
  live(seconds{6});
  EXPECT_GE(prober_.begun_of(kFirst), 1U);
  EXPECT_EQ(prober_.begun_of(kSecond), 0U);
}

TEST_F(Starting, OthersThatFindNoMemoryEitherAreRefusedAndTheFirstOnesAreTriedAgain) {
  prober_.no_memory_for = kFirst;
  begin();
  turn_until([this] { return agent_->health().steps > 0; });
  EXPECT_THROW(reload(), std::bad_alloc);
  EXPECT_EQ(agent_->health().problem, kProblem);
  prober_.no_memory_for.clear();
  turn_until([this] { return agent_->health().problem.empty(); });
  live(seconds{6});
  EXPECT_GE(prober_.begun_of(kSecond), 1U);
}

}  // namespace
}  // namespace monitor::agent
