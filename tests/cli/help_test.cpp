#include "cli/help.h"

#include <sstream>

#include "cli/session.h"

namespace monitor::cli {
namespace {

using testing::HasSubstr;
using testing::StartsWith;

const std::vector<std::vector<std::string>>& commands() {
  static const std::vector<std::vector<std::string>> all{{},
                                                         {"config"},
                                                         {"config", "create"},
                                                         {"config", "show"},
                                                         {"config", "validate"},
                                                         {"config", "delete"},
                                                         {"config", "services"},
                                                         {"config", "services", "show"},
                                                         {"config", "services", "add"},
                                                         {"config", "services", "update"},
                                                         {"config", "services", "remove"},
                                                         {"config", "databases"},
                                                         {"config", "databases", "show"},
                                                         {"config", "databases", "update"},
                                                         {"start"},
                                                         {"check"},
                                                         {"plan"},
                                                         {"report"}};
  return all;
}

class Help : public Session {};

TEST_F(Help, IsThereForEveryCommandInLinesThatFitATerminal) {
  for (auto arguments : commands()) {
    std::string name = "monitor";
    for (const auto& word : arguments) name += " " + word;
    arguments.emplace_back("--help");
    const auto help = run(arguments);
    EXPECT_EQ(help.status, kDone) << name;
    EXPECT_EQ(help.err, "");
    EXPECT_THAT(help.out, StartsWith("Usage: " + name + " [OPTIONS]"));
    EXPECT_THAT(help.out, HasSubstr("--help"));
    std::istringstream lines(help.out);
    for (std::string line; std::getline(lines, line);) EXPECT_LE(line.size(), 100U) << name << ": " << line;
  }
}

TEST_F(Help, OfEveryCommandHasExamplesAndTheConfigPath) {
  for (auto arguments : commands()) {
    if (arguments.empty() || arguments.back() == "config" || arguments.back() == "services" ||
        arguments.back() == "databases") {
      continue;
    }
    arguments.emplace_back("--help");
    const auto help = run(arguments);
    EXPECT_THAT(help.out, HasSubstr("\nExamples:\n  ")) << arguments[0];
    EXPECT_THAT(help.out, HasSubstr("--config-path PATH")) << arguments[0];
    EXPECT_THAT(help.out, HasSubstr("~/.monitoring/monitoring-config")) << arguments[0];
  }
}

TEST_F(Help, OfStartReadsAsThePredecessors) {
  const auto help = run({"start", "--help"});
  EXPECT_THAT(help.out, StartsWith("Usage: monitor start [OPTIONS]\n\n  Start monitoring.\n"));
  EXPECT_THAT(help.out, HasSubstr("\nOptions:\n"
                                  "  -v                     Logging level: -vvv warnings, -vvvv what happens,\n"
                                  "                         -vvvvv everything; fewer: errors only.\n"
                                  "  -ns, --notify-systemd  Notify systemd after application start.\n"
                                  "  -y, --yes              Start without a confirmation prompt.\n"
                                  "  --config-path PATH     Path to the configuration file. Default:\n"
                                  "                         ~/.monitoring/monitoring-config\n"
                                  "  --help                 Show this message and exit.\n"));
}

TEST_F(Help, NamesArguments) {
  EXPECT_THAT(run({"config", "create", "--help"}).out, StartsWith("Usage: monitor config create [OPTIONS] [URI]\n"));
  EXPECT_THAT(run({"config", "services", "add", "--help"}).out,
              StartsWith("Usage: monitor config services add [OPTIONS] [URL] [METHOD]\n"));
  EXPECT_THAT(run({"config", "services", "update", "--help"}).out,
              StartsWith("Usage: monitor config services update [OPTIONS] NUMBER|NAME\n"));
  EXPECT_THAT(run({"check", "--help"}).out, StartsWith("Usage: monitor check [OPTIONS] [URL|NAME|NUMBER]\n"));
  EXPECT_THAT(run({"config", "--help"}).out, StartsWith("Usage: monitor config [OPTIONS] COMMAND [ARGS]...\n"));
}

TEST(Wrapped, BreaksAtSpacesAndLeavesLongWordsWhole) {
  EXPECT_EQ(wrapped("one two three", 7), (std::vector<std::string>{"one two", "three"}));
  EXPECT_EQ(wrapped("abcdefghij k", 4), (std::vector<std::string>{"abcdefghij", "k"}));
  EXPECT_TRUE(wrapped("", 10).empty());
}

}  // namespace
}  // namespace monitor::cli
