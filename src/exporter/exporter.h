// Moves committed results to PostgreSQL, in order, once. Runs on the io thread; store and sink hop to their own pools.
#pragma once

#include <memory>

#include <boost/asio/any_io_executor.hpp>
#include <boost/asio/awaitable.hpp>

#include "async/clock.h"
#include "exporter/options.h"
#include "storage/store.h"

namespace monitor::exporter {

enum class Progress { kIdle, kExported, kMore, kUnavailable };

struct Health {
  bool connected = false;
  bool degraded = false;       ///< a declared state: PostgreSQL is away, or refuses a whole batch
  std::string problem;         ///< a sentence while degraded; without secrets
  std::uint64_t exported = 0;  ///< results that arrived, since the start
  std::uint64_t quarantined = 0;
  std::uint64_t steps = 0;  ///< moves while the loop lives
};

class Exporter {
 public:
  static std::unique_ptr<Exporter> create(boost::asio::any_io_executor io, const Options& options,
                                          storage::Store& store, const async::Clock& clock);
  virtual ~Exporter() = default;

  /// One batch, or one attempt to connect. Throws nothing but cancellation.
  virtual boost::asio::awaitable<Progress> step() = 0;
  /// Until cancelled.
  virtual boost::asio::awaitable<void> run() = 0;
  /// There is something new to export.
  virtual void wake() = 0;
  /// One last attempt to send what is committed, within `limit`.
  virtual boost::asio::awaitable<void> flush(std::chrono::milliseconds limit) = 0;
  virtual Health health() const = 0;
};

}  // namespace monitor::exporter
