#include "cli/tables.h"

#include <algorithm>

#include "cli/width.h"
#include "common/text.h"

namespace monitor::cli {
namespace {

struct Cell {
  std::string text;
  std::size_t width = 0;
};
using Row = std::vector<Cell>;

Row measured(const std::vector<std::string>& texts) {
  Row row;
  row.reserve(texts.size());
  for (const auto& text : texts) {
    std::string shown = common::escape_controls(text);
    const std::size_t width = display_width(shown);
    row.push_back({std::move(shown), width});
  }
  return row;
}

void append_rule(std::string& out, const std::vector<std::size_t>& widths) {
  for (const std::size_t width : widths) out.append("+").append(width + 2, '-');
  out += "+\n";
}

void append_row(std::string& out, const Row& row, const std::vector<std::size_t>& widths) {
  for (std::size_t i = 0; i < row.size(); ++i) {
    const std::size_t rest = widths[i] - row[i].width;
    const std::size_t left = row[i].width % 2 == 0 ? rest - rest / 2 : rest / 2;
    out.append("| ").append(left, ' ').append(row[i].text).append(rest - left, ' ').append(" ");
  }
  out += "|\n";
}

}  // namespace

std::string render(const Table& table) {
  std::vector<Row> rows{measured(table.header)};
  for (const auto& row : table.rows) rows.push_back(measured(row));
  std::vector<std::size_t> widths(table.header.size(), 0);
  for (const auto& row : rows) {
    for (std::size_t i = 0; i < row.size(); ++i) widths[i] = std::max(widths[i], row[i].width);
  }
  std::string out;
  append_rule(out, widths);
  append_row(out, rows.front(), widths);
  append_rule(out, widths);
  if (rows.size() == 1) return out;
  for (std::size_t i = 1; i < rows.size(); ++i) append_row(out, rows[i], widths);
  append_rule(out, widths);
  return out;
}

std::string cell(bool value) {
  return value ? "True" : "False";
}

std::string cell(const std::optional<std::string>& text) {
  return text ? *text : "None";
}

std::size_t display_width(std::string_view text) {
  std::size_t width = 0;
  while (!text.empty()) {
    const std::size_t length = std::max<std::size_t>(common::utf8_sequence(text), 1);
    width += columns_of(decode(text.substr(0, length)));
    text.remove_prefix(length);
  }
  return width;
}

}  // namespace monitor::cli
