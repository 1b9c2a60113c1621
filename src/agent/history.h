// What is remembered of a service from check to check: which changes are said, and which responses are kept. Pure. Not
// thread-safe.
#pragma once

#include <optional>

#include "common/outcome.h"
#include "probe/options.h"
#include "probe/prober.h"

namespace monitor::agent {

/// What there is to say of a check: a change, once.
enum class Notice : std::uint8_t {
  kNone,
  kUp,  ///< again
  kDegraded,
  kDown,
  kUnjudged,     ///< a fault of our own: neither up nor down
  kUnconfirmed,  ///< it was down once, and not when it was checked again
};

class History {
 public:
  /// Of the last check before the start.
  void remember(common::Verdict verdict) { known_ = verdict; }
  /// The check of a slot. `rechecked`: it is about to be checked again, so that a change to down is not said yet.
  Notice slot(common::Verdict verdict, bool rechecked);
  /// A check after it. `last`: there is no other.
  Notice recheck(common::Verdict verdict, bool last);
  /// What the next check is to keep of its response: that of the first bad one after a good one, and of the first good
  /// one after that.
  probe::Keep keep(const probe::EvidenceOptions& options) const;
  /// Whether a failure now would be news: while a service is known to be down it is polled no faster.
  bool is_news() const { return said_ != common::Verdict::kDown && !doubted_; }
  /// Of the last slot that ran.
  std::optional<common::Verdict> last() const { return last_; }

 private:
  Notice said(common::Verdict verdict);

  std::optional<common::Verdict> last_;
  std::optional<common::Verdict> known_;         // of the last check of any kind, but for unknown
  common::Verdict said_ = common::Verdict::kUp;  // nothing is said of a service that is up from the start
  bool doubted_ = false;                         // it was down, and that is not said yet
};

}  // namespace monitor::agent
