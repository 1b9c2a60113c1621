#include "exporter/job.h"

#include <boost/asio/cancellation_state.hpp>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/error.hpp>
#include <boost/asio/redirect_error.hpp>
#include <boost/asio/this_coro.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <boost/system/system_error.hpp>

namespace monitor::exporter {

namespace asio = boost::asio;

void Job::start(std::shared_ptr<void> owner, asio::awaitable<void> body) {
  running_ = true;
  try {
    // No task group: the owner, not a group, is what has to outlive the call, and its close() is the join.
    asio::co_spawn(io_, std::move(body), [this, owner = std::move(owner)](const std::exception_ptr&) {
      running_ = false;
      for (auto* waiter : waiters_) waiter->cancel();
    });
  } catch (...) {  // no memory for it: nobody would ever say that it has ended
    running_ = false;
    throw;
  }
}

asio::awaitable<bool> Job::ended_by(common::SteadyTime until) {
  asio::steady_timer timer(io_, until);
  while (running_ && std::chrono::steady_clock::now() < until) {
    waiters_.push_back(&timer);
    boost::system::error_code error;
    co_await timer.async_wait(asio::redirect_error(asio::use_awaitable, error));
    std::erase(waiters_, &timer);
    const auto state = co_await asio::this_coro::cancellation_state;
    if (state.cancelled() != asio::cancellation_type::none) {
      throw boost::system::system_error(asio::error::operation_aborted);
    }
  }
  co_return !running_;
}

}  // namespace monitor::exporter
