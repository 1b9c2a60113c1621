#include "async/deadline.h"

#include <utility>

namespace monitor::async {

Deadline::Deadline(const boost::asio::any_io_executor& executor, std::chrono::milliseconds limit,
                   std::function<void()> on_expiry)
    : timer_(executor, limit) {
  timer_.async_wait(
      [alive = alive_, expired = expired_, on_expiry = std::move(on_expiry)](const boost::system::error_code& error) {
        if (error || !*alive) return;
        *expired = true;
        on_expiry();
      });
}

Deadline::~Deadline() {
  *alive_ = false;
}

}  // namespace monitor::async
