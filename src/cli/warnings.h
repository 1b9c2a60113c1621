// Warnings of the configuration, said to the operator.
#pragma once

#include <string>
#include <vector>

#include "cli/console.h"

namespace monitor::cli {

/// One line each on `console.err`, whatever the verbosity of the log is.
void print_warnings(Console& console, const std::vector<std::string>& warnings);

}  // namespace monitor::cli
