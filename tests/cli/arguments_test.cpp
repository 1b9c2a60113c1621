#include "cli/arguments.h"

#include <gtest/gtest.h>

namespace monitor::cli {
namespace {

using Arguments = std::vector<std::string>;
const std::set<std::string> kValueOptions{"--regex", "--config-path"};

TEST(Arguments, TwoLetterOptionBecomesItsLongName) {
  EXPECT_EQ(prepared({"start", "-ns", "-vvvv"}, kValueOptions), (Arguments{"start", "--notify-systemd", "-vvvv"}));
}

TEST(Arguments, ValuesAreLeftAlone) {
  EXPECT_EQ(prepared({"--regex", "-ns", "--config-path", "--regex=", "--regex=-ns"}, kValueOptions),
            (Arguments{"--regex", "-ns", "--config-path", "--regex=", "--regex=-ns"}));
}

TEST(Arguments, WhatFollowsTwoDashesIsLeftAlone) {
  EXPECT_EQ(prepared({"--", "-ns", "--regex="}, kValueOptions), (Arguments{"--", "-ns", "--regex="}));
}

TEST(Arguments, AnEmptyValueBehindAnEqualsSignStaysAValue) {
  EXPECT_EQ(prepared({"--regex=", "next"}, kValueOptions), (Arguments{"--regex", "", "next"}));
  EXPECT_EQ(prepared({"", "=", "--unknown="}, kValueOptions), (Arguments{"", "=", "--unknown="}));
}

TEST(Arguments, AreQuotedWithoutWhatMayBeASecret) {
  EXPECT_EQ(quotable("postgresql://user:hunter2@host/db"), "postgresql://…");
  EXPECT_EQ(quotable("--external-uri=postgresql://user:hunter2@host/db"), "--external-uri=…");
  EXPECT_EQ(quotable("host=db password=hunter2"), "host=…");
  EXPECT_EQ(quotable("wrong\x1b"), "wrong\\x1b");
}

}  // namespace
}  // namespace monitor::cli
