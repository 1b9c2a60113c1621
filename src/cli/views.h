// The configuration as tables. Pure.
#pragma once

#include "cli/tables.h"
#include "config/document.h"

namespace monitor::cli {

enum class Secrets { kMasked, kShown };
enum class Numbers { kNone, kShown };

/// Name/Value with the rows Local and External.
Table databases_table(const config::Document& document, Secrets secrets);

/// The services in the file's order, with the column `№`, counted from 0, if asked for, and the column `name` if any
/// of them has one.
Table services_table(const config::Document& document, Numbers numbers, Secrets secrets);

}  // namespace monitor::cli
