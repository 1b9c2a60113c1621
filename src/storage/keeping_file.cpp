// The parts of the worker that see to it that what is committed is in the file at the path, whatever somebody does to
// it.
#include <sqlite3.h>

#include "common/log.h"
#include "storage/files.h"
#include "storage/opening.h"
#include "storage/worker.h"

namespace monitor::storage {
namespace {

// Written back in some 2 s, during which nothing is committed; the watchdog waits longer.
constexpr std::uint64_t kMostPutBack = std::uint64_t{256} << 20;
constexpr std::string_view kStopFirst = "stop the monitor before you touch its database";

}  // namespace

void Worker::own_file() {
  place_ = place_of(file_);
  log_ = place_of(wal_);
  index_ = place_of(beside(file_, "-shm"));
}

void Worker::keep_file(const Cursor& marked) {
  const auto there = place_of(file_);
  if (there && there == place_) {
    if (damage_.empty() && size_of(file_) == 0) damage_ = "it is empty";
    if (damage_.empty()) return keep_log();
    return succeed(marked, fmt::format("is damaged ({})", damage_));
  }
  if (put_back(there.has_value())) return;
  succeed(marked, there ? "was replaced while we run" : "was deleted or renamed while we run");
}

/// Written into a log without a name, commits would be gone with the process.
void Worker::keep_log() {
  if (!session_ || (place_of(wal_) == log_ && place_of(beside(file_, "-shm")) == index_)) return;
  checkpoint_all();
  session_.reset();
  remove_side_files(file_);
  guarded([this] { session(); });
  common::log::error("The log of the local database {} was deleted or replaced while we run; nothing is lost; {}",
                     file_.string(), kStopFirst);
}

/// A file that is open can be read though it has no name any more. False: it cannot be put back like that.
bool Worker::put_back(bool replaced) {
  if (!session_ || !damage_.empty()) return false;
  const std::uint64_t bytes = session_->used_bytes() + session_->free_bytes();
  if (bytes > kMostPutBack || disk_free(file_.parent_path()) < bytes + 2 * Ballast::kBytes) return false;
  const auto fresh = beside(file_, ".new");
  std::error_code ignored;
  std::filesystem::remove(fresh, ignored);
  remove_side_files(fresh);
  create_private(fresh);
  try {
    session_->database.copy_to(fresh);
    checkpoint_all();  // a file that was only renamed is whole, too
  } catch (const SqliteError& error) {
    common::log::warning("{}", error.what());
    std::filesystem::remove(fresh, ignored);
    return false;
  }
  session_.reset();
  std::string theirs;
  if (replaced) theirs = set_aside(file_, "replaced", place_of(wal_) != log_, clock_.wall()).string();
  remove_side_files(file_);
  rename_durably(fresh, file_);
  place_.reset();
  running_is_known_ = false;
  ours_is_known_ = false;
  guarded([this] { session(); });
  take_identity();
  common::log::error("The local database {} was {} while we run; it is written anew, with all it held{}; {}",
                     file_.string(), replaced ? "replaced" : "deleted or renamed",
                     replaced ? fmt::format(", and what was there is kept as {}", theirs) : "", kStopFirst);
  return true;
}

Gap Worker::what_is_lost(const Cursor& marked) const {
  const auto now = clock_.wall();
  // Of a skipped range it is known that it was there, not how many slots it had.
  return {.reason = GapReason::kFileLost,
          .from = state_.newest.value_or(now),
          .to = now,
          .first_seq = marked.results < state_.head.results ? marked.results + 1 : 0,
          .last_seq = marked.results < state_.head.results ? state_.head.results : 0,
          .count = state_.head.results - marked.results + state_.head.skipped - marked.skipped};
}

/// A new file, which goes on where the lost one ended. It is whole before anything else is touched, so that the next
/// start finds it if we are killed here.
void Worker::succeed(const Cursor& marked, const std::string& why) {
  const auto fresh = beside(file_, ".new");
  std::error_code ignored;
  std::filesystem::remove(fresh, ignored);
  remove_side_files(fresh);
  const Gap lost = what_is_lost(marked);
  Heritage heritage{.epochs = epochs_, .head = state_.head, .exported = marked, .definitions = defined_, .lost = {}};
  if (lost.count > 0) heritage.lost = lost;
  build_successor(fresh, heritage);
  const bool ours = place_of(file_) == place_;
  if (session_) session_->database.leave_log();
  session_.reset();
  std::string kept = "nothing is left of it";
  if (place_of(file_)) {
    const bool log = ours || place_of(wal_) != log_;
    const auto name = set_aside(file_, ours ? "corrupt" : "replaced", log, clock_.wall());
    kept = ours ? hint_for(name) : fmt::format("what was there is kept as {}", name.string());
  }
  remove_side_files(file_);
  rename_durably(fresh, file_);
  place_.reset();
  damage_.clear();
  suspected_ = false;
  running_is_known_ = false;
  ours_is_known_ = false;
  sealed_gaps_ = 0;
  if (!landed_) doubt_.reset();
  guarded([this] { session(); });
  common::log::error(
      "The local database {} {}: {}; a new one goes on under agent {}, and {} results and skipped ranges that were not "
      "exported are lost",
      file_.string(), why, kept, session().epochs.current().agent_id, lost.count);
}

/// Numbers that were given are not given again: what they stood for is gone.
void Worker::skip_numbers(Session& fresh, const Cursor& told) {
  const Cursor found = state_.head;
  Transaction transaction(fresh.database);
  auto skip = fresh.database.prepare("UPDATE sqlite_sequence SET seq = max(seq, ?2) WHERE name = ?1");
  skip.run(std::string_view("results"), told.results);
  skip.run(std::string_view("skipped"), told.skipped);
  skip.run(std::string_view("gaps"), told.gaps);
  const Cursor arrived{.results = std::max(found.results, state_.exported.results),
                       .skipped = std::max(found.skipped, state_.exported.skipped)};
  const Seq results = std::max<Seq>(0, told.results - arrived.results);
  const auto lost = results + std::max<std::int64_t>(0, told.skipped - arrived.skipped);
  const auto now = clock_.wall();
  if (lost > 0) {
    fresh.writer.write(Gap{.reason = GapReason::kFileLost,
                           .from = state_.newest.value_or(now),
                           .to = now,
                           .first_seq = results > 0 ? arrived.results + 1 : 0,
                           .last_seq = results > 0 ? told.results : 0,
                           .count = lost});
  }
  transaction.commit();
  state_.head = head_of(fresh.database);
  common::log::error(
      "The end of the log of the local database {} was damaged: {} results and skipped ranges that were "
      "not exported are lost",
      file_.string(), lost);
}

}  // namespace monitor::storage
