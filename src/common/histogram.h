// How often each duration occurred, small enough to be kept per service and hour, and mergeable. Pure; one thread at a
// time.
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <vector>

#include "common/units.h"

namespace monitor::common {

/// Eight buckets for each doubling: below 16 µs each microsecond is one, and above, a value read back from its bucket
/// is at most 6.25 % from the one that was put in. The SQL that fills the roll-ups in PostgreSQL has the same buckets.
class Histogram {
 public:
  /// Longer ones count as this, 35 minutes.
  static constexpr std::int64_t kLongest = (std::int64_t{1} << 31) - 1;
  static constexpr int kBuckets = 232;

  /// The bucket of a duration in microseconds; negative ones are 0.
  static int bucket_of(std::int64_t micros);
  /// The shortest duration of a bucket, in microseconds.
  static std::int64_t begin_of(int bucket);
  /// The middle of a bucket, in microseconds.
  static double middle_of(int bucket);

  void add(Micros duration, std::uint64_t times = 1);
  /// Buckets out of range are ignored.
  void add_bucket(int bucket, std::uint64_t times);
  /// How often the buckets from `first` on occurred; one that is out of range adds nothing.
  void add_run(int first, std::span<const std::uint64_t> times);
  void merge(const Histogram& other) { add_run(other.first_, other.times_); }
  std::uint64_t count() const { return count_; }
  /// The nearest-rank percentile, 0 < percent ≤ 100, in microseconds. Nothing when nothing was added.
  std::optional<double> percentile(double percent) const;
  /// The lowest bucket that is not empty; 0 if all are.
  int first_bucket() const { return first_; }
  /// How often each bucket from there to the highest one that is not empty.
  std::span<const std::uint64_t> times() const { return times_; }

  bool operator==(const Histogram&) const = default;

 private:
  /// Makes room for the buckets from `first` to `last`.
  void cover(int first, int last);

  int first_ = 0;
  std::vector<std::uint64_t> times_;
  std::uint64_t count_ = 0;
};

}  // namespace monitor::common
