// Roll-ups and gaps stay as long as they are told, and how they share the file with results.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "storage/purger.h"
#include "storage/reader.h"
#include "storage/sql.h"
#include "storage/store.h"
#include "support/stored.h"

namespace monitor::storage {
namespace {

using std::chrono::hours;
using test::Sql;
using test::Stored;

class Tiers : public testing::Test {
 protected:
  /// A check an hour for `days` days, all purged. Gives the end.
  common::WallTime purge_days(int days) {
    const auto start = start_of(Tier::kDay, stored_.clock().wall());
    for (int hour = 0; hour < 24 * days; ++hour) {
      stored_.wait(stored_.store().append(test::passed_check(stored_.service(), start + hours{hour})));
    }
    stored_.wait(stored_.store().commit());
    stored_.wait(stored_.store().purge(common::WallTime::max(), false, 100'000));
    return start + hours{24 * days};
  }
  std::string counts() {
    return Sql(stored_.file())(
        "SELECT (SELECT count(*) FROM rollups WHERE tier = 1), (SELECT count(*) FROM rollups "
        "WHERE tier = 2), (SELECT count(*) FROM gaps)");
  }
  Stored stored_;
};

TEST_F(Tiers, StayAsLongAsEachIsTold) {
  const auto end = purge_days(10);
  EXPECT_EQ(counts(), "240|10|0");
  EXPECT_FALSE(stored_.wait(stored_.store().forget(end - hours{48}, end - hours{96}, false, 1000)));
  EXPECT_EQ(counts(), "48|4|0");
  EXPECT_FALSE(stored_.wait(stored_.store().forget(end - hours{48}, end - hours{73}, false, 1000)));
  EXPECT_EQ(counts(), "48|4|0") << "a day that has not ended by then stays";
}

TEST_F(Tiers, AreForgottenInBoundedSteps) {
  const auto end = purge_days(10);
  EXPECT_TRUE(stored_.wait(stored_.store().forget(end, end - hours{96}, false, 100)));
  EXPECT_EQ(counts(), "140|4|0");
  EXPECT_TRUE(stored_.wait(stored_.store().forget(end, end - hours{96}, false, 100)));
  EXPECT_FALSE(stored_.wait(stored_.store().forget(end, end - hours{96}, false, 100)));
  EXPECT_EQ(counts(), "0|4|0");
  EXPECT_EQ(Sql(stored_.file())("SELECT value - (SELECT sum(length(body) + 24) FROM rollups) FROM meta "
                                "WHERE key = 'rollup_bytes'"),
            "0");
}

TEST_F(Tiers, GapsStayAsLongAsDaysAndUntilTheyHaveArrived) {
  const auto now = stored_.clock().wall();
  stored_.store().append(Gap{.from = now, .to = now, .count = 1});
  stored_.add(1);
  const auto later = now + hours{1};
  const auto gaps = [&] { return Sql(stored_.file())("SELECT count(*) FROM gaps"); };
  stored_.wait(stored_.store().purge(later, false, 100));
  EXPECT_EQ(gaps(), "1");
  stored_.wait(stored_.store().forget(now, later, true, 100));
  EXPECT_EQ(gaps(), "1");
  stored_.export_all();
  stored_.wait(stored_.store().forget(now, now, true, 100));
  EXPECT_EQ(gaps(), "1");
  stored_.wait(stored_.store().forget(now, later, true, 100));
  EXPECT_EQ(gaps(), "0");
}

TEST_F(Tiers, OfTooManyGapsTheNewestStay) {
  for (int i = 0; i < Purger::kMaxGaps + 5; ++i) {
    stored_.store().append(Gap{.from = stored_.clock().wall(), .to = stored_.clock().wall(), .count = i});
    if (i % 5000 == 0) stored_.wait(stored_.store().commit());
  }
  stored_.wait(stored_.store().commit());
  stored_.wait(stored_.store().forget({}, {}, false, 100));
  EXPECT_EQ(Sql(stored_.file())("SELECT count(*), min(count) FROM gaps"), std::to_string(Purger::kMaxGaps) + "|5");
}

TEST(RollupTable, BeginsAnewWhereWhatIsStoredIsDamaged) {
  Stored stored;
  stored.add(3);
  const auto until = stored.clock().wall() + hours{1};
  stored.wait(stored.store().purge(until, false, 2));
  Sql(stored.file())("UPDATE rollups SET body = x'0107' WHERE tier = 1");
  stored.wait(stored.store().purge(until, false, 2));
  Reader reader(stored.file());
  std::vector<std::uint64_t> checks;
  for (auto tier : {Tier::kHour, Tier::kDay}) {
    reader.for_each_rollup(tier, {}, common::WallTime::max(), [&](const PackedRollup& rollup) {
      Rollup sum;
      ASSERT_TRUE(rollup.add_to(sum));
      checks.push_back(sum.outcomes[1]);
    });
  }
  EXPECT_THAT(checks, testing::ElementsAre(1, 3));
}

TEST(RollupsAtTheSizeCap, GoBeforeResultsWhereTheyTakeMoreThanHalfOfIt) {
  Stored stored;
  stored.close();
  stored.cap(std::uint64_t{1} << 20);
  stored.open();
  const auto start = start_of(Tier::kDay, stored.clock().wall());
  for (int hour = 0; hour < 12'000; ++hour) {
    stored.wait(stored.store().append(test::passed_check(stored.service(), start + hours{hour})));
    if (hour % 1000 == 999) stored.wait(stored.store().commit());
  }
  stored.wait(stored.store().purge(common::WallTime::max(), false, 100'000));
  stored.add(5000);
  for (int i = 0; i < 1000 && stored.wait(stored.store().purge_to_cap(1000)).more; ++i) {
  }
  Sql sql(stored.file());
  EXPECT_EQ(sql("SELECT count(*) FROM results"), "5000");
  EXPECT_GT(std::stoi(sql("SELECT count(*) FROM rollups WHERE tier = 1")), 1000);
  EXPECT_EQ(sql("SELECT count(*) FROM rollups WHERE tier = 2"), "500") << "days are worth more than hours";
  const auto pages = std::stoi(sql("PRAGMA page_count")) - std::stoi(sql("PRAGMA freelist_count"));
  EXPECT_LE(4096 * pages, 1 << 20);
}

}  // namespace
}  // namespace monitor::storage
