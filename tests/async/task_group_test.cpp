#include "async/task_group.h"

#include <cstdlib>
#include <new>
#include <stdexcept>

#include <boost/asio/io_context.hpp>
#include <gtest/gtest.h>

#include "async/deadline.h"
#include "async/offload.h"

// ThreadSanitizer's operator new is its own, and cannot be replaced.
#if !__has_feature(thread_sanitizer)
namespace {

/// Allocations on this thread that succeed before one fails; negative: all do.
thread_local int g_until_no_memory = -1;

}  // namespace

void* operator new(std::size_t bytes) {
  if (g_until_no_memory >= 0 && g_until_no_memory-- == 0) throw std::bad_alloc();
  if (void* memory = std::malloc(bytes)) return memory;
  throw std::bad_alloc();
}
void operator delete(void* memory) noexcept {
  std::free(memory);
}
void operator delete(void* memory, std::size_t) noexcept {
  std::free(memory);
}
#endif

namespace monitor::async {
namespace {

namespace asio = boost::asio;

TEST(TaskGroup, CancelEndsEveryTaskAndJoinReturns) {
  asio::io_context io(1);
  TaskGroup group(io.get_executor(), [](const std::string& name, std::exception_ptr) { FAIL() << name; });
  bool joined = false;
  for (int i = 0; i < 3; ++i) group.spawn("sleeper", sleep_for(std::chrono::hours{1}));
  TaskGroup outer(io.get_executor(), [](const std::string& name, std::exception_ptr) { FAIL() << name; });
  outer.spawn("joiner", [](TaskGroup& g, bool& done) -> asio::awaitable<void> {
    g.cancel();
    co_await g.join();
    done = true;
  }(group, joined));
  io.run();
  EXPECT_TRUE(joined);
  EXPECT_EQ(group.size(), 0U);
}

TEST(TaskGroup, OneTaskCanBeCancelledAlone) {
  asio::io_context io(1);
  TaskGroup group(io.get_executor(), [](const std::string& name, std::exception_ptr) { FAIL() << name; });
  group.spawn("stays", sleep_for(std::chrono::hours{1}));
  const auto wanted = group.spawn("goes", sleep_for(std::chrono::hours{1}));
  EXPECT_NE(wanted, group.spawn("stays", sleep_for(std::chrono::hours{1})));
  group.cancel(wanted);
  group.cancel(wanted + 100);
  while (io.poll() > 0) {
  }
  EXPECT_EQ(group.size(), 2U);
  group.cancel(wanted);  // it has ended
  group.cancel();
  io.run();
  EXPECT_EQ(group.size(), 0U);
}

#if !__has_feature(thread_sanitizer)
TEST(TaskGroup, ATaskThatFindsNoMemoryIsNotOnTheList) {
  asio::io_context io{1};
  TaskGroup tasks(io.get_executor(), [](const std::string& name, std::exception_ptr) { FAIL() << name; });
  const auto nothing = []() -> asio::awaitable<void> { co_return; };
  int refused = 0;
  for (bool spawned = false; !spawned; ++refused) {
    auto task = nothing();
    g_until_no_memory = refused;
    try {
      tasks.spawn("x", std::move(task));
      spawned = true;
    } catch (const std::bad_alloc&) {
    }
    g_until_no_memory = -1;
    EXPECT_EQ(tasks.size(), spawned ? 1U : 0U) << "after " << refused << " allocations";
  }
  EXPECT_GT(refused, 2) << "it allocates more than its place on the list";
  io.restart();  // what was given up was all that there was to do
  io.run();
  EXPECT_EQ(tasks.size(), 0U);
}
#endif

TEST(TaskGroup, ReportsTheTaskThatDiedOfAnException) {
  asio::io_context io(1);
  std::string dead;
  TaskGroup group(io.get_executor(), [&](const std::string& name, std::exception_ptr) { dead = name; });
  group.spawn("worker", []() -> asio::awaitable<void> {
    co_await asio::post(asio::use_awaitable);
    throw std::runtime_error("bug");
  }());
  io.run();
  EXPECT_EQ(dead, "worker");
}

TEST(Event, AWaitTakesANoticeThatCameBefore) {
  asio::io_context io(1);
  Event event(io.get_executor());
  event.notify();
  bool raised = false;
  bool again = true;
  TaskGroup group(io.get_executor(), [](const std::string& name, std::exception_ptr) { FAIL() << name; });
  group.spawn("waiter", [](Event& e, bool& first, bool& second) -> asio::awaitable<void> {
    first = co_await e.wait_until(common::SteadyTime::max());
    second = co_await e.wait_until(std::chrono::steady_clock::now());
  }(event, raised, again));
  io.run();
  EXPECT_TRUE(raised);
  EXPECT_FALSE(again);
}

TEST(Offload, RunsOnThePoolAndResumesOnTheCallersThread) {
  asio::io_context io(1);
  asio::thread_pool pool(1);
  std::thread::id worker;
  std::thread::id before;
  std::thread::id after;
  std::string caught;
  TaskGroup group(io.get_executor(), [](const std::string& name, std::exception_ptr) { FAIL() << name; });
  auto body = [&]() -> asio::awaitable<void> {
    before = std::this_thread::get_id();
    worker = co_await offload(pool, [] { return std::this_thread::get_id(); });
    after = std::this_thread::get_id();
    try {
      co_await offload(pool, []() -> int { throw std::runtime_error("from the pool"); });
    } catch (const std::runtime_error& error) {
      caught = error.what();
    }
  };
  group.spawn("caller", body());
  io.run();
  pool.join();
  EXPECT_TRUE(before == after);
  EXPECT_FALSE(before == worker);
  EXPECT_EQ(caught, "from the pool");
}

TEST(Deadline, FiresOnlyWhileItLives) {
  asio::io_context io(1);
  int fired = 0;
  auto kept = std::make_unique<Deadline>(io.get_executor(), std::chrono::milliseconds{0}, [&] { ++fired; });
  auto dropped = std::make_unique<Deadline>(io.get_executor(), std::chrono::milliseconds{0}, [&] { fired += 100; });
  dropped.reset();
  io.run();
  EXPECT_EQ(fired, 1);
  EXPECT_TRUE(kept->expired());
}

}  // namespace
}  // namespace monitor::async
