// The local file of the tool that came before: how to know it, and how what it had not exported yet is taken over.
#pragma once

#include <cstdint>

#include "storage/definitions.h"
#include "storage/sqlite.h"
#include "storage/writer.h"

namespace monitor::storage {

/// A table `monitoring` with that tool's columns.
bool is_predecessor(Database& database);

/// Writes its rows with processed=false, oldest first, inside the caller's transaction. Gives how many there were.
std::int64_t import_predecessor(Database& from, Definitions& definitions, Writer& writer);

}  // namespace monitor::storage
