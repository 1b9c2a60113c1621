// Polls what is due with a pool of coroutines and hands every result to the store. Runs on the io thread.
#pragma once

#include <chrono>
#include <memory>
#include <optional>
#include <string>

#include <boost/asio/any_io_executor.hpp>
#include <boost/asio/awaitable.hpp>

#include "agent/change.h"
#include "agent/options.h"
#include "async/clock.h"
#include "probe/prober.h"
#include "storage/store.h"

namespace monitor::agent {

/// A check that should long have ended, by its service's timeout. Each ends by itself: this one hangs.
struct Overdue {
  std::uint64_t number = 0;  ///< that of no other check
  std::string service;
  std::chrono::seconds since{0}, timeout{0};
};

struct Health {
  std::uint64_t checks = 0;    ///< results of slots handed to the store, since the start
  std::uint64_t rechecks = 0;  ///< and of re-checks
  std::uint64_t skipped = 0;   ///< slots that did not run, since the start
  std::uint64_t steps = 0;     ///< moves while the loop lives
  std::size_t running = 0;
  std::optional<Overdue> overdue;  ///< of all of them, the one that should have ended first
  std::string problem;             ///< a sentence while no check begins for want of memory, or none ever did
  bool late = false;               ///< many slots begin late for want of CPU
  std::size_t up = 0, degraded = 0, down = 0, unknown = 0;  ///< services by the last slot's verdict
};

class Agent {
 public:
  /// `max_running`: how many checks may run at once (from the descriptor limit).
  static std::unique_ptr<Agent> create(boost::asio::any_io_executor io, const Options& options, std::size_t max_running,
                                       probe::Prober& prober, storage::Store& store, const async::Clock& clock);
  virtual ~Agent() = default;

  /// Stores the definitions and lays out the schedule. Before the first step().
  virtual boost::asio::awaitable<void> start() = 0;
  /// Sets going what is due now; returns when to come again, on the clock that goes on while the machine sleeps: a
  /// millisecond later at the earliest, so that what comes due meanwhile begins together.
  virtual common::SteadyTime step() = 0;
  /// start() if that was not done, then steps until stopped; returns when no check runs any more.
  virtual boost::asio::awaitable<void> run() = 0;
  /// No new slots from now on, and no re-checks. Running checks of slots go on, until cut().
  virtual void stop() = 0;
  /// Goes over to `change.options`, made by change_of() from those in force: one call at a time. A service that stays
  /// as it is keeps everything; one that changed keeps its phase (unless its interval changed: see changed_slots()),
  /// its history and its running check, which is stored as what it was when it began. The running check of one that
  /// goes ends and is stored; a slot of it that waits counts as skipped (stopping). New ones start as at a start.
  /// Where a start found no memory so far, this is one, with those services. Throws what Prober::prepare() and, for
  /// want of memory, start() throw, with nothing changed; does nothing once stop() was called. Afterwards
  /// `change.options` holds what was in force before, to be destroyed wherever there is time.
  virtual boost::asio::awaitable<void> apply(Change& change, std::size_t max_running) = 0;
  /// Cuts the running checks; their slots count as skipped (stopping).
  virtual void cut() = 0;
  /// After run(): slots due until now count as skipped (stopping). To be called again before the store closes.
  virtual void close_books() = 0;
  virtual Health health() const = 0;
};

}  // namespace monitor::agent
