// SQLite's C interface as values: a connection, a statement, a transaction. One thread at a time.
#pragma once

#include <cstdint>
#include <filesystem>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>

#include "common/error.h"

struct sqlite3;
struct sqlite3_stmt;

namespace monitor::storage {

/// What SQLite refused, as a sentence with a hint for the operator. `code` is the extended result code.
class SqliteError : public common::Error {
 public:
  SqliteError(const std::string& sentence, int code) : Error(sentence), code_(code) {}
  int code() const { return code_; }
  /// The disk, a quota or the file-size limit has no room left.
  bool full() const;
  /// The operating system failed below SQLite: what the connection holds in memory can no longer be trusted
  /// (a failed fsync may not be tried again), so it is closed and opened anew.
  bool io() const;
  /// What the file holds is no database, or not all of one.
  bool corrupt() const;

 private:
  int code_;
};

/// One run of a statement, reset when it goes out of scope.
class Rows {
 public:
  explicit Rows(sqlite3_stmt* statement) : statement_(statement) {}
  ~Rows();
  Rows(const Rows&) = delete;
  Rows& operator=(const Rows&) = delete;

  /// True while there is a row to read.
  bool next();
  std::int64_t integer(int column) const;
  std::optional<std::int64_t> optional_integer(int column) const;
  /// Valid until the next call of next().
  std::string_view text(int column) const;
  std::span<const std::uint8_t> blob(int column) const;
  bool is_null(int column) const;
  bool is_text(int column) const;

 private:
  sqlite3_stmt* statement_;
};

/// Text and blobs that are bound must outlive the run.
class Statement {
 public:
  Statement() = default;
  Statement(sqlite3* connection, std::string_view sql);

  template <typename... Values>
  Rows query(const Values&... values) {
    int index = 0;
    (bind(++index, values), ...);
    return Rows{statement_.get()};
  }
  /// For a statement that returns no rows.
  template <typename... Values>
  void run(const Values&... values) {
    auto rows = query(values...);
    rows.next();
  }
  /// The first column of the first row.
  template <typename... Values>
  std::optional<std::int64_t> integer(const Values&... values) {
    auto rows = query(values...);
    return rows.next() ? rows.optional_integer(0) : std::nullopt;
  }

 private:
  struct Finalizer {
    void operator()(sqlite3_stmt* statement) const;
  };

  void bind(int index, std::int64_t value);
  void bind(int index, std::string_view value);
  void bind(int index, std::nullptr_t);
  void bind(int index, std::span<const std::uint8_t> value);
  void bind(int index, std::optional<std::int64_t> value) { value ? bind(index, *value) : bind(index, nullptr); }
  void bind(int index, std::optional<std::string_view> value) { value ? bind(index, *value) : bind(index, nullptr); }
  void bind(int index, std::optional<std::span<const std::uint8_t>> value) {
    value ? bind(index, *value) : bind(index, nullptr);
  }

  std::unique_ptr<sqlite3_stmt, Finalizer> statement_;
};

class Database {
 public:
  enum class Mode { kReadOnly, kReadWrite, kImmutable };
  /// Never creates the file. Throws SqliteError.
  Database(const std::filesystem::path& file, Mode mode);

  Statement prepare(std::string_view sql) const { return Statement{connection_.get(), sql}; }
  /// Runs every statement of `sql`; rows are thrown away.
  void execute(const std::string& sql) const;
  /// One number, from a query that gives one.
  std::int64_t integer(std::string_view sql) const;
  std::int64_t last_id() const;
  std::int64_t changes() const;
  /// How long a call waits for another process's lock.
  void wait_for_locks(std::chrono::milliseconds limit) const;
  /// Writes all of it, as it is now, into `file`, which is there and empty; durably. Throws SqliteError.
  void copy_to(const std::filesystem::path& file) const;
  /// The log stays beside the file when the connection is closed, as it is.
  void leave_log() const;
  /// Whether a transaction is open: SQLite ends one by itself after some failures.
  bool in_transaction() const;

 private:
  struct Closer {
    void operator()(sqlite3* connection) const;
  };
  std::unique_ptr<sqlite3, Closer> connection_;
};

/// Rolled back unless committed.
class Transaction {
 public:
  explicit Transaction(Database& database);
  ~Transaction();
  Transaction(const Transaction&) = delete;
  Transaction& operator=(const Transaction&) = delete;
  void commit();

 private:
  Database& database_;
};

}  // namespace monitor::storage
