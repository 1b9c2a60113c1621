// What must hold of the rows of a local database, beyond what SQLite knows of its file. Used where the connection is.
#pragma once

#include <cstddef>
#include <string>
#include <vector>

namespace monitor::storage {

class Database;

/// A sentence for each that does not hold, at most `max_findings`: numbers beyond the highest one given, a cursor ahead
/// of it, rows whose definition is missing, an outcome that no version has, roll-ups that cannot be read, gaps and
/// agent ids that make no sense. Reads every row. Throws SqliteError.
std::vector<std::string> broken_invariants(Database& database, std::size_t max_findings);

}  // namespace monitor::storage
