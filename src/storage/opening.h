// Which files are taken as the local database and how one comes to be. Under the lock, one thread at a time.
#pragma once

#include <filesystem>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "storage/epochs.h"
#include "storage/rows.h"

namespace monitor::storage {

/// What a database goes on with that takes the place of one that was lost: numbers go on, under a new agent id.
struct Heritage {
  std::vector<Epoch> epochs;  ///< the lost one's
  Cursor head;
  Cursor exported;
  std::map<DefinitionId, Definition> definitions;
  std::vector<Gap> lost;  ///< told of under the agent id of the lost one, if that is known
};

/// A whole database of that heritage at `file`, which is not there yet. Throws common::Error.
void build_successor(const std::filesystem::path& file, const Heritage& heritage);

/// Renames `file`, and with `log` its log, to `<file>.<why>-<UTC time>`, durably. Of each `why` the newest three are
/// kept. Gives the new name. Throws common::Error.
std::filesystem::path set_aside(const std::filesystem::path& file, std::string_view why, bool log,
                                common::WallTime now);

/// How to look at a file that was set aside, as a clause of a sentence.
std::string hint_for(const std::filesystem::path& set_aside);

/// Leaves a database of ours with the newest schema at `file`: made new, migrated, or built from the predecessor's,
/// which is then kept as `<file>.original`. One of ours that is damaged is set aside, and another takes its place: what
/// can be told of it is a gap. Whenever it is cut short, the next call finishes or starts again. Throws common::Error
/// for a foreign file, a newer version, a folder that cannot be written.
void prepare_database(const std::filesystem::path& file, common::WallTime now);
/// The same for a file that turned out to be damaged only after that.
void replace_damaged(const std::filesystem::path& file, const std::string& damage, common::WallTime now);

/// Throws common::Error unless `file` is a database of ours that this version can read. For readers.
class Database;
void require_ours(Database& database, const std::filesystem::path& file);

}  // namespace monitor::storage
