// What the store does on its own thread: every transaction, with the connection reopened after a failed disk and the
// ballast released on a full one. Only the store's thread may call it, one call at a time.
#pragma once

#include <filesystem>
#include <map>
#include <memory>
#include <set>
#include <string_view>
#include <vector>

#include "async/clock.h"
#include "common/log.h"
#include "storage/ballast.h"
#include "storage/files.h"
#include "storage/lock_file.h"
#include "storage/rows.h"
#include "storage/session.h"
#include "storage/store.h"

namespace monitor::storage {

/// What one group commit stores.
struct Work {
  std::vector<Result> results;
  std::vector<Skipped> skipped;
  std::vector<Gap> gaps;
  std::optional<Cursor> exported;

  bool stores_rows() const { return !results.empty() || !skipped.empty() || !gaps.empty(); }
};

/// What the io thread knows of the database: as of the last call.
struct State {
  Cursor head;
  Cursor exported;  ///< as committed
  Seq oldest = 0;   ///< 0: no result is here
  std::optional<common::WallTime> newest;
  std::uint64_t size = 0;
};

class Worker {
 public:
  /// `file` exists and is ours; `lock` is held until close(). Throws common::Error.
  /// `polls`: slots come due in this run, so that it is a sign of life.
  Worker(std::filesystem::path file, LockFile& lock, const async::Clock& clock, bool polls);

  const State& state() const { return state_; }
  /// When this run began.
  common::WallTime running_since() const { return running_since_; }
  /// The last sign of life of an earlier run: its last commit, or the newest result if that is later.
  std::optional<common::WallTime> alive_at();
  /// Slots of an earlier run that ended without a stop, which are neither run nor skipped (left_open.h).
  std::vector<Skipped> left_open();
  /// What PostgreSQL can have of this file before anything is sent in this run (Identity::ours).
  Cursor ours() const { return ours_.value_or(state_.head); }
  /// What an earlier run could not store at its end, less what is in the database nevertheless.
  std::vector<Gap> lost_before();
  /// The number of the commit whose rows may be in the file though it failed; 0: there is none.
  std::int64_t doubtful() const { return doubt_.value_or(0); }

  // Each throws SqliteError, or common::Error where another process has taken our lock, and leaves the database as it
  // was.
  /// `work` that failed before may come again, with another cursor: its rows are stored once.
  /// On a full disk new rows have to wait: the ballast is for the cursor, the purge and the checkpoint, which make room
  /// inside the file. If new rows took it, nothing could move any more.
  /// First looks whether the file at the path is still the one that is written. `marked` has arrived, committed or not.
  void commit(const Work& work, const Cursor& marked);
  std::vector<DefinitionId> define(const std::vector<Definition>& definitions);
  std::unordered_map<std::string, common::WallTime> last_runs();
  std::unordered_map<std::string, common::Verdict> last_verdicts();
  /// `marked`: the cursor with what the next commit will move; moves over quarantined rows that nothing follows.
  Batch next_batch(Cursor& marked, std::size_t max_rows);
  void quarantine(const std::vector<Quarantined>& rows);
  Stats stats();
  Compacted compact();
  std::vector<QuarantinedRow> quarantined(Seq after, std::size_t max_rows);
  /// Moves `marked` back before the first that is released, and commits that.
  Quarantine::Released release(Cursor& marked, const std::vector<Seq>& seqs);
  std::int64_t drop(const Cursor& marked, const std::vector<Seq>& seqs);
  Identity identity(const Cursor& marked, const Cursor& ours);
  /// Behind `through`: rows above it that are here go under the new id.
  void new_epoch(const Cursor& through);
  Marks marks(const Cursor& behind, const Cursor& through);
  std::vector<EpochStand> earlier_epochs(const Cursor& marked);
  /// PostgreSQL has nothing under our id that is not ours. Durable when it returns.
  void agree();
  /// Gives the cursor to go on from.
  Cursor rewind(const Cursor& marked, const Cursor& arrived);
  /// `cap`: bytes of the file; above it nothing is held for a retry.
  Purged purge(common::WallTime before, bool exported_only, std::uint64_t cap, std::size_t max_rows);
  bool forget(common::WallTime hours_before, common::WallTime days_before, bool exported_only, std::size_t max_rows);
  /// `marked` has arrived, committed or not.
  Purged purge_to_cap(std::uint64_t cap, const Cursor& marked, std::size_t max_rows);
  void tidy();
  /// Lets new rows have the ballast too: nothing comes after them. False: it would not help.
  bool give_reserve();
  /// `alive`: the moment is remembered as our last sign of life.
  void close(bool alive);

 private:
  Session& session();
  template <typename Step>
  auto in_transaction(Step step);
  template <typename Step>
  auto transact(Step step);
  template <typename Call>
  auto guarded(Call call);
  void recover(const SqliteError& error);
  void load(Session& fresh);
  std::unique_ptr<Session> open_session();
  /// The last numbers that may stay under the old id when this file turns out to be another one.
  Cursor undisputed() const;
  bool take_identity();
  void notice_older_copy();
  void keep_file(const Cursor& marked);
  void keep_log();
  bool put_back(std::string_view what);
  bool settle_log();
  bool notice_lost_file();
  void succeed(const Cursor& marked, const std::string& why);
  void own_file();
  void skip_numbers(Session& fresh, const Cursor& told);
  Gap what_is_lost(const Cursor& marked) const;
  void store(const Work& work);
  bool has_landed(const Work& work);
  bool has_room_for(const Work& work);
  PurgeStep remove_oldest(std::uint64_t used, std::uint64_t cap, const Cursor& marked, std::size_t max_rows);
  std::optional<Seq> first_held(Session& current, std::uint64_t cap);
  void remember_held(std::optional<Seq> held, common::WallTime before);
  Bounds bounds(std::size_t max_rows) const;
  void save_cursor(const Cursor& cursor);
  /// False: another process holds it up, and not all that the log holds is in the file.
  bool checkpoint_all();
  void tell_large_log();
  void refresh_size();
  void restore_ballast();

  const std::filesystem::path file_;
  const std::filesystem::path wal_;
  LockFile& lock_;
  const async::Clock& clock_;
  Ballast ballast_;
  const common::WallTime running_since_;
  const bool polls_;
  bool running_is_known_ = false;  // the database says since when
  std::optional<Cursor> ours_;     // Meta::ours
  bool ours_is_known_ = false;     // the database says so
  common::SteadyTime ballast_tried_{};
  std::unique_ptr<Session> session_;
  std::optional<Place> place_;  // of the file that is ours
  std::optional<Place> log_;    // of its log, while the session is open
  std::optional<Place> index_;  // of the log's index, likewise
  std::string damage_;          // what is wrong with the file; empty: nothing
  bool large_log_told_ = false;
  bool suspected_ = false;  // a commit found the file damaged; the next one will say
  // What a new file goes on with.
  std::vector<Epoch> epochs_;
  std::map<DefinitionId, Definition> defined_;   // in this run
  std::set<Seq> refused_;                        // the quarantine
  std::optional<common::WallTime> held_before_;  // older results that have arrived are kept for a retry
  std::optional<Seq> held_told_;
  bool full_ = false;               // the disk was full, and has not been seen to have room since
  std::size_t full_disk_rows_ = 0;  // of a purge step then
  bool stale_ = false;              // a transaction did not end: what the session keeps in memory may be ahead of it
  State state_;
  std::int64_t commit_number_ = 0;     // the last one given; never given again
  std::optional<std::int64_t> doubt_;  // the number of a commit of rows that failed at its end
  bool landed_ = false;                // that commit was found in the file
  std::int64_t sealed_gaps_ = 0;       // gaps up to here were handed to the exporter: they do not grow any more
};

template <typename Call>
auto Worker::guarded(Call call) {
  bool relieved = false;
  bool again = false;
  for (;;) {
    try {
      // What the log holds goes into the file first, and the log's own room becomes free.
      if (std::exchange(relieved, false)) checkpoint_all();
      return call();
    } catch (const SqliteError& error) {
      recover(error);
      // What a connection remembers may be wrong where the file is not.
      if (error.corrupt() && !std::exchange(again, true)) continue;
      if (error.corrupt()) damage_ = error.what();
      if (!error.full() || !ballast_.release()) throw;
      common::log::error(
          "The disk of {} is full: its last reserve of 1 MiB is given to export and purge; free space on that disk",
          file_.string());
      ballast_tried_ = clock_.steady();
      relieved = true;
    }
  }
}

template <typename Step>
auto Worker::in_transaction(Step step) {
  lock_.keep();
  Session& current = session();
  Transaction transaction(current.database);
  stale_ = true;
  const auto commit = [&] {
    current.meta.set_commit_number(++commit_number_);
    if (!ours_is_known_) current.meta.set_ours(ours_);
    transaction.commit();
    stale_ = false;
    ours_is_known_ = true;
    lock_.note(current.epochs.current().agent_id, commit_number_);
  };
  if constexpr (std::is_void_v<decltype(step(current))>) {
    step(current);
    commit();
  } else {
    auto value = step(current);
    commit();
    return value;
  }
}

template <typename Step>
auto Worker::transact(Step step) {
  return guarded([&] { return in_transaction(step); });
}

}  // namespace monitor::storage
