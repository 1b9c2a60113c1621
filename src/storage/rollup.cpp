#include "storage/rollup.h"

#include <algorithm>
#include <bit>
#include <cstring>

namespace monitor::storage {
namespace {

static_assert(std::endian::native == std::endian::little);

constexpr std::uint8_t kVersion = 1;
// Of any single number in a body. What is larger is damage: as microseconds it would be 285 years.
constexpr std::uint64_t kLargest = std::uint64_t{1} << 53;
constexpr int kPayload = 7;  // bits of a number in each of its bytes
constexpr std::uint8_t kMore = 0x80;
constexpr int kByte = 8;  // bits
constexpr std::size_t kUsualBytes = 512;
// So many empty buckets, as between the usual durations and a few long ones, cost more than to begin a new run.
constexpr std::size_t kWorthANewRun = 4;

/// Counts of neighbouring buckets in bytes of one width, so that many are read at once: a report adds up a hundred
/// thousand bodies.
struct Run {
  std::size_t first = 0;
  std::size_t length = 0;
  std::size_t width = 1;  ///< bytes of a count: 1, 2, 4 or 8
  std::size_t bytes() const { return length * width; }
};

/// Calls `visit` with a 0 of the type that has `width` bytes.
template <typename Visit>
void with_count_of(std::size_t width, Visit visit) {
  switch (width) {
    case sizeof(std::uint8_t):
      return visit(std::uint8_t{});
    case sizeof(std::uint16_t):
      return visit(std::uint16_t{});
    case sizeof(std::uint32_t):
      return visit(std::uint32_t{});
    default:
      return visit(std::uint64_t{});
  }
}

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
      bytes_.push_back(code);
      number(times);
    }
  }
  /// Each run as first bucket, length and width, and its counts, the lowest byte first; a length of 0 ends them.
  void histogram(const common::Histogram& histogram) {
    const auto times = histogram.times();
    const auto first = static_cast<std::size_t>(histogram.first_bucket());
    for (std::size_t at = 0; at < times.size();) {
      while (at < times.size() && times[at] == 0) ++at;
      const std::size_t end = end_of_run(times, at);
      if (end > at) run(first + at, times.subspan(at, end - at));
      at = end;
    }
    bytes_.push_back(0);
  }
  std::vector<std::uint8_t> result() { return std::move(bytes_); }

 private:
  /// The end of the last bucket in use before too many empty ones.
  static std::size_t end_of_run(std::span<const std::uint64_t> times, std::size_t begin) {
    std::size_t end = begin;
    for (std::size_t at = begin; at < times.size() && at - end < kWorthANewRun; ++at) {
      if (times[at] > 0) end = at + 1;
    }
    return end;
  }
  void run(std::size_t first, std::span<const std::uint64_t> times) {
    const std::uint64_t most = *std::ranges::max_element(times);
    std::size_t width = 1;
    while (width < sizeof most && most >> (kByte * width) != 0) width *= 2;
    bytes_.insert(bytes_.end(), {static_cast<std::uint8_t>(times.size()), static_cast<std::uint8_t>(first),
                                 static_cast<std::uint8_t>(width)});
    const std::size_t begin = bytes_.size();
    bytes_.resize(begin + times.size() * width);
    with_count_of(width, [&](auto count) {
      std::uint8_t* to = bytes_.data() + begin;
      for (const auto value : times) {
        count = static_cast<decltype(count)>(value);
        std::memcpy(to, &count, sizeof count);
        to += sizeof count;
      }
    });
  }

  std::vector<std::uint8_t> bytes_;
};

/// Reads a body and believes nothing: what is too much, too little or too large makes it bad, and all that is read
/// then is 0.
class Unpacker {
 public:
  explicit Unpacker(std::span<const std::uint8_t> body) : rest_(body) {}

  bool good() const { return good_; }
  bool at_end() const { return rest_.empty(); }

  std::uint8_t byte() {
    if (rest_.empty()) return bad();
    const auto value = rest_.front();
    rest_ = rest_.subspan(1);
    return value;
  }
  std::uint64_t number() {
    std::uint64_t value = 0;
    for (int shift = 0; shift < kByte * kPayload; shift += kPayload) {
      const std::uint8_t next = byte();
      value |= static_cast<std::uint64_t>(next & ~kMore) << shift;
      if ((next & kMore) == 0) return good_ && value <= kLargest ? value : bad();
    }
    return bad();
  }
  /// A length of 0: there are no more.
  Run run() {
    Run run;
    run.length = byte();
    if (run.length == 0) return {};
    run.first = byte();
    run.width = byte();
    const bool fits = run.first + run.length <= common::Histogram::kBuckets && run.bytes() <= rest_.size();
    if (good_ && fits && std::has_single_bit(run.width) && run.width <= sizeof(std::uint64_t)) return run;
    bad();
    return {};
  }
  std::span<const std::uint8_t> bytes(const Run& run) {
    const auto taken = rest_.first(run.bytes());
    rest_ = rest_.subspan(run.bytes());
    return taken;
  }

 private:
  std::uint8_t bad() {
    good_ = false;
    rest_ = {};
    return 0;
  }

  std::span<const std::uint8_t> rest_;
  bool good_ = true;
};

using Room = std::array<std::uint64_t, common::Histogram::kBuckets>;

std::span<const std::uint64_t> counts_of(const Run& run, std::span<const std::uint8_t> bytes, Room& room) {
  with_count_of(run.width, [&](auto count) {
    const std::uint8_t* from = bytes.data();
    for (auto& value : std::span(room).first(run.length)) {
      std::memcpy(&count, from, sizeof count);
      from += sizeof count;
      value = count;
    }
  });
  return std::span(room).first(run.length);
}

/// A run has no empty bucket at its ends, and its counts are ones that somebody counted.
bool plausible(const Run& run, std::span<const std::uint8_t> bytes) {
  const auto used = [&](std::size_t at) {
    return std::ranges::any_of(bytes.subspan(at * run.width, run.width), [](std::uint8_t byte) { return byte != 0; });
  };
  if (!used(0) || !used(run.length - 1)) return false;
  if (run.width < sizeof(std::uint64_t)) return true;
  Room room;
  return std::ranges::all_of(counts_of(run, bytes, room), [](std::uint64_t count) { return count <= kLargest; });
}

/// The whole body with `taker` told of what is in it. False: it is damaged.
template <typename Taker>
bool read(std::span<const std::uint8_t> body, Taker taker) {
  Unpacker in(body);
  if (in.byte() != kVersion) return false;
  for (const bool skipped : {false, true}) {
    for (std::uint64_t left = in.number(); left > 0 && in.good(); --left) {
      const std::uint8_t code = in.byte();
      const std::uint64_t times = in.number();
      if (in.good()) skipped ? taker.skipped(code, times) : taker.outcome(code, times);
    }
  }
  const std::uint64_t rechecks = in.number();
  const std::uint64_t total_sum = in.number();
  taker.sums(rechecks, total_sum, in.number());
  for (std::size_t measure = 0; measure < kMeasures; ++measure) {
    for (Run run = in.run(); run.length > 0; run = in.run()) {
      if (!taker.run(measure, run, in.bytes(run))) return false;
    }
  }
  return in.good() && in.at_end();
}

/// So that nothing is added of a body that is damaged further on.
struct Checking {
  void outcome(std::uint8_t, std::uint64_t) {}
  void skipped(std::uint8_t, std::uint64_t) {}
  void sums(std::uint64_t, std::uint64_t, std::uint64_t) {}
  bool run(std::size_t, const Run& run, std::span<const std::uint8_t> bytes) { return plausible(run, bytes); }
};

/// Sums of damaged files may wrap, but must not be undefined.
common::Micros added(common::Micros sum, std::uint64_t more) {
  return common::Micros{static_cast<std::int64_t>(static_cast<std::uint64_t>(sum.count()) + more)};
}

struct Adding {
  Rollup& sum;
  Room& room;

  void outcome(std::uint8_t code, std::uint64_t times) { sum.outcomes[code] += times; }
  void skipped(std::uint8_t code, std::uint64_t times) { sum.skipped[code] += times; }
  void sums(std::uint64_t rechecks, std::uint64_t total_sum, std::uint64_t lateness_max) {
    sum.rechecks += rechecks;
    sum.total_sum = added(sum.total_sum, total_sum);
    sum.lateness_max = std::max(sum.lateness_max, added({}, lateness_max));
  }
  bool run(std::size_t measure, const Run& run, std::span<const std::uint8_t> bytes) {
    sum.measures.at(measure).add_run(static_cast<int>(run.first), counts_of(run, bytes, room));
    return true;
  }
};

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
  Room room;  // written before it is read
  return read(body, Checking{}) && read(body, Adding{.sum = sum, .room = room});
}

}  // namespace monitor::storage
