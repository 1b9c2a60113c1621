// A session with a PostgreSQL server, for one thread.
#pragma once

#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "common/error.h"
#include "exporter/breaker.h"
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

}  // namespace monitor::exporter
