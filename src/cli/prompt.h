// Questions that a person answers before something is changed.
#pragma once

#include <string>
#include <string_view>

#include "cli/console.h"
#include "common/error.h"

namespace monitor::cli {

/// The answer was not yes; the command ends with status 1 and has changed nothing.
class Aborted : public common::Error {
 public:
  Aborted() : Error("Aborted!") {}
};

/// `y` or `yes`, in any case, with spaces around.
bool is_yes(std::string_view answer);

/// Asks `question` with ` [y/N]: ` behind it and reads one line. Throws Aborted unless it says yes; an end of input is
/// a no. Asks nothing when `yes`.
void confirm(Console& console, const std::string& question, bool yes);

/// The first line of the input, for a value given as `-`, so that a secret is in no process list. Throws
/// common::UsageError, with `what` in the sentence, when there is none.
std::string read_value(Console& console, std::string_view what);

}  // namespace monitor::cli
