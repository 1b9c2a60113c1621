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

std::uint64_t TaskGroup::spawn(std::string name, asio::awaitable<void> task) {
  const std::uint64_t number = ++last_number_;
  auto& own = tasks_[number];
  own.name = std::move(name);
  try {
    asio::co_spawn(executor_, std::move(task),
                   asio::bind_cancellation_slot(
                       own.signal.slot(), [this, number](std::exception_ptr failure) { ended(number, failure); }));
  } catch (...) {  // no memory for it: nobody would ever take it off the list
    tasks_.erase(number);
    throw;
  }
  return number;
}

void TaskGroup::ended(std::uint64_t number, std::exception_ptr failure) {
  const std::string name = std::move(tasks_.extract(number).mapped().name);
  if (tasks_.empty()) empty_.notify();
  if (failure && !is_cancellation(failure)) on_failure_(name, failure);
}

void TaskGroup::cancel() {
  // A task that ends inside emit() removes itself from the map, so each step is taken from a posted turn of the loop.
  for (const auto& [number, task] : tasks_) cancel(number);
}

void TaskGroup::cancel(std::uint64_t number) {
  asio::post(executor_, [this, number] {
    const auto task = tasks_.find(number);
    if (task != tasks_.end()) task->second.signal.emit(asio::cancellation_type::terminal);
  });
}

asio::awaitable<void> TaskGroup::join() {
  while (!tasks_.empty()) co_await empty_.wait();
}

}  // namespace monitor::async
