// A transaction with a PostgreSQL server that only reads, and sees it as it was at one moment. One thread.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "common/units.h"

// libpq's own names for its types
struct pg_conn;
struct pg_result;

namespace monitor::report {

/// One row of an answer, as PostgreSQL's binary format has it. Valid during the call that is given it.
class RemoteRow {
 public:
  explicit RemoteRow(const pg_result* answer) : answer_(answer) {}

  bool null(int column) const;
  /// smallint, integer and bigint; 0 for null.
  std::int64_t integer(int column) const;
  bool boolean(int column) const;
  /// Empty for null.
  std::string_view text(int column) const;
  std::span<const std::uint8_t> bytes(int column) const;
  /// A timestamp without a zone, as UTC. Infinite ones are the first or last there is.
  common::WallTime time(int column) const;
  std::optional<common::WallTime> time_or_null(int column) const;
  /// Of smallint[], integer[] and bigint[] of one dimension; empty for null.
  std::vector<std::int64_t> integers(int column) const;
  std::vector<std::string_view> texts(int column) const;

 private:
  const pg_result* answer_;
};

class Remote {
 public:
  /// Connects and begins. Throws common::Error, which holds no secret of `uri`. Sentences name `purpose`.
  explicit Remote(const std::string& uri, std::string_view purpose = "report");
  ~Remote();
  Remote(const Remote&) = delete;
  Remote& operator=(const Remote&) = delete;

  /// One statement with text parameters $1, $2, …; its rows as they arrive. Throws common::Error: refused, or no answer
  /// in time.
  void query(const std::string& sql, const std::vector<std::string>& parameters,
             const std::function<void(const RemoteRow&)>& visit);

 private:
  struct Finish {
    void operator()(pg_conn* connection) const;
  };
  void wait_for_answer();
  [[noreturn]] void fail(const pg_result* answer) const;
  std::string cleaned(std::string_view text) const;

  std::string purpose_;
  std::vector<std::string> secrets_;
  std::unique_ptr<pg_conn, Finish> connection_;
};

/// `{1,2,3}`
std::string array_of(std::span<const std::int64_t> numbers);
/// A timestamp parameter.
std::string timestamp_of(common::WallTime time);

}  // namespace monitor::report
