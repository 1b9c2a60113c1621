// Runs a coroutine to its end on an io_context of the test.
#pragma once

#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <exception>
#include <optional>
#include <type_traits>

#include <boost/asio/awaitable.hpp>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/executor_work_guard.hpp>
#include <boost/asio/io_context.hpp>

namespace monitor::test {

/// The coroutine's value, or its exception. Runs `io` until it is done (not until `io` is idle). After `limit` the
/// test program ends with status 1.
template <typename Value>
Value run(boost::asio::io_context& io, boost::asio::awaitable<Value> task,
          std::chrono::seconds limit = std::chrono::seconds{60}) {
  std::exception_ptr failure;
  bool done = false;
  std::conditional_t<std::is_void_v<Value>, bool, std::optional<Value>> value{};
  if constexpr (std::is_void_v<Value>) {
    boost::asio::co_spawn(io, std::move(task), [&](std::exception_ptr error) {
      failure = error;
      done = true;
    });
  } else {
    boost::asio::co_spawn(io, std::move(task), [&](std::exception_ptr error, Value result) {
      failure = error;
      if (!error) value.emplace(std::move(result));
      done = true;
    });
  }
  // Without it a pool that finishes its last work just now could stop the io_context that this call has restarted.
  const auto guard = boost::asio::make_work_guard(io);
  io.restart();
  const auto end = std::chrono::steady_clock::now() + limit;
  while (!done) {
    if (io.run_one_until(end) == 0 && !done) {
      // Not an exception: the coroutine would go on in the fixture's destructor, with what it refers to gone.
      std::fputs(io.stopped() ? "the coroutine never resumed\n" : "the coroutine took too long\n", stderr);
      std::_Exit(EXIT_FAILURE);
    }
  }
  if (failure) std::rethrow_exception(failure);
  if constexpr (!std::is_void_v<Value>) return std::move(*value);
}

}  // namespace monitor::test
