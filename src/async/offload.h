// Runs blocking work on a pool and resumes the caller on its own thread.
#pragma once

#include <type_traits>
#include <utility>

#include <boost/asio/awaitable.hpp>
#include <boost/asio/bind_cancellation_slot.hpp>
#include <boost/asio/cancellation_signal.hpp>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/thread_pool.hpp>
#include <boost/asio/use_awaitable.hpp>

namespace monitor::async {

/// `work()` on a thread of `pool`; its value or its exception comes back to the caller's thread. It cannot be
/// cancelled (a half-done call may still use what the caller owns), so `work` must carry a limit of its own.
template <typename Work>
boost::asio::awaitable<std::invoke_result_t<Work&>> offload(boost::asio::thread_pool& pool, Work work) {
  using Value = std::invoke_result_t<Work&>;
  auto body = [&work]() -> boost::asio::awaitable<Value> { co_return work(); };
  co_return co_await boost::asio::co_spawn(
      pool, std::move(body),
      boost::asio::bind_cancellation_slot(boost::asio::cancellation_slot(), boost::asio::use_awaitable));
}

}  // namespace monitor::async
