// Purges what has arrived, or grown too old, in short bounded steps. Runs on the io thread.
#pragma once

#include <memory>

#include <boost/asio/any_io_executor.hpp>
#include <boost/asio/awaitable.hpp>

#include "async/clock.h"
#include "collector/options.h"
#include "storage/store.h"

namespace monitor::collector {

struct Health {
  std::uint64_t purged = 0;  ///< results, since the start
  std::uint64_t steps = 0;   ///< moves while the loop lives
  bool suspended = false;    ///< age purges wait because the clock stepped
  bool degraded = false;     ///< a declared state: the last step failed
  std::string problem;
  std::string place;  ///< what it is doing; empty between two steps
};

class Collector {
 public:
  /// `exporting`: a PostgreSQL is configured, so only what has arrived may go.
  static std::unique_ptr<Collector> create(boost::asio::any_io_executor io, const Options& options, bool exporting,
                                           storage::Store& store, const async::Clock& clock);
  virtual ~Collector() = default;

  /// One bounded purge. True: there is more to do at once. Throws nothing but cancellation.
  virtual boost::asio::awaitable<bool> step() = 0;
  /// Until cancelled.
  virtual boost::asio::awaitable<void> run() = 0;
  virtual Health health() const = 0;
};

}  // namespace monitor::collector
