#include "async/task_group.h"

#include <boost/asio/bind_cancellation_slot.hpp>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/error.hpp>
#include <boost/asio/post.hpp>
#include <boost/system/system_error.hpp>

namespace monitor::async {

namespace asio = boost::asio;

namespace {

bool is_cancellation(const std::exception_ptr& failure) {
  try {
    std::rethrow_exception(failure);
  } catch (const boost::system::system_error& error) {
    return error.code() == asio::error::operation_aborted;
  } catch (...) {
    return false;
  }
}

}  // namespace

TaskGroup::TaskGroup(asio::any_io_executor executor, OnFailure on_failure)
    : executor_(executor), on_failure_(std::move(on_failure)), empty_(executor) {}

void TaskGroup::spawn(std::string name, asio::awaitable<void> task) {
  tasks_.emplace_back().name = std::move(name);
  const auto self = std::prev(tasks_.end());
  asio::co_spawn(executor_, std::move(task),
                 asio::bind_cancellation_slot(self->signal.slot(),
                                              [this, self](std::exception_ptr failure) { ended(self, failure); }));
}

void TaskGroup::ended(std::list<Task>::iterator task, std::exception_ptr failure) {
  const std::string name = std::move(task->name);
  tasks_.erase(task);
  if (tasks_.empty()) empty_.notify();
  if (failure && !is_cancellation(failure)) on_failure_(name, failure);
}

void TaskGroup::cancel() {
  // A task that ends inside emit() removes itself from the list, so each step is taken from a posted turn of the loop.
  for (auto& task : tasks_) {
    asio::post(executor_, [this, wanted = &task] {
      for (auto& running : tasks_) {
        if (&running == wanted) {
          running.signal.emit(asio::cancellation_type::terminal);
          return;
        }
      }
    });
  }
}

asio::awaitable<void> TaskGroup::join() {
  while (!tasks_.empty()) co_await empty_.wait();
}

}  // namespace monitor::async
