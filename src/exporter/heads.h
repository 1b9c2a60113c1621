// What PostgreSQL's heads and rows say about the local file, and the local cursor about PostgreSQL. Pure.
//
// A file numbers its rows; a number of an agent id stands for one row for ever. Of the current id, kind by kind:
// - Up to the cursor (`exported`) PostgreSQL has confirmed rows of this very file.
// - Above it up to the head that PostgreSQL holds somebody has sent rows. The head is read with the agent's row locked,
//   so that no commit of ours is still under way. It may have been this file, whose answer was lost; a copy of it that
//   has the same rows from before it was made; or a copy with rows of its own. Number and time of each row tell.
// - A file and its copy have the same rows up to where they parted, and others from there on. So all up to the last
//   row that is the same, before the first that differs, is ours, whoever sent it.
// - Rows that are gone on either side tell nothing. Then numbers have to do: what this file may have sent (`ours`).
// - A new id begins behind what is ours. Rows up to there are sent under the old id, where those that are there already
//   are stored once; rows above it have never arrived under any id.
#pragma once

#include <span>

#include "storage/rows.h"

namespace monitor::exporter {

/// How far the rows of one kind agree. Fed with windows of numbers, in order.
class Agreement {
 public:
  /// Up to `through` they do.
  explicit Agreement(std::int64_t through) : same_(through) {}
  /// The rows here and there of one window. `head`: the highest number ever given here; what is above is not ours.
  void take(std::span<const storage::Mark> here, std::span<const storage::Mark> there, std::int64_t head);

  std::int64_t same() const { return same_; }
  bool differs() const { return differs_; }

 private:
  std::int64_t same_;
  bool differs_ = false;
};

struct Agreements {
  Agreement results;
  Agreement skipped;
  Agreement gaps;
};

enum class Standing {
  kAsExpected,
  kAhead,  ///< PostgreSQL holds what this file did not send: the file is a copy, or was restored
  kBehind  ///< PostgreSQL lacks what had arrived: it was restored, or failed over
};

struct Comparison {
  Standing standing = Standing::kAsExpected;
  storage::Cursor arrived;  ///< where PostgreSQL stands, in this file's numbers
  storage::Cursor through;  ///< of what it has, the last that is ours: if it is ahead, a new epoch begins behind it
};

/// What PostgreSQL is known to have of the current epoch; before its first row when it has none.
storage::Cursor confirmed(const storage::Identity& local);

/// `remote`: the heads stored with the agent, zeros when it is not known there. `agreements`: of what is above
/// confirmed() up to `remote`. `shared`: somebody else was seen to write under our id, so that what we may have sent
/// proves nothing.
Comparison compare(const storage::Identity& local, const storage::Cursor& remote, const Agreements& agreements,
                   bool shared);

/// `arrived`, moved back to where `epoch`, an earlier one, stands in PostgreSQL, for each kind of which that lacks rows
/// that are still here.
storage::Cursor back_to(const storage::Cursor& arrived, const storage::EpochStand& epoch,
                        const storage::Cursor& remote);

}  // namespace monitor::exporter
