// The parts of the worker that make room in the file and on its disk.
#include <algorithm>

#include "common/log.h"
#include "storage/files.h"
#include "storage/worker.h"

namespace monitor::storage {
namespace {

constexpr std::uint64_t kWalPassiveBytes = std::uint64_t{1} << 20;  // below it a checkpoint is not worth its fsyncs
constexpr std::uint64_t kWalTruncateBytes = std::uint64_t{8} << 20;
constexpr std::uint64_t kLargeWalBytes = std::uint64_t{64} << 20;  // worth a person's look
constexpr std::uint64_t kFreeBytesKept = std::uint64_t{4} << 20;   // rows that come soon need them again
constexpr std::int64_t kVacuumPages = 256;
constexpr std::int64_t kCompactPages = 2048;             // some 50 ms: commits wait for it
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

}  // namespace

void Worker::recover(const SqliteError& error) {
  if (error.full()) {
    full_disk_rows_ = full_ ? std::max(kLeastFullDiskRows, full_disk_rows_ / 2) : kFullDiskRows;
    full_ = true;
  }
  // Written into a damaged file, what the log holds could be read by nobody.
  if (error.corrupt() && session_) session_->database.leave_log();
  if (error.io()) session_.reset();
}

Bounds Worker::bounds(std::size_t max_rows) const {
  const auto spent = [this, begin = clock_.steady()] {
    return std::chrono::duration_cast<common::Micros>(clock_.steady() - begin);
  };
  return {.rows = full_ ? std::min(max_rows, full_disk_rows_) : max_rows,
          .sums = full_ ? kFullDiskSums : kMaxSums,
          .spent = spent};
}

/// The first result that waits in quarantine for its retry, while there is room for that: what cannot be stored would
/// be lost for what can be sent again. One refused under a clock far ahead would wait for ever.
std::optional<Seq> Worker::first_held(Session& current, std::uint64_t cap) {
  if (full_ || current.used_bytes() > cap) return std::nullopt;
  const auto now = clock_.wall();
  return current.quarantine.first_refused(state_.oldest, now - Quarantine::kHold, now + kPlausibleAhead);
}

/// `held`: what keeps results that were requested before `before`; nothing: none are kept.
void Worker::remember_held(std::optional<Seq> held, common::WallTime before) {
  held_before_ = held ? std::optional{before} : std::nullopt;
  if (!held || std::exchange(held_told_, held) == held) return;
  common::log::warning(
      "Results from {} on stay in the local database beyond keep_exported, for at most {} hours: PostgreSQL refused "
      "that one, and it can be sent again; `monitor quarantine retry {}` does so, `monitor quarantine drop {}` gives "
      "it "
      "up",
      *held, Quarantine::kHold.count(), *held, *held);
}

Purged Worker::purge(common::WallTime before, bool exported_only, std::uint64_t cap, std::size_t max_rows) {
  PurgeRule rule{.before = before,
                 .plausible_until = state_.newest.value_or(clock_.wall()) + kPlausibleAhead,
                 .through = std::nullopt,
                 .bounds = {}};
  Seq oldest = 0;
  std::optional<Seq> held;
  const auto step = transact([&](Session& current) {
    rule.bounds = bounds(max_rows);
    if (exported_only) {
      rule.through = state_.exported;
      held = first_held(current, cap);
      if (held) rule.through->results = std::min(rule.through->results, *held - 1);
      if (held && current.purger.time_of(*held) >= before) held.reset();
    }
    const auto done = current.purger.by_age(rule);
    if (!exported_only) current.meta.add_unsent(state_.exported, done.through);
    if (done.results == 0) return done;
    oldest = current.purger.oldest_seq();
    current.tls.forget_before(oldest);
    return done;
  });
  if (step.results > 0) state_.oldest = oldest;
  remember_held(held, before);
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
  if (const auto before = held_before_) {
    const auto freed = purge(*before, true, cap, max_rows);
    if (freed.results > 0) {
      held_before_ = before;  // there may be more
      return {.results = freed.results, .more = true};
    }
  }
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
                                            std::max(sealed_gaps_, marked.gaps), current.quarantine.seqs());
    if (done.results > 0) current.tls.forget_before(current.purger.oldest_seq());
    return done;
  });
}

void Worker::tidy() {
  guarded([this] {
    lock_.keep();
    const std::uint64_t wal = size_of(wal_);
    if (wal > kWalTruncateBytes) {
      checkpoint_all();
      tell_large_log();
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

Compacted Worker::compact() {
  return guarded([this] {
    const auto taken = [this] { return size_of(file_) + size_of(wal_); };
    const std::uint64_t before = taken();
    checkpoint_all();
    session().database.execute(fmt::format("PRAGMA incremental_vacuum({})", kCompactPages));
    checkpoint_all();
    refresh_size();
    const std::uint64_t after = taken();
    return Compacted{.freed_bytes = before > after ? before - after : 0, .more = session().free_bytes() > 0};
  });
}

/// What a reader may still read cannot be taken out of the log, which grows until it ends.
void Worker::tell_large_log() {
  const std::uint64_t bytes = size_of(wal_);
  if (bytes > kLargeWalBytes && !std::exchange(large_log_told_, true)) {
    common::log::warning(
        "The log of the local database {} has grown to {} MiB because another process reads it without an end: end "
        "that process (fuser {})",
        file_.string(), bytes >> 20, wal_.string());
  } else if (bytes <= kWalTruncateBytes && std::exchange(large_log_told_, false)) {
    common::log::warning("The log of the local database {} is small again", file_.string());
  }
}

bool Worker::checkpoint_all() {
  struct ShortWait {
    explicit ShortWait(const Database& of) : database(of) { database.wait_for_locks(kTruncateWait); }
    ~ShortWait() { database.wait_for_locks(kLockWait); }
    const Database& database;
  };
  lock_.keep();
  const Database& database = session().database;
  const ShortWait wait(database);
  return database.integer("PRAGMA wal_checkpoint(TRUNCATE)") == 0;  // the row's first column: busy
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

}  // namespace monitor::storage
