// A thread for the calls to a PostgreSQL server, and its session there. io thread only; what is called runs on that
// thread.
#pragma once

#include <atomic>
#include <cstdint>
#include <memory>
#include <string>
#include <type_traits>
#include <utility>

#include <boost/asio/any_io_executor.hpp>
#include <boost/asio/awaitable.hpp>
#include <boost/asio/thread_pool.hpp>
#include <fmt/format.h>

#include "async/deadline.h"
#include "async/offload.h"
#include "exporter/breaker.h"
#include "exporter/postgres.h"

namespace monitor::exporter {

/// Owns the thread, and at most one session on it.
class Link {
 public:
  Link(boost::asio::any_io_executor io, std::string uri, Limits limits);
  ~Link();
  Link(const Link&) = delete;
  Link& operator=(const Link&) = delete;

  /// For the next connection, and calls on it. Not while one is open.
  void set_limits(const Limits& limits) { limits_ = limits; }
  bool open() const { return session_ != nullptr; }
  boost::asio::awaitable<void> connect();
  /// Destroys the session, on its thread. Never throws.
  boost::asio::awaitable<void> disconnect();
  /// `work(Session&)` on the link's thread, within Limits::call, or Overdue is thrown. Whatever it throws other than
  /// Refused ends the session with it: one that broke once is never used again.
  template <typename Work>
  boost::asio::awaitable<std::invoke_result_t<Work&, Session&>> call(Work work) {
    check_open();
    const async::Deadline deadline(io_, limits_.call, [this] { breaker_.trip(); });
    auto guarded = [this, &work] {
      const Returned returned{calls_};
      if (!session_) throw Unavailable("there is no session with PostgreSQL");
      try {
        return work(*session_);
      } catch (const Refused&) {
        throw;
      } catch (...) {
        drop();
        throw;
      }
    };
    try {
      co_return co_await async::offload(pool_, std::move(guarded));
    } catch (const Unavailable&) {
      if (!deadline.expired()) throw;
      throw Overdue(fmt::format("PostgreSQL did not answer within {} ms", limits_.call.count()));
    }
  }
  /// Makes a call under way return; it then throws Unavailable. A connection attempt goes on to its own limit.
  void interrupt() { breaker_.trip(); }
  /// Calls that have returned, whatever they returned.
  std::uint64_t calls() const { return calls_; }
  /// Refuses every call from now on, and interrupts the one under way without waiting for it: a connection attempt goes
  /// on to its own limit, and what it opened is of no use.
  void retire();
  /// The same, and returns when no call runs; a connection attempt takes up to Limits::connect per address.
  void close();

 private:
  struct Returned {
    std::atomic<std::uint64_t>& calls;
    ~Returned() { ++calls; }
  };

  /// Throws `operation_aborted` once closed: what is handed to a pool that has ended would wait there for ever.
  void check_open() const;
  /// On the link's thread.
  void drop();

  boost::asio::any_io_executor io_;
  std::string uri_;
  Limits limits_;
  Breaker breaker_;
  std::unique_ptr<Session> session_;
  std::atomic<std::uint64_t> calls_{0};
  bool closed_ = false;
  boost::asio::thread_pool pool_{1};
};

}  // namespace monitor::exporter
