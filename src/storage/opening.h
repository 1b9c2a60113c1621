// Which files are taken as the local database and how one comes to be. Called once, before the store's thread runs,
// under the lock.
#pragma once

#include <filesystem>

namespace monitor::storage {

/// Leaves a database of ours with the newest schema at `file`: made new, migrated, or built from the predecessor's,
/// which is then kept as `<file>.original`. Whenever it is cut short, the next call finishes or starts again. Throws
/// common::Error for a foreign file, a newer version, a damaged file, a folder that cannot be written.
void prepare_database(const std::filesystem::path& file);

/// Throws common::Error unless `file` is a database of ours that this version can read. For readers.
class Database;
void require_ours(Database& database, const std::filesystem::path& file);

}  // namespace monitor::storage
