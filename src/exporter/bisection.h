// Finds the rows that a server refuses by halving the batch, and says how many refusals are still a matter of rows.
// Pure.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <utility>
#include <vector>

namespace monitor::exporter {

/// Rows [begin, end) of a batch.
struct Range {
  std::size_t begin = 0;
  std::size_t end = 0;
  std::size_t size() const { return end - begin; }
};

struct BadRow {
  std::size_t index = 0;
  std::string sqlstate;
  std::string reason;
};

class Bisection {
 public:
  /// Of `rows` rows that were refused together.
  explicit Bisection(std::size_t rows) {
    if (rows > 0) todo_.push_back({0, rows});
    if (rows > 1) split();
  }

  /// What to try now, front rows first; nothing when every row has landed or is known to be bad.
  std::optional<Range> next() const { return todo_.empty() ? std::nullopt : std::optional(todo_.back()); }
  /// What next() said was taken.
  void landed() {
    landed_ += todo_.back().size();
    todo_.pop_back();
  }
  /// What next() said was refused.
  void refused(const std::string& sqlstate, const std::string& reason) {
    if (todo_.back().size() > 1) {
      split();
      return;
    }
    bad_.push_back({todo_.back().begin, sqlstate, reason});
    todo_.pop_back();
  }

  std::size_t landed_rows() const { return landed_; }
  const std::vector<BadRow>& bad() const { return bad_; }

 private:
  void split() {
    const auto [begin, end] = todo_.back();
    const auto middle = begin + (end - begin) / 2;
    todo_.back() = {middle, end};
    todo_.push_back({begin, middle});
  }

  std::vector<Range> todo_;
  std::vector<BadRow> bad_;
  std::size_t landed_ = 0;
};

/// More than kMost refusals with one SQLSTATE in one batch, or in as many small batches as make up a full one, are the
/// table's fault and not the rows': a column that somebody changed must not drain good rows into quarantine.
class RefusalBudget {
 public:
  static constexpr std::int64_t kMost = 10;
  static constexpr std::int64_t kWindowRows = 5000;

  bool allows(const std::vector<BadRow>& bad) const {
    auto spent = spent_;
    return std::ranges::none_of(bad, [&](const BadRow& row) { return ++spent[row.sqlstate] > kMost; });
  }
  void spend(const std::vector<BadRow>& bad) {
    for (const auto& row : bad) ++spent_[row.sqlstate];
  }
  void passed(std::size_t rows) {
    rows_ += static_cast<std::int64_t>(rows);
    if (rows_ < kWindowRows) return;
    rows_ = 0;
    spent_.clear();
  }

 private:
  std::map<std::string, std::int64_t> spent_;
  std::int64_t rows_ = 0;
};

}  // namespace monitor::exporter
