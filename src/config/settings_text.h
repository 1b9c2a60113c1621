// The additional keys of a service as one JSON object, in two forms: as they are typed, and as they may be shown. Pure.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "config/tree.h"

namespace monitor::config {

/// Told by the readers of the keys what a value means; what nothing is said of is written as it stands.
class SettingsText {
 public:
  explicit SettingsText(const Tree& tree) : tree_(tree) {}

  /// The values of a mapping, in the order in which they are written; those that are kAbsent (0) are left out.
  void order(Tree::Index map, std::span<const Tree::Index> values);
  /// How a value is written: JSON.
  void say(Tree::Index value, std::string json) { said_[value] = std::move(json); }
  /// A value that is a secret, and the JSON that is shown for it.
  void hide(Tree::Index value, std::string json) { hidden_[value] = std::move(json); }

  std::string typed(std::span<const Tree::Index> values) const { return object(values, false); }
  std::string shown(std::span<const Tree::Index> values) const { return object(values, true); }

 private:
  std::string object(std::span<const Tree::Index> values, bool shown) const;
  void write(Tree::Index value, bool shown, std::string& out) const;
  void write_map(Tree::Index map, bool shown, std::string& out) const;
  void write_list(Tree::Index list, bool shown, std::string& out) const;

  const Tree& tree_;
  std::unordered_map<Tree::Index, std::vector<Tree::Index>> orders_;
  std::unordered_map<Tree::Index, std::string> said_, hidden_;
};

/// `"text"` with its escapes.
std::string json_string(std::string_view text);

/// A node as JSON: a number of JSON's, `true`, `false` and null without quotes stay what they are, any other scalar is
/// a text.
std::string json_of(const Tree& tree, Tree::Index node);

/// Whether it is a number as RFC 8259 §6 writes it.
bool is_json_number(std::string_view text);

/// The child of a mapping under a key, or 0.
Tree::Index child_of(const Tree& tree, Tree::Index map, std::string_view key);

}  // namespace monitor::config
