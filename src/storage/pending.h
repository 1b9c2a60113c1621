// What waits in memory for the next group commit, and its bounds. Pure; io thread only, but for the front, which the
// store's thread reads while it is being committed.
#pragma once

#include "storage/rows.h"
#include "storage/worker.h"

namespace monitor::storage {

/// A commit is due at this many results, or when the oldest row has waited this long.
inline constexpr std::size_t kCommitRows = 1000;
inline constexpr std::chrono::milliseconds kCommitAge{100};
/// Results in memory, those being committed included: about 5 MB, and up to 20 MB more if each has a long reason.
inline constexpr std::size_t kMaxWaiting = 20'000;
/// Of hops and evidence in memory: when every service fails at once, each has a response to show.
inline constexpr std::size_t kMaxWaitingBytes = std::size_t{16} << 20;
/// Ranges of skipped slots, and gaps, in memory; beyond it ranges of one service and reason become one.
inline constexpr std::size_t kMaxRanges = 10'000;

/// Makes the text of a result fit to store: its reason at most 1 KiB, its address at most 64 B, hops and evidence as
/// rows.h says.
void make_storable(Result& result);

/// What is lost when `work` is given up: one gap of its results, one of its skipped slots, and the gaps it holds. The
/// next start finds again when nothing ran, and which slots from before `began`, the start of this run, were left open:
/// they are not among it.
std::vector<Gap> gaps_of(const Work& work, common::WallTime began);

class Pending {
 public:
  void add(Result result, common::SteadyTime now);
  void add(const Skipped& skipped, common::SteadyTime now);
  void add(const Gap& gap, common::SteadyTime now);
  void mark(const Cursor& exported, common::SteadyTime now);
  /// No cursor that was marked is to be committed any more.
  void unmark();
  /// Counts a result that is given up into the one gap of this time.
  void drop(const Result& result, common::SteadyTime now);

  std::size_t results() const { return front_.results.size() + waiting_.results.size(); }
  std::size_t room() const { return results() < kMaxWaiting ? kMaxWaiting - results() : 0; }
  bool full() const { return room() == 0; }
  /// No more hops and evidence for now.
  bool heavy() const { return front_bytes_ + waiting_bytes_ >= kMaxWaitingBytes; }
  bool empty() const { return !since_ && front_is_empty(); }
  /// When a commit is due; nothing while nothing waits.
  std::optional<common::SteadyTime> due() const;

  /// What is to be committed now: what failed before, or else all that waits. Empty: nothing waits.
  const Work& take();
  const Work& front() const { return front_; }
  /// What came after the front.
  const Work& waiting() const { return waiting_; }
  /// Results given up that are in no work yet; the count is 0 when there are none.
  const Gap& dropping() const { return dropping_; }
  /// The front is committed.
  void committed();

 private:
  bool front_is_empty() const { return !front_.stores_rows() && !front_.exported; }
  void touch(common::SteadyTime now);

  Work front_;
  Work waiting_;
  std::size_t front_bytes_ = 0;  // of hops and evidence
  std::size_t waiting_bytes_ = 0;
  std::size_t skipped_limit_ = kMaxRanges;
  std::size_t gaps_limit_ = kMaxRanges;
  Gap dropping_;
  std::optional<common::SteadyTime> since_;  // when the oldest of `waiting_` came
};

}  // namespace monitor::storage
