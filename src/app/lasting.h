// A worker that goes on after it found no memory. io thread only.
#pragma once

#include <functional>
#include <string>

#include <boost/asio/awaitable.hpp>

namespace monitor::app {

/// Runs `run` until it returns, or throws anything but std::bad_alloc: its loop may be entered again at any of its
/// steps, and goes on when that is over which kept it from memory.
boost::asio::awaitable<void> lasting(std::string name, std::function<boost::asio::awaitable<void>()> run);

}  // namespace monitor::app
