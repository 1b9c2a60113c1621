// Inspects responses: little work at once, much of it on threads of its own. io thread only.
#pragma once

#include <memory>
#include <optional>

#include <boost/asio/any_io_executor.hpp>
#include <boost/asio/awaitable.hpp>
#include <boost/asio/thread_pool.hpp>

#include "common/units.h"
#include "probe/inspect.h"

namespace monitor::probe {

/// RE2 takes time linear in the body, but at worst as many steps a byte as the expression has instructions: seconds
/// for 1 MiB of hostile text and an expression like `a.{490}b`. Nobody else may stand still for that long.
class Matcher {
 public:
  explicit Matcher(boost::asio::any_io_executor io);
  /// Waits for the inspections that run (RE2 cannot be interrupted), not for those that wait for a thread.
  ~Matcher();
  Matcher(const Matcher&) = delete;
  Matcher& operator=(const Matcher&) = delete;

  /// Whether it can be inspected on the io thread: a few milliseconds whatever it holds.
  static bool is_little(const Received& received, const Expectations& expectations);

  /// inspect() on a thread of its own; nothing when it has not ended by `until` (real steady clock). Cancelled: throws
  /// `operation_aborted`. Either way the work itself goes on unseen, with what it works on.
  boost::asio::awaitable<std::optional<Findings>> inspect(Received received, SharedExpectations expectations,
                                                          common::SteadyTime until);

 private:
  struct Job;
  struct Answer;

  boost::asio::any_io_executor io_;
  std::optional<boost::asio::thread_pool> pool_;  ///< made when it is first needed
};

}  // namespace monitor::probe
