#include "storage/row_sums.h"

#include <fmt/format.h>

#include "storage/sqlite.h"

namespace monitor::storage {
namespace {

/// As the exporter sends them: what is beyond PostgreSQL's integers is shown as their end.
std::string rows_sql() {
  const auto integer = [](std::string_view column) {
    return fmt::format("min(max({0}, -2147483648), 2147483647) AS {0}", column);
  };
  return fmt::format(
      "(SELECT seq, requested_at, outcome, min(status, 32767) AS status, flags, min(attempt, 32767) AS attempt, {}, "
      "{}, {}, {}, {}, {}, {}, {} FROM results WHERE seq BETWEEN ?1 AND ?2)",
      integer("total_us"), integer("lateness_us"), integer("body_bytes"), integer("dns_us"), integer("connect_us"),
      integer("tls_us"), integer("first_byte_us"), integer("transfer_us"));
}

}  // namespace

std::string row_sums_sql(std::string_view rows) {
  return fmt::format(
      "SELECT seq / {0}, count(*), sum((seq % {0} + 1) * {1}) FROM {2} AS r GROUP BY seq / {0} ORDER BY 1",
      kNumbersPerSum, kRowValueSql, rows);
}

std::vector<RowSum> row_sums(Database& database, Seq first, Seq last) {
  std::vector<RowSum> sums;
  const auto sent = fmt::format("(SELECT * FROM {} WHERE seq NOT IN (SELECT seq FROM quarantine))", rows_sql());
  auto select = database.prepare(row_sums_sql(sent));
  for (auto rows = select.query(first, last); rows.next();) {
    sums.push_back({.bucket = rows.integer(0), .rows = rows.integer(1), .sum = rows.integer(2)});
  }
  return sums;
}

std::vector<std::pair<Seq, std::int64_t>> row_values(Database& database, Seq first, Seq last) {
  std::vector<std::pair<Seq, std::int64_t>> values;
  auto select = database.prepare(fmt::format("SELECT seq, {} FROM {} AS r ORDER BY seq", kRowValueSql, rows_sql()));
  for (auto rows = select.query(first, last); rows.next();) values.emplace_back(rows.integer(0), rows.integer(1));
  return values;
}

}  // namespace monitor::storage
