// One read-write connection with everything prepared on it, so that both are thrown away together when the connection
// can no longer be trusted. Used on the store's thread.
#pragma once

#include <filesystem>

#include "storage/batch_reader.h"
#include "storage/definitions.h"
#include "storage/epochs.h"
#include "storage/gap_ledger.h"
#include "storage/meta.h"
#include "storage/purger.h"
#include "storage/quarantine.h"
#include "storage/roller.h"
#include "storage/sqlite.h"
#include "storage/tls_table.h"
#include "storage/writer.h"

namespace monitor::storage {

/// A read-write connection that keeps every promise of a commit: WAL, synchronous=FULL.
Database open_for_writing(const std::filesystem::path& file);

struct Session {
  explicit Session(const std::filesystem::path& file);

  /// Forgets what a transaction had put in memory before it was rolled back.
  void rolled_back();
  /// Bytes of pages in use, and of pages that are free inside the file.
  std::uint64_t used_bytes();
  std::uint64_t free_bytes();

  Database database;
  Meta meta;
  Epochs epochs;
  Definitions definitions;
  TlsTable tls;
  Writer writer;
  GapLedger ledger;
  BatchReader batches;
  Roller roller;
  Purger purger;
  Quarantine quarantine;

 private:
  Statement page_count_;
  Statement free_count_;
  std::int64_t page_size_;
};

}  // namespace monitor::storage
