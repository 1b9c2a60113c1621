#include "storage/opening.h"

#include <fmt/format.h>
#include <sqlite3.h>

#include "common/error.h"
#include "common/log.h"
#include "storage/ballast.h"
#include "storage/epochs.h"
#include "storage/files.h"
#include "storage/meta.h"
#include "storage/predecessor.h"
#include "storage/schema.h"
#include "storage/session.h"

namespace monitor::storage {
namespace {

namespace fs = std::filesystem;

enum class Kind { kMissing, kOurs, kNewer, kPredecessor, kForeign };

Kind kind_of(Database& database) {
  if (database.integer("PRAGMA application_id") == kApplicationId) {
    return database.integer("PRAGMA user_version") > newest_schema() ? Kind::kNewer : Kind::kOurs;
  }
  const bool unmarked = database.integer("PRAGMA application_id") == 0;
  return unmarked && is_predecessor(database) ? Kind::kPredecessor : Kind::kForeign;
}

Kind kind_of(const fs::path& file) {
  if (size_of(file) == 0) return Kind::kMissing;
  try {
    Database database(file, Database::Mode::kReadOnly);
    return kind_of(database);
  } catch (const SqliteError& error) {
    if (error.code() == SQLITE_NOTADB) return Kind::kForeign;
    throw;
  }
}

void refuse(Kind kind, const fs::path& file) {
  if (kind == Kind::kNewer) {
    throw common::Error(fmt::format(
        "the local database {} was written by a newer version of monitor; install that version, or use another "
        "local_database_path",
        file.string()));
  }
  if (kind == Kind::kForeign) {
    throw common::Error(fmt::format("{} is not a database of monitor; move it away, or use another local_database_path",
                                    file.string()));
  }
}

/// Everything the file still has in side files is brought into it, so that it can be renamed.
void settle(const fs::path& file) {
  {
    const Database database(file, Database::Mode::kReadWrite);
    database.execute("PRAGMA wal_checkpoint(TRUNCATE)");
  }
  if (size_of(beside(file, "-wal")) > 0 || size_of(beside(file, "-journal")) > 0) {
    throw common::Error(fmt::format("the local database {} is still in use by the tool before monitor; stop that first",
                                    file.string()));
  }
}

/// A complete database at `file`. The application id comes last: a file that has it is whole.
void build(const fs::path& file, const fs::path* predecessor) {
  create_private(file);
  Database database(file, Database::Mode::kReadWrite);
  database.execute("PRAGMA page_size = 4096; PRAGMA auto_vacuum = INCREMENTAL; PRAGMA synchronous = FULL");
  migrate(database);
  {
    Transaction transaction(database);
    Epochs(database).open({});
    Meta(database).set_file_identity(identity_of(file));
    if (predecessor != nullptr) {
      Database from(*predecessor, Database::Mode::kReadOnly);
      Definitions definitions(database);
      TlsTable tls(database);
      Writer writer(database, definitions, tls);
      const auto count = import_predecessor(from, definitions, writer);
      common::log::warning("{} results that the tool before monitor had not exported are taken over from {}", count,
                           predecessor->string());
    }
    transaction.commit();
  }
  database.execute(fmt::format("PRAGMA application_id = {}", kApplicationId));
}

fs::path original_of(const fs::path& file) {
  fs::path name = beside(file, ".original");
  for (int number = 2; fs::exists(name); ++number) name = beside(file, fmt::format(".original.{}", number).c_str());
  return name;
}

void replace_predecessor(const fs::path& file, const fs::path& fresh) {
  settle(file);
  build(fresh, &file);
  const fs::path original = original_of(file);
  rename_durably(file, original);
  remove_side_files(file);
  rename_durably(fresh, file);
  common::log::warning("The local database of the tool before monitor is kept as {}", original.string());
}

void prepare_once(const fs::path& file) {
  const fs::path fresh = beside(file, ".new");
  // Cut short between the two renames: the new one is whole, and only its name was missing.
  if (kind_of(file) == Kind::kMissing && kind_of(fresh) == Kind::kOurs) rename_durably(fresh, file);
  std::error_code ignored;
  fs::remove(fresh, ignored);
  remove_side_files(fresh);

  const Kind kind = kind_of(file);
  refuse(kind, file);
  if (kind == Kind::kMissing) {
    build(fresh, nullptr);
    remove_side_files(file);
    rename_durably(fresh, file);
  } else if (kind == Kind::kPredecessor) {
    replace_predecessor(file, fresh);
  }
  Database database = open_for_writing(file);
  migrate(database);
}

}  // namespace

void require_ours(Database& database, const fs::path& file) {
  const Kind kind = kind_of(database);
  refuse(kind == Kind::kPredecessor ? Kind::kForeign : kind, file);
}

void prepare_database(const fs::path& file) {
  for (;;) {
    try {
      prepare_once(file);
      return;
    } catch (const SqliteError& error) {
      if (!error.full() || !Ballast(file).release()) throw;
      common::log::error("The disk of {} is full: the last reserve is given to the local database; free space on it",
                         file.string());
    }
  }
}

}  // namespace monitor::storage
