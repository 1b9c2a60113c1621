#include "common/histogram.h"

#include <gtest/gtest.h>

namespace monitor::common {
namespace {

TEST(HistogramTest, EveryDurationIsInABucketThatIsCloseToIt) {
  int last = 0;
  for (std::int64_t micros = 0; micros <= Histogram::kLongest; micros += 1 + micros / 100) {
    const int bucket = Histogram::bucket_of(micros);
    ASSERT_TRUE(bucket == last || bucket == last + 1) << micros;
    ASSERT_NEAR(Histogram::middle_of(bucket), static_cast<double>(micros), static_cast<double>(micros) * 0.0625);
    ASSERT_LE(Histogram::begin_of(bucket), micros);
    last = bucket;
  }
  EXPECT_EQ(Histogram::bucket_of(Histogram::kLongest), Histogram::kBuckets - 1);
}

TEST(HistogramTest, ABucketBeginsWhereTheOneBeforeItEnds) {
  for (int bucket = 1; bucket < Histogram::kBuckets; ++bucket) {
    EXPECT_EQ(Histogram::bucket_of(Histogram::begin_of(bucket)), bucket);
    EXPECT_EQ(Histogram::bucket_of(Histogram::begin_of(bucket) - 1), bucket - 1);
  }
}

TEST(HistogramTest, WhatIsOutOfRangeCountsAsTheNearestThatIsIn) {
  EXPECT_EQ(Histogram::bucket_of(-5), 0);
  EXPECT_EQ(Histogram::bucket_of(Histogram::kLongest + 1), Histogram::kBuckets - 1);
  Histogram histogram;
  histogram.add_bucket(Histogram::kBuckets, 1);
  histogram.add_bucket(-1, 1);
  EXPECT_EQ(histogram.count(), 0U);
}

TEST(HistogramTest, PercentilesAreNearestRank) {
  Histogram histogram;
  EXPECT_EQ(histogram.percentile(50), std::nullopt);
  for (int i = 1; i <= 4; ++i) histogram.add(Micros{i});
  EXPECT_EQ(histogram.percentile(25), 1);
  EXPECT_EQ(histogram.percentile(50), 2);
  EXPECT_EQ(histogram.percentile(51), 3);
  EXPECT_EQ(histogram.percentile(99), 4);
  EXPECT_EQ(histogram.percentile(100), 4);
}

TEST(HistogramTest, MergingIsAddingAllInAnyOrder) {
  Histogram low, high, all;
  for (const int micros : {3, 900, 40, 900}) {
    low.add(Micros{micros});
    all.add(Micros{micros});
  }
  for (const int micros : {70'000, 5, 1'000'000}) {
    high.add(Micros{micros}, 2);
    all.add(Micros{micros}, 2);
  }
  Histogram upwards = low, downwards = high;
  upwards.merge(high);
  upwards.merge(Histogram{});
  downwards.merge(low);
  EXPECT_EQ(upwards, all);
  EXPECT_EQ(downwards, all);
  EXPECT_EQ(all.count(), 10U);
}

TEST(HistogramTest, ARunOfBucketsIsAddedWholeOrNotAtAll) {
  Histogram histogram;
  const std::vector<std::uint64_t> run{2, 0, 5};
  histogram.add_run(40, run);
  histogram.add_run(-1, run);
  histogram.add_run(Histogram::kBuckets - 2, run);
  histogram.add_run(40, {});
  EXPECT_EQ(histogram.count(), 7U);
  EXPECT_EQ(histogram.first_bucket(), 40);
  EXPECT_EQ(std::vector(histogram.times().begin(), histogram.times().end()), run);
}

}  // namespace
}  // namespace monitor::common
