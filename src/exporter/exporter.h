// Moves committed results to PostgreSQL, in order, once. Runs on the io thread; store and sink hop to their own pools.
#pragma once

#include <functional>
#include <memory>

#include <boost/asio/any_io_executor.hpp>
#include <boost/asio/awaitable.hpp>

#include "async/clock.h"
#include "exporter/options.h"
#include "storage/store.h"

namespace monitor::exporter {

/// Limits of what blocks. Each is far above what a healthy server needs.
struct Limits {
  /// To connect, per address. A whole number of seconds, at least 2 (libpq).
  std::chrono::seconds connect{5};
  /// A whole call, of several statements, seen from the io thread: it catches what no socket option can, a backend that
  /// is stopped while the kernel goes on acknowledging.
  std::chrono::milliseconds call{10'000};
  /// What was sent is not acknowledged by the server's machine.
  std::chrono::milliseconds silence{10'000};
  /// One statement, kept by the server.
  std::chrono::milliseconds statement{8'000};
  /// Waiting for a lock, kept by the server.
  std::chrono::milliseconds lock{2'000};
  /// Results of one batch. It leaves as soon as kBatchRows wait; a backlog goes in larger ones, as a commit makes the
  /// server wait for its disk whatever its size.
  std::size_t batch_rows = 20'000;
  /// So long more than a few results wait whose time PostgreSQL's clock says cannot be, though ours agrees with it:
  /// both may be wrong, on one machine they are one clock.
  std::chrono::minutes clock_patience{60};
};

enum class Progress { kIdle, kExported, kMore, kUnavailable };

struct Health {
  bool connected = false;
  bool degraded = false;          ///< a declared state: PostgreSQL is away, or refuses a whole batch
  std::string problem;            ///< a sentence while degraded; without secrets
  std::uint64_t exported = 0;     ///< results that arrived, since the start
  std::uint64_t quarantined = 0;  ///< results, skipped ranges and gaps that PostgreSQL refused
  std::uint64_t steps = 0;        ///< moves while the loop lives
  std::string place;              ///< what it is doing, `sending of 5000 rows for 3.0 s`; may be empty
};

class Exporter {
 public:
  /// `options.uri` is not empty. `store` and `clock` outlive the exporter, and the exporter its io_context's last turn.
  static std::unique_ptr<Exporter> create(boost::asio::any_io_executor io, const Options& options,
                                          storage::Store& store, const async::Clock& clock,
                                          const Limits& limits = Limits{});
  /// Interrupts a call to PostgreSQL that is under way. A connection attempt cannot be interrupted and is waited for
  /// (Limits::connect per address, and what the resolver takes): who cannot wait so long retires it, and destroys it
  /// when it is not busy any more; a process that must end sooner does not destroy it.
  virtual ~Exporter() = default;

  /// One batch, on a new connection if there is none. Throws nothing but cancellation, which ends the waiting at once,
  /// even where a call to PostgreSQL hangs.
  virtual boost::asio::awaitable<Progress> step() = 0;
  /// Until cancelled.
  virtual boost::asio::awaitable<void> run() = 0;
  /// There is something new to export.
  virtual void wake() = 0;
  /// One pass of maintenance: partitions for the days ahead, one partition dropped that is older than the remote
  /// retention, and roll-ups of the hours that have settled. run() looks after partitions every hour and after roll-ups
  /// every minute. Throws nothing but cancellation.
  virtual boost::asio::awaitable<void> maintain() = 0;
  /// One last attempt to send what is committed, within `limit`; it returns in time, even where a call hangs.
  virtual boost::asio::awaitable<void> flush(std::chrono::milliseconds limit) = 0;
  /// For good: from now on nothing is sent, and no cursor, epoch or quarantine of the store moves, whatever a call that
  /// is under way still comes to. Returns at once; run() and what else is awaited are to be cancelled before.
  virtual void retire() = 0;
  /// A call to PostgreSQL is under way. Once retired and not busy, it never is again, and is destroyed in no time.
  virtual bool busy() const = 0;
  virtual Health health() const = 0;
};

}  // namespace monitor::exporter
