#include "storage/worker.h"

#include <algorithm>

#include <sqlite3.h>

#include "storage/arrival.h"
#include "storage/files.h"
#include "storage/left_open.h"
#include "storage/lost_file.h"
#include "storage/opening.h"

namespace monitor::storage {
namespace {

// What a commit takes, generously; if it takes more, SQLite says so.
constexpr std::uint64_t kBytesPerResult = 400;
constexpr std::uint64_t kBytesPerRange = 60;
constexpr std::uint64_t kBytesPerCommit = std::uint64_t{64} << 10;

}  // namespace

Session& Worker::session() {
  if (!session_) session_ = open_session();
  if (stale_) session_->rolled_back();
  stale_ = false;
  return *session_;
}

std::unique_ptr<Session> Worker::open_session() {
  if (place_ && place_of(file_) != place_) {
    throw SqliteError(fmt::format("the local database {} was taken away", file_.string()), SQLITE_IOERR);
  }
  auto fresh = std::make_unique<Session>(file_);
  load(*fresh);
  stale_ = false;
  own_file();
  return fresh;
}

/// What a new connection finds may be more than the last one told: a commit whose sync failed stands in the log with
/// its mark, and is there when the log is read anew. It may also be less, where the log was damaged.
void Worker::load(Session& fresh) {
  const Cursor told = state_.head;
  state_.head = head_of(fresh.database);
  if (state_.head.results < told.results || state_.head.skipped < told.skipped || state_.head.gaps < told.gaps ||
      fresh.epochs.all().size() < epochs_.size()) {
    skip_numbers(fresh, told);
  }
  state_.exported = fresh.meta.exported();
  state_.oldest = fresh.purger.oldest_seq();
  const auto newest = fresh.database.prepare("SELECT requested_at FROM results ORDER BY seq DESC LIMIT 1").integer();
  if (newest) state_.newest = common::from_unix_micros(*newest);
  const std::int64_t number = fresh.meta.commit_number();
  refused_ = fresh.quarantine.seqs();
  commit_number_ = std::max(commit_number_, number);
  landed_ = landed_ || doubt_ == number;
  epochs_ = fresh.epochs.all();
}

Worker::Worker(std::filesystem::path file, LockFile& lock, const async::Clock& clock, bool polls)
    : file_(std::move(file)),
      wal_(beside(file_, "-wal")),
      lock_(lock),
      clock_(clock),
      ballast_(file_),
      running_since_(clock.wall()),
      polls_(polls) {
  try {
    guarded([this] { session(); });
  } catch (const SqliteError& error) {
    if (!error.corrupt()) throw;
    session_.reset();
    place_.reset();
    replace_damaged(file_, std::exchange(damage_, {}), clock_.wall());
    guarded([this] { session(); });
  }
  refresh_size();
  // Nothing is appended yet, and what is appended from here on is ours only if PostgreSQL agrees.
  ours_ = session().meta.ours().value_or(state_.head);
  sealed_gaps_ = state_.head.gaps;
  if (!notice_lost_file() && !take_identity()) notice_older_copy();
  restore_ballast();
}

/// What was taken since PostgreSQL last agreed may have numbers that it holds from another copy; what is behind the
/// cursor has arrived.
Cursor Worker::undisputed() const {
  const Cursor may_be = ours();
  const auto of = [&](std::int64_t Cursor::* kind) {
    return std::max(state_.exported.*kind, std::min(may_be.*kind, state_.head.*kind));
  };
  return {.results = of(&Cursor::results), .skipped = of(&Cursor::skipped), .gaps = of(&Cursor::gaps)};
}

bool Worker::take_identity() {
  const std::string identity = identity_of(file_);
  if (session().meta.file_identity() == identity) return false;
  new_epoch(undisputed());
  common::log::warning(
      "The local database {} was copied or restored: it goes on as a new agent {} from number {}; rows before keep "
      "their agent",
      file_.string(), session().epochs.current().agent_id, session().epochs.current().first.results);
  return true;
}

/// Written over the file in place, an older copy looks like the file itself; but the lock file knows of commits that it
/// lacks, whose numbers must not be given again under the same id. An agent that it lacks is one of those. A file that
/// knows more than the lock file is none: the note of a commit may be missing.
void Worker::notice_older_copy() {
  const auto& noted = lock_.found();
  if (!noted) return;
  const bool current = epochs_.back().agent_id == noted->agent_id;
  const bool known = std::ranges::find(epochs_, noted->agent_id, &Epoch::agent_id) != epochs_.end();
  const bool made_now = commit_number_ == 0;
  if (current ? commit_number_ >= noted->commit : known || made_now) return;
  new_epoch(undisputed());
  common::log::warning(
      "The local database {} lacks what was committed to it last: an older copy was put in its place. It goes on as a "
      "new agent {} from number {}; rows before keep their agent",
      file_.string(), session().epochs.current().agent_id, session().epochs.current().first.results);
}

std::optional<common::WallTime> Worker::alive_at() {
  auto alive_at = guarded([this] { return session().meta.alive_at(); });
  // A request time ahead of the clock was taken under another one.
  if (alive_at && state_.newest && *state_.newest <= clock_.wall()) alive_at = std::max(*alive_at, *state_.newest);
  return alive_at;
}

std::vector<Skipped> Worker::left_open() {
  const auto alive = alive_at();
  const auto began = guarded([this] { return session().meta.running_since(); });
  if (!alive || !began) return {};
  return guarded([&] { return slots_left_open(session().database, *began, *alive); });
}

std::vector<Gap> Worker::lost_before() {
  std::vector<Gap> gaps;
  for (const auto& [gap, commit] : read_lost(file_)) {
    // Cut short between the commit of the gap and the removal of the file, the gap is there already.
    const bool known = guarded([&] { return session().ledger.has(gap); });
    const bool landed = commit != 0 && commit == commit_number_;
    if (!known && !landed) gaps.push_back(gap);
  }
  return gaps;
}

bool Worker::has_landed(const Work& work) {
  if (!doubt_ || !work.stores_rows()) return false;
  guarded([this] {
    session();
    // The kernel may take pages whose sync failed for written: a checkpoint writes them anew, to another place.
    if (landed_) checkpoint_all();
  });
  if (!landed_) return false;
  if (work.exported) save_cursor(*work.exported);
  common::log::warning("The commit that had failed is in {} nevertheless", file_.string());
  return true;
}

bool Worker::has_room_for(const Work& work) {
  if (ballast_.make() || disk_free(file_.parent_path()) >= 2 * Ballast::kBytes) full_ = false;
  if (!full_) return true;
  // Pages that a purge has freed take rows without the file growing.
  std::uint64_t text_bytes = 0;
  for (const auto& result : work.results) text_bytes += result.hops.size() + result.evidence.size();
  const std::uint64_t need = kBytesPerResult * work.results.size() + text_bytes +
                             kBytesPerRange * (work.skipped.size() + work.gaps.size()) + kBytesPerCommit;
  return session().free_bytes() >= need;
}

void Worker::commit(const Work& work, const Cursor& marked) {
  lock_.keep();
  keep_file(marked);
  try {
    store(work);
    suspected_ = false;
  } catch (const SqliteError& error) {
    if (error.corrupt() && std::exchange(suspected_, true)) damage_ = error.what();
    throw;
  }
}

void Worker::store(const Work& work) {
  if (has_landed(work)) {
    doubt_.reset();
    landed_ = false;
    refresh_size();
    return;
  }
  if (full_ && !has_room_for(work)) {
    if (work.exported) save_cursor(*work.exported);
    throw SqliteError(fmt::format("cannot write the local database {}: the disk is full, and the last reserve is for "
                                  "export and purge; free space on that disk",
                                  file_.string()),
                      SQLITE_FULL);
  }
  const auto now = clock_.wall();
  try {
    in_transaction([&](Session& current) {
      for (const auto& result : work.results) current.writer.write(result, now);
      for (const auto& skipped : work.skipped) current.writer.write(skipped);
      for (const auto& gap : work.gaps) current.writer.write(gap);
      if (work.exported) current.meta.set_exported(*work.exported);
      if (polls_) current.meta.set_alive_at(now);
      if (polls_ && !running_is_known_) current.meta.set_running_since(running_since_);
      if (work.stores_rows()) doubt_ = commit_number_ + 1;
    });
  } catch (const SqliteError& error) {
    recover(error);
    throw;
  }
  running_is_known_ = true;
  if (work.stores_rows()) doubt_.reset();
  state_.head.results += static_cast<Seq>(work.results.size());
  state_.head.skipped += static_cast<std::int64_t>(work.skipped.size());
  state_.head.gaps += static_cast<std::int64_t>(work.gaps.size());
  if (work.exported) state_.exported = *work.exported;
  if (!work.results.empty()) {
    const auto latest = std::ranges::max_element(work.results, {}, &Result::requested_at);
    state_.newest = latest->requested_at;
    if (state_.oldest == 0) state_.oldest = state_.head.results - static_cast<Seq>(work.results.size()) + 1;
  }
  refresh_size();
  restore_ballast();
}

void Worker::save_cursor(const Cursor& cursor) {
  transact([&](Session& current) { current.meta.set_exported(cursor); });
  state_.exported = cursor;
}

std::vector<DefinitionId> Worker::define(const std::vector<Definition>& definitions) {
  const auto ids = transact([&](Session& current) {
    std::vector<DefinitionId> ids;
    ids.reserve(definitions.size());
    for (const auto& definition : definitions) ids.push_back(current.definitions.define(definition));
    return ids;
  });
  for (std::size_t i = 0; i < ids.size(); ++i) defined_.try_emplace(ids[i], definitions[i]);
  return ids;
}

std::unordered_map<std::string, common::WallTime> Worker::last_runs() {
  return guarded([this] { return session().definitions.last_runs(); });
}

std::unordered_map<std::string, common::Verdict> Worker::last_verdicts() {
  return guarded([this] { return session().definitions.last_verdicts(); });
}

Batch Worker::next_batch(Cursor& marked, std::size_t max_rows) {
  return guarded([&] {
    Cursor cursor = marked;
    Batch batch = session().batches.next(cursor, max_rows, session().quarantine.seqs());
    if (!batch.gaps.empty()) sealed_gaps_ = std::max(sealed_gaps_, batch.gaps.back().id);
    marked = cursor;
    return batch;
  });
}

void Worker::quarantine(const std::vector<Quarantined>& rows) {
  state_.head.gaps +=
      transact([&](Session& current) { return current.quarantine.add(rows, clock_.wall(), current.writer); });
  refused_ = session().quarantine.seqs();
}

std::vector<QuarantinedRow> Worker::quarantined(Seq after, std::size_t max_rows) {
  return guarded([&] { return quarantined_rows(session().database, after, max_rows); });
}

Quarantine::Released Worker::release(Cursor& marked, const std::vector<Seq>& seqs) {
  Cursor cursor = marked;
  const auto released = transact([&](Session& current) {
    const auto done = current.quarantine.release(seqs);
    cursor = marked;
    if (done.count == 0) return done;
    cursor.results = std::min(cursor.results, done.lowest - 1);
    current.meta.set_exported(cursor);
    return done;
  });
  if (released.count == 0) return released;
  refused_ = session().quarantine.seqs();
  state_.exported = cursor;
  marked = cursor;
  return released;
}

std::int64_t Worker::drop(const Cursor& marked, const std::vector<Seq>& seqs) {
  const auto dropped = transact(
      [&](Session& current) { return current.quarantine.drop(seqs, marked.results, clock_.wall(), current.writer); });
  refused_ = session().quarantine.seqs();
  state_.head.gaps += dropped.gaps;
  return dropped.count;
}

Stats Worker::stats() {
  return guarded([this] {
    Stats stats = stats_of(session().database);
    stats.wal_bytes = size_of(wal_);
    return stats;
  });
}

Identity Worker::identity(const Cursor& marked, const Cursor& ours) {
  return guarded([&] {
    const Epoch& epoch = session().epochs.current();
    return Identity{
        .agent_id = epoch.agent_id, .first = epoch.first, .head = state_.head, .exported = marked, .ours = ours};
  });
}

void Worker::new_epoch(const Cursor& through) {
  transact([&](Session& current) {
    current.epochs.open(through);
    current.meta.set_file_identity(identity_of(file_));
  });
  epochs_ = session().epochs.all();
}

Marks Worker::marks(const Cursor& behind, const Cursor& through) {
  return guarded([&] { return marks_of(session().database, behind, through); });
}

std::vector<EpochStand> Worker::earlier_epochs(const Cursor& marked) {
  return guarded([&] { return storage::earlier_epochs(session(), marked); });
}

void Worker::agree() {
  if (!ours_ && ours_is_known_) return;
  ours_.reset();
  ours_is_known_ = false;
  transact([](Session&) {});
}

Cursor Worker::rewind(const Cursor& marked, const Cursor& arrived) {
  const Cursor cursor{.results = std::min(marked.results, arrived.results),
                      .skipped = std::min(marked.skipped, arrived.skipped),
                      .gaps = std::min(marked.gaps, arrived.gaps)};
  state_.head.gaps += transact([&](Session& current) {
    current.meta.set_exported(cursor);
    const auto ranges = record_lost_ranges(current, cursor.skipped, marked.skipped, clock_.wall());
    const Seq gone = state_.oldest == 0 ? marked.results : std::min(marked.results, state_.oldest - 1);
    if (gone <= cursor.results) return ranges;
    const auto until = current.purger.time_of(state_.oldest).value_or(clock_.wall());
    return ranges + current.ledger.lost(cursor.results + 1, gone, until, current.quarantine.seqs());
  });
  state_.exported = cursor;
  return cursor;
}

void Worker::close(bool alive) {
  if (!session_) return;
  try {
    lock_.keep();
    if (alive && polls_) {
      in_transaction([this](Session& current) {
        current.meta.set_alive_at(clock_.wall());
        current.meta.set_running_since(std::nullopt);
      });
    }
    checkpoint_all();
  } catch (const SqliteError&) {
    session_.reset();
    throw;
  } catch (const common::Error&) {
    session_->database.leave_log();  // it is the other process's now
    session_.reset();
    throw;
  }
  session_.reset();
}

}  // namespace monitor::storage
