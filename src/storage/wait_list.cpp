#include "storage/wait_list.h"

#include <boost/asio/cancellation_state.hpp>
#include <boost/asio/error.hpp>
#include <boost/asio/redirect_error.hpp>
#include <boost/asio/this_coro.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <boost/system/system_error.hpp>

namespace monitor::storage {

namespace asio = boost::asio;

namespace {

/// Removes a waiter however its coroutine ends, also when the io_context is destroyed under it.
template <typename Waiter>
struct Leaving {
  std::list<Waiter>& waiting;
  std::list<Waiter>& woken;
  typename std::list<Waiter>::iterator position;
  ~Leaving() { (position->woken ? woken : waiting).erase(position); }
};

}  // namespace

asio::awaitable<void> WaitList::wait() {
  const Position self = waiting_.emplace(waiting_.end(), executor_);
  const Leaving<Waiter> leaving{waiting_, woken_, self};
  boost::system::error_code error;
  co_await self->timer.async_wait(asio::redirect_error(asio::use_awaitable, error));
  const auto state = co_await asio::this_coro::cancellation_state;
  if (state.cancelled() != asio::cancellation_type::none) {
    if (self->woken) wake(1);
    throw boost::system::system_error(asio::error::operation_aborted);
  }
}

void WaitList::wake(std::size_t count) {
  for (; count > 0 && !waiting_.empty(); --count) {
    const Position next = waiting_.begin();
    woken_.splice(woken_.end(), waiting_, next);
    next->woken = true;
    next->timer.cancel();
  }
}

asio::awaitable<Turnstile::Turn> Turnstile::enter() {
  while (taken_) co_await waiting_.wait();
  // A stop that came while waiting: nothing may be taken up that the next await would then drop.
  const auto state = co_await asio::this_coro::cancellation_state;
  if (state.cancelled() != asio::cancellation_type::none) {
    throw boost::system::system_error(asio::error::operation_aborted);
  }
  taken_ = true;
  co_return Turn(*this);
}

void Turnstile::leave() {
  taken_ = false;
  waiting_.wake(1);
}

}  // namespace monitor::storage
