// Coroutines that wait their turn, woken in order, without polling. io thread only.
#pragma once

#include <list>

#include <boost/asio/any_io_executor.hpp>
#include <boost/asio/awaitable.hpp>
#include <boost/asio/steady_timer.hpp>

namespace monitor::storage {

class WaitList {
 public:
  explicit WaitList(boost::asio::any_io_executor executor) : executor_(std::move(executor)) {}
  WaitList(const WaitList&) = delete;
  WaitList& operator=(const WaitList&) = delete;

  /// Until woken. Throws `operation_aborted` when the coroutine is cancelled; its turn then goes to the next.
  boost::asio::awaitable<void> wait();
  /// Wakes the `count` that have waited longest.
  void wake(std::size_t count);
  void wake_all() { wake(waiting_.size()); }
  std::size_t size() const { return waiting_.size(); }

 private:
  struct Waiter {
    explicit Waiter(const boost::asio::any_io_executor& executor)
        : timer(executor, boost::asio::steady_timer::time_point::max()) {}
    boost::asio::steady_timer timer;
    bool woken = false;
  };
  using Position = std::list<Waiter>::iterator;

  boost::asio::any_io_executor executor_;
  std::list<Waiter> waiting_;
  std::list<Waiter> woken_;  // until each has resumed
};

/// One coroutine at a time.
class Turnstile {
 public:
  class Turn {
   public:
    explicit Turn(Turnstile& owner) : owner_(&owner) {}
    Turn(Turn&& other) noexcept : owner_(std::exchange(other.owner_, nullptr)) {}
    Turn& operator=(Turn&&) = delete;
    ~Turn() {
      if (owner_ != nullptr) owner_->leave();
    }

   private:
    Turnstile* owner_;
  };

  explicit Turnstile(boost::asio::any_io_executor executor) : waiting_(std::move(executor)) {}
  /// Throws `operation_aborted` when the coroutine is cancelled.
  boost::asio::awaitable<Turn> enter();

 private:
  void leave();

  bool taken_ = false;
  WaitList waiting_;
};

}  // namespace monitor::storage
