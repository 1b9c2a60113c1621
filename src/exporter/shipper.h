// Takes one batch at a time from the store to the sink, sets aside what will never arrive, and moves the cursor. io
// thread only.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include <boost/asio/awaitable.hpp>

#include "async/clock.h"
#include "async/doing.h"
#include "exporter/batching.h"
#include "exporter/bisection.h"
#include "exporter/exporter.h"
#include "exporter/heads.h"
#include "exporter/link.h"
#include "exporter/server_clock.h"
#include "exporter/sink.h"
#include "exporter/strays.h"
#include "storage/store.h"

namespace monitor::exporter {

struct Shipped {
  Progress progress = Progress::kIdle;
  std::size_t rows = 0;  ///< results that arrived
};

class Shipper {
 public:
  Shipper(boost::asio::any_io_executor io, const std::string& uri, const Limits& limits, storage::Store& store,
          const async::Clock& clock);

  bool connected() const { return connected_; }
  /// Connects, makes what is missing, and settles who we are. Throws Unavailable or Refused.
  boost::asio::awaitable<void> connect();
  /// One batch. Throws Unavailable, Refused or IdentityShared; the batch then stays where it is.
  boost::asio::awaitable<Shipped> ship();
  boost::asio::awaitable<void> disconnect();
  /// Another process writes under our id: the next connect() opens a new epoch, unless all that it sent is ours.
  void id_is_shared() { shared_ = true; }

  void interrupt() { link_.interrupt(); }
  /// Nothing changes in the store any more. Does not wait for a call under way, as close() does.
  void retire();
  void close();
  std::uint64_t quarantined() const { return quarantined_; }
  /// Calls to PostgreSQL that have returned.
  std::uint64_t calls() const { return link_.calls(); }
  /// `host:port/database` of the last connection.
  const std::string& where() const { return where_; }
  /// What it is doing; empty between two calls.
  std::string place() const { return doing_.text(); }

 private:
  boost::asio::awaitable<storage::Cursor> open_sink();
  boost::asio::awaitable<Comparison> settle(storage::Cursor remote, bool shared);
  /// Compares what is above the cursor, row by row.
  boost::asio::awaitable<Agreements> agree_on(storage::Identity identity, storage::Cursor remote);
  boost::asio::awaitable<storage::Cursor> back_in_earlier_epochs(storage::Cursor arrived);
  void announce(const Opened& opened);
  /// What was read ahead, or what the store gives now.
  boost::asio::awaitable<storage::Batch> take();
  /// Reads the batch behind this one while it is written, if there is enough for one.
  boost::asio::awaitable<Written> write_reading_ahead(const storage::Batch& batch, storage::Cursor through);
  boost::asio::awaitable<void> read_ahead(storage::Cursor through, std::size_t rows);
  /// Whether the store has more to give at once than this batch, which was just taken.
  bool leaves_more(const storage::Batch& batch) const;
  boost::asio::awaitable<void> set_strays_aside(storage::Batch& batch);
  boost::asio::awaitable<void> ask_the_time();
  boost::asio::awaitable<Written> write(const storage::Batch& batch, Part part);
  /// Of a batch that was refused as a whole; the rest arrives. How many results were set aside.
  boost::asio::awaitable<std::size_t> set_refused_aside(const storage::Batch& batch, storage::Cursor head);
  /// Whether the table of `kind` takes a row that nothing is wrong with.
  boost::asio::awaitable<bool> takes(const storage::Batch& batch, Kind kind);
  /// Skipped ranges and gaps that PostgreSQL refuses become gaps that it takes.
  void replace(const storage::Batch& batch, Kind kind, const std::vector<BadRow>& bad);
  boost::asio::awaitable<void> quarantine(const storage::Batch& batch, const std::vector<BadRow>& bad);
  static storage::Cursor end_of(const storage::Batch& batch);
  /// After every wait: the exporter may have been closed meanwhile, and the store with it.
  void check_open() const;

  /// A batch that was read before it could be written.
  struct Ahead {
    storage::Cursor behind;
    storage::Batch batch;
  };

  boost::asio::any_io_executor io_;
  storage::Store& store_;
  const async::Clock& clock_;
  Limits limits_;
  Link link_;
  async::Doing doing_;
  Sink sink_;
  ServerClock server_clock_;
  Strays strays_;
  RefusalBudget budget_;
  std::optional<Ahead> ahead_;           ///< only while connected
  std::string agent_id_;                 ///< of the current epoch
  storage::Cursor cursor_;               ///< marked so far
  std::size_t batch_rows_ = kBatchRows;  ///< fewer after a batch that the link could not carry in time
  bool quick_ = true;                    ///< the link carried the last batch in time for a larger one
  std::uint64_t quarantined_ = 0;
  std::string where_;
  bool connected_ = false;
  bool closed_ = false;
  bool shared_ = false;
  bool view_announced_ = false;
  bool encoding_announced_ = false;
  bool exposure_announced_ = false;
};

}  // namespace monitor::exporter
