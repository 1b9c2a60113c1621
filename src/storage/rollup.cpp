#include "storage/rollup.h"

#include <algorithm>

namespace monitor::storage {
namespace {

constexpr std::uint8_t kVersion = 1;
// Of any single number in a body. What is larger is damage: as microseconds it would be 285 years.
constexpr std::uint64_t kLargest = std::uint64_t{1} << 53;
constexpr int kPayload = 7;  // bits of a number in each of its bytes
constexpr std::uint8_t kMore = 0x80;
constexpr std::size_t kUsualBytes = 256;

class Packer {
 public:
  Packer() { bytes_.reserve(kUsualBytes); }

  /// Seven bits in each byte, the lowest first.
  void number(std::uint64_t value) {
    for (; value >= kMore; value >>= kPayload) bytes_.push_back(static_cast<std::uint8_t>(value | kMore));
    bytes_.push_back(static_cast<std::uint8_t>(value));
  }
  void counts(const std::map<std::uint8_t, std::uint64_t>& counts) {
    number(counts.size());
    for (const auto& [code, times] : counts) {
      number(code);
      number(times);
    }
  }
  /// Runs of empty buckets, as between the usual durations and a few long ones, take two numbers.
  void histogram(const common::Histogram& histogram) {
    const auto times = histogram.times();
    number(times.size());
    if (times.empty()) return;
    number(static_cast<std::uint64_t>(histogram.first_bucket()));
    for (auto at = times.begin(); at != times.end();) {
      const auto next = std::find_if(at, times.end(), [](std::uint64_t count) { return count > 0; });
      if (next > at) {
        number(0);
        number(static_cast<std::uint64_t>(next - at));
      }
      if (next != times.end()) number(*next);
      at = next == times.end() ? next : next + 1;
    }
  }
  std::vector<std::uint8_t> result() { return std::move(bytes_); }

 private:
  std::vector<std::uint8_t> bytes_;
};

using Runs = std::array<std::uint64_t, common::Histogram::kBuckets * kMeasures>;

struct Run {
  int first = 0;
  std::span<std::uint64_t> times;
};

/// A body as numbers, in room of its own: nothing is allocated for any of the many that a report adds up.
struct Unpacked {
  struct Count {
    std::uint8_t code = 0;
    std::uint64_t times = 0;
  };
  std::array<Count, 256> outcomes;  // NOLINT(cppcoreguidelines-pro-type-member-init): only what is used is written
  std::array<Count, 256> skipped;   // NOLINT(cppcoreguidelines-pro-type-member-init)
  std::size_t outcome_count = 0;
  std::size_t skipped_count = 0;
  std::uint64_t rechecks = 0;
  std::uint64_t total_sum = 0;
  std::uint64_t lateness_max = 0;
  std::array<Run, kMeasures> measures;
  Runs times;  // NOLINT(cppcoreguidelines-pro-type-member-init)
};

/// Believes nothing: a number too many, too few or too large makes the whole body damaged.
class Unpacker {
 public:
  Unpacker(std::span<const std::uint8_t> body, Unpacked& out) : at_(body.data()), end_(at_ + body.size()), out_(out) {}

  bool run() {
    if (at_ == end_ || *at_++ != kVersion) return false;
    out_.outcome_count = counts(out_.outcomes);
    out_.skipped_count = counts(out_.skipped);
    out_.rechecks = number();
    out_.total_sum = number();
    out_.lateness_max = number();
    for (auto& measure : out_.measures) histogram(measure);
    return good_ && at_ == end_;
  }

 private:
  std::uint64_t number() {
    std::uint64_t value = 0;
    for (int shift = 0; at_ != end_ && shift < 8 * kPayload; shift += kPayload) {
      const std::uint8_t byte = *at_++;
      value |= static_cast<std::uint64_t>(byte & ~kMore) << shift;
      if ((byte & kMore) == 0) {
        good_ = good_ && value <= kLargest;
        return value;
      }
    }
    good_ = false;
    return 0;
  }

  std::size_t counts(std::array<Unpacked::Count, 256>& counts) {
    const std::uint64_t size = number();
    good_ = good_ && size <= counts.size();
    for (std::size_t i = 0; good_ && i < size; ++i) {
      const std::uint64_t code = number();
      good_ = good_ && code < counts.size();
      counts[i] = {.code = static_cast<std::uint8_t>(code), .times = number()};
    }
    return good_ ? size : 0;
  }

  void histogram(Run& run) {
    run = {};
    const std::uint64_t size = number();
    if (size == 0 || !good_) return;
    const std::uint64_t first = number();
    good_ = good_ && size <= common::Histogram::kBuckets && first <= common::Histogram::kBuckets - size;
    if (!good_) return;
    const auto times = std::span(out_.times).subspan(used_, size);
    used_ += size;
    for (std::size_t i = 0; good_ && i < size;) {
      const std::uint64_t count = number();
      if (count > 0) {
        times[i++] = count;
        continue;
      }
      const std::uint64_t empty = number();
      // The first and the last one are in use: a run of empty ones ends before the last.
      good_ = good_ && i > 0 && empty > 0 && empty < size - i;
      if (!good_) return;
      std::fill_n(times.begin() + static_cast<std::ptrdiff_t>(i), empty, 0);
      i += empty;
    }
    run = {.first = static_cast<int>(first), .times = times};
  }

  const std::uint8_t* at_;
  const std::uint8_t* end_;
  Unpacked& out_;
  std::size_t used_ = 0;
  bool good_ = true;
};

/// Sums of damaged files may wrap, but must not be undefined.
common::Micros added(common::Micros sum, std::uint64_t more) {
  return common::Micros{static_cast<std::int64_t>(static_cast<std::uint64_t>(sum.count()) + more)};
}

}  // namespace

void Rollup::merge(const Rollup& other) {
  for (const auto& [code, times] : other.outcomes) outcomes[code] += times;
  for (const auto& [reason, slots] : other.skipped) skipped[reason] += slots;
  rechecks += other.rechecks;
  total_sum += other.total_sum;
  lateness_max = std::max(lateness_max, other.lateness_max);
  for (std::size_t i = 0; i < kMeasures; ++i) measures.at(i).merge(other.measures.at(i));
}

common::WallTime start_of(Tier tier, common::WallTime at) {
  return tier == Tier::kHour ? common::WallTime{std::chrono::floor<std::chrono::hours>(at)}
                             : common::WallTime{std::chrono::floor<std::chrono::days>(at)};
}

std::vector<std::uint8_t> pack(const Rollup& rollup) {
  Packer out;
  out.number(kVersion);
  out.counts(rollup.outcomes);
  out.counts(rollup.skipped);
  out.number(rollup.rechecks);
  out.number(static_cast<std::uint64_t>(rollup.total_sum.count()));
  out.number(static_cast<std::uint64_t>(rollup.lateness_max.count()));
  for (const auto& measure : rollup.measures) out.histogram(measure);
  return out.result();
}

bool PackedRollup::add_to(Rollup& sum) const {
  Unpacked more;
  if (!Unpacker(body, more).run()) return false;
  for (std::size_t i = 0; i < more.outcome_count; ++i) sum.outcomes[more.outcomes[i].code] += more.outcomes[i].times;
  for (std::size_t i = 0; i < more.skipped_count; ++i) sum.skipped[more.skipped[i].code] += more.skipped[i].times;
  sum.rechecks += more.rechecks;
  sum.total_sum = added(sum.total_sum, more.total_sum);
  sum.lateness_max = std::max(sum.lateness_max, added({}, more.lateness_max));
  for (std::size_t i = 0; i < kMeasures; ++i) sum.measures[i].add_run(more.measures[i].first, more.measures[i].times);
  return true;
}

}  // namespace monitor::storage
