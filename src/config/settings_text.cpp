#include "config/settings_text.h"

#include <algorithm>

#include <boost/json/serialize.hpp>
#include <boost/json/string.hpp>

#include "config/scalar.h"

namespace monitor::config {
namespace {

std::string scalar_json(const Tree& tree, Tree::Index node) {
  const auto text = tree.text(node);
  if (tree.kind(node) == Kind::kNull) return "null";
  if (tree.kind(node) == Kind::kPlain) {
    if (is_json_number(text)) return std::string(text);
    if (is_number_or_boolean(text)) {
      if (const auto boolean = as_boolean(text)) return *boolean ? "true" : "false";
    }
  }
  return json_string(text);
}

std::size_t digits(std::string_view text) {
  return std::min(text.find_first_not_of("0123456789"), text.size());
}

}  // namespace

void SettingsText::order(Tree::Index map, std::span<const Tree::Index> values) {
  orders_[map].assign(values.begin(), values.end());
}

std::string SettingsText::object(std::span<const Tree::Index> values, bool shown) const {
  std::string out = "{";
  for (const auto value : values) {
    if (value == 0) continue;
    if (out.size() > 1) out += ',';
    out += json_string(tree_.text(value - 1)) + ':';
    write(value, shown, out);
  }
  return out + '}';
}

void SettingsText::write(Tree::Index value, bool shown, std::string& out) const {
  if (const auto hidden = hidden_.find(value); shown && hidden != hidden_.end()) {
    out += hidden->second;
  } else if (const auto said = said_.find(value); said != said_.end()) {
    out += said->second;
  } else if (tree_.kind(value) == Kind::kMap) {
    write_map(value, shown, out);
  } else if (tree_.kind(value) == Kind::kList) {
    write_list(value, shown, out);
  } else {
    out += scalar_json(tree_, value);
  }
}

void SettingsText::write_map(Tree::Index map, bool shown, std::string& out) const {
  if (const auto known = orders_.find(map); known != orders_.end()) {
    out += object(known->second, shown);
    return;
  }
  std::vector<Tree::Index> values;
  for (auto key = Tree::first(map); key != tree_.after(map); key = tree_.after(key + 1)) values.push_back(key + 1);
  out += object(values, shown);
}

void SettingsText::write_list(Tree::Index list, bool shown, std::string& out) const {
  out += '[';
  for (auto item = Tree::first(list); item != tree_.after(list); item = tree_.after(item)) {
    if (item != Tree::first(list)) out += ',';
    write(item, shown, out);
  }
  out += ']';
}

std::string json_string(std::string_view text) {
  return boost::json::serialize(boost::json::string_view(text.data(), text.size()));
}

std::string json_of(const Tree& tree, Tree::Index node) {
  // Lists and mappings are written out; a scalar is one entry of a list of its own otherwise.
  std::string out;
  const auto kind = tree.kind(node);
  if (kind != Kind::kMap && kind != Kind::kList) return scalar_json(tree, node);
  out += kind == Kind::kMap ? '{' : '[';
  for (auto child = Tree::first(node); child != tree.after(node);) {
    if (child != Tree::first(node)) out += ',';
    if (kind == Kind::kMap) {
      out += json_string(tree.text(child)) + ':';
      ++child;
    }
    out += json_of(tree, child);
    child = tree.after(child);
  }
  return out + (kind == Kind::kMap ? '}' : ']');
}

bool is_json_number(std::string_view text) {
  if (text.starts_with('-')) text.remove_prefix(1);
  const auto whole = digits(text);
  if (whole == 0 || (whole > 1 && text.front() == '0')) return false;
  text.remove_prefix(whole);
  if (text.starts_with('.')) {
    const auto fraction = digits(text.substr(1));
    if (fraction == 0) return false;
    text.remove_prefix(1 + fraction);
  }
  if (text.empty()) return true;
  if (text.front() != 'e' && text.front() != 'E') return false;
  text.remove_prefix(1);
  if (text.starts_with('+') || text.starts_with('-')) text.remove_prefix(1);
  return !text.empty() && digits(text) == text.size();
}

Tree::Index child_of(const Tree& tree, Tree::Index map, std::string_view key) {
  if (map == 0 || tree.kind(map) != Kind::kMap) return 0;
  for (auto at = Tree::first(map); at != tree.after(map); at = tree.after(at + 1)) {
    if (tree.text(at) == key) return at + 1;
  }
  return 0;
}

}  // namespace monitor::config
