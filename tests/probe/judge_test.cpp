#include "probe/judge.h"

#include <gtest/gtest.h>

namespace monitor::probe {
namespace {

using common::Outcome;

TEST(Judge, AStatusFrom200To399IsUp) {
  for (const std::uint16_t good : {200, 204, 301, 304, 399}) {
    EXPECT_EQ(judge({.status = good}).outcome, Outcome::kUp) << good;
    EXPECT_EQ(judge({.status = good}).reason, "");
  }
  for (const std::uint16_t bad : {199, 400, 404, 500, 999}) EXPECT_EQ(judge({.status = bad}).outcome, Outcome::kStatus);
  EXPECT_EQ(judge({.status = 503}).reason, "status 503 is outside 200-399");
}

TEST(Judge, TheRegexCountsOnlyWhenAskedFor) {
  EXPECT_EQ(judge({.status = 200, .regex_wanted = true, .regex_found = true}).outcome, Outcome::kUp);
  EXPECT_EQ(judge({.status = 200, .regex_wanted = true, .regex_found = false}).outcome, Outcome::kBodyMismatch);
  EXPECT_EQ(judge({.status = 200, .regex_wanted = false, .regex_found = false}).outcome, Outcome::kUp);
}

TEST(Judge, SaysHowMuchWasSearched) {
  EXPECT_EQ(judge({.status = 200, .regex_wanted = true, .body_bytes = 12595}).reason,
            "the regular expression was not found in the 12.2 KiB body");
  EXPECT_EQ(judge({.status = 200, .regex_wanted = true, .body_bytes = 1 << 20, .capped = true}).reason,
            "the regular expression was not found in the first 1 MiB of the body, which is longer");
}

TEST(Judge, ABadStatusGoesBeforeAMissingRegex) {
  EXPECT_EQ(judge({.status = 500, .regex_wanted = true}).outcome, Outcome::kStatus);
}

}  // namespace
}  // namespace monitor::probe
