#include "config/tree.h"

#include <algorithm>

namespace monitor::config {

Tree::Index Tree::open(Kind kind, std::uint32_t position) {
  nodes_.push_back({.position = position, .kind = kind});
  nodes_.back().after = size();
  return size() - 1;
}

void Tree::scalar(Kind kind, std::uint32_t position, std::string_view text) {
  Node& node = nodes_[open(kind, position)];
  node.length = static_cast<std::uint32_t>(text.size());
  for (std::uint32_t quote = 0; quote <= 1; ++quote) {
    node.begin = position + quote;
    if (node.begin <= source_.size() && source_.compare(node.begin, text.size(), text) == 0) return;
  }
  node.verbatim = false;
  node.begin = static_cast<std::uint32_t>(decoded_.size());
  decoded_ += text;
}

std::string_view Tree::text(Index node) const {
  const Node& found = nodes_[node];
  return std::string_view(found.verbatim ? source_ : decoded_).substr(found.begin, found.length);
}

Place Tree::place(std::uint32_t position) const {
  if (lines_.empty()) {
    lines_.push_back(0);
    for (auto at = source_.find('\n'); at != std::string::npos; at = source_.find('\n', at + 1)) {
      lines_.push_back(static_cast<std::uint32_t>(at + 1));
    }
  }
  const auto line = std::prev(std::upper_bound(lines_.begin(), lines_.end(), position));
  const auto before = std::string_view(source_).substr(*line, position - *line);
  const auto continues = [](char c) { return (static_cast<unsigned char>(c) & 0xC0U) == 0x80U; };
  const auto inside = std::count_if(before.begin(), before.end(), continues);
  return {static_cast<std::size_t>(line - lines_.begin()) + 1, before.size() - static_cast<std::size_t>(inside) + 1};
}

}  // namespace monitor::config
