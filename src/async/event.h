// A flag that one coroutine waits for and anyone on the same io thread raises. Not for other threads.
#pragma once

#include <boost/asio/any_io_executor.hpp>
#include <boost/asio/awaitable.hpp>
#include <boost/asio/steady_timer.hpp>

#include "common/units.h"

namespace monitor::async {

/// Resets itself when a wait takes it. At most one coroutine may wait at a time.
class Event {
 public:
  explicit Event(const boost::asio::any_io_executor& executor);

  void notify();
  /// True: the event was raised (now or earlier). False: `until` came first. Throws `operation_aborted` as
  /// boost::system::system_error when the coroutine is cancelled.
  boost::asio::awaitable<bool> wait_until(common::SteadyTime until);
  boost::asio::awaitable<void> wait();

 private:
  boost::asio::steady_timer timer_;
  bool raised_ = false;
};

/// Throws `operation_aborted` when the coroutine is cancelled.
boost::asio::awaitable<void> sleep_until(common::SteadyTime until);
boost::asio::awaitable<void> sleep_for(std::chrono::nanoseconds duration);

/// Whether the running coroutine has been asked to stop; loops test it between steps.
boost::asio::awaitable<bool> cancelled();

}  // namespace monitor::async
