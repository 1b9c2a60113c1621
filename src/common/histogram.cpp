#include "common/histogram.h"

#include <algorithm>
#include <bit>
#include <cmath>
#include <functional>
#include <numeric>
#include <ranges>

namespace monitor::common {
namespace {

constexpr int kPerDoubling = 8;  // the first value with a bucket wider than itself is twice this

int octave_of(std::uint64_t micros) {
  return static_cast<int>(std::bit_width(micros)) - 1;
}

/// A bucket is as wide as 2 to the power of this.
int shift_of(int bucket) {
  return std::max(0, bucket / kPerDoubling - 1);
}

}  // namespace

int Histogram::bucket_of(std::int64_t micros) {
  const auto value = static_cast<std::uint64_t>(std::clamp<std::int64_t>(micros, 0, kLongest));
  if (value < kPerDoubling) return static_cast<int>(value);
  const int shift = octave_of(value) - octave_of(kPerDoubling);
  return shift * kPerDoubling + static_cast<int>(value >> shift);
}

std::int64_t Histogram::begin_of(int bucket) {
  const int shift = shift_of(bucket);
  return std::int64_t{bucket - shift * kPerDoubling} << shift;
}

double Histogram::middle_of(int bucket) {
  const auto width = std::int64_t{1} << shift_of(bucket);
  return static_cast<double>(begin_of(bucket)) + static_cast<double>(width - 1) / 2.0;
}

void Histogram::add(Micros duration, std::uint64_t times) {
  add_bucket(bucket_of(duration.count()), times);
}

void Histogram::add_bucket(int bucket, std::uint64_t times) {
  if (bucket < 0 || bucket >= kBuckets || times == 0) return;
  cover(bucket, bucket);
  times_[static_cast<std::size_t>(bucket - first_)] += times;
  count_ += times;
}

void Histogram::cover(int first, int last) {
  if (times_.empty()) first_ = first;
  if (first < first_) {
    times_.insert(times_.begin(), static_cast<std::size_t>(first_ - first), 0);
    first_ = first;
  }
  const auto size = static_cast<std::size_t>(last) + 1 - static_cast<std::size_t>(first_);
  if (times_.size() < size) times_.resize(size);
}

void Histogram::add_run(int first, std::span<const std::uint64_t> times) {
  if (times.empty() || first < 0 || first >= kBuckets || std::ssize(times) > kBuckets - first) return;
  cover(first, first + static_cast<int>(times.size()) - 1);
  const auto to = times_.begin() + (first - first_);
  std::ranges::transform(times, std::ranges::subrange(to, times_.end()), to, std::plus{});
  count_ = std::reduce(times.begin(), times.end(), count_);
}

std::optional<double> Histogram::percentile(double percent) const {
  if (count_ == 0) return std::nullopt;
  const auto rank = std::max(1.0, std::ceil(percent / 100.0 * static_cast<double>(count_)));
  std::uint64_t seen = 0;
  std::size_t i = 0;
  while (i + 1 < times_.size() && static_cast<double>(seen += times_[i]) < rank) ++i;
  return middle_of(first_ + static_cast<int>(i));
}

}  // namespace monitor::common
