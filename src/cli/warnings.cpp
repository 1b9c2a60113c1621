#include "cli/warnings.h"

#include "common/text.h"

namespace monitor::cli {

void print_warnings(Console& console, const std::vector<std::string>& warnings) {
  for (const auto& warning : warnings) {
    console.err << "monitor: warning: " << common::escape_controls(warning) << '\n';
  }
  console.err << std::flush;
}

}  // namespace monitor::cli
