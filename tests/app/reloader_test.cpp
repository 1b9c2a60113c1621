#include "app/reloader.h"

#include <filesystem>
#include <fstream>
#include <memory>
#include <new>

#include <boost/asio/io_context.hpp>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "async/task_group.h"
#include "common/error.h"
#include "common/log.h"
#include "support/io.h"
#include "support/temp_dir.h"

namespace monitor::app {
namespace {

namespace asio = boost::asio;
using std::chrono::milliseconds;
using testing::HasSubstr;

class ReloaderTest : public testing::Test {
 protected:
  ReloaderTest() {
    write(4);
    in_force_ = std::make_shared<const config::Settings>(config::load(file_));
  }
  ~ReloaderTest() override {
    if (!reloader_) return;
    tasks_.cancel();
    test::run(io_, tasks_.join());
  }
  void write(int services, const std::string& more = "") const {
    std::string text = more + "services:\n";
    for (int i = 0; i < services; ++i) {
      text += "  - {name: s" + std::to_string(i) + ", url: \"http://127.0.0.1/\", method: GET}\n";
    }
    write_text(text);
  }
  /// As an editor saves it: written beside it, and renamed.
  void write_text(const std::string& text) const {
    std::ofstream(folder_ / "new") << text;
    std::filesystem::permissions(folder_ / "new", std::filesystem::perms::owner_read);
    std::filesystem::rename(folder_ / "new", file_);
  }
  void watch() { in_force_ = std::make_shared<const config::Settings>(with_watch()); }
  config::Settings with_watch() const {
    auto settings = *in_force_;
    settings.watch = true;
    return settings;
  }
  void begin() {
    reloader_.emplace(
        io_.get_executor(), [this] { return in_force_; }, [this](Takeover& next) { return apply(next); }, systemd_,
        Pace{.look_every = milliseconds{5}, .slow_after = slow_after_});
    tasks_.spawn("reloader", reloader_->run());
  }
  Reloaded reload() { return test::run(io_, reloader_->reload()); }
  asio::awaitable<void> apply(Takeover& next) {
    ++applied_;
    if (refuses_) throw common::UsageError("it cannot be made ready");
    in_force_ = next.settings;
    co_return;
  }
  template <typename Done>
  bool turn_until(Done done) {
    const auto end = std::chrono::steady_clock::now() + std::chrono::seconds{20};
    io_.restart();
    while (!done() && std::chrono::steady_clock::now() < end) io_.run_one_for(milliseconds{10});
    return done();
  }

  test::TempDir folder_;
  std::filesystem::path file_ = folder_ / "monitoring-config";
  asio::io_context io_{1};
  Systemd systemd_{false};
  Reloader::Settings in_force_;
  int applied_ = 0;
  bool refuses_ = false;
  milliseconds slow_after_ = Pace{}.slow_after;
  async::TaskGroup tasks_{io_.get_executor(), [](const std::string& name, std::exception_ptr) { FAIL() << name; }};
  std::optional<Reloader> reloader_;
};

TEST_F(ReloaderTest, WhatTheFileSaysIsTakenOver) {
  begin();
  write(5, "stop_grace: 9\n");
  const auto reloaded = reload();
  EXPECT_EQ(reloaded.refusal, "");
  EXPECT_EQ(reloaded.added, 1U);
  EXPECT_EQ(reloaded.services, 5U);
  EXPECT_THAT(reloaded.applied, testing::ElementsAre("stop_grace"));
  EXPECT_EQ(in_force_->stop_grace, std::chrono::seconds{9});
}

TEST_F(ReloaderTest, ABadFileChangesNothingAndEachFaultHasItsPlace) {
  begin();
  write(5, "nonsense: 1\nstop_grace: soon\n");
  const auto reloaded = reload();
  EXPECT_THAT(reloaded.refusal, HasSubstr("monitoring-config:1:1: "));
  EXPECT_THAT(reloaded.refusal, HasSubstr("monitoring-config:2:13: "));
  EXPECT_EQ(applied_, 0);
  EXPECT_EQ(in_force_->agent.services.size(), 4U);
}

TEST_F(ReloaderTest, ARequestThatFoundNoMemoryIsServedWhenTheReloaderGoesOn) {
  const auto run = [this]() -> asio::awaitable<void> {
    try {
      co_await reloader_->run();
    } catch (const std::bad_alloc&) {
    }
    co_await reloader_->run();
  };
  const auto calls = std::make_shared<int>(0);
  const auto in_force = [this, calls] {
    if (++*calls == 3) throw std::bad_alloc();  // the file is about to be read
    return in_force_;
  };
  reloader_.emplace(io_.get_executor(), in_force, [this](Takeover& next) { return apply(next); }, systemd_, Pace{});
  write(5);
  reloader_->ask();
  auto running = run();
  tasks_.spawn("reloader", std::move(running));
  EXPECT_TRUE(turn_until([&] { return applied_ == 1; }));
  EXPECT_GT(*calls, 3);
  tasks_.cancel();
  test::run(io_, tasks_.join());
}

TEST_F(ReloaderTest, AFileWithoutServicesIsRefusedAsAtTheStart) {
  begin();
  write_text("services: []\n");
  EXPECT_THAT(reload().refusal, HasSubstr("there is no service"));
  EXPECT_EQ(applied_, 0);
}

TEST_F(ReloaderTest, WhatCannotBeMadeReadyIsToldAndTheNextReadingGoesOn) {
  begin();
  refuses_ = true;
  EXPECT_EQ(reload().refusal, "it cannot be made ready");
  refuses_ = false;
  EXPECT_EQ(reload().refusal, "");
}

TEST_F(ReloaderTest, AReadingThatTakesLongIsToldOfOnceAndAgainWhenItIsOver) {
  slow_after_ = milliseconds{0};
  begin();
  write(2000);
  common::log::start(common::log::Level::kWarning);
  common::log::stop();  // from here on lines are written at once
  testing::internal::CaptureStderr();
  EXPECT_EQ(reload().refusal, "");
  const auto said = testing::internal::GetCapturedStderr();
  const auto told = said.find("and the files that it names has not ended after 0 s");
  ASSERT_NE(told, std::string::npos) << said;
  EXPECT_EQ(said.rfind("has not ended"), said.find("has not ended")) << said;
  EXPECT_NE(said.find("names has ended, after 0 s.", told), std::string::npos) << said;
}

TEST_F(ReloaderTest, NothingIsSaidOfAReadingThatIsQuick) {
  begin();
  common::log::start(common::log::Level::kWarning);
  common::log::stop();  // from here on lines are written at once
  testing::internal::CaptureStderr();
  EXPECT_EQ(reload().refusal, "");
  EXPECT_EQ(testing::internal::GetCapturedStderr(), "");
}

TEST_F(ReloaderTest, WhatNeedsARestartIsSaidEveryTime) {
  begin();
  write(4, "local_database_path: /somewhere/else\n");
  EXPECT_THAT(reload().restart, testing::ElementsAre("local_database_path"));
  EXPECT_THAT(reload().restart, testing::ElementsAre("local_database_path")) << "it still is not in force";
}

TEST_F(ReloaderTest, AStormComesToFewReadings) {
  begin();
  for (int i = 0; i < 1000; ++i) reloader_->ask();
  reload();
  EXPECT_LE(applied_, 2);
  EXPECT_GE(applied_, 1);
}

TEST_F(ReloaderTest, TwoWhoWaitForTheSameReadingDoNotWakeEachOther) {
  begin();
  int served = 0;
  const auto wait = [&]() -> asio::awaitable<void> {
    co_await reloader_->reload();
    ++served;
  };
  tasks_.spawn("one", wait());
  tasks_.spawn("another", wait());
  std::size_t turns = 0;
  EXPECT_TRUE(turn_until([&] {
    ++turns;
    return served == 2;
  }));
  EXPECT_LT(turns, 200U);
}

TEST_F(ReloaderTest, AWatchedFileThatGoesIsMissedOnceAndTakenOverWhenItIsBack) {
  watch();
  begin();
  common::log::start(common::log::Level::kWarning);
  common::log::stop();  // from here on lines are written at once
  testing::internal::CaptureStderr();
  std::filesystem::remove(file_);
  io_.restart();
  io_.run_for(milliseconds{200});  // some forty looks
  write(6, "watch_config: true\n");
  EXPECT_TRUE(turn_until([&] { return in_force_->agent.services.size() == 6; }));
  const auto said = testing::internal::GetCapturedStderr();
  const auto gone = said.find("is gone, or cannot be looked at; the one in force stays.");
  ASSERT_NE(gone, std::string::npos) << said;
  EXPECT_EQ(said.find("is gone", gone + 1), std::string::npos) << said;
  EXPECT_THAT(said, HasSubstr("is there again."));
}

TEST_F(ReloaderTest, AWatchedFileIsTakenOverWhenItChanges) {
  watch();
  begin();
  write(6, "watch_config: true\n");
  EXPECT_TRUE(turn_until([&] { return in_force_->agent.services.size() == 6; }));
  EXPECT_EQ(applied_, 1);
}

TEST_F(ReloaderTest, AWatchedFileIsNotReadWhileSomebodyWritesIt) {
  watch();
  begin();
  for (int i = 0; i < 100; ++i) {
    write(5 + i % 2, "watch_config: true\n");
    io_.run_one_for(milliseconds{5});
  }
  EXPECT_EQ(applied_, 0);
  EXPECT_TRUE(turn_until([&] { return applied_ == 1; }));
}

TEST_F(ReloaderTest, AFileThatIsNotWatchedWaitsToBeAskedFor) {
  begin();
  write(6);
  io_.run_for(milliseconds{50});  // ten looks
  EXPECT_EQ(applied_, 0);
}

TEST_F(ReloaderTest, ALinkThatIsSetAnewIsAChange) {
  std::filesystem::rename(file_, folder_ / "first");
  std::filesystem::create_symlink("first", file_);
  watch();
  begin();
  std::ofstream(folder_ / "second") << "watch_config: true\nservices:\n"
                                       "  - {name: s0, url: \"http://127.0.0.1/\", method: GET}\n"
                                       "  - {name: s1, url: \"http://127.0.0.1/\", method: GET}\n";
  std::filesystem::create_symlink("second", folder_ / "swap");
  std::filesystem::rename(folder_ / "swap", file_);
  EXPECT_TRUE(turn_until([&] { return in_force_->agent.services.size() == 2; }));
}

TEST_F(ReloaderTest, AWatchedFileThatLosesMoreThanHalfOfItsServicesWaitsToBeAskedFor) {
  watch();
  begin();
  common::log::start(common::log::Level::kInfo);
  common::log::stop();  // from here on lines are written at once
  testing::internal::CaptureStderr();
  write(1, "watch_config: true\n");
  std::string said;
  EXPECT_TRUE(turn_until([&] {
    std::fflush(stderr);
    said += testing::internal::GetCapturedStderr();
    testing::internal::CaptureStderr();
    return said.find("3 of its 4 services are gone") != std::string::npos;
  }));
  testing::internal::GetCapturedStderr();
  EXPECT_EQ(applied_, 0);
  EXPECT_EQ(reload().refusal, "");
  EXPECT_EQ(in_force_->agent.services.size(), 1U);
}

}  // namespace
}  // namespace monitor::app
