#include <new>
#include <sys/resource.h>

#include "cli/session.h"
#include "common/log.h"
#include "common/memory.h"

namespace monitor::cli {
namespace {

namespace log = common::log;
using testing::HasSubstr;

class StartCommand : public Session {
 protected:
  void SetUp() override { follow_tutorial(); }
};

TEST_F(StartCommand, AsksAsThePredecessor) {
  const auto started = must({"start"}, "y\n");
  EXPECT_EQ(started.out, "Are you sure want to start monitoring? Config path: ~/.monitoring/monitoring-config [y/N]: ");
  ASSERT_TRUE(started_.has_value());
  EXPECT_EQ(started_->agent.services.size(), 2U);
  EXPECT_FALSE(notified_);
}

TEST_F(StartCommand, AnythingButYesStartsNothing) {
  for (const auto* answer : {"n\n", "\n", "start\n", ""}) {
    const auto ended = run({"start"}, answer);
    EXPECT_EQ(ended.status, kFailed);
    EXPECT_THAT(ended.err, HasSubstr("Aborted!\n"));
    EXPECT_FALSE(started_.has_value());
  }
}

TEST_F(StartCommand, AsksNothingWhenYesIsGiven) {
  EXPECT_EQ(must({"start", "--yes"}).out, "");
  EXPECT_EQ(must({"start", "-y"}).out, "");
}

TEST_F(StartCommand, NotifiesSystemdInBothSpellings) {
  must({"start", "-y", "-ns"});
  EXPECT_TRUE(notified_);
  must({"start", "-y"});
  EXPECT_FALSE(notified_);
  must({"start", "-y", "--notify-systemd"});
  EXPECT_TRUE(notified_);
}

TEST_F(StartCommand, RepeatedVRaisesTheLevelOfTheLog) {
  struct Case {
    std::vector<std::string> flags;
    log::Level lowest;
  };
  for (const auto& [flags, lowest] : std::vector<Case>{{{}, log::Level::kError},
                                                       {{"-v"}, log::Level::kError},
                                                       {{"-vv"}, log::Level::kError},
                                                       {{"-vvv"}, log::Level::kWarning},
                                                       {{"-v", "-vv"}, log::Level::kWarning},
                                                       {{"-vvvv"}, log::Level::kInfo},
                                                       {{"-vvvvv"}, log::Level::kDebug},
                                                       {{"-vvvvvvvy"}, log::Level::kDebug}}) {
    std::vector<std::string> arguments{"start", "--config-path", file().string()};
    arguments.insert(arguments.end(), flags.begin(), flags.end());
    std::optional<log::Level> seen;
    on_start_ = [&] {
      for (const auto level : {log::Level::kError, log::Level::kWarning, log::Level::kInfo, log::Level::kDebug}) {
        if (log::enabled(level)) seen = level;
      }
    };
    must(arguments, "y\n");
    EXPECT_EQ(seen, lowest) << testing::PrintToString(flags);
  }
}

TEST_F(StartCommand, GivesTheDaemonsStatus) {
  daemon_status_ = 130;
  EXPECT_EQ(run({"start", "--yes"}).status, 130);
}

TEST_F(StartCommand, WithoutAServiceIsWrongUsage) {
  must({"config", "create", "--force"});
  const auto ended = run({"start"}, "y\n");
  EXPECT_EQ(ended.status, kWrongUsage);
  EXPECT_EQ(ended.out, "");
  EXPECT_THAT(ended.err, HasSubstr("there is no service in ~/.monitoring/monitoring-config"));
  EXPECT_FALSE(started_.has_value());
}

TEST_F(StartCommand, WithoutAServiceButWithoutAnAgentStarts) {
  write_config("local_database_path: /tmp/x\nworkers: {agent: false}\nservices: []\n");
  must({"start", "--yes"});
  EXPECT_TRUE(started_.has_value());
}

TEST_F(StartCommand, SaysWarningsWhateverTheVerbosity) {
  write_config(
      "local_database_path: /tmp/x\nservices:\n  - url: http://localhost/\n    method: GET\n    interval_sec: 5\n"
      "    timeout: 60\n");
  EXPECT_THAT(must({"start", "--yes"}).err, testing::StartsWith("monitor: warning: "));
}

TEST_F(StartCommand, WithoutMemoryFailsAndUnderALimitInTheWayThatIsNotTriedAgain) {
  on_start_ = [] { throw std::bad_alloc(); };
  rlimit before{};
  ::getrlimit(RLIMIT_DATA, &before);
  if (!common::memory_limits().any()) EXPECT_EQ(run({"start", "-y"}).status, kFailed);
  const rlimit far_away{rlim_t{1} << 46, before.rlim_max};
  ::setrlimit(RLIMIT_DATA, &far_away);
  const auto ended = run({"start", "-y"});
  ::setrlimit(RLIMIT_DATA, &before);
  EXPECT_EQ(ended.status, kWrongUsage);
  EXPECT_THAT(ended.err, HasSubstr("too little memory to start"));
}

}  // namespace
}  // namespace monitor::cli
