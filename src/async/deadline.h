// Calls something once if it still lives when its time comes. io thread only.
#pragma once

#include <chrono>
#include <functional>
#include <memory>

#include <boost/asio/any_io_executor.hpp>
#include <boost/asio/steady_timer.hpp>

namespace monitor::async {

/// For calls that carry no limit of their own: `on_expiry` makes the blocked call return (it closes a socket, say).
/// Destroying the deadline in time means that `on_expiry` is not called.
class Deadline {
 public:
  Deadline(const boost::asio::any_io_executor& executor, std::chrono::milliseconds limit,
           std::function<void()> on_expiry);
  ~Deadline();
  Deadline(const Deadline&) = delete;
  Deadline& operator=(const Deadline&) = delete;

  bool expired() const { return *expired_; }

 private:
  boost::asio::steady_timer timer_;
  std::shared_ptr<bool> alive_ = std::make_shared<bool>(true);
  std::shared_ptr<bool> expired_ = std::make_shared<bool>(false);
};

}  // namespace monitor::async
