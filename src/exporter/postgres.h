// A session with a PostgreSQL server on a thread of its own. Session and Transaction belong to that thread; Link and
// its calls to the io thread.
#pragma once

#include <atomic>
#include <chrono>
#include <cstdint>
#include <functional>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <string_view>
#include <type_traits>
#include <utility>
#include <vector>

#include <boost/asio/any_io_executor.hpp>
#include <boost/asio/awaitable.hpp>
#include <boost/asio/thread_pool.hpp>
#include <fmt/format.h>

#include "async/deadline.h"
#include "async/offload.h"
#include "common/error.h"
#include "exporter/exporter.h"

namespace monitor::exporter {

/// There is no server to talk to, or none any more; what was sent may or may not have been committed.
class Unavailable : public common::Error {
 public:
  using common::Error::Error;
};

/// A call took longer than Limits::call.
class Overdue : public Unavailable {
 public:
  using Unavailable::Unavailable;
};

/// The server refused a statement. The text is the server's sentence, without the row's content.
class Refused : public common::Error {
 public:
  Refused(std::string sqlstate, const std::string& text) : common::Error(text), sqlstate_(std::move(sqlstate)) {}
  const std::string& sqlstate() const { return sqlstate_; }

 private:
  std::string sqlstate_;
};

using Row = std::vector<std::optional<std::string>>;
using Rows = std::vector<Row>;

/// Makes a blocked call return by shutting down its socket. Any thread.
class Breaker {
 public:
  Breaker() = default;
  ~Breaker();
  Breaker(const Breaker&) = delete;
  Breaker& operator=(const Breaker&) = delete;

  /// Watches a duplicate of `socket`, so that the number is never that of another file. Throws Unavailable when there
  /// is no descriptor for one: what cannot be interrupted may hang for ever.
  void watch(int socket);
  void forget();
  void trip();
  /// Trips, and every socket that is watched from now on as soon as it is.
  void trip_for_good();

 private:
  std::mutex mutex_;
  int socket_ = -1;
  bool for_good_ = false;
};

/// Rolls back unless committed. The session's settings are pinned for the length of the transaction, so nothing depends
/// on what a pooler, a role or a database set before.
class Transaction {
 public:
  virtual ~Transaction() = default;
  /// Statements without parameters, any number of them. Throws Unavailable or Refused.
  virtual Rows run(const std::string& sql) = 0;
  /// One statement with text parameters $1, $2, …
  virtual Rows run(const std::string& sql, const std::vector<std::string>& parameters) = 0;
  /// `sql` is a COPY … FROM STDIN, which is sent what `next` appends to its argument, piece by piece, until that is
  /// nothing. The server works on a piece while the next one is made.
  virtual void copy(const std::string& sql, const std::function<void(std::string&)>& next) = 0;
  virtual void commit() = 0;
};

class Session {
 public:
  /// Connects, within the limit per address. Throws Unavailable, whose text holds no secret.
  static std::unique_ptr<Session> open(const std::string& uri, const Limits& limits, Breaker& breaker);
  virtual ~Session() = default;
  virtual std::unique_ptr<Transaction> begin() = 0;
  /// One statement outside of any transaction, for what may be in none, with the role's settings. Throws as
  /// Transaction::run().
  virtual void run_alone(const std::string& sql) = 0;
  /// As the server names it: `UTF8`, `LATIN1`, `SQL_ASCII`…
  virtual std::string server_encoding() = 0;
  /// `host:port/database`, for the log.
  virtual std::string where() = 0;
  /// Why the connection does not keep results and password from who sits between; empty: it does, or nobody can.
  virtual std::string exposure() = 0;
};

/// What a connection with libpq's `sslmode` leaves open to who sits between; empty: nothing. `encrypted`: TLS or GSS is
/// in use; `local`: it leaves this machine nowhere.
std::string exposure_of(std::string_view sslmode, bool encrypted, bool local);

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
