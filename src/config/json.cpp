#include <algorithm>

#include <boost/json/basic_parser_impl.hpp>
#include <fmt/format.h>

#include "config/reader.h"

namespace monitor::config {
namespace {

namespace json = boost::json;

/// Where the next token stands. The parser reports what it has read but not where, so the text is walked beside it:
/// each report is one token further.
class Tokens {
 public:
  explicit Tokens(std::string_view text) : text_(text) {}

  struct Token {
    std::uint32_t position;
    std::string_view text;
  };

  Token next() {
    const auto begin = std::min(text_.find_first_not_of(" \t\r\n,:]}", at_), text_.size());
    at_ = end_of(begin);
    return {static_cast<std::uint32_t>(begin), text_.substr(begin, at_ - begin)};
  }

 private:
  std::size_t end_of(std::size_t begin) const {
    if (begin == text_.size() || text_[begin] == '{' || text_[begin] == '[') return std::min(begin + 1, text_.size());
    if (text_[begin] != '"') return std::min(text_.find_first_of(" \t\r\n,:]}", begin), text_.size());
    auto end = begin + 1;
    while (end < text_.size() && text_[end] != '"') end += text_[end] == '\\' ? 2 : 1;
    return std::min(end + 1, text_.size());
  }

  std::string_view text_;
  std::size_t at_ = 0;
};

/// Receives what json::basic_parser reads; its names are the parser's.
struct Handler {
  static constexpr std::size_t max_array_size = kMaxFileBytes;
  static constexpr std::size_t max_object_size = kMaxFileBytes;
  static constexpr std::size_t max_string_size = kMaxFileBytes;
  static constexpr std::size_t max_key_size = kMaxFileBytes;

  explicit Handler(Tree& built) : tree(built), tokens(built.source()) {}

  bool on_document_begin(json::error_code&) { return true; }
  bool on_document_end(json::error_code&) { return true; }
  bool on_array_begin(json::error_code&) { return open(Kind::kList); }
  bool on_array_end(std::size_t, json::error_code&) { return close(); }
  bool on_object_begin(json::error_code&) { return open(Kind::kMap); }
  bool on_object_end(std::size_t, json::error_code&) { return close(); }
  bool on_string_part(json::string_view part, std::size_t, json::error_code&) { return collect(part); }
  bool on_string(json::string_view part, std::size_t, json::error_code&) { return text(part); }
  bool on_key_part(json::string_view part, std::size_t, json::error_code&) { return collect(part); }
  bool on_key(json::string_view part, std::size_t, json::error_code&) { return text(part); }
  bool on_number_part(json::string_view, json::error_code&) { return true; }
  bool on_int64(std::int64_t, json::string_view, json::error_code&) { return plain(Kind::kPlain); }
  bool on_uint64(std::uint64_t, json::string_view, json::error_code&) { return plain(Kind::kPlain); }
  bool on_double(double, json::string_view, json::error_code&) { return plain(Kind::kPlain); }
  bool on_bool(bool, json::error_code&) { return plain(Kind::kPlain); }
  bool on_null(json::error_code&) { return plain(Kind::kNull); }
  bool on_comment_part(json::string_view, json::error_code&) { return true; }
  bool on_comment(json::string_view, json::error_code&) { return true; }

  bool open(Kind kind) {
    open_nodes.push_back(tree.open(kind, tokens.next().position));
    return true;
  }
  bool close() {
    tree.close(open_nodes.back());
    open_nodes.pop_back();
    return true;
  }
  bool collect(json::string_view part) {
    collected.append(part.data(), part.size());
    return true;
  }
  bool text(json::string_view part) {
    collect(part);
    tree.scalar(Kind::kText, tokens.next().position, collected);
    collected.clear();
    return true;
  }
  bool plain(Kind kind) {
    const auto token = tokens.next();
    tree.scalar(kind, token.position, token.text);
    return true;
  }

  Tree& tree;
  Tokens tokens;
  std::vector<Tree::Index> open_nodes;
  std::string collected;
};

/// Whether the text ends in an escape from \uD800 to \uDFFF.
bool lone_surrogate(std::string_view text) {
  constexpr std::size_t kEscape = 6;
  if (text.size() < kEscape) return false;
  const auto escape = text.substr(text.size() - kEscape);
  return escape.starts_with("\\u") && (escape[2] == 'd' || escape[2] == 'D') &&
         std::string_view("89abcdefABCDEF").find(escape[3]) != std::string_view::npos;
}

/// The parser calls nearly everything a syntax error, so the text before it is asked as well.
std::string explained(const json::error_code& error, std::string_view text, std::size_t position) {
  if (error == json::error::incomplete) return "the JSON ends too early; a }, ] or \" is missing";
  if (error == json::error::extra_data) return "something follows the closing }; the file holds one JSON object only";
  if (error == json::error::too_deep) return fmt::format("values are nested deeper than {} levels", kMaxDepth);
  if (lone_surrogate(text.substr(0, position)) || error == json::error::illegal_leading_surrogate ||
      error == json::error::illegal_trailing_surrogate || error == json::error::expected_utf16_escape) {
    return "an escape from \\uD800 to \\uDFFF has no partner; a character beyond U+FFFF takes two of them";
  }
  const auto last = text.substr(0, position).find_last_not_of(" \t\r\n");
  if (last != std::string_view::npos && text[last] == '\\') {
    return "a backslash begins no escape that JSON knows; write it as \\\\";
  }
  if (last != std::string_view::npos && text[last] == ',') {
    return "a comma stands behind the last item, or an item is not JSON; commas stand between items only";
  }
  if (position < text.size() && static_cast<unsigned char>(text[position]) < 0x20) {
    return "a text is not closed on its line; add the \", and write a line break in it as \\n";
  }
  return "this is not JSON; a key is written as \"key\": value, with a comma between items";
}

}  // namespace

bool read_json(Tree& tree, Faults& faults) {
  json::parse_options options;
  options.max_depth = kMaxDepth;
  json::basic_parser<Handler> parser(options, tree);
  json::error_code error;
  const auto& text = tree.source();
  const auto read = parser.write_some(false, text.data(), text.size(), error);
  if (!error && text.find_first_not_of(" \t\r\n", read) != std::string::npos) error = json::error::extra_data;
  if (!error) return true;
  const auto position = std::min(read, text.size());
  faults.add(static_cast<std::uint32_t>(position), explained(error, text, position));
  return false;
}

}  // namespace monitor::config
