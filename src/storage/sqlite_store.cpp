#include "storage/sqlite_store.h"

#include <boost/asio/error.hpp>
#include <boost/system/system_error.hpp>

#include "async/offload.h"
#include "common/log.h"
#include "storage/files.h"
#include "storage/lost_file.h"
#include "storage/opening.h"

namespace monitor::storage {

namespace asio = boost::asio;

namespace {

// How often the database is told that we run. It costs an fsync, and is late only when nothing ran anyway: the gap
// of a crash begins at the last one.
constexpr std::chrono::seconds kSignOfLife{5};
constexpr std::chrono::seconds kDowntime{1};                 // a longer silence before a start is a gap
constexpr std::uint64_t kMaxSize = std::uint64_t{10} << 30;  // DESIGN: the smaller of 10 GiB and 10 % of the disk
constexpr std::uint64_t kDiskShare = 10;

}  // namespace

std::unique_ptr<Store> Store::open(asio::any_io_executor io, const Options& options, const async::Clock& clock) {
  const auto file = prepare_path(options.path);
  auto lock = std::make_unique<LockFile>(file);
  prepare_database(file, clock.wall());
  return std::make_unique<SqliteStore>(std::move(io), file, std::move(lock), options, clock);
}

std::uint64_t usual_max_size(const std::filesystem::path& path) {
  auto there = std::filesystem::absolute(path);
  std::error_code error;
  while (there.has_relative_path() && !std::filesystem::exists(there, error)) there = there.parent_path();
  return std::min(kMaxSize, disk_size(there) / kDiskShare);
}

SqliteStore::SqliteStore(asio::any_io_executor io, const std::filesystem::path& file, std::unique_ptr<LockFile> lock,
                         const Options& options, const async::Clock& clock)
    : clock_(clock),
      max_size_(options.max_size ? *options.max_size : usual_max_size(file)),
      name_(file.string()),
      lock_(std::move(lock)),
      worker_(file, *lock_, clock, options.polls),
      state_(worker_.state()),
      marked_(state_.exported),
      ours_(worker_.ours()),
      committing_(io),
      room_(io),
      wake_(io),
      last_commit_(clock.steady()) {
  if (options.polls) record_downtime();
  take_lost();
}

void SqliteStore::limit_size(std::optional<std::uint64_t> bytes) {
  max_size_ = bytes ? *bytes : usual_max_size(name_);
}

void SqliteStore::record_downtime() {
  for (const auto& slot : worker_.left_open()) append(slot);
  const auto alive_at = worker_.alive_at();
  const auto now = clock_.wall();
  if (!alive_at || now - *alive_at <= kDowntime) return;
  append(Gap{.reason = GapReason::kNotRunning, .from = *alive_at, .to = now});
}

void SqliteStore::take_lost() {
  const auto gaps = worker_.lost_before();
  lost_kept_ = !gaps.empty();
  if (!lost_kept_) remove_lost(name_);
  for (const auto& gap : gaps) append(gap);
}

/// Every call of the worker passes here, so that what the io thread knows of the database follows each of them.
template <typename Call>
asio::awaitable<std::invoke_result_t<Call&, Worker&>> SqliteStore::work(Call call) {
  using Value = std::invoke_result_t<Call&, Worker&>;
  if constexpr (std::is_void_v<Value>) {
    state_ = co_await async::offload(pool_, [this, &call] {
      call(worker_);
      return worker_.state();
    });
  } else {
    auto [value, state] = co_await async::offload(pool_, [this, &call] {
      auto made = call(worker_);
      return std::pair{std::move(made), worker_.state()};
    });
    state_ = state;
    co_return std::move(value);
  }
}

// For the agent.

asio::awaitable<std::vector<DefinitionId>> SqliteStore::define(std::vector<Definition> definitions) {
  co_return co_await work([&](Worker& worker) { return worker.define(definitions); });
}

asio::awaitable<std::unordered_map<std::string, common::WallTime>> SqliteStore::last_runs() {
  co_return co_await work([](Worker& worker) { return worker.last_runs(); });
}

asio::awaitable<std::unordered_map<std::string, common::Verdict>> SqliteStore::last_verdicts() {
  co_return co_await work([](Worker& worker) { return worker.last_verdicts(); });
}

asio::awaitable<void> SqliteStore::append(Result result) {
  make_storable(result);
  const bool heavy = !result.hops.empty() || !result.evidence.empty();
  while ((pending_.full() || (heavy && pending_.heavy())) && !trouble_.now()) co_await room_.wait();
  if (heavy && pending_.heavy()) {
    // While nothing can be stored the verdict of a check is worth more than what explains it.
    result.hops.clear();
    result.evidence.clear();
  }
  const bool first = pending_.empty();
  if (pending_.full()) {
    ++counters_.dropped;
    pending_.drop(result, clock_.steady());
  } else {
    pending_.add(std::move(result), clock_.steady());
  }
  arrived(first);
}

void SqliteStore::append(Skipped skipped) {
  const bool first = pending_.empty();
  pending_.add(skipped, clock_.steady());
  arrived(first);
}

void SqliteStore::append(Gap gap) {
  const bool first = pending_.empty();
  pending_.add(gap, clock_.steady());
  arrived(first);
}

/// run() need not be told of each row: only of the first, and when a batch is full.
void SqliteStore::arrived(bool first) {
  if (first || pending_.results() == kCommitRows) wake_.notify();
}

// Group commit.

asio::awaitable<void> SqliteStore::run() {
  for (;;) {
    const auto wait = next_commit() - clock_.steady();
    if (wait > wait.zero()) {
      co_await wake_.wait_until(std::chrono::steady_clock::now() + wait);
    } else {
      const auto turn = co_await committing_.enter();
      pending_.take();  // nothing may wait: then the commit is a sign of life
      co_await commit_front();
    }
  }
}

common::SteadyTime SqliteStore::next_commit() const {
  if (trouble_.now()) return trouble_.retry_at();
  return std::min(pending_.due().value_or(common::SteadyTime::max()), last_commit_ + kSignOfLife);
}

asio::awaitable<void> SqliteStore::commit() {
  const auto turn = co_await committing_.enter();
  // What failed before goes first, and then what waits.
  for (bool going_on = !pending_.empty(); going_on; going_on = !pending_.empty() && !trouble_.now()) {
    pending_.take();
    co_await commit_front();
  }
}

asio::awaitable<void> SqliteStore::commit_front() {
  std::string problem;
  const async::Doing::Mark mark(doing_, "commit", pending_.front().results.size());
  try {
    co_await work([this, marked = marked_](Worker& worker) { worker.commit(pending_.front(), marked); });
  } catch (const boost::system::system_error&) {
    throw;  // cancelled before it began
  } catch (const std::exception& error) {
    problem = error.what();
  }
  ++counters_.commits;
  last_commit_ = clock_.steady();
  if (!problem.empty()) {
    failed(problem);
    co_return;
  }
  const std::size_t results = pending_.front().results.size();
  const bool stored = pending_.front().stores_rows();
  pending_.committed();
  succeeded(results, stored);
}

void SqliteStore::succeeded(std::size_t results, bool stored) {
  counters_.last_commit = last_commit_;
  counters_.committed += results;
  if (trouble_.succeeded()) {
    common::log::warning("Results are stored in {} again; {} were dropped meanwhile", name_,
                         counters_.dropped - dropped_before_);
  }
  // The first commit held what was lost before.
  if (stored && std::exchange(lost_kept_, false)) remove_lost(name_);
  room_.wake(pending_.room());
  if (stored && on_commit_) on_commit_();
}

void SqliteStore::failed(const std::string& problem) {
  if (trouble_.failed(problem, clock_.steady())) {
    dropped_before_ = counters_.dropped;
    common::log::error("Results wait in memory, at most {}: {}", kMaxWaiting, problem);
  }
  room_.wake_all();
}

// For the exporter.

asio::awaitable<Batch> SqliteStore::next_batch(std::size_t max_rows) {
  Cursor cursor = marked_;
  const auto releases = releases_;
  const async::Doing::Mark mark(doing_, "reading a batch");
  Batch batch = co_await work([&](Worker& worker) { return worker.next_batch(cursor, max_rows); });
  if (releases == releases_) released_ = false;
  if (cursor.results > marked_.results) mark_exported(cursor);
  batch.behind = cursor;
  co_return batch;
}

asio::awaitable<Batch> SqliteStore::batch_behind(Cursor through, std::size_t max_rows) {
  const async::Doing::Mark mark(doing_, "reading a batch");
  Batch batch = co_await work([&](Worker& worker) { return worker.next_batch(through, max_rows); });
  batch.behind = through;
  co_return batch;
}

void SqliteStore::sending(Cursor through) {
  ours_ = {.results = std::max(ours_.results, through.results),
           .skipped = std::max(ours_.skipped, through.skipped),
           .gaps = std::max(ours_.gaps, through.gaps)};
}

bool SqliteStore::mark_exported(Cursor through) {
  sending(through);
  if (released_) return false;
  const bool first = pending_.empty();
  marked_ = through;
  pending_.mark(through, clock_.steady());
  arrived(first);
  return true;
}

asio::awaitable<void> SqliteStore::quarantine(std::vector<Quarantined> rows) {
  co_await work([&](Worker& worker) { worker.quarantine(rows); });
}

asio::awaitable<Identity> SqliteStore::identity() {
  co_return co_await work([marked = marked_, ours = ours_](Worker& worker) { return worker.identity(marked, ours); });
}

asio::awaitable<Identity> SqliteStore::new_epoch(Cursor through) {
  co_await work([=](Worker& worker) { worker.new_epoch(through); });
  co_return co_await identity();
}

asio::awaitable<Marks> SqliteStore::marks(Cursor behind, Cursor through) {
  co_return co_await work([=](Worker& worker) { return worker.marks(behind, through); });
}

asio::awaitable<std::vector<EpochStand>> SqliteStore::earlier_epochs() {
  co_return co_await work([marked = marked_](Worker& worker) { return worker.earlier_epochs(marked); });
}

asio::awaitable<void> SqliteStore::agree() {
  co_await work([](Worker& worker) { worker.agree(); });
}

asio::awaitable<void> SqliteStore::rewind(Cursor arrived) {
  const auto turn = co_await committing_.enter();
  const Cursor cursor =
      co_await work([marked = marked_, arrived](Worker& worker) { return worker.rewind(marked, arrived); });
  pending_.unmark();
  marked_ = cursor;
}

std::int64_t SqliteStore::backlog() const {
  const Seq gone = state_.oldest == 0 ? state_.head.results : state_.oldest - 1;
  return state_.head.results - std::max(marked_.results, gone);
}

// For the collector.

asio::awaitable<Purged> SqliteStore::purge(common::WallTime before, bool exported_only, std::size_t max_rows) {
  const async::Doing::Mark mark(doing_, "purge step");
  co_return co_await work(
      [=, cap = max_size_](Worker& worker) { return worker.purge(before, exported_only, cap, max_rows); });
}

asio::awaitable<bool> SqliteStore::forget(common::WallTime hours_before, common::WallTime days_before,
                                          bool exported_only, std::size_t max_rows) {
  co_return co_await work(
      [=](Worker& worker) { return worker.forget(hours_before, days_before, exported_only, max_rows); });
}

asio::awaitable<Purged> SqliteStore::purge_to_cap(std::size_t max_rows) {
  const async::Doing::Mark mark(doing_, "purge to the size cap");
  co_return co_await work([max_rows, cap = max_size_, marked = marked_](Worker& worker) {
    return worker.purge_to_cap(cap, marked, max_rows);
  });
}

asio::awaitable<void> SqliteStore::tidy() {
  const async::Doing::Mark mark(doing_, "checkpoint");
  co_await work([](Worker& worker) { worker.tidy(); });
}

// For the operator.

asio::awaitable<Stats> SqliteStore::stats() {
  co_return co_await work([](Worker& worker) { return worker.stats(); });
}

asio::awaitable<Compacted> SqliteStore::compact() {
  const async::Doing::Mark mark(doing_, "compaction step");
  co_return co_await work([](Worker& worker) { return worker.compact(); });
}

asio::awaitable<std::vector<QuarantinedRow>> SqliteStore::quarantined(Seq after, std::size_t max_rows) {
  co_return co_await work([=](Worker& worker) { return worker.quarantined(after, max_rows); });
}

asio::awaitable<Quarantine::Released> SqliteStore::retry_quarantined(std::vector<Seq> seqs) {
  const auto turn = co_await committing_.enter();
  Cursor cursor = marked_;
  const auto released = co_await work([&](Worker& worker) { return worker.release(cursor, seqs); });
  if (released.count == 0) co_return released;
  pending_.unmark();
  marked_.results = std::min(marked_.results, cursor.results);
  released_ = true;
  ++releases_;
  if (on_commit_) on_commit_();
  co_return released;
}

asio::awaitable<std::int64_t> SqliteStore::drop_quarantined(std::vector<Seq> seqs) {
  co_return co_await work([&, marked = marked_](Worker& worker) { return worker.drop(marked, seqs); });
}

Health SqliteStore::health() const {
  Health health = counters_;
  health.degraded = trouble_.now();
  health.problem = trouble_.problem();
  health.place = doing_.text();
  health.waiting = pending_.results();
  health.held_back = pending_.full();
  return health;
}

asio::awaitable<std::size_t> SqliteStore::close() {
  co_await commit();
  if (trouble_.now() && co_await work([](Worker& worker) { return worker.give_reserve(); })) co_await commit();
  std::string problem;
  try {
    const async::Doing::Mark mark(doing_, "closing the database");
    co_await work([alive = pending_.empty()](Worker& worker) { worker.close(alive); });
  } catch (const common::Error& error) {
    problem = error.what();
  }
  if (!problem.empty()) common::log::warning("{}", problem);
  pool_.join();
  keep_lost();
  lock_.reset();
  co_return pending_.results();
}

/// Called when the pool has ended: the worker may be asked from here.
void SqliteStore::keep_lost() {
  std::vector<Lost> lost;
  const auto began = worker_.running_since();
  for (const auto& gap : gaps_of(pending_.front(), began)) lost.push_back({.gap = gap, .commit = worker_.doubtful()});
  for (const auto& gap : gaps_of(pending_.waiting(), began)) lost.push_back({.gap = gap});
  if (pending_.dropping().count > 0) lost.push_back({.gap = pending_.dropping()});
  if (lost.empty()) return;
  common::log::error("{} results could not be stored and are lost: {}", pending_.results(), trouble_.problem());
  try {
    write_lost(name_, lost);
  } catch (const common::Error& error) {
    common::log::error("The next start will not know of them: {}", error.what());
  }
}

}  // namespace monitor::storage
