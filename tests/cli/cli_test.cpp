// The command line as a whole: exit statuses, where things are printed, what is never printed.
#include "cli/cli.h"

#include <ostream>
#include <streambuf>

#include "cli/session.h"
#include "common/error.h"

namespace monitor::cli {
namespace {

using testing::HasSubstr;
using testing::Not;
using testing::StartsWith;

class CommandLine : public Session {};

TEST_F(CommandLine, ShowsItsVersion) {
  const auto version = run({"--version"});
  EXPECT_EQ(version.status, kDone);
  EXPECT_EQ(version.out, "monitor 0.1.0\n");
}

TEST_F(CommandLine, WrongUsageIsStatusTwoAndOneSentenceOnTheErrorStream) {
  const std::vector<std::vector<std::string>> wrong{
      {},
      {"nonsense"},
      {"config"},
      {"config", "nonsense"},
      {"config", "show", "--nonsense"},
      {"config", "show", "extra"},
      {"config", "show", "--config-path"},
      {"config", "services", "update", "0", "--timeout", "5", "--timeout", "6"},
      {"config", "services", "add"},
      {"config", "services", "add", "http://localhost/"},
      {"config", "services", "remove"},
      {"start", "--yes=maybe"},
      {"start", "-x"},
      {"report", "--service", "a", "--service", "b"},
  };
  for (const auto& arguments : wrong) {
    const auto ended = run(arguments);
    EXPECT_EQ(ended.status, kWrongUsage) << testing::PrintToString(arguments);
    EXPECT_EQ(ended.out, "");
    EXPECT_THAT(ended.err, StartsWith("monitor: "));
    EXPECT_THAT(ended.err, HasSubstr("--help`.\n"));
  }
}

TEST_F(CommandLine, PointsToTheHelpOfTheCommandThatWasReached) {
  EXPECT_THAT(run({"config", "services", "add"}).err, HasSubstr("Try `monitor config services add --help`."));
}

TEST_F(CommandLine, NamesACommandThatThereIsNot) {
  EXPECT_THAT(run({"nonsense"}).err, StartsWith("monitor: `monitor` has no command \"nonsense\"\n"));
  EXPECT_THAT(run({"config", "services", "rm", "0"}).err,
              StartsWith("monitor: `monitor config services` has no command \"rm\"\n"));
  EXPECT_THAT(run({"config", "--nonsense"}).err, StartsWith("monitor: not expected here: --nonsense\n"));
  EXPECT_THAT(run({"config"}).err, StartsWith("monitor: A subcommand is required\n"));
}

TEST_F(CommandLine, RepeatsNoSecretInAnError) {
  const std::string uri = "postgresql://user:hunter2@127.0.0.1/db";
  must({"config", "create"});
  must({"config", "services", "add", "http://localhost/1", "GET", "--name", uri, "--quiet"});
  for (const auto& arguments : std::vector<std::vector<std::string>>{
           {"config", "create", uri, uri},
           {"config", "create", "--uri=" + uri},
           {"config", "create", "mysql://user:hunter2@127.0.0.1/db"},
           {uri},
           {"config", "show", "password=hunter2"},
           {"config", uri},
           {"start", "--yes=" + uri},
           {"report", "--last", uri},
           {"check", uri},
           {"check", "http://user:hunter2@ /"},
           {"check", "http://localhost/", "--set", "auth.bearer.token:hunter2"},
           {"check", "http://localhost/", "--set", "auth.bearer.tokn=hunter2"},
           {"check", "http://localhost/", "--set", "auth.basic={password: hunter2}"},
           {"check", "http://localhost/", "--set", "auth.bearer.token=hunter2", "--set", "auth.basic.password=hunter2"},
           {"check", "hunter2", "--set", "auth.bearer.token"},
           {"check", "--timeout", uri, "http://localhost/"},
           {"check", "--from", uri},
           {"config", "services", "add", "--from", uri},
           {"config", "services", "add", "http://localhost/", "GET", "--set", "headers.Cookie={a: hunter2}"},
           {"config", "show", "--config-path", uri},
           {"config", "create", "--local-path", uri},
           {"config", "databases", "update", "--local-path", uri},
           {"config", "services", "add", "http://localhost/", uri},
           {"config", "services", "add", uri, "GET"},
           {"config", "services", "add", "http://localhost/", "GET", "--timeout", uri},
           {"config", "services", "add", "http://localhost/", "GET", "--interval", uri},
           {"config", "services", "add", "http://localhost/", "GET", "--name", uri},
           {"config", "services", "remove", uri + "2"},
           {"config", "services", "update", uri + "2", "--timeout", "5"},
       }) {
    const auto ended = run(arguments);
    EXPECT_EQ(ended.status, kWrongUsage);
    EXPECT_THAT(ended.err, Not(HasSubstr("hunter2"))) << testing::PrintToString(arguments);
  }
}

TEST_F(CommandLine, AMissingConfigurationIsStatusTwo) {
  for (const auto& arguments : std::vector<std::vector<std::string>>{{"config", "show"},
                                                                     {"config", "validate"},
                                                                     {"config", "delete", "--yes"},
                                                                     {"config", "services", "show"},
                                                                     {"config", "databases", "show"},
                                                                     {"start", "--yes"},
                                                                     {"report"}}) {
    const auto ended = run(arguments);
    EXPECT_EQ(ended.status, kWrongUsage) << testing::PrintToString(arguments);
    EXPECT_EQ(ended.out, "");
    EXPECT_THAT(ended.err, HasSubstr("monitoring-config"));
  }
}

TEST_F(CommandLine, ABadConfigurationIsStatusTwoWithThePlaceOfEveryFault) {
  write_config("local_database_path: /tmp/x\nnonsense: 1\nservices:\n  - url: ftp://x/\n    method: GET\n");
  const auto ended = run({"config", "validate"});
  EXPECT_EQ(ended.status, kWrongUsage);
  EXPECT_EQ(ended.out, "");
  EXPECT_THAT(ended.err, StartsWith(file().string() + ":2:1: "));
  EXPECT_THAT(ended.err, HasSubstr("\n" + file().string() + ":4:"));
}

TEST_F(CommandLine, RefusesAnEmptyPath) {
  const auto ended = run({"config", "show", "--config-path="});
  EXPECT_EQ(ended.status, kWrongUsage);
  EXPECT_EQ(ended.err, "monitor: --config-path is empty: leave it out, or name a file\n");
}

TEST_F(CommandLine, TakesTheConfigurationThatIsNamed) {
  const auto other = (home_ / "other").string();
  must({"config", "create", "--config-path", other});
  EXPECT_TRUE(std::filesystem::exists(other));
  EXPECT_FALSE(std::filesystem::exists(file()));
  must({"config", "create", "--config-path=~/third"});
  EXPECT_TRUE(std::filesystem::exists(home_ / "third"));
}

/// A device without room.
class FullBuffer : public std::streambuf {
 protected:
  int overflow(int) override { return traits_type::eof(); }
};

TEST_F(CommandLine, OutputThatCannotBeWrittenIsAFailure) {
  must({"config", "create"});
  FullBuffer full;
  std::istringstream in;
  std::ostream out(&full);
  std::ostringstream err;
  Console console{in, out, err, {}};
  EXPECT_EQ(cli::run({"config", "show"}, console), kFailed);
  EXPECT_THAT(err.str(), StartsWith("monitor: cannot write to the standard output"));
}

TEST_F(CommandLine, AFailureAtRunTimeIsStatusOneAndASentence) {
  follow_tutorial();
  on_start_ = [] { throw common::Error("cannot open the local database: it is locked by process 42"); };
  const auto ended = run({"start", "--yes"});
  EXPECT_EQ(ended.status, kFailed);
  EXPECT_EQ(ended.err.substr(ended.err.rfind("monitor: ")),
            "monitor: cannot open the local database: it is locked by process 42\n");
}

}  // namespace
}  // namespace monitor::cli
