// The configuration file as nodes with their places in its text, whichever syntax it is in. Any one thread at a time.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace monitor::config {

enum class Kind : std::uint8_t {
  kNull,
  kPlain,  ///< a scalar without quotes: text, number or boolean is for the reader of its key to decide
  kText,   ///< a scalar in quotes or in a block
  kList,
  kMap,     ///< its children are key, value, key, value …; a key is always a scalar
  kRefused  ///< reported as a fault already, so nothing more is said about it
};

/// Counted from 1; a column counts characters, not bytes.
struct Place {
  std::size_t line = 1;
  std::size_t column = 1;
};

/// Nodes in the order of the text, each 20 bytes: 100 000 services are 1.4 million of them. A position is an offset in
/// bytes; it becomes a Place only when somebody is told about it.
class Tree {
 public:
  using Index = std::uint32_t;
  static constexpr Index kRoot = 0;

  explicit Tree(std::string source) : source_(std::move(source)) {}

  Index open(Kind kind, std::uint32_t position);
  void close(Index node) { nodes_[node].after = size(); }
  void scalar(Kind kind, std::uint32_t position, std::string_view text);

  Index size() const { return static_cast<Index>(nodes_.size()); }
  Kind kind(Index node) const { return nodes_[node].kind; }
  std::uint32_t position(Index node) const { return nodes_[node].position; }
  /// What a scalar says.
  std::string_view text(Index node) const;
  /// The first child of a list or a map, if it is not `after` it.
  static Index first(Index node) { return node + 1; }
  /// The next node that is not within this one.
  Index after(Index node) const { return nodes_[node].after; }

  const std::string& source() const { return source_; }
  Place place(std::uint32_t position) const;

 private:
  struct Node {
    std::uint32_t position = 0;
    std::uint32_t begin = 0;
    std::uint32_t length = 0;
    Index after = 0;
    Kind kind = Kind::kNull;
    bool verbatim = true;  ///< the text stands in `source_` as it is, not in `decoded_`
  };

  std::string source_;
  std::string decoded_;
  std::vector<Node> nodes_;
  mutable std::vector<std::uint32_t> lines_;  ///< where each line begins; made when the first place is asked for
};

}  // namespace monitor::config
