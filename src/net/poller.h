// Tells when sockets can be read from or written to, and when the time of who waits for that is up. io thread only.
#pragma once

#include <array>
#include <cstdint>
#include <exception>
#include <optional>
#include <span>
#include <sys/epoll.h>
#include <vector>

#include <boost/asio/any_io_executor.hpp>
#include <boost/asio/awaitable.hpp>
#include <boost/asio/execution_context.hpp>
#include <boost/asio/posix/stream_descriptor.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/asio/use_awaitable.hpp>

#include "common/units.h"

namespace monitor::net {

/// One for each io_context. Asio asks the kernel anew for every wait and keeps a timer for each; here a socket is
/// registered once for as long as it is open, edge-triggered, and all deadlines share one timer.
class Poller final : public boost::asio::execution_context::service {
 public:
  using key_type = Poller;
  static boost::asio::execution_context::id id;

  class Socket;
  /// What a wait ended with. Thrown are cancellation (`operation_aborted`) and what kept us from watching the socket.
  enum class Ready : std::uint8_t { kReady, kTimeout };

  explicit Poller(boost::asio::execution_context& context);
  /// The one of this executor's io_context.
  static Poller& of(const boost::asio::any_io_executor& io);

 private:
  using Handler =
      boost::asio::async_result<boost::asio::use_awaitable_t<>, void(std::exception_ptr, Ready)>::handler_type;

  void shutdown() override;
  void take(std::size_t place, Socket* socket);
  void raise(std::size_t place);
  void sink(std::size_t place);
  void insert(Socket& socket);
  void remove(Socket& socket);
  void forget_events(const Socket& socket);
  void listen();
  void dispatch();
  void arm();
  void expire();
  void rest();

  boost::asio::any_io_executor io_;
  boost::asio::posix::stream_descriptor epoll_;
  boost::asio::steady_timer timer_;
  common::SteadyTime armed_ = common::SteadyTime::max();  ///< when the timer ends; max: it is not set
  bool listening_ = false;
  std::vector<Socket*> waiting_;  ///< a heap, the earliest deadline on top
  std::array<epoll_event, 128> events_{};
  std::span<epoll_event> left_;  ///< of events_: those whose turn is still to come
};

/// A descriptor that it closes. Waits are hints: after one, a call that does not block tells what there is.
class Poller::Socket {
 public:
  enum Wants : std::uint8_t { kRead = 1, kWrite = 2, kEither = 3 };

  explicit Socket(Poller& poller) : poller_(poller) {}
  ~Socket() { close(); }
  Socket(const Socket&) = delete;
  Socket& operator=(const Socket&) = delete;

  /// Takes over a non-blocking socket.
  void open(int descriptor);
  void close();
  bool is_open() const { return descriptor_ >= 0; }
  int descriptor() const { return descriptor_; }

  /// To be told of every call that left nothing (EAGAIN, or fewer bytes than there was room for): the next wait waits.
  void drained(Wants what);
  /// The opposite, where there may be more though no event will say so: the next wait gives way once and ends.
  void may_have_more(Wants what) { ready_ |= what; }

  /// `deadline`: on the real steady clock. One at a time.
  boost::asio::awaitable<Ready> wait(Wants what, common::SteadyTime deadline);

 private:
  friend class Poller;

  void begin(Handler handler, Wants what, common::SteadyTime deadline);
  bool watch(Wants what);
  void hear(std::uint32_t events);
  void finish(Ready how);
  void cancel();
  void finish_later(Handler handler, std::exception_ptr failure, Ready how);

  Poller& poller_;
  int descriptor_ = -1;
  std::uint32_t watched_ = 0;  ///< what the kernel tells of it; 0: it is not registered
  std::uint8_t ready_ = 0;
  std::uint8_t ended_ = 0;  ///< what no event will come for any more
  std::uint8_t wants_ = 0;
  common::SteadyTime deadline_{};
  std::size_t place_ = 0;  ///< in the poller's heap, while `handler_` waits
  std::optional<Handler> handler_;
};

}  // namespace monitor::net
