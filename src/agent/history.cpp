#include "agent/history.h"

namespace monitor::agent {

using common::Verdict;

Notice History::slot(Verdict verdict, bool rechecked) {
  const bool was_unknown = last_ == Verdict::kUnknown;
  last_ = verdict;
  // What was unknown in between does not make a service that stays down go down twice.
  if (verdict == Verdict::kUnknown) return was_unknown ? Notice::kNone : Notice::kUnjudged;
  known_ = verdict;
  if (verdict == Verdict::kDown && said_ != Verdict::kDown && rechecked && !doubted_) {
    doubted_ = true;
    return Notice::kNone;
  }
  doubted_ = false;
  return said(verdict);
}

Notice History::recheck(Verdict verdict, bool last) {
  if (verdict == Verdict::kUnknown) return Notice::kNone;
  known_ = verdict;
  if (!doubted_ || (verdict == Verdict::kDown && !last)) return Notice::kNone;
  doubted_ = false;
  return verdict == Verdict::kDown ? said(verdict) : Notice::kUnconfirmed;
}

Notice History::said(Verdict verdict) {
  if (said_ == verdict) return Notice::kNone;
  said_ = verdict;
  if (verdict == Verdict::kDown) return Notice::kDown;
  return verdict == Verdict::kUp ? Notice::kUp : Notice::kDegraded;
}

probe::Keep History::keep(const probe::EvidenceOptions& options) const {
  if (options.none) return probe::Keep::kNothing;
  return known_.value_or(Verdict::kUp) == Verdict::kUp ? probe::Keep::kIfBad : probe::Keep::kIfGood;
}

}  // namespace monitor::agent
