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

/// A table that never had a row in the file has no number there either.
void raise_numbers(Database& database, const Cursor& told) {
  auto raise = database.prepare("UPDATE sqlite_sequence SET seq = max(seq, ?2) WHERE name = ?1");
  auto insert = database.prepare("INSERT INTO sqlite_sequence (name, seq) VALUES (?1, ?2)");
  const auto to = [&](std::string_view table, std::int64_t number) {
    raise.run(table, number);
    if (database.changes() == 0) insert.run(table, number);
  };
  to("results", told.results);
  to("skipped", told.skipped);
  to("gaps", told.gaps);
}

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
  if (put_back(there ? "replaced" : "deleted or renamed")) return;
  succeed(marked, there ? "was replaced while we run" : "was deleted or renamed while we run");
}

/// Written into a log without a name, commits would be gone with the process. What a reader holds up cannot go from it
/// into the file: then it stays open until all of it is in another one.
void Worker::keep_log() {
  if (!session_ || (place_of(wal_) == log_ && place_of(beside(file_, "-shm")) == index_)) return;
  if (!guarded([this] { return checkpoint_all(); })) {
    if (put_back("left without its log")) return;
    throw SqliteError(
        fmt::format("the log of the local database {} was deleted or replaced while another process reads "
                    "it, and there is no room for a copy: end that process (fuser {})",
                    file_.string(), file_.string()),
        SQLITE_BUSY);
  }
  session_.reset();
  remove_side_files(file_);
  guarded([this] { session(); });
  common::log::error("The log of the local database {} was deleted or replaced while we run; nothing is lost; {}",
                     file_.string(), kStopFirst);
}

/// A file that is open can be read though it has no name any more. False: it cannot be put back like that.
bool Worker::put_back(std::string_view what) {
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
  std::string theirs;
  const auto there = place_of(file_);
  if (there && there != place_) theirs = set_aside(file_, "replaced", place_of(wal_) != log_, clock_.wall()).string();
  remove_side_files(file_);
  rename_durably(fresh, file_);
  session_.reset();  // not before: where one of these fails, the next commit finds all of it here
  place_.reset();
  running_is_known_ = false;
  ours_is_known_ = false;
  guarded([this] { session(); });
  take_identity();
  common::log::error("The local database {} was {} while we run; it is written anew, with all it held{}; {}",
                     file_.string(), what,
                     theirs.empty() ? "" : fmt::format(", and what was there is kept as {}", theirs), kStopFirst);
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

/// Whether all that the log holds is in the file now.
bool Worker::settle_log() {
  try {
    return checkpoint_all();
  } catch (const SqliteError& error) {
    common::log::warning("{}", error.what());
    return false;
  }
}

/// A new file, which goes on where the lost one ended. It is whole before anything else is touched, so that the next
/// start finds it if we are killed here.
void Worker::succeed(const Cursor& marked, const std::string& why) {
  const auto fresh = beside(file_, ".new");
  std::error_code ignored;
  std::filesystem::remove(fresh, ignored);
  remove_side_files(fresh);
  const Gap lost = what_is_lost(marked);
  Heritage heritage{.epochs = epochs_,
                    .head = state_.head,
                    .exported = marked,
                    .definitions = defined_,
                    .lost = refused_gaps(refused_, marked.results, clock_.wall())};
  if (lost.count > 0) heritage.lost.push_back(lost);
  build_successor(fresh, heritage);
  const bool ours = place_of(file_) == place_;
  const bool whole = session_ && damage_.empty() && settle_log();
  if (session_ && !whole) session_->database.leave_log();
  session_.reset();
  std::string kept = whole ? "it is whole where it was renamed to, if it was" : "nothing is left of it";
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

/// Numbers that were given are not given again: what they stood for is gone. What the program still knows of the rest
/// is stored again.
void Worker::skip_numbers(Session& fresh, const Cursor& told) {
  const Cursor found = state_.head;
  lock_.keep();
  Transaction transaction(fresh.database);
  raise_numbers(fresh.database, told);
  fresh.epochs.restore(epochs_);
  for (const auto& [id, definition] : defined_) {
    if (fresh.definitions.find(id).fingerprint == Fingerprint::Digest{}) fresh.definitions.restore(id, definition);
  }
  const Cursor arrived{.results = std::max(found.results, state_.exported.results),
                       .skipped = std::max(found.skipped, state_.exported.skipped)};
  const Seq results = std::max<Seq>(0, told.results - arrived.results);
  const auto lost = results + std::max<std::int64_t>(0, told.skipped - arrived.skipped);
  const auto now = clock_.wall();
  std::erase_if(refused_, [&](Seq seq) { return fresh.quarantine.seqs().contains(seq); });
  for (const auto& gap : refused_gaps(refused_, arrived.results, now)) fresh.writer.write(gap);
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
  running_is_known_ = false;
  ours_is_known_ = false;
  common::log::error(
      "The end of the log of the local database {} was damaged: {} results and skipped ranges that were "
      "not exported are lost",
      file_.string(), lost);
}

/// The lock file stays where a database is deleted, or emptied by a power cut, while nobody runs. True: this one was
/// made in the place of such a one.
bool Worker::notice_lost_file() {
  const auto& noted = lock_.found();
  const bool made_now = commit_number_ == 0 && state_.head == Cursor{};
  if (!noted || !made_now) return false;
  const auto now = clock_.wall();
  transact(
      [&](Session& current) { current.writer.write(Gap{.reason = GapReason::kFileLost, .from = now, .to = now}); });
  state_.head = head_of(session().database);
  common::log::error(
      "The local database {} is gone, or was empty: a new one begins, and what agent {} had not exported is lost, an "
      "unknown number of results; if it was moved, stop the monitor and put it back",
      file_.string(), noted->agent_id);
  return true;
}

}  // namespace monitor::storage
