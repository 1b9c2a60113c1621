// What TLS handshakes showed, stored once and referred to. Used where the connection is.
#pragma once

#include <cstdint>
#include <map>
#include <optional>

#include "storage/fingerprint.h"
#include "storage/rows.h"
#include "storage/sqlite.h"

namespace monitor::storage {

/// SHA-256 over every field (see Fingerprint).
Fingerprint::Digest fingerprint(const net::TlsFacts& facts);

class TlsTable {
 public:
  /// So many at once, of those that results refer to. A fleet has a few for each service; a server that shows a new
  /// certificate at each handshake must not fill the table and the memory. The results beyond refer to none.
  static constexpr std::size_t kMaxRows = std::size_t{1} << 16;

  explicit TlsTable(Database& database, std::size_t max_rows = kMaxRows);

  /// The number of `facts`, stored if new; its text is made storable. Nothing if they say nothing, or the table is
  /// full. Inside the caller's transaction.
  std::optional<std::int64_t> number_of(const net::TlsFacts& facts);
  /// Result `seq` refers to what number_of() gave last.
  void used_by(Seq seq) { last_->last_use = seq; }
  /// Empty facts if there are none of this number.
  StoredTls find(std::int64_t id);
  /// Removes what results before `oldest` alone referred to; 0: there are no results at all. Inside the caller's
  /// transaction.
  void forget_before(Seq oldest);
  /// After a rollback.
  void reload();

 private:
  struct Known {
    std::int64_t id = 0;
    Seq last_use = 0;
  };

  Database& database_;
  const std::size_t max_rows_;
  Statement insert_;
  Statement find_;
  Statement remove_;
  // The last use of what an earlier run stored is not known: it is taken to be the newest result.
  std::map<Fingerprint::Digest, Known> known_;
  Known* last_ = nullptr;
};

}  // namespace monitor::storage
