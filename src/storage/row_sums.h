// Sums over stored results, so that two databases can be compared without reading each other's rows. Used where the
// connection is.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "storage/rows.h"

namespace monitor::storage {

class Database;

/// So many numbers make one sum.
inline constexpr std::int64_t kNumbersPerSum = 4096;

/// A number that stands for every figure of a result (not for its texts), in SQL that SQLite and PostgreSQL read alike:
/// of the columns of the local table, as bigint where they are times, and as far as PostgreSQL's integers reach.
/// Below 200 million in size.
inline constexpr std::string_view kRowValueSql =
    "(requested_at % 1000003 + 3 * (total_us % 1000003) + 5 * (lateness_us % 1000003) + 7 * (body_bytes % 1000003)"
    " + 11 * outcome + 13 * coalesce(status, -1) + 17 * flags + 19 * attempt + 23 * (coalesce(dns_us, -1) % 1000003)"
    " + 29 * (coalesce(connect_us, -1) % 1000003) + 31 * (coalesce(tls_us, -1) % 1000003)"
    " + 37 * (coalesce(first_byte_us, -1) % 1000003) + 41 * (coalesce(transfer_us, -1) % 1000003))";

/// Of the results with numbers in [bucket · kNumbersPerSum, (bucket + 1) · kNumbersPerSum).
struct RowSum {
  std::int64_t bucket = 0;
  std::int64_t rows = 0;
  std::int64_t sum = 0;  ///< of the values, each times its place in the bucket, so that two that changed places show
  bool operator==(const RowSum&) const = default;
};

/// `SELECT bucket, rows, sum` over `rows`, which has the columns of kRowValueSql and `seq`.
std::string row_sums_sql(std::string_view rows);

/// Of the results with numbers in [first, last], in order; without those in quarantine, which are in no other database.
std::vector<RowSum> row_sums(Database& database, Seq first, Seq last);
/// The number and the value of each.
std::vector<std::pair<Seq, std::int64_t>> row_values(Database& database, Seq first, Seq last);

}  // namespace monitor::storage
