#include "cli/prompt.h"

#include <sstream>

#include <gtest/gtest.h>

namespace monitor::cli {
namespace {

struct Desk {
  explicit Desk(const std::string& input) : in(input) {}
  std::istringstream in;
  std::ostringstream out;
  std::ostringstream err;
  Console console{in, out, err, {}};
};

TEST(Prompt, OnlyYesIsAYes) {
  for (const auto* answer : {"y", "yes", "Y", "YES", " y ", "y\r"}) EXPECT_TRUE(is_yes(answer)) << answer;
  for (const auto* answer : {"", " ", "n", "no", "ye", "yess", "yy", "1", "true"})
    EXPECT_FALSE(is_yes(answer)) << answer;
}

TEST(Prompt, AsksAndGoesOnAfterAYes) {
  Desk desk("yes\nleft");
  confirm(desk.console, "Sure?", false);
  EXPECT_EQ(desk.out.str(), "Sure? [y/N]: ");
}

TEST(Prompt, AnythingElseAborts) {
  for (const auto* answer : {"n\n", "\n", "sure\n"}) {
    Desk desk(answer);
    EXPECT_THROW(confirm(desk.console, "Sure?", false), Aborted) << answer;
  }
}

TEST(Prompt, AnEndOfInputAbortsAndEndsTheLine) {
  Desk desk("");
  EXPECT_THROW(confirm(desk.console, "Sure?", false), Aborted);
  EXPECT_EQ(desk.out.str(), "Sure? [y/N]: \n");
}

TEST(Prompt, AsksNothingWhenYesWasGiven) {
  Desk desk("n\n");
  confirm(desk.console, "Sure?", true);
  EXPECT_EQ(desk.out.str(), "");
}

TEST(Prompt, ReadsAValueFromTheFirstLine) {
  Desk desk(" value \r\nnext\n");
  EXPECT_EQ(read_value(desk.console, "the URI"), "value");
  EXPECT_EQ(read_value(desk.console, "the URI"), "next");
  EXPECT_THROW(read_value(desk.console, "the URI"), common::UsageError);
}

}  // namespace
}  // namespace monitor::cli
