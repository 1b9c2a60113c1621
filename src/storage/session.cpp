#include "storage/session.h"

namespace monitor::storage {
namespace {

constexpr std::chrono::seconds kLockWait{5};  // the bound of every blocking call

void require_wal(const Database& database, const std::filesystem::path& file) {
  auto set = database.prepare("PRAGMA journal_mode = WAL");
  auto rows = set.query();
  if (!rows.next() || rows.text(0) != "wal") {
    throw common::Error(fmt::format(
        "cannot use the local database {}: its file system has no shared memory for files (a network share?); put "
        "local_database_path on a local disk",
        file.string()));
  }
}

}  // namespace

Database open_for_writing(const std::filesystem::path& file) {
  Database database(file, Database::Mode::kReadWrite);
  database.wait_for_locks(kLockWait);
  require_wal(database, file);
  database.execute(
      // On a full disk the log must fit into what the ballast leaves: a checkpoint of 160 pages grows the file by
      // 640 KiB at most.
      "PRAGMA synchronous = FULL; PRAGMA wal_autocheckpoint = 160; PRAGMA journal_size_limit = 8388608;"
      "PRAGMA trusted_schema = OFF; PRAGMA mmap_size = 0; PRAGMA temp_store = MEMORY;"
      // What is purged need not be overwritten with zeros: that would write each page once more.
      "PRAGMA secure_delete = OFF;");
  return database;
}

Session::Session(const std::filesystem::path& file)
    : database(open_for_writing(file)),
      meta(database),
      epochs(database),
      definitions(database),
      tls(database),
      writer(database, definitions, tls),
      ledger(database, writer),
      batches(database, definitions, tls, epochs),
      roller(database, meta),
      purger(database, ledger, roller),
      quarantine(database),
      page_count_(database.prepare("PRAGMA page_count")),
      free_count_(database.prepare("PRAGMA freelist_count")),
      page_size_(database.integer("PRAGMA page_size")) {}

void Session::rolled_back() {
  tls.reload();
  writer.rolled_back();
  epochs.reload();
  roller.reload();
  quarantine.reload();
}

std::uint64_t Session::used_bytes() {
  return static_cast<std::uint64_t>((page_count_.integer().value_or(0) - free_count_.integer().value_or(0)) *
                                    page_size_);
}

std::uint64_t Session::free_bytes() {
  return static_cast<std::uint64_t>(free_count_.integer().value_or(0) * page_size_);
}

}  // namespace monitor::storage
