// Owns coroutines on one io thread: each is spawned with a name, all can be cancelled, and all are joined.
#pragma once

#include <cstdint>
#include <exception>
#include <functional>
#include <map>
#include <string>

#include <boost/asio/any_io_executor.hpp>
#include <boost/asio/awaitable.hpp>
#include <boost/asio/cancellation_signal.hpp>

#include "async/event.h"

namespace monitor::async {

/// io thread only. Must be joined, or its io_context destroyed, before what its coroutines refer to goes away.
class TaskGroup {
 public:
  /// Called with a task's name when it ended with an exception other than cancellation: a bug that no loop caught.
  using OnFailure = std::function<void(const std::string& name, std::exception_ptr)>;

  TaskGroup(boost::asio::any_io_executor executor, OnFailure on_failure);
  TaskGroup(const TaskGroup&) = delete;
  TaskGroup& operator=(const TaskGroup&) = delete;

  /// Gives the task's number, which no other task of this group ever has; from 1.
  std::uint64_t spawn(std::string name, boost::asio::awaitable<void> task);
  /// Terminal cancellation to every task that runs now.
  void cancel();
  /// The same to one task; nothing if it has ended.
  void cancel(std::uint64_t number);
  /// Returns when no task runs any more.
  boost::asio::awaitable<void> join();
  std::size_t size() const { return tasks_.size(); }

 private:
  struct Task {
    std::string name;
    boost::asio::cancellation_signal signal;
  };

  void ended(std::uint64_t number, std::exception_ptr failure);

  boost::asio::any_io_executor executor_;
  OnFailure on_failure_;
  std::map<std::uint64_t, Task> tasks_;  ///< by number
  std::uint64_t last_number_ = 0;
  Event empty_;
};

}  // namespace monitor::async
