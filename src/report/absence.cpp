#include "report/absence.h"

#include <algorithm>

namespace monitor::report {
namespace {

common::Micros around(std::chrono::seconds interval) {
  return std::max<common::Micros>(Absence::kAround, 2 * interval);
}

}  // namespace

Absence::Absence(std::vector<Span> gaps, Span window) : window_(window) {
  std::erase_if(gaps, [&](const Span& gap) { return gap.to <= window.from || gap.from >= window.to; });
  std::ranges::sort(gaps, {}, &Span::from);
  for (const auto& gap : gaps) {
    if (gaps_.empty() || gap.from > gaps_.back().to) {
      gaps_.push_back(gap);
    } else {
      gaps_.back().to = std::max(gaps_.back().to, gap.to);
    }
  }
}

Span Absence::look_back(std::chrono::seconds longest) const {
  Span span{window_.from, window_.from};
  for (const auto& gap : gaps_) {
    if (gap.from - around(longest) >= window_.from) break;
    if (span.from == span.to) span = {gap.from - around(longest), gap.from};
    span.to = std::min(window_.from, gap.from + common::Micros{1});
  }
  return span;
}

void Absence::Activity::mark(const Absence& absence, common::WallTime first, common::WallTime last,
                             std::chrono::seconds interval) {
  const auto& gaps = absence.gaps_;
  if (gaps.empty()) return;
  const auto reach = around(interval);
  const auto begin = std::ranges::partition_point(gaps, [&](const Span& gap) { return gap.to + reach <= first; });
  for (auto gap = begin; gap != gaps.end() && gap->from <= last + reach; ++gap) {
    if (sides_.empty()) sides_.resize(gaps.size());
    auto& sides = sides_[static_cast<std::size_t>(gap - gaps.begin())];
    if (first <= gap->from) sides.interval = static_cast<std::int32_t>(interval.count());
    if (last >= gap->to) sides.after = true;
  }
}

double Absence::Activity::slots(const Absence& absence) const {
  double slots = 0;
  for (std::size_t i = 0; i < sides_.size(); ++i) {
    const auto& gap = absence.gaps_[i];
    const bool lasts = gap.to >= absence.window_.to;
    if (sides_[i].interval == 0 || (!sides_[i].after && !lasts)) continue;
    const auto lost = std::min(gap.to, absence.window_.to) - std::max(gap.from, absence.window_.from);
    slots += std::chrono::duration<double>(lost).count() / sides_[i].interval;
  }
  return slots;
}

}  // namespace monitor::report
