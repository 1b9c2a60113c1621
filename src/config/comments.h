// Finds the hand-written comments of a YAML file, which saving cannot keep. Pure.
#pragma once

#include <string>

#include "config/tree.h"

namespace monitor::config {

/// The comment and blank lines that open the file: these are kept.
std::string opening_comment(const std::string& text);

/// Whether there is a comment anywhere behind those.
bool has_other_comments(const Tree& tree);

}  // namespace monitor::config
