#include "report/seq_set.h"

#include <gtest/gtest.h>

namespace monitor::report {
namespace {

TEST(SeqSet, JoinsWhatTouchesInAnyOrder) {
  const SeqSet set{{7, 9}, {1, 3}, {4, 4}, {8, 12}, {5, 2}};
  EXPECT_EQ(set.ranges(), (std::vector<SeqRange>{{1, 4}, {7, 12}}));
  EXPECT_EQ(set.count(), 10);
  EXPECT_TRUE(set.contains(4));
  EXPECT_FALSE(set.contains(5));
  EXPECT_FALSE(set.contains(0));
  EXPECT_FALSE(set.contains(13));
  EXPECT_EQ(SeqSet{}.first(), std::nullopt);
}

TEST(SeqSet, IntersectsUnitesAndSubtracts) {
  const SeqSet one{{1, 10}, {20, 30}};
  const SeqSet other{{5, 6}, {9, 22}, {30, 40}};
  EXPECT_EQ(one & other, (SeqSet{{5, 6}, {9, 10}, {20, 22}, {30, 30}}));
  EXPECT_EQ(one | other, (SeqSet{{1, 40}}));
  EXPECT_EQ(one - other, (SeqSet{{1, 4}, {7, 8}, {23, 29}}));
  EXPECT_EQ(other - one, (SeqSet{{11, 19}, {31, 40}}));
  EXPECT_EQ(one - SeqSet{}, one);
  EXPECT_EQ(SeqSet{} - one, SeqSet{});
}

/// One set of every shape over ten numbers against another: the operations are those of sets.
TEST(SeqSet, AgreesWithSetsOfNumbers) {
  const auto set_of = [](unsigned bits) {
    std::vector<SeqRange> ranges;
    for (storage::Seq i = 0; i < 6; ++i) {
      if ((bits >> i & 1U) != 0) ranges.push_back({i + 1, i + 1});
    }
    return SeqSet(std::move(ranges));
  };
  for (unsigned one = 0; one < 64; ++one) {
    for (unsigned other = 0; other < 64; ++other) {
      ASSERT_EQ(set_of(one) & set_of(other), set_of(one & other));
      ASSERT_EQ(set_of(one) | set_of(other), set_of(one | other));
      ASSERT_EQ(set_of(one) - set_of(other), set_of(one & ~other));
    }
  }
}

TEST(SeqSet, BoundsReachAsFarAsNumbersDo) {
  EXPECT_EQ((SeqSet{{3, 9}} & above(5)), (SeqSet{{6, 9}}));
  EXPECT_EQ((SeqSet{{3, 9}} & up_to(5)), (SeqSet{{3, 5}}));
  EXPECT_EQ(up_to(0), SeqSet{});
}

}  // namespace
}  // namespace monitor::report
