#include "storage/worker.h"

#include <algorithm>

#include <sqlite3.h>

#include "common/log.h"
#include "common/text.h"
#include "storage/files.h"
#include "storage/left_open.h"
#include "storage/lost_file.h"

namespace monitor::storage {
namespace {

constexpr std::uint64_t kWalPassiveBytes = std::uint64_t{1} << 20;  // below it a checkpoint is not worth its fsyncs
constexpr std::uint64_t kWalTruncateBytes = std::uint64_t{8} << 20;
constexpr std::uint64_t kFreeBytesKept = std::uint64_t{4} << 20;  // rows that come soon need them again
constexpr std::int64_t kVacuumPages = 256;
constexpr std::chrono::milliseconds kTruncateWait{100};  // readers hold a checkpoint up; the next one gets further
constexpr std::chrono::seconds kLockWait{5};
constexpr std::chrono::seconds kBallastInterval{30};
constexpr std::chrono::hours kPlausibleAhead{1};
// Sums of one step, each some 5 µs to write and 1.5 KiB in memory. With fewer a commit would wait less for a step, but
// with many services each sum would be of fewer rows.
constexpr std::size_t kMaxSums = 20'000;
// On a full disk the log must fit into the ballast: a sum may touch four pages of the file, and each page that a
// deleted row was in is written too. Usually a page has some sixty rows; where steps turn out too large, each may fill
// one.
constexpr std::size_t kFullDiskSums = 32;
constexpr std::size_t kFullDiskRows = 5000;
constexpr std::size_t kLeastFullDiskRows = 100;
// Outages may have an eighth of the room; as few as these are never what fills it.
constexpr std::uint64_t kBytesPerOutage = 300;
constexpr std::uint64_t kLeastOutages = 3000;
constexpr std::size_t kRollupsAtCap = 500;  // a step of about 100 KiB; on a full disk too
// What a commit takes, generously; if it takes more, SQLite says so.
constexpr std::uint64_t kBytesPerResult = 400;
constexpr std::uint64_t kBytesPerRange = 60;
constexpr std::uint64_t kBytesPerCommit = std::uint64_t{64} << 10;
constexpr std::size_t kMaxRefusalBytes = 1024;
constexpr std::size_t kMaxSqlstateBytes = 16;

}  // namespace

Session& Worker::session() {
  if (!session_) {
    auto fresh = std::make_unique<Session>(file_);
    load(*fresh);
    session_ = std::move(fresh);
    stale_ = false;
  }
  if (stale_) session_->rolled_back();
  stale_ = false;
  return *session_;
}

/// What a new connection finds may be more than the last one told: a commit whose sync failed stands in the log with
/// its mark, and is there when the log is read anew.
void Worker::load(Session& fresh) {
  state_.head = head_of(fresh.database);
  state_.exported = fresh.meta.exported();
  state_.oldest = fresh.purger.oldest_seq();
  const auto newest = fresh.database.prepare("SELECT requested_at FROM results ORDER BY seq DESC LIMIT 1").integer();
  if (newest) state_.newest = common::from_unix_micros(*newest);
  const std::int64_t number = fresh.meta.commit_number();
  commit_number_ = std::max(commit_number_, number);
  landed_ = landed_ || doubt_ == number;
}

void Worker::recover(const SqliteError& error) {
  if (error.full()) {
    full_disk_rows_ = full_ ? std::max(kLeastFullDiskRows, full_disk_rows_ / 2) : kFullDiskRows;
    full_ = true;
  }
  if (error.io()) session_.reset();
}

template <typename Call>
auto Worker::guarded(Call call) {
  for (bool relieved = false;; relieved = true) {
    try {
      // What the log holds goes into the file first, and the log's own room becomes free.
      if (relieved) checkpoint_all();
      return call();
    } catch (const SqliteError& error) {
      recover(error);
      if (!error.full() || !ballast_.release()) throw;
      common::log::error(
          "The disk of {} is full: its last reserve of 1 MiB is given to export and purge; free space on that disk",
          file_.string());
      ballast_tried_ = clock_.steady();
    }
  }
}

template <typename Step>
auto Worker::in_transaction(Step step) {
  Session& current = session();
  Transaction transaction(current.database);
  stale_ = true;
  const auto commit = [&] {
    current.meta.set_commit_number(++commit_number_);
    transaction.commit();
    stale_ = false;
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

Worker::Worker(std::filesystem::path file, const async::Clock& clock)
    : file_(std::move(file)),
      wal_(beside(file_, "-wal")),
      clock_(clock),
      ballast_(file_),
      running_since_(clock.wall()) {
  guarded([this] {
    session();
    refresh_size();
  });
  const std::string identity = identity_of(file_);
  if (session().meta.file_identity() != identity) {
    new_epoch();
    common::log::warning(
        "The local database {} was copied or restored: it goes on as a new agent {} from number {}; rows before keep "
        "their agent",
        file_.string(), session().epochs.current().agent_id, state_.head.results + 1);
  }
  restore_ballast();
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

void Worker::commit(const Work& work) {
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
      current.meta.set_alive_at(now);
      if (!running_is_known_) current.meta.set_running_since(running_since_);
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
  return transact([&](Session& current) {
    std::vector<DefinitionId> ids;
    ids.reserve(definitions.size());
    for (const auto& definition : definitions) ids.push_back(current.definitions.define(definition));
    return ids;
  });
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
    Batch batch = session().batches.next(cursor, max_rows, session().quarantined);
    if (!batch.gaps.empty()) sealed_gaps_ = std::max(sealed_gaps_, batch.gaps.back().id);
    marked = cursor;
    return batch;
  });
}

void Worker::quarantine(const std::vector<Quarantined>& rows) {
  const std::int64_t now = common::unix_micros(clock_.wall());
  transact([&](Session& current) {
    for (const auto& row : rows) {
      const std::string sqlstate = common::storable(row.sqlstate, kMaxSqlstateBytes);
      const std::string reason = common::storable(row.reason, kMaxRefusalBytes);
      current.quarantine.run(row.seq, std::string_view(sqlstate), std::string_view(reason), now);
      current.quarantined.insert(row.seq);
    }
  });
}

Identity Worker::identity(const Cursor& marked) {
  return guarded([&] {
    const Epoch& epoch = session().epochs.current();
    return Identity{.agent_id = epoch.agent_id, .first = epoch.first, .head = state_.head, .exported = marked};
  });
}

void Worker::new_epoch() {
  transact([this](Session& current) {
    current.epochs.open(state_.head);
    current.meta.set_file_identity(identity_of(file_));
  });
}

Cursor Worker::rewind(const Cursor& marked, const Cursor& arrived) {
  const auto back_to = [](std::int64_t now, std::int64_t to, std::int64_t first) {
    return std::min(now, std::max(to, first - 1));
  };
  const Cursor first = guarded([this] { return session().epochs.current().first; });
  const Cursor cursor{.results = back_to(marked.results, arrived.results, first.results),
                      .skipped = back_to(marked.skipped, arrived.skipped, first.skipped),
                      .gaps = back_to(marked.gaps, arrived.gaps, first.gaps)};
  state_.head.gaps += transact([&](Session& current) {
    current.meta.set_exported(cursor);
    const Seq gone = state_.oldest == 0 ? marked.results : std::min(marked.results, state_.oldest - 1);
    if (gone <= cursor.results) return std::int64_t{0};
    const auto until = current.purger.time_of(state_.oldest).value_or(clock_.wall());
    return current.ledger.lost(cursor.results + 1, gone, until, current.quarantined);
  });
  state_.exported = cursor;
  return cursor;
}

Bounds Worker::bounds(std::size_t max_rows) const {
  const auto spent = [this, begin = clock_.steady()] {
    return std::chrono::duration_cast<common::Micros>(clock_.steady() - begin);
  };
  return {.rows = full_ ? std::min(max_rows, full_disk_rows_) : max_rows,
          .sums = full_ ? kFullDiskSums : kMaxSums,
          .spent = spent};
}

Purged Worker::purge(common::WallTime before, bool exported_only, std::size_t max_rows) {
  PurgeRule rule{.before = before,
                 .plausible_until = state_.newest.value_or(clock_.wall()) + kPlausibleAhead,
                 .through = exported_only ? std::optional{state_.exported} : std::nullopt,
                 .bounds = {}};
  Seq oldest = 0;
  const auto step = transact([&](Session& current) {
    rule.bounds = bounds(max_rows);
    const auto done = current.purger.by_age(rule);
    if (done.results == 0) return done;
    oldest = current.purger.oldest_seq();
    current.tls.forget_before(oldest);
    if (!current.quarantined.empty()) current.load_quarantine();
    return done;
  });
  if (step.results > 0) state_.oldest = oldest;
  refresh_size();
  return {.results = step.results, .more = step.more};
}

bool Worker::forget(common::WallTime hours_before, common::WallTime days_before, bool exported_only,
                    std::size_t max_rows) {
  ForgetRule rule{.hours_before = hours_before,
                  .days_before = days_before,
                  .gaps_through = exported_only ? state_.exported.gaps : state_.head.gaps,
                  .max_rows = max_rows};
  const bool more = transact([&](Session& current) {
    if (full_) rule.max_rows = std::min(max_rows, kRollupsAtCap);
    return current.purger.forget(rule);
  });
  refresh_size();
  return more;
}

Purged Worker::purge_to_cap(std::uint64_t cap, const Cursor& marked, std::size_t max_rows) {
  guarded([this] { refresh_size(); });
  if (state_.size <= cap) return {};
  // What stands in the WAL twice is not worth a result.
  guarded([this] { checkpoint_all(); });
  const std::uint64_t used = guarded([this] { return session().used_bytes(); });
  if (used <= cap) return {};
  const auto step = remove_oldest(used, cap, marked, max_rows);
  return guarded([&] {
    state_.head = head_of(session().database);
    state_.oldest = session().purger.oldest_seq();
    refresh_size();
    return Purged{.results = step.results, .more = step.more && session().used_bytes() > cap};
  });
}

/// Roll-ups may have half of the room: they are worth more than the results they are made of, but not all of them.
PurgeStep Worker::remove_oldest(std::uint64_t used, std::uint64_t cap, const Cursor& marked, std::size_t max_rows) {
  const auto kept = std::max(kLeastOutages, cap / 8 / kBytesPerOutage);
  const auto outages =
      transact([&](Session& current) { return current.roller.outages().keep_newest(kept, kRollupsAtCap); });
  if (outages > 0) return {.results = 0, .more = true};
  const Share held = guarded([this] { return session().purger.held(state_.head); });
  const std::uint64_t rows = held.results + held.skipped + held.gaps;
  const std::uint64_t rolled = std::min(used, guarded([this] { return session().roller.rollups().bytes(); }));
  if (rows == 0 || rolled > cap / 2) {
    const auto removed = transact([&](Session& current) { return current.purger.oldest_rollups(kRollupsAtCap); });
    return {.results = 0, .more = removed > 0};
  }
  const std::uint64_t bytes_per_row = std::max<std::uint64_t>(1, (used - rolled) / rows);
  const std::size_t wanted = std::clamp<std::size_t>((used - cap) / bytes_per_row + 1, 1, max_rows);
  return transact([&](Session& current) {
    const auto done = current.purger.oldest(Purger::share_of(wanted, held), bounds(max_rows), marked,
                                            std::max(sealed_gaps_, marked.gaps), current.quarantined);
    if (done.results > 0) current.tls.forget_before(current.purger.oldest_seq());
    return done;
  });
}

void Worker::tidy() {
  guarded([this] {
    const std::uint64_t wal = size_of(wal_);
    if (wal > kWalTruncateBytes) {
      checkpoint_all();
    } else if (wal > kWalPassiveBytes) {
      session().database.execute("PRAGMA wal_checkpoint(PASSIVE)");
    }
    if (session().free_bytes() > std::max(kFreeBytesKept, session().used_bytes() / 4)) {
      session().database.execute(fmt::format("PRAGMA incremental_vacuum({})", kVacuumPages));
    }
    refresh_size();
  });
  restore_ballast();
}

void Worker::checkpoint_all() {
  struct ShortWait {
    explicit ShortWait(const Database& of) : database(of) { database.wait_for_locks(kTruncateWait); }
    ~ShortWait() { database.wait_for_locks(kLockWait); }
    const Database& database;
  };
  const Database& database = session().database;
  const ShortWait wait(database);
  database.execute("PRAGMA wal_checkpoint(TRUNCATE)");
}

/// What was done before stands, whether its size can be read or not: the next call tries again.
void Worker::refresh_size() {
  try {
    state_.size = session().used_bytes() + size_of(wal_);
  } catch (const SqliteError& error) {
    recover(error);
  }
}

void Worker::restore_ballast() {
  if (ballast_.held() || clock_.steady() - ballast_tried_ < kBallastInterval) return;
  const bool first = ballast_tried_ == common::SteadyTime{};
  ballast_tried_ = clock_.steady();
  const bool made = ballast_.make();
  if (first && !made) {
    common::log::error("The disk of {} has no room for a reserve of 1 MiB; free space on that disk", file_.string());
  } else if (!first && made) {
    common::log::warning("The disk of {} has room again: the reserve of 1 MiB is back", file_.string());
  }
}

bool Worker::give_reserve() {
  if (!full_ || !ballast_.release()) return false;
  full_ = false;
  ballast_tried_ = clock_.steady();
  return true;
}

void Worker::close(bool alive) {
  if (!session_) return;
  try {
    if (alive) {
      in_transaction([this](Session& current) {
        current.meta.set_alive_at(clock_.wall());
        current.meta.set_running_since(std::nullopt);
      });
    }
    checkpoint_all();
  } catch (const SqliteError&) {
    session_.reset();
    throw;
  }
  session_.reset();
}

}  // namespace monitor::storage
