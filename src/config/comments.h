// Looks at the text of a YAML file for what the library does not report: comments, which saving cannot keep, and where
// a quoted text ends. Pure.
#pragma once

#include <cstddef>
#include <optional>
#include <string>
#include <string_view>

#include "config/tree.h"

namespace monitor::config {

/// The comment and blank lines that open the file: these are kept.
std::string opening_comment(const std::string& text);

/// Whether there is a comment anywhere behind those.
bool has_other_comments(const Tree& tree);

/// Behind the closing quote of the text whose opening quote is at `at`; nothing if there is none.
std::optional<std::size_t> end_of_quotes(std::string_view text, std::size_t at);

}  // namespace monitor::config
