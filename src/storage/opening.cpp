#include "storage/opening.h"

#include <algorithm>
#include <array>
#include <ctime>
#include <fstream>
#include <utility>

#include <fmt/chrono.h>
#include <fmt/format.h>
#include <sqlite3.h>

#include "common/error.h"
#include "common/log.h"
#include "storage/ballast.h"
#include "storage/epochs.h"
#include "storage/files.h"
#include "storage/meta.h"
#include "storage/predecessor.h"
#include "storage/quarantine.h"
#include "storage/schema.h"
#include "storage/session.h"

namespace monitor::storage {
namespace {

namespace fs = std::filesystem;

constexpr std::size_t kKeptAside = 3;  // each may be as large as the database

enum class Kind { kMissing, kOurs, kNewer, kPredecessor, kForeign };

/// Told by the bytes where SQLite keeps it, whatever the rest of the file is.
bool has_our_mark(const fs::path& file) {
  constexpr std::streamoff kMarkAt = 68;
  std::array<unsigned char, 4> mark{};
  std::ifstream in(file, std::ios::binary);
  in.seekg(kMarkAt);
  if (!in.read(reinterpret_cast<char*>(mark.data()), std::ssize(mark))) return false;
  std::int64_t number = 0;
  for (const auto byte : mark) number = number << 8 | byte;
  return number == kApplicationId;
}

Kind kind_of(Database& database) {
  if (database.integer("PRAGMA application_id") == kApplicationId) {
    return database.integer("PRAGMA user_version") > newest_schema() ? Kind::kNewer : Kind::kOurs;
  }
  const bool unmarked = database.integer("PRAGMA application_id") == 0;
  return unmarked && is_predecessor(database) ? Kind::kPredecessor : Kind::kForeign;
}

/// A transaction that a kill cut short, which a reader cannot.
void undo_half_written(const fs::path& file) {
  Database database(file, Database::Mode::kReadWrite);
  database.integer("PRAGMA user_version");
}

Kind kind_of(const fs::path& file) {
  if (size_of(file) == 0) return Kind::kMissing;
  try {
    Database database(file, Database::Mode::kReadOnly);
    return kind_of(database);
  } catch (const SqliteError& error) {
    if (error.code() == SQLITE_NOTADB && !has_our_mark(file)) return Kind::kForeign;
    if (error.code() != SQLITE_READONLY_ROLLBACK) throw;
  }
  undo_half_written(file);
  return kind_of(file);
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
template <typename Fill>
void build(const fs::path& file, Fill fill) {
  create_private(file);
  Database database(file, Database::Mode::kReadWrite);
  database.execute("PRAGMA page_size = 4096; PRAGMA auto_vacuum = INCREMENTAL; PRAGMA synchronous = FULL");
  migrate(database);
  {
    Transaction transaction(database);
    Meta(database).set_file_identity(identity_of(file));
    fill(database);
    transaction.commit();
  }
  database.execute(fmt::format("PRAGMA application_id = {}", kApplicationId));
}

/// The first name from `stem` on that nothing has.
fs::path free_name(const fs::path& stem) {
  fs::path name = stem;
  for (int number = 2; fs::exists(name); ++number) name = beside(stem, fmt::format(".{}", number).c_str());
  return name;
}

/// Of the files whose names begin with `stem`, to which a time is added, only the newest stay.
void remove_oldest(const fs::path& stem) {
  std::vector<fs::path> found;
  std::error_code error;
  for (const auto& entry : fs::directory_iterator(stem.parent_path(), error)) {
    const auto name = entry.path().filename().string();
    if (name.starts_with(stem.filename().string()) && !name.ends_with("-wal")) found.push_back(entry.path());
  }
  std::ranges::sort(found);
  for (std::size_t i = 0; i + kKeptAside < found.size(); ++i) {
    if (!fs::remove(found[i], error)) continue;
    remove_side_files(found[i]);
    common::log::warning("{} is removed: of such files the newest {} are kept", found[i].string(), kKeptAside);
  }
}

fs::path original_of(const fs::path& file) {
  return free_name(beside(file, ".original"));
}

void begin(Database& database) {
  Epochs(database).open({});
}

void take_over(Database& database, const fs::path& predecessor) {
  begin(database);
  Database from(predecessor, Database::Mode::kReadOnly);
  Definitions definitions(database);
  TlsTable tls(database);
  Writer writer(database, definitions, tls);
  const auto count = import_predecessor(from, definitions, writer);
  common::log::warning("{} results that the tool before monitor had not exported are taken over from {}", count,
                       predecessor.string());
}

void replace_predecessor(const fs::path& file, const fs::path& fresh) {
  settle(file);
  build(fresh, [&](Database& database) { take_over(database, file); });
  const fs::path original = original_of(file);
  rename_durably(file, original);
  remove_side_files(file);
  rename_durably(fresh, file);
  common::log::warning("The local database of the tool before monitor is kept as {}", original.string());
}

void inherit(Database& database, const Heritage& heritage) {
  Epochs epochs(database);
  epochs.restore(heritage.epochs);
  if (epochs.empty()) epochs.open(heritage.head);
  auto numbers = database.prepare("INSERT INTO sqlite_sequence (name, seq) VALUES (?1, ?2)");
  numbers.run(std::string_view("results"), heritage.head.results);
  numbers.run(std::string_view("skipped"), heritage.head.skipped);
  numbers.run(std::string_view("gaps"), heritage.head.gaps);
  Meta(database).set_exported(heritage.exported);
  Definitions definitions(database);
  for (const auto& [id, definition] : heritage.definitions) definitions.restore(id, definition);
  TlsTable tls(database);
  Writer writer(database, definitions, tls);
  for (const auto& gap : heritage.lost) writer.write(gap);
  Cursor head = heritage.head;
  head.gaps += std::ssize(heritage.lost);
  if (!heritage.epochs.empty()) epochs.open(head);
}

std::set<Seq> read_quarantine(Database& database) {
  try {
    return Quarantine(database).seqs();
  } catch (const SqliteError&) {
    return {};
  }
}

/// What a damaged file still says of its numbers; nothing, if that cannot be read.
std::optional<Heritage> read_heritage(const fs::path& file, common::WallTime now) {
  try {
    Database database(file, Database::Mode::kReadOnly);
    Heritage heritage{.epochs = Epochs(database).all(),
                      .head = head_of(database),
                      .exported = Meta(database).exported(),
                      .definitions = {},
                      .lost = {}};
    if (heritage.epochs.empty()) return std::nullopt;
    heritage.lost = refused_gaps(read_quarantine(database), heritage.exported.results, now);
    const Seq results = std::max<Seq>(0, heritage.head.results - heritage.exported.results);
    const auto skipped = std::max<std::int64_t>(0, heritage.head.skipped - heritage.exported.skipped);
    if (results + skipped > 0) {
      heritage.lost.push_back({.reason = GapReason::kFileLost,
                               .from = Meta(database).alive_at().value_or(now),
                               .to = now,
                               .first_seq = results > 0 ? heritage.exported.results + 1 : 0,
                               .last_seq = results > 0 ? heritage.head.results : 0,
                               .count = results + skipped});
    }
    return heritage;
  } catch (const SqliteError&) {
    return std::nullopt;
  }
}

std::int64_t lost_of(const Heritage& heritage) {
  std::int64_t count = 0;
  for (const auto& gap : heritage.lost) count += gap.count;
  return count;
}

/// A power cut can leave a file of no bytes. What its log holds is kept for recovery.
void keep_log_of_empty(const fs::path& file, common::WallTime now) {
  if (!place_of(file) || size_of(beside(file, "-wal")) == 0) return;
  const auto name = set_aside(file, "corrupt", true, now);
  common::log::error("The local database {} is empty, but its log is not: they are kept as {}", file.string(),
                     name.string());
}

void prepare_once(const fs::path& file, common::WallTime now) {
  const fs::path fresh = beside(file, ".new");
  // Cut short between the two renames: the new one is whole, and only its name was missing.
  if (kind_of(file) == Kind::kMissing && kind_of(fresh) == Kind::kOurs) rename_durably(fresh, file);
  std::error_code ignored;
  fs::remove(fresh, ignored);
  remove_side_files(fresh);

  const Kind kind = kind_of(file);
  refuse(kind, file);
  if (kind == Kind::kMissing) {
    build(fresh, begin);
    keep_log_of_empty(file, now);
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

void build_successor(const fs::path& file, const Heritage& heritage) {
  build(file, [&](Database& database) { inherit(database, heritage); });
}

fs::path set_aside(const fs::path& file, std::string_view why, bool log, common::WallTime now) {
  const std::time_t seconds = std::chrono::duration_cast<std::chrono::seconds>(now.time_since_epoch()).count();
  const auto stem = beside(file, fmt::format(".{}-", why).c_str());
  const auto name = free_name(beside(stem, fmt::format("{:%Y%m%dT%H%M%SZ}", fmt::gmtime(seconds)).c_str()));
  std::error_code ignored;
  if (log) fs::rename(beside(file, "-wal"), beside(name, "-wal"), ignored);
  rename_durably(file, name);
  remove_oldest(stem);
  return name;
}

std::string hint_for(const fs::path& set_aside) {
  return fmt::format("it is kept as {0} (what can be read of it: sqlite3 {0} .recover)", set_aside.string());
}

void replace_damaged(const fs::path& file, const std::string& damage, common::WallTime now) {
  const fs::path fresh = beside(file, ".new");
  std::error_code ignored;
  fs::remove(fresh, ignored);
  remove_side_files(fresh);
  const auto known = read_heritage(file, now);
  Heritage heritage;
  heritage.lost = {Gap{.reason = GapReason::kFileLost, .from = now, .to = now}};
  if (known) heritage = *known;
  build_successor(fresh, heritage);
  const auto name = set_aside(file, "corrupt", true, now);
  remove_side_files(file);
  rename_durably(fresh, file);
  common::log::error(
      "The local database {} is damaged ({}): {}; a new one goes on under a new agent id, and {} are lost",
      file.string(), damage, hint_for(name),
      known ? fmt::format("{} results and skipped ranges that were not exported", lost_of(heritage))
            : "an unknown number of results that were not exported");
}

void prepare_database(const fs::path& file, common::WallTime now) {
  for (bool replaced = false;;) {
    try {
      prepare_once(file, now);
      return;
    } catch (const SqliteError& error) {
      if (error.corrupt() && !std::exchange(replaced, true) && has_our_mark(file)) {
        replace_damaged(file, error.what(), now);
        continue;
      }
      if (!error.full() || !Ballast(file).release()) throw;
      common::log::error("The disk of {} is full: the last reserve is given to the local database; free space on it",
                         file.string());
    }
  }
}

}  // namespace monitor::storage
