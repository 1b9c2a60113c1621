// Reads the text of a configuration file, YAML or JSON, into a tree. Pure.
#pragma once

#include <string>

#include "config/document.h"
#include "config/faults.h"
#include "config/tree.h"

namespace monitor::config {

inline constexpr std::size_t kMaxFileBytes = std::size_t{64} << 20;
inline constexpr std::size_t kMaxDepth = 32;

/// JSON where the first character that is not white space is `{`, else YAML.
Format format_of(const std::string& text);

/// Adds to `faults` what is not allowed (a repeated document, an alias, a tag …) or cannot be read at all; in the
/// second case the tree is not complete, and false is returned.
bool read_tree(Tree& tree, Faults& faults);

/// The two syntaxes. The text is valid UTF-8 without control characters.
bool read_yaml(Tree& tree, Faults& faults);
bool read_json(Tree& tree, Faults& faults);

}  // namespace monitor::config
