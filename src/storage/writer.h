// Writes results, skipped slots and gaps inside the caller's transaction. Used where the connection is.
#pragma once

#include <string>
#include <unordered_map>

#include "storage/definitions.h"
#include "storage/rows.h"
#include "storage/sqlite.h"
#include "storage/tls_table.h"

namespace monitor::storage {

class Writer {
 public:
  Writer(Database& database, Definitions& definitions, TlsTable& tls);

  void write(const Result& result, common::WallTime now);
  void write(const Skipped& skipped);
  void write(const Gap& gap);
  /// After a rollback: forgets the addresses that the transaction had stored.
  void rolled_back();

 private:
  /// The row of `peers` that holds `address`, or nothing when it has to stand in the result itself.
  std::optional<std::int64_t> peer(const std::string& address);

  Database& database_;
  Definitions& definitions_;
  TlsTable& tls_;
  Statement insert_result_;
  Statement insert_skipped_;
  Statement insert_gap_;
  Statement insert_peer_;
  std::unordered_map<std::string, std::int64_t> peers_;
};

}  // namespace monitor::storage
