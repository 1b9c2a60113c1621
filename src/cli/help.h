// The help pages. Pure.
#pragma once

#include <cstddef>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

namespace CLI {
class FormatterBase;
}  // namespace CLI

namespace monitor::cli {

/// Usage, description, arguments, options, commands and examples, for every command.
std::shared_ptr<CLI::FormatterBase> help_pages();

/// `text` in lines of at most `width` characters, broken at spaces; a longer word has a line of its own.
std::vector<std::string> wrapped(std::string_view text, std::size_t width);

}  // namespace monitor::cli
