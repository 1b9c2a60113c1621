// Sets of numbers, kept as the ranges they are made of. Values; any thread.
#pragma once

#include <cstdint>
#include <initializer_list>
#include <optional>
#include <vector>

#include "storage/number_ledger.h"

namespace monitor::report {

using SeqRange = storage::NumberRange;

inline std::int64_t count_of(const SeqRange& range) {
  return range.last - range.first + 1;
}

class SeqSet {
 public:
  SeqSet() = default;
  /// In any order, overlapping or not. A range that ends before it begins is nothing.
  explicit SeqSet(std::vector<SeqRange> ranges);
  SeqSet(std::initializer_list<SeqRange> ranges) : SeqSet(std::vector<SeqRange>(ranges)) {}

  /// Ascending, with at least one number between any two.
  const std::vector<SeqRange>& ranges() const { return ranges_; }
  bool empty() const { return ranges_.empty(); }
  std::int64_t count() const;
  bool contains(storage::Seq seq) const;
  std::optional<storage::Seq> first() const;
  std::optional<storage::Seq> last() const;

  SeqSet operator&(const SeqSet& other) const;
  SeqSet operator|(const SeqSet& other) const;
  SeqSet operator-(const SeqSet& other) const;
  bool operator==(const SeqSet&) const = default;

 private:
  std::vector<SeqRange> ranges_;
};

/// The numbers above `seq`, as far as there are any.
SeqSet above(storage::Seq seq);
/// The numbers from 1 up to `seq`.
SeqSet up_to(storage::Seq seq);

}  // namespace monitor::report
