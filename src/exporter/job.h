// One coroutine at a time, for which several callers may wait, each as long as it likes. io thread only.
#pragma once

#include <memory>
#include <vector>

#include <boost/asio/any_io_executor.hpp>
#include <boost/asio/awaitable.hpp>
#include <boost/asio/steady_timer.hpp>

#include "common/units.h"

namespace monitor::exporter {

/// A blocking call cannot be cancelled, but who waits for it must be. So the work runs apart from its callers, and
/// their cancellation ends the waiting alone.
class Job {
 public:
  explicit Job(boost::asio::any_io_executor io) : io_(std::move(io)) {}

  bool running() const { return running_; }
  /// Must not run. `owner` keeps this job and everything that `body` refers to alive until the end of `body`, which
  /// throws nothing but cancellation.
  void start(std::shared_ptr<void> owner, boost::asio::awaitable<void> body);
  /// True when nothing runs; false when `until` came first. Throws `operation_aborted` when the caller is cancelled.
  boost::asio::awaitable<bool> ended_by(common::SteadyTime until);

 private:
  boost::asio::any_io_executor io_;
  bool running_ = false;
  std::vector<boost::asio::steady_timer*> waiters_;
};

}  // namespace monitor::exporter
