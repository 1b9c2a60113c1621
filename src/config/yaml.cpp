#include <algorithm>
#include <array>
#include <exception>
#include <istream>
#include <optional>
#include <streambuf>
#include <string_view>
#include <vector>

#include <fmt/format.h>
#include <yaml-cpp/eventhandler.h>
#include <yaml-cpp/exceptions.h>
#include <yaml-cpp/parser.h>

#include "config/comments.h"
#include "config/reader.h"

namespace monitor::config {
namespace {

/// Lets the library read the text where it stands.
class TextBuffer : public std::streambuf {
 public:
  explicit TextBuffer(const std::string& text) {
    char* begin = const_cast<char*>(text.data());  // setg wants it; a get area is never written to
    setg(begin, begin, begin + text.size());
  }
};

/// Ends the reading: what follows makes no sense any more.
struct Unreadable : std::exception {
  Unreadable(std::uint32_t at, std::string why) : position(at), sentence(std::move(why)) {}
  std::uint32_t position;
  std::string sentence;
};

class Builder : public YAML::EventHandler {
 public:
  Builder(Tree& tree, Faults& faults) : tree_(tree), faults_(faults) {}

  void OnDocumentStart(const YAML::Mark& mark) override {
    if (++documents_ > 1) {
      throw Unreadable(offset(mark),
                       "a second document begins here; the file holds only one, so remove the line `---`");
    }
  }
  void OnDocumentEnd() override {}

  void OnNull(const YAML::Mark& mark, YAML::anchor_t) override { scalar(Kind::kNull, mark, {}); }

  void OnAlias(const YAML::Mark& mark, YAML::anchor_t) override {
    refuse(mark, "an alias (*name) is not allowed; write the value again");
    scalar(Kind::kRefused, mark, {});
  }

  void OnScalar(const YAML::Mark& mark, const std::string& tag, YAML::anchor_t, const std::string& value) override {
    refuse_tag(mark);
    refuse_unclosed(mark);
    scalar(tag == "?" ? Kind::kPlain : Kind::kText, mark, value);
  }

  void OnSequenceStart(const YAML::Mark& mark, const std::string&, YAML::anchor_t, YAML::EmitterStyle::value) override {
    open(Kind::kList, mark);
  }
  void OnSequenceEnd() override { close(); }
  void OnMapStart(const YAML::Mark& mark, const std::string&, YAML::anchor_t, YAML::EmitterStyle::value) override {
    open(Kind::kMap, mark);
  }
  void OnMapEnd() override { close(); }

  void OnAnchor(const YAML::Mark& mark, const std::string&) override {
    refuse(mark, "an anchor (&name) is not allowed; values are written out where they are needed");
  }

 private:
  struct Level {
    Tree::Index node;
    bool key_is_next;  ///< only ever true in a map
  };

  static std::uint32_t offset(const YAML::Mark& mark) { return static_cast<std::uint32_t>(std::max(mark.pos, 0)); }

  void refuse(const YAML::Mark& mark, std::string sentence) { faults_.add(offset(mark), std::move(sentence)); }

  /// The library resolves `!` to what it also says of quoted values, so the text itself is asked.
  void refuse_tag(const YAML::Mark& mark) {
    const auto at = offset(mark);
    if (at < tree_.source().size() && tree_.source()[at] == '!') {
      refuse(mark, "a tag (!name) is not allowed; a value in quotes is text");
    }
  }

  /// The library takes the end of the file for the closing quote.
  void refuse_unclosed(const YAML::Mark& mark) {
    const std::string_view text = tree_.source();
    const auto at = offset(mark);
    if (at < text.size() && (text[at] == '"' || text[at] == '\'') && !end_of_quotes(text, at)) {
      throw Unreadable(at, "a quoted text is never closed; add the quote");
    }
  }

  /// Whether the node that begins is a key; only a scalar may be one.
  bool take_turn(const YAML::Mark& mark, bool may_be_key) {
    if (levels_.empty() || tree_.kind(levels_.back().node) != Kind::kMap) return false;
    const bool key = levels_.back().key_is_next;
    if (key && !may_be_key) throw Unreadable(offset(mark), "a key must be a plain word such as `url`");
    levels_.back().key_is_next = !key;
    return key;
  }

  void scalar(Kind kind, const YAML::Mark& mark, std::string_view value) {
    take_turn(mark, kind == Kind::kPlain || kind == Kind::kText);
    tree_.scalar(kind, offset(mark), value);
  }

  void open(Kind kind, const YAML::Mark& mark) {
    take_turn(mark, false);
    refuse_tag(mark);
    if (levels_.size() >= kMaxDepth) {
      throw Unreadable(offset(mark), fmt::format("values are nested deeper than {} levels", kMaxDepth));
    }
    levels_.push_back({tree_.open(kind, offset(mark)), kind == Kind::kMap});
  }

  void close() {
    tree_.close(levels_.back().node);
    levels_.pop_back();
  }

  Tree& tree_;
  Faults& faults_;
  std::vector<Level> levels_;
  int documents_ = 0;
};

/// Whether the line that `position` is on, or the one before it, is indented by a tab, as YAML forbids.
std::optional<std::uint32_t> tab_in_indentation(const std::string& text, std::size_t position) {
  auto begin = position == 0 ? std::string::npos : text.rfind('\n', position - 1);
  for (int line = 0; line < 2; ++line) {
    const std::size_t start = begin == std::string::npos ? 0 : begin + 1;
    const auto tab = text.find_first_not_of(' ', start);
    if (tab != std::string::npos && text[tab] == '\t') return static_cast<std::uint32_t>(tab);
    if (start == 0) break;
    begin = start == 1 ? std::string::npos : text.rfind('\n', start - 2);
  }
  return std::nullopt;
}

constexpr std::string_view kUnknownEscape = "unknown escape character";

/// The library's messages, said so that they help.
std::string explained(const std::string& message) {
  struct Help {
    std::string_view message;
    std::string_view sentence;
  };
  static constexpr std::array kHelp{
      Help{"illegal map value",
           "a `:` stands where no key can be; put a value that holds `: ` in quotes, and indent all keys alike"},
      Help{"illegal map key", "a key stands where none can be; indent all keys of a mapping alike"},
      Help{"illegal block entry", "a `- ` stands where no list can be; put it on a line of its own, indented alike"},
      Help{"end of map not found",
           "this does not belong to the mapping above it; indent all keys of a mapping alike, and write `key: value`"},
      Help{"end of map flow not found", "a { is never closed; add the }"},
      Help{"end of sequence not found",
           "this does not belong to the list above it; begin each of its items with `- `, indented alike"},
      Help{"end of sequence flow not found", "a [ is never closed; add the ]"},
      Help{"illegal EOF in scalar", "a quoted text is never closed; add the quote"},
      Help{"illegal flow end", "a } or ] closes nothing; remove it, or put the text in quotes"},
      Help{"unknown token", "this character cannot begin a value; put the text in quotes"},
      Help{"the referenced anchor is not defined",
           "an alias (*name) is not allowed; put text that begins with * in quotes"},
  };
  for (const auto& help : kHelp) {
    if (message.starts_with(help.message)) return std::string(help.sentence);
  }
  if (message.starts_with(kUnknownEscape)) {
    return "a backslash in double quotes begins an escape that YAML does not know; put the text in single quotes";
  }
  return fmt::format("this is not YAML: {}; check indentation and quotes", message);
}

}  // namespace

bool read_yaml(Tree& tree, Faults& faults) {
  const auto& text = tree.source();
  TextBuffer buffer(text);
  std::istream in(&buffer);
  Builder builder(tree, faults);
  try {
    YAML::Parser parser(in);
    while (parser.HandleNextDocument(builder)) {
    }
  } catch (const Unreadable& problem) {
    faults.add(problem.position, problem.sentence);
    return false;
  } catch (const YAML::Exception& error) {
    const auto position = std::min(static_cast<std::size_t>(std::max(error.mark.pos, 0)), text.size());
    if (const auto tab = tab_in_indentation(text, position)) {
      faults.add(*tab, "a tab indents this line, which YAML does not allow; indent with spaces");
    } else {
      // The place given for an escape is behind it.
      const auto back = error.msg.starts_with(kUnknownEscape) && position >= 2 ? 2U : 0U;
      faults.add(static_cast<std::uint32_t>(position) - back, explained(error.msg));
    }
    return false;
  }
  if (tree.size() == 0 || tree.kind(Tree::kRoot) == Kind::kNull) {
    faults.add(0, "the file says nothing; it needs keys such as `local_database_path` and `services`");
    return false;
  }
  return true;
}

}  // namespace monitor::config
