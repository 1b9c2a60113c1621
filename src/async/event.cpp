#include "async/event.h"

#include <boost/asio/cancellation_state.hpp>
#include <boost/asio/redirect_error.hpp>
#include <boost/asio/this_coro.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <boost/system/system_error.hpp>

namespace monitor::async {

namespace asio = boost::asio;

Event::Event(const asio::any_io_executor& executor) : timer_(executor) {}

void Event::notify() {
  raised_ = true;
  timer_.cancel();
}

asio::awaitable<bool> Event::wait_until(common::SteadyTime until) {
  if (!raised_) {
    timer_.expires_at(until);
    boost::system::error_code error;
    co_await timer_.async_wait(asio::redirect_error(asio::use_awaitable, error));
    const auto state = co_await asio::this_coro::cancellation_state;
    if (!raised_ && state.cancelled() != asio::cancellation_type::none) {
      throw boost::system::system_error(asio::error::operation_aborted);
    }
  }
  co_return std::exchange(raised_, false);
}

asio::awaitable<void> Event::wait() {
  while (!co_await wait_until(common::SteadyTime::max())) {
  }
}

asio::awaitable<void> sleep_until(common::SteadyTime until) {
  asio::steady_timer timer(co_await asio::this_coro::executor, until);
  co_await timer.async_wait(asio::use_awaitable);
}

asio::awaitable<void> sleep_for(std::chrono::nanoseconds duration) {
  asio::steady_timer timer(co_await asio::this_coro::executor, duration);
  co_await timer.async_wait(asio::use_awaitable);
}

asio::awaitable<bool> cancelled() {
  const auto state = co_await asio::this_coro::cancellation_state;
  co_return state.cancelled() != asio::cancellation_type::none;
}

}  // namespace monitor::async
