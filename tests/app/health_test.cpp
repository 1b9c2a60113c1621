#include "app/health.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace monitor::app {
namespace {

using testing::HasSubstr;
using testing::Not;

TEST(StatusSentence, TellsOfLinesThatTheLogHasLostAndOfNoneWhereItHasNot) {
  Health health;
  EXPECT_THAT(status_sentence(health), Not(HasSubstr("log lines")));
  health.lines_dropped = 7;
  EXPECT_THAT(status_sentence(health), HasSubstr("; 7 log lines dropped"));
}

}  // namespace
}  // namespace monitor::app
