// What may be printed to the standard output beyond plain text. Pure but for the environment.
#pragma once

#include "config/expand.h"

namespace monitor::cli {

struct Look {
  bool colour = false;   ///< escape sequences for colours
  bool unicode = false;  ///< characters that are not ASCII
};

/// Colours only for a terminal that has them, and unless NO_COLOR is set to something (no-color.org); Unicode where the
/// locale is UTF-8: the first of LC_ALL, LC_CTYPE and LANG that is not empty says it (POSIX.1-2017 §8.2).
Look look_of(bool is_terminal, config::Lookup environment);

}  // namespace monitor::cli
