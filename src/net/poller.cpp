#include "net/poller.h"

#include <cerrno>
#include <unistd.h>
#include <utility>

#include <boost/asio/associated_cancellation_slot.hpp>
#include <boost/asio/error.hpp>
#include <boost/asio/execution/context.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/query.hpp>
#include <boost/system/system_error.hpp>

namespace monitor::net {

namespace asio = boost::asio;
using common::SteadyTime;
using std::chrono::steady_clock;

namespace {

int make_epoll() {
  const int descriptor = ::epoll_create1(EPOLL_CLOEXEC);
  if (descriptor < 0) throw boost::system::system_error(errno, boost::system::system_category(), "epoll_create1");
  return descriptor;
}

/// As errno has it: too many sockets are watched, or there is no memory. That is no fault of who is at the other end.
std::exception_ptr cannot_watch() {
  return std::make_exception_ptr(boost::system::system_error(errno, boost::system::system_category(), "epoll_ctl"));
}

}  // namespace

asio::execution_context::id Poller::id;

Poller::Poller(asio::execution_context& context)
    : service(context),
      io_(static_cast<asio::io_context&>(context).get_executor()),
      epoll_(io_, make_epoll()),
      timer_(io_) {}

Poller& Poller::of(const asio::any_io_executor& io) {
  return asio::use_service<Poller>(asio::query(io, asio::execution::context));
}

/// The io_context is about to go: what waits is destroyed where it stands.
void Poller::shutdown() {
  std::vector<Handler> handlers;
  handlers.reserve(waiting_.size());
  for (auto* const socket : waiting_) {
    handlers.push_back(std::move(*socket->handler_));
    socket->handler_.reset();
  }
  waiting_.clear();
}

void Poller::take(std::size_t place, Socket* socket) {
  waiting_[place] = socket;
  socket->place_ = place;
}

void Poller::raise(std::size_t place) {
  auto* const socket = waiting_[place];
  while (place > 0) {
    const auto parent = (place - 1) / 2;
    if (waiting_[parent]->deadline_ <= socket->deadline_) break;
    take(place, waiting_[parent]);
    place = parent;
  }
  take(place, socket);
}

void Poller::sink(std::size_t place) {
  auto* const socket = waiting_[place];
  for (;;) {
    auto child = 2 * place + 1;
    if (child >= waiting_.size()) break;
    if (child + 1 < waiting_.size() && waiting_[child + 1]->deadline_ < waiting_[child]->deadline_) ++child;
    if (socket->deadline_ <= waiting_[child]->deadline_) break;
    take(place, waiting_[child]);
    place = child;
  }
  take(place, socket);
}

void Poller::insert(Socket& socket) {
  waiting_.push_back(&socket);
  raise(waiting_.size() - 1);
  arm();
  listen();
}

void Poller::remove(Socket& socket) {
  const auto place = socket.place_;
  auto* const last = waiting_.back();
  waiting_.pop_back();
  if (last == &socket) return;
  take(place, last);
  raise(place);
  sink(last->place_);
}

/// Its memory may be another socket's when their turn comes.
void Poller::forget_events(const Socket& socket) {
  for (auto& event : left_) {
    if (event.data.ptr == &socket) event.data.ptr = nullptr;
  }
}

void Poller::listen() {
  if (listening_) return;
  listening_ = true;
  epoll_.async_wait(asio::posix::stream_descriptor::wait_read, [this](const boost::system::error_code& error) {
    listening_ = false;
    if (!error) dispatch();
    if (!waiting_.empty()) listen();
  });
}

void Poller::dispatch() {
  const int count = ::epoll_wait(epoll_.native_handle(), events_.data(), static_cast<int>(events_.size()), 0);
  left_ = std::span(events_).first(static_cast<std::size_t>(std::max(count, 0)));
  while (!left_.empty()) {
    const auto event = left_.front();
    left_ = left_.subspan(1);
    if (event.data.ptr != nullptr) static_cast<Socket*>(event.data.ptr)->hear(event.events);
  }
  rest();
}

void Poller::arm() {
  const auto next = waiting_.front()->deadline_;
  if (next >= armed_) return;
  armed_ = next;
  timer_.expires_at(next);
  timer_.async_wait([this](const boost::system::error_code& error) {
    if (!error) expire();
  });
}

void Poller::expire() {
  armed_ = SteadyTime::max();
  const auto now = steady_clock::now();
  while (!waiting_.empty() && waiting_.front()->deadline_ <= now) waiting_.front()->finish(Ready::kTimeout);
  if (!waiting_.empty()) arm();
  rest();
}

/// While nothing waits nothing of ours keeps the io_context running.
void Poller::rest() {
  if (!waiting_.empty()) return;
  if (std::exchange(armed_, SteadyTime::max()) != SteadyTime::max()) timer_.cancel();
  boost::system::error_code ignored;
  if (listening_) epoll_.cancel(ignored);
}

void Poller::Socket::open(int descriptor) {
  close();
  descriptor_ = descriptor;
}

void Poller::Socket::close() {
  if (descriptor_ < 0) return;
  if (handler_) cancel();
  if (watched_ != 0) poller_.forget_events(*this);
  ::close(std::exchange(descriptor_, -1));  // which takes it out of the epoll instance: nobody else holds it
  watched_ = 0;
  ready_ = 0;
  ended_ = 0;
}

void Poller::Socket::drained(Wants what) {
  ready_ &= static_cast<std::uint8_t>(~what | ended_);
}

asio::awaitable<Poller::Ready> Poller::Socket::wait(Wants what, SteadyTime deadline) {
  return asio::async_initiate<const asio::use_awaitable_t<>, void(std::exception_ptr, Ready)>(
      [](Handler handler, Socket* self, Wants wanted, SteadyTime until) {
        self->begin(std::move(handler), wanted, until);
      },
      asio::use_awaitable, this, what, deadline);
}

void Poller::Socket::begin(Handler handler, Wants what, SteadyTime deadline) {
  if (deadline <= steady_clock::now()) return finish_later(std::move(handler), nullptr, Ready::kTimeout);
  if ((ready_ & what) != 0) return finish_later(std::move(handler), nullptr, Ready::kReady);
  if (!watch(what)) return finish_later(std::move(handler), cannot_watch(), Ready::kReady);
  wants_ = what;
  deadline_ = deadline;
  handler_.emplace(std::move(handler));
  auto slot = asio::get_associated_cancellation_slot(*handler_);
  if (slot.is_connected()) {
    slot.assign([this](asio::cancellation_type) { cancel(); });
  }
  poller_.insert(*this);
}

bool Poller::Socket::watch(Wants what) {
  const std::uint32_t wanted = EPOLLIN | EPOLLRDHUP | EPOLLET | ((what & kWrite) != 0 ? EPOLLOUT : 0U);
  if ((watched_ & wanted) == wanted) return true;
  epoll_event event{.events = wanted, .data = {.ptr = this}};
  const int how = watched_ == 0 ? EPOLL_CTL_ADD : EPOLL_CTL_MOD;
  if (::epoll_ctl(poller_.epoll_.native_handle(), how, descriptor_, &event) != 0) return false;
  watched_ = wanted;
  return true;
}

void Poller::Socket::hear(std::uint32_t events) {
  constexpr std::uint32_t kEnd = EPOLLHUP | EPOLLERR;
  if ((events & (EPOLLIN | EPOLLRDHUP | kEnd)) != 0) ready_ |= kRead;
  if ((events & (EPOLLOUT | kEnd)) != 0) ready_ |= kWrite;
  if ((events & EPOLLRDHUP) != 0) ended_ |= kRead;  // it may still take what we send
  if ((events & kEnd) != 0) ended_ |= kEither;
  if (handler_ && (ready_ & wants_) != 0) finish(Ready::kReady);
}

/// Nothing of the socket may be touched afterwards: who waited may have destroyed it.
void Poller::Socket::finish(Ready how) {
  poller_.remove(*this);
  auto handler = std::move(*handler_);
  handler_.reset();
  handler(nullptr, how);
}

void Poller::Socket::cancel() {
  if (!handler_) return;
  asio::get_associated_cancellation_slot(*handler_).clear();  // whose turn comes later: we may be gone by then
  poller_.remove(*this);
  auto handler = std::move(*handler_);
  handler_.reset();
  poller_.rest();
  finish_later(std::move(handler), std::make_exception_ptr(boost::system::system_error(asio::error::operation_aborted)),
               Ready::kTimeout);
}

/// In a turn of its own: so that one who always finds something gives way to the others.
void Poller::Socket::finish_later(Handler handler, std::exception_ptr failure, Ready how) {
  asio::post(poller_.io_, [handler = std::move(handler), failure = std::move(failure), how]() mutable {
    handler(std::move(failure), how);
  });
}

}  // namespace monitor::net
