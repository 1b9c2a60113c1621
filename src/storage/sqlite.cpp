#include "storage/sqlite.h"

#include <fmt/format.h>
#include <sqlite3.h>

#include "common/log.h"
#include "storage/sqlite_memory.h"

namespace monitor::storage {
namespace {

constexpr int kPrimaryCode = 0xFF;  // SQLite: the low byte of an extended result code

std::string_view hint(int code) {
  switch (code & kPrimaryCode) {
    case SQLITE_FULL:
      return "free space on that disk";
    case SQLITE_BUSY:
    case SQLITE_LOCKED:
      return "another process holds a lock on it: end that process; or its disk knows no locks (a network share?): put "
             "local_database_path on a local disk";
    case SQLITE_READONLY:
    case SQLITE_PERM:
    case SQLITE_AUTH:
    case SQLITE_CANTOPEN:
      return "let this user write the file and its folder";
    case SQLITE_CORRUPT:
    case SQLITE_NOTADB:
      return "the file is damaged";
    case SQLITE_IOERR:
      return "check the disk and its mount (dmesg), and any limit on file size";
    default:
      return "see the operations manual";
  }
}

[[noreturn]] void fail(sqlite3* connection, std::string_view action) {
  const int code = connection == nullptr ? SQLITE_NOMEM : sqlite3_extended_errcode(connection);
  const char* file = connection == nullptr ? nullptr : sqlite3_db_filename(connection, "main");
  throw SqliteError(
      fmt::format("cannot {} the local database {}: {} (SQLite {}); {}", action, file == nullptr ? "" : file,
                  connection == nullptr ? "out of memory" : sqlite3_errmsg(connection), code, hint(code)),
      code);
}

void expect(sqlite3* connection, int code, std::string_view action) {
  if (code != SQLITE_OK) fail(connection, action);
}

}  // namespace

bool SqliteError::full() const {
  // A file-size limit or a quota shows as a failed write or truncate, not as SQLITE_FULL.
  return (code_ & kPrimaryCode) == SQLITE_FULL || code_ == SQLITE_IOERR_WRITE || code_ == SQLITE_IOERR_SHMSIZE;
}

bool SqliteError::io() const {
  const int primary = code_ & kPrimaryCode;
  return primary == SQLITE_IOERR || primary == SQLITE_CANTOPEN || primary == SQLITE_READONLY ||
         primary == SQLITE_CORRUPT || primary == SQLITE_NOTADB;
}

bool SqliteError::corrupt() const {
  const int primary = code_ & kPrimaryCode;
  return primary == SQLITE_CORRUPT || primary == SQLITE_NOTADB;
}

Rows::~Rows() {
  sqlite3_reset(statement_);
}

bool Rows::next() {
  switch (sqlite3_step(statement_)) {
    case SQLITE_ROW:
      return true;
    case SQLITE_DONE:
      return false;
    default:
      fail(sqlite3_db_handle(statement_), sqlite3_stmt_readonly(statement_) != 0 ? "read" : "write");
  }
}

std::int64_t Rows::integer(int column) const {
  return sqlite3_column_int64(statement_, column);
}

std::optional<std::int64_t> Rows::optional_integer(int column) const {
  return is_null(column) ? std::nullopt : std::optional{integer(column)};
}

std::string_view Rows::text(int column) const {
  const auto* bytes = static_cast<const char*>(sqlite3_column_blob(statement_, column));
  return {bytes, static_cast<std::size_t>(sqlite3_column_bytes(statement_, column))};
}

std::span<const std::uint8_t> Rows::blob(int column) const {
  const auto* bytes = static_cast<const std::uint8_t*>(sqlite3_column_blob(statement_, column));
  return {bytes, static_cast<std::size_t>(sqlite3_column_bytes(statement_, column))};
}

bool Rows::is_null(int column) const {
  return sqlite3_column_type(statement_, column) == SQLITE_NULL;
}

bool Rows::is_text(int column) const {
  return sqlite3_column_type(statement_, column) == SQLITE_TEXT;
}

Statement::Statement(sqlite3* connection, std::string_view sql) {
  sqlite3_stmt* statement = nullptr;
  expect(connection,
         sqlite3_prepare_v3(connection, sql.data(), static_cast<int>(sql.size()), SQLITE_PREPARE_PERSISTENT, &statement,
                            nullptr),
         "prepare a statement for");
  statement_.reset(statement);
}

void Statement::Finalizer::operator()(sqlite3_stmt* statement) const {
  sqlite3_finalize(statement);
}

void Statement::bind(int index, std::int64_t value) {
  expect(sqlite3_db_handle(statement_.get()), sqlite3_bind_int64(statement_.get(), index, value), "bind a number for");
}

void Statement::bind(int index, std::string_view value) {
  // A null pointer would bind NULL, and an empty string_view may hold one.
  const char* text = value.data() == nullptr ? "" : value.data();
  expect(sqlite3_db_handle(statement_.get()),
         sqlite3_bind_text(statement_.get(), index, text, static_cast<int>(value.size()), SQLITE_STATIC),
         "bind text for");
}

void Statement::bind(int index, std::nullptr_t) {
  expect(sqlite3_db_handle(statement_.get()), sqlite3_bind_null(statement_.get(), index), "bind null for");
}

void Statement::bind(int index, std::span<const std::uint8_t> value) {
  expect(sqlite3_db_handle(statement_.get()),
         sqlite3_bind_blob(statement_.get(), index, value.data(), static_cast<int>(value.size()), SQLITE_STATIC),
         "bind bytes for");
}

void Database::Closer::operator()(sqlite3* connection) const {
  sqlite3_close_v2(connection);
}

Database::Database(const std::filesystem::path& file, Mode mode) {
  share_memory_reserve();
  sqlite3* connection = nullptr;
  int flags = SQLITE_OPEN_NOMUTEX | SQLITE_OPEN_EXRESCODE;
  flags |= mode == Mode::kReadWrite ? SQLITE_OPEN_READWRITE : SQLITE_OPEN_READONLY;
  std::string name = file.string();
  if (mode == Mode::kImmutable) {
    flags |= SQLITE_OPEN_URI;
    std::string escaped;
    for (const char c : name) escaped += c == '%' ? "%25" : c == '?' ? "%3f" : c == '#' ? "%23" : std::string(1, c);
    name = "file:" + escaped + "?immutable=1";
  }
  const int code = sqlite3_open_v2(name.c_str(), &connection, flags, nullptr);
  connection_.reset(connection);
  if (code != SQLITE_OK) {
    throw SqliteError(fmt::format("cannot open the local database {}: {} (SQLite {}); {}", file.string(),
                                  sqlite3_errstr(code), code, hint(code)),
                      code);
  }
  // The file may have been put there by someone else: nothing stored in it may run code or reshape the file.
  sqlite3_db_config(connection, SQLITE_DBCONFIG_DEFENSIVE, 1, nullptr);
  sqlite3_db_config(connection, SQLITE_DBCONFIG_TRUSTED_SCHEMA, 0, nullptr);
  sqlite3_db_config(connection, SQLITE_DBCONFIG_ENABLE_LOAD_EXTENSION, 0, nullptr);
  sqlite3_limit(connection, SQLITE_LIMIT_ATTACHED, 0);
}

void Database::execute(const std::string& sql) const {
  expect(connection_.get(), sqlite3_exec(connection_.get(), sql.c_str(), nullptr, nullptr, nullptr), "write");
}

std::int64_t Database::integer(std::string_view sql) const {
  return prepare(sql).integer().value_or(0);
}

std::int64_t Database::last_id() const {
  return sqlite3_last_insert_rowid(connection_.get());
}

std::int64_t Database::changes() const {
  return sqlite3_changes64(connection_.get());
}

void Database::wait_for_locks(std::chrono::milliseconds limit) const {
  sqlite3_busy_timeout(connection_.get(), static_cast<int>(limit.count()));
}

void Database::copy_to(const std::filesystem::path& file) const {
  const Database target(file, Mode::kReadWrite);
  sqlite3* const to = target.connection_.get();
  sqlite3_backup* const backup = sqlite3_backup_init(to, "main", connection_.get(), "main");
  if (backup == nullptr) fail(to, "copy into");
  constexpr int kEveryPage = -1;
  sqlite3_backup_step(backup, kEveryPage);
  if (sqlite3_backup_finish(backup) != SQLITE_OK) fail(to, "copy into");
}

void Database::leave_log() const {
  sqlite3_db_config(connection_.get(), SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, 1, nullptr);
}

bool Database::in_transaction() const {
  return sqlite3_get_autocommit(connection_.get()) == 0;
}

Transaction::Transaction(Database& database) : database_(database) {
  database_.execute("BEGIN IMMEDIATE");
}

Transaction::~Transaction() {
  if (!database_.in_transaction()) return;
  try {
    database_.execute("ROLLBACK");
  } catch (const std::exception& error) {
    common::log::debug("{}", error.what());  // the failure that brought us here is the one to be told
  }
}

void Transaction::commit() {
  database_.execute("COMMIT");
}

}  // namespace monitor::storage
