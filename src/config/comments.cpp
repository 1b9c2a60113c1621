#include "config/comments.h"

#include <algorithm>

namespace monitor::config {
namespace {

std::size_t end_of_line(std::string_view text, std::size_t at) {
  return std::min(text.find('\n', at), text.size());
}

/// Behind the lines of the block scalar whose header ends at `at`: those indented like the first one, and empty ones.
/// Where the header gives an indentation, a first line that is indented further ends it early: then a `#` in it is
/// taken for a comment, which costs no more than a needless warning.
std::size_t end_of_block(std::string_view text, std::size_t at) {
  std::size_t indent = std::string_view::npos;
  while (at < text.size()) {
    const std::size_t begin = at + 1;
    const std::size_t end = end_of_line(text, begin);
    const std::size_t first = std::min(text.find_first_not_of(" \r", std::min(begin, text.size())), text.size());
    if (first < end) {
      if (indent == std::string_view::npos) indent = first - begin;
      if (first - begin < indent || indent == 0) return begin;
    }
    at = end;
  }
  return text.size();
}

bool begins_comment(std::string_view text, std::size_t at) {
  return text[at] == '#' && (at == 0 || text[at - 1] == ' ' || text[at - 1] == '\t' || text[at - 1] == '\n');
}

bool comment_within(std::string_view text, std::size_t at, std::size_t end) {
  for (; at < end; ++at) {
    if (begins_comment(text, at)) return true;
  }
  return false;
}

}  // namespace

std::optional<std::size_t> end_of_quotes(std::string_view text, std::size_t at) {
  const char quote = text[at];
  for (++at; at < text.size(); ++at) {
    if (quote == '"' && text[at] == '\\') {
      ++at;
    } else if (text[at] == quote) {
      if (quote == '"' || !text.substr(at + 1).starts_with(quote)) return at + 1;
      ++at;
    }
  }
  return std::nullopt;
}

std::string opening_comment(const std::string& text) {
  std::size_t at = 0;
  std::size_t end = 0;  // behind the last comment
  while (at < text.size()) {
    const auto first = std::min(text.find_first_not_of(" \t\r", at), text.size());
    if (first < text.size() && text[first] != '#' && text[first] != '\n') break;
    at = std::min(end_of_line(text, first) + 1, text.size());
    if (first < text.size() && text[first] == '#') end = at;
  }
  return text.substr(0, end);
}

bool has_other_comments(const Tree& tree) {
  const std::string_view text = tree.source();
  std::size_t at = opening_comment(tree.source()).size();
  for (Tree::Index node = 0; node < tree.size(); ++node) {
    if (tree.kind(node) != Kind::kText || tree.position(node) < at) continue;
    const std::size_t begin = tree.position(node);
    if (comment_within(text, at, begin)) return true;
    if (text[begin] == '|' || text[begin] == '>') {
      const std::size_t header = end_of_line(text, begin);
      if (comment_within(text, begin, header)) return true;
      at = end_of_block(text, header);
    } else {
      at = end_of_quotes(text, begin).value_or(text.size());
    }
  }
  return comment_within(text, at, text.size());
}

}  // namespace monitor::config
