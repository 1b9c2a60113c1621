// The local SQLite database: the queue in which the agent, the exporter and the collector meet. One read-write
// connection, on a pool of one thread; every member is called on the io thread and hops there by itself.
#pragma once

#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <unordered_map>
#include <vector>

#include <boost/asio/any_io_executor.hpp>
#include <boost/asio/awaitable.hpp>

#include "async/clock.h"
#include "storage/options.h"
#include "storage/quarantine.h"
#include "storage/rows.h"
#include "storage/stats.h"

namespace monitor::storage {

/// What the store is doing, for STATUS lines and the watchdog. Counters are since the start.
struct Health {
  bool degraded = false;  ///< a declared state: the disk is full or failing, results wait in memory
  std::string problem;    ///< a sentence while degraded
  std::uint64_t committed = 0;
  std::uint64_t dropped = 0;  ///< results given up while degraded; each is in a gap
  std::size_t waiting = 0;    ///< results appended and not yet committed
  bool held_back = false;     ///< so many of them that append() waits: the disk is too slow
  std::uint64_t commits = 0;  ///< ends of a commit attempt, successful or not: it moves while the store lives
  std::optional<common::SteadyTime> last_commit;  ///< that succeeded, since the start
  std::string place;                              ///< what it is doing, `commit of 512 rows for 12.0 s`; may be empty
};

/// What one bounded purge step did.
struct Purged {
  std::int64_t results = 0;
  bool more = false;  ///< there is more to purge at once
};

/// What one bounded step of compact() did.
struct Compacted {
  std::uint64_t freed_bytes = 0;  ///< given back to the disk
  bool more = false;              ///< there is more to give back at once
};

/// The size cap where none is configured, bytes: the smaller of 10 GiB and 10 % of the disk. `path` need not exist.
std::uint64_t usual_max_size(const std::filesystem::path& path);

class Store {
 public:
  /// Opens or creates the database, migrates it, imports the predecessor's. Blocks; called before the io loop runs.
  /// Throws common::Error with a sentence for the operator: a foreign file, a newer version, another instance (with
  /// its pid), a folder that cannot be written.
  static std::unique_ptr<Store> open(boost::asio::any_io_executor io, const Options& options,
                                     const async::Clock& clock);
  virtual ~Store() = default;

  // For the agent.
  /// The id of each definition, stored if new; the order is that of `definitions`.
  virtual boost::asio::awaitable<std::vector<DefinitionId>> define(std::vector<Definition> definitions) = 0;
  /// When each service key last ran (newest request_timestamp), for keys with an interval above 5 minutes.
  virtual boost::asio::awaitable<std::unordered_map<std::string, common::WallTime>> last_runs() = 0;
  /// The verdict of each service key's last check of any kind that was judged (never unknown), as far as it is among
  /// the newest 100 000 results.
  virtual boost::asio::awaitable<std::unordered_map<std::string, common::Verdict>> last_verdicts() = 0;
  /// Takes a result for the next group commit; its text is made storable. Throws `operation_aborted` when cancelled
  /// while it waits. Waits while the queue is full because the disk is slow (back-pressure);
  /// never while degraded: there it drops, counts and records a gap. Hops and evidence have a bound of 16 MiB in all;
  /// while degraded they are left out beyond it.
  virtual boost::asio::awaitable<void> append(Result result) = 0;
  virtual void append(Skipped skipped) = 0;
  virtual void append(Gap gap) = 0;

  /// The group commit loop; runs until cancelled. Also tells the database every 5 s that we run.
  virtual boost::asio::awaitable<void> run() = 0;
  /// Commits what waits now; used by run(), at the stop, and by tests. Never throws for a full or failing disk.
  virtual boost::asio::awaitable<void> commit() = 0;
  /// Called on the io thread after each commit that stored something.
  virtual void on_commit(std::function<void()> callback) = 0;

  // For the exporter.
  /// The next rows behind the cursor (as marked, committed or not), of one epoch, at most `max_rows` of each kind and
  /// 8 MiB of text; quarantined rows are left out. May hold skipped slots or gaps alone.
  virtual boost::asio::awaitable<Batch> next_batch(std::size_t max_rows) = 0;
  /// What next_batch() will give once `through` is marked: it can be read while what is before it is on its way.
  virtual boost::asio::awaitable<Batch> batch_behind(Cursor through, std::size_t max_rows) = 0;
  /// To be called before a batch that ends at `through` leaves: from now on PostgreSQL can have it (Identity::ours).
  virtual void sending(Cursor through) = 0;
  /// Rides in the next group commit (which it provokes). False: not taken, because rows before `through` were released
  /// from quarantine since next_batch() was asked last; ask it again.
  virtual bool mark_exported(Cursor through) = 0;
  virtual boost::asio::awaitable<void> quarantine(std::vector<Quarantined> rows) = 0;
  virtual boost::asio::awaitable<Identity> identity() = 0;
  /// Opens a new epoch with a new agent id: rows above `through` that are here go under it, too, and those up to it
  /// keep their old one.
  virtual boost::asio::awaitable<Identity> new_epoch(Cursor through) = 0;
  /// What is here in (`behind`, `through`] of each kind, whichever epoch it belongs to.
  virtual boost::asio::awaitable<Marks> marks(Cursor behind, Cursor through) = 0;
  /// Every epoch but the current one, the oldest first.
  virtual boost::asio::awaitable<std::vector<EpochStand>> earlier_epochs() = 0;
  /// PostgreSQL was found to have nothing under our id that is not from here. To be called before anything is sent: it
  /// is durable then, and what is sent is ours in the next run, too, however this one ends.
  virtual boost::asio::awaitable<void> agree() = 0;
  /// Moves the cursor back to `arrived`, where PostgreSQL turned out to stand, in whichever epoch that is; never
  /// forward. Results that were purged here meanwhile are recorded as a gap, unless they are quarantined or in a gap
  /// already, and skipped ranges as one that counts the ranges. At once, in a transaction of its own.
  virtual boost::asio::awaitable<void> rewind(Cursor arrived) = 0;
  /// Results that are here and not behind the marked cursor.
  virtual std::int64_t backlog() const = 0;

  // For the collector. Each call is one short transaction of at most `max_rows`, bounded in time.
  /// Deletes the oldest results up to the first that was not requested before `before`; skipped slots likewise. If
  /// `exported_only`, only what is behind the committed cursor and before what is held for a retry (quarantine.h). In
  /// the same transaction they are added to the roll-ups and outages: every one is either still here or in those.
  virtual boost::asio::awaitable<Purged> purge(common::WallTime before, bool exported_only, std::size_t max_rows) = 0;
  /// Deletes what is left of purged results, the oldest first: roll-ups of hours that ended by `hours_before` and of
  /// days that ended by `days_before`; outages and gaps before `days_before`, or beyond a number of which the newest
  /// are kept; of gaps, if `exported_only`, only what is behind the committed cursor. True: there is more at once.
  virtual boost::asio::awaitable<bool> forget(common::WallTime hours_before, common::WallTime days_before,
                                              bool exported_only, std::size_t max_rows) = 0;
  /// While the file's used pages exceed the size cap (with the WAL brought into it first), removes the oldest whole
  /// range of results, skipped slots and gaps, each in proportion, exported or not. What is not behind the marked
  /// cursor becomes a gap: rows of a batch under way may arrive nevertheless. Only what is over the cap goes. Results
  /// and skipped slots are added to the roll-ups; those go, the oldest first, where they take more than half of the
  /// cap.
  virtual boost::asio::awaitable<Purged> purge_to_cap(std::size_t max_rows) = 0;
  /// The newest request time of the latest commit with results; nothing when there never was one. Ages count against
  /// it. (Not the newest of all: one row taken under a clock far ahead would make every other one old.)
  virtual std::optional<common::WallTime> newest() const = 0;
  /// A checkpoint when it is worth one, and a bounded incremental vacuum when much of the file is free.
  virtual boost::asio::awaitable<void> tidy() = 0;

  // For the operator. Each throws common::Error.
  virtual boost::asio::awaitable<Stats> stats() = 0;
  /// Brings the log into the file, and gives at most 8 MiB of free pages back to the disk.
  virtual boost::asio::awaitable<Compacted> compact() = 0;
  /// At most `max_rows` of the quarantine with numbers above `after`, in order.
  virtual boost::asio::awaitable<std::vector<QuarantinedRow>> quarantined(Seq after, std::size_t max_rows) = 0;
  /// Sends those of `seqs` (empty: all) again whose results are still here: the cursor moves back before the first, and
  /// what had arrived behind it is sent twice, which PostgreSQL's key makes invisible. At once, in a transaction.
  virtual boost::asio::awaitable<Quarantine::Released> retry_quarantined(std::vector<Seq> seqs) = 0;
  /// Gives those of `seqs` (empty: all) up: they become gaps. How many there were.
  virtual boost::asio::awaitable<std::int64_t> drop_quarantined(std::vector<Seq> seqs) = 0;

  virtual Health health() const = 0;
  virtual std::uint64_t size_bytes() const = 0;
  virtual std::uint64_t max_size_bytes() const = 0;
  /// Another size cap (Options::max_size), from the next purge_to_cap() on.
  virtual void limit_size(std::optional<std::uint64_t> bytes) = 0;

  /// Commits what waits, with the ballast if need be, and closes the connection and the pool. Nothing may be called
  /// afterwards. Gives how many results could not be stored: they are counted in `<path>.lost`, which the next open
  /// turns into a gap.
  virtual boost::asio::awaitable<std::size_t> close() = 0;
};

}  // namespace monitor::storage
