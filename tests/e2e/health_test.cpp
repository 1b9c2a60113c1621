// What the running monitor says of itself over its control socket.
#include <sys/stat.h>

#include <gmock/gmock.h>

#include "e2e/world.h"

namespace monitor::test {
namespace {

using std::chrono::seconds;
using testing::HasSubstr;

class Running : public testing::Test {
 protected:
  Running() {
    world_.write_config("interval_limits: {min: 1, max: 86400}\nservices:\n  - {name: web, url: \"" + example_.url() +
                        "/\", method: GET, interval_sec: 1}\n");
    monitor_ = world_.start();
  }
  bool healthy() { return world_.monitor({"health"}).status == 0; }

  World world_;
  Example example_;
  std::unique_ptr<Child> monitor_;
};

TEST_F(Running, IsHealthyUntilItStopsAndWhileItIsHeldUpItIsNot) {
  EXPECT_EQ(world_.monitor({"health", "--config-path", "/nowhere"}).status, 2);
  ASSERT_TRUE(eventually([&] { return healthy(); })) << monitor_->err();
  EXPECT_THAT(world_.monitor({"health"}).out, HasSubstr("1 services"));
  monitor_->signal(SIGSTOP);
  const auto held_up = world_.monitor({"health"});
  EXPECT_EQ(held_up.status, 1);
  EXPECT_THAT(held_up.err, HasSubstr("does not answer within"));
  monitor_->signal(SIGCONT);
  EXPECT_TRUE(healthy());
  monitor_->signal(SIGTERM);
  EXPECT_EQ(monitor_->wait(), 0) << monitor_->err();
  EXPECT_EQ(world_.monitor({"health"}).status, 1);
}

TEST_F(Running, IsAskedThoughItsConfigurationWasSpoiltMeanwhile) {
  ASSERT_TRUE(eventually([&] { return healthy(); })) << monitor_->err();
  world_.write_config("services: [");
  EXPECT_TRUE(healthy());
}

TEST_F(Running, ASocketThatAKilledOneLeftIsReplaced) {
  ASSERT_TRUE(eventually([&] { return healthy(); })) << monitor_->err();
  monitor_->signal(SIGKILL);
  monitor_->wait();
  EXPECT_FALSE(healthy());
  monitor_ = world_.start();
  EXPECT_TRUE(eventually([&] { return healthy(); })) << monitor_->err();
}

TEST_F(Running, LooksAfterItsDatabaseItself) {
  ASSERT_TRUE(eventually([&] { return healthy(); })) << monitor_->err();
  EXPECT_EQ(world_.monitor({"db", "check"}).status, 0);
  EXPECT_EQ(world_.monitor({"db", "stats"}).status, 0);
  EXPECT_EQ(world_.monitor({"db", "compact"}).status, 0);
  EXPECT_EQ(world_.monitor({"quarantine", "list"}).status, 0);
  EXPECT_EQ(world_.monitor({"quarantine", "drop", "--all", "--yes"}).status, 0);
  monitor_->signal(SIGTERM);
  EXPECT_EQ(monitor_->wait(), 0) << monitor_->err();
}

}  // namespace
}  // namespace monitor::test
