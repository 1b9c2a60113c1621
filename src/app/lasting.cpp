#include "app/lasting.h"

#include <chrono>
#include <new>

#include "async/event.h"
#include "common/log.h"
#include "common/units.h"

namespace monitor::app {

namespace {

/// After a worker that found no memory.
constexpr std::chrono::seconds kGoOnAfter{1};

}  // namespace

boost::asio::awaitable<void> lasting(std::string name, std::function<boost::asio::awaitable<void>()> run) {
  for (;;) {
    try {
      co_await run();
      co_return;
    } catch (const std::bad_alloc&) {
      common::log::error("The {} found no memory; it goes on in {}.", name, common::format_duration(kGoOnAfter));
    }
    co_await async::sleep_for(kGoOnAfter);
  }
}

}  // namespace monitor::app
