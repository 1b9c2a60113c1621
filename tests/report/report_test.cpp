#include "report/report.h"

#include <gtest/gtest.h>

#include "support/stored.h"

namespace monitor::report {
namespace {

using std::chrono::seconds;
using test::Stored;

TEST(Report, ChecksThatConfirmAFailureAreInNoFigureButTheirOwn) {
  Stored stored;
  const auto add = [&](common::Outcome outcome, std::uint16_t attempt) {
    stored.clock().advance(seconds{1});
    auto row = test::passed_check(stored.service(), stored.clock().wall());
    row.outcome = outcome;
    row.reason = attempt > 0 ? "a re-check" : "a slot";
    row.attempt = attempt;
    stored.wait(stored.store().append(row));
  };
  for (int i = 0; i < 3; ++i) add(common::Outcome::kUp, 0);
  add(common::Outcome::kStatus, 0);
  add(common::Outcome::kStatus, 1);
  add(common::Outcome::kUp, 2);
  stored.wait(stored.store().commit());
  const auto reports = summarize(
      {.database = stored.file(), .last = std::chrono::hours{1}, .service = {}, .now = stored.clock().wall()});
  ASSERT_EQ(reports.size(), 1U);
  EXPECT_EQ(reports[0].service, "shop");
  EXPECT_EQ(reports[0].checks, 4);
  EXPECT_EQ(reports[0].up, 3);
  EXPECT_EQ(reports[0].down, 1);
  EXPECT_EQ(reports[0].up_percent, 75.0);
  EXPECT_EQ(reports[0].rechecks, 2);
  EXPECT_EQ(reports[0].last_outcome, "status") << "of the last slot";
  EXPECT_EQ(reports[0].last_reason, "a slot");
}

}  // namespace
}  // namespace monitor::report
