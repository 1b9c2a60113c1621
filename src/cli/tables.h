// Framed tables for a terminal. Pure.
#pragma once

#include <cstddef>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace monitor::cli {

/// Every row has as many cells as the header.
struct Table {
  std::vector<std::string> header;
  std::vector<std::vector<std::string>> rows;
};

/// The table with a frame of `+---+` and `|`, its cells centred (of an odd rest, text of odd width leaves the larger
/// part on its right, any other on its left) and their control characters escaped. Ends with a newline.
std::string render(const Table& table);

/// `True` or `False`.
std::string cell(bool value);
/// `None` where there is no text.
std::string cell(const std::optional<std::string>& text);

/// Columns that valid UTF-8 `text` takes in a terminal: East Asian wide characters and emoji two, combining ones none.
std::size_t display_width(std::string_view text);

}  // namespace monitor::cli
