#include "config/fields.h"

#include <fmt/format.h>

#include "common/text.h"
#include "common/units.h"
#include "config/reader.h"
#include "config/scalar.h"
#include "config/suggest.h"

namespace monitor::config {
namespace {

constexpr std::size_t kQuotedScalarBytes = 64;

bool is_scalar(Kind kind) {
  return kind == Kind::kPlain || kind == Kind::kText;
}

/// NUL ends a text for many a library; U+FDD0 to U+FDEF and those that end in FFFE or FFFF cannot be written as YAML by
/// yaml-cpp 0.7, which puts U+FFFD in their place. The text is valid UTF-8.
bool holds_nul_or_noncharacter(std::string_view text) {
  for (std::size_t i = 0; i < text.size(); ++i) {
    const auto byte = [&](std::size_t at) { return static_cast<unsigned char>(text[at]); };
    if (byte(i) == 0) return true;
    const std::size_t length = byte(i) < 0xE0 ? 1 : byte(i) < 0xF0 ? 3 : 4;
    if (length == 1 || i + length > text.size()) continue;
    const bool free_block = byte(i) == 0xEF && byte(i + 1) == 0xB7 && byte(i + 2) >= 0x90 && byte(i + 2) <= 0xAF;
    const bool end_of_plane =
        (length == 3 ? byte(i) == 0xEF && byte(i + 1) == 0xBF : (byte(i + 1) & 0x0FU) == 0x0F && byte(i + 2) == 0xBF) &&
        byte(i + length - 1) >= 0xBE;
    if (free_block || end_of_plane) return true;
  }
  return false;
}

}  // namespace

std::string_view noun(Kind kind) {
  switch (kind) {
    case Kind::kNull:
      return "empty";
    case Kind::kList:
      return "a list";
    case Kind::kMap:
      return "a mapping";
    default:
      return "a text";
  }
}

Fields::Fields(const Tree& tree, const Reading& reading, Faults& faults)
    : tree_(tree),
      reading_(reading),
      expands_(reading.expands.value_or(format_of(tree.source()) == Format::kYaml)),
      faults_(faults) {}

std::string Fields::what_is(Index value) const {
  const auto kind = tree_.kind(value);
  if (kind == Kind::kText) return "the text " + in_quotes(tree_.text(value));
  if (kind != Kind::kPlain) return std::string(noun(kind));
  return common::escape_controls(common::storable(without_secret(tree_.text(value)), kQuotedScalarBytes));
}

void Fields::wrong_type(Index value, std::string_view wanted) {
  if (tree_.kind(value) == Kind::kRefused) return;
  // YAML's place for an empty value is that of whatever comes next.
  const Index place = tree_.kind(value) == Kind::kNull ? value - 1 : value;
  fault(place, fmt::format("{} is {}; it must be {}", key_of(value), what_is(value), wanted));
}

void Fields::wrong_item(Index item, std::string_view name, std::string_view wanted) {
  if (tree_.kind(item) == Kind::kRefused) return;
  fault(item, fmt::format("an item of {} is {}; it must be {}", name, what_is(item), wanted));
}

std::optional<std::string> Fields::words_of(Index value) {
  if (is_scalar(tree_.kind(value))) return plain_words(value, key_of(value));
  wrong_type(value, "text");
  return std::nullopt;
}

std::optional<std::string> Fields::words_of_item(Index item, std::string_view name) {
  if (is_scalar(tree_.kind(item))) return plain_words(item, name);
  wrong_item(item, name, "text");
  return std::nullopt;
}

std::optional<std::string> Fields::plain_words(Index value, std::string_view name) {
  const auto text = tree_.text(value);
  if (holds_nul_or_noncharacter(text)) {
    fault(value,
          fmt::format("{} holds NUL or a code that Unicode keeps free of characters, such as U+FFFF; remove it", name));
    return std::nullopt;
  }
  return std::string(text);
}

std::optional<std::string> Fields::text_of(Index value) {
  const auto kind = tree_.kind(value);
  if (!is_scalar(kind)) {
    wrong_type(value, "text");
    return std::nullopt;
  }
  const auto text = tree_.text(value);
  if (kind == Kind::kPlain && is_number_or_boolean(text)) {
    wrong_type(value, fmt::format("text, so put it in quotes: \"{}\"", text));
    return std::nullopt;
  }
  if (holds_nul_or_noncharacter(text)) {
    fault(value,
          key_of(value) + " holds NUL or a code that Unicode keeps free of characters, such as U+FFFF; remove it");
    return std::nullopt;
  }
  return std::string(text);
}

std::optional<std::string> Fields::text_or_null(Index value) {
  if (tree_.kind(value) == Kind::kNull) return std::nullopt;
  return text_of(value);
}

std::optional<std::string> Fields::measure_of(Index value, std::string_view wanted) {
  if (is_scalar(tree_.kind(value))) return std::string(tree_.text(value));
  wrong_type(value, wanted);
  return std::nullopt;
}

std::optional<bool> Fields::boolean_of(Index value) {
  const auto known = tree_.kind(value) == Kind::kPlain ? as_boolean(tree_.text(value)) : std::nullopt;
  if (!known) wrong_type(value, "true or false, without quotes");
  return known;
}

std::optional<int> Fields::whole_number(Index value, int low, int high) {
  const auto number = tree_.kind(value) == Kind::kPlain ? as_integer(tree_.text(value)) : std::nullopt;
  if (!number) {
    wrong_type(value, fmt::format("a whole number from {} to {}, without quotes", low, high));
    return std::nullopt;
  }
  if (*number >= low && *number <= high) return static_cast<int>(*number);
  fault(value, fmt::format("{} is {}; it must be from {} to {}", key_of(value), *number, low, high));
  return std::nullopt;
}

std::optional<std::chrono::seconds> Fields::seconds_within(Index value, Seconds low, Seconds high,
                                                           std::string_view hint) {
  const auto number = tree_.kind(value) == Kind::kPlain ? as_integer(tree_.text(value)) : std::nullopt;
  if (!number) {
    wrong_type(value, "a whole number of seconds, without quotes and without a unit");
    return std::nullopt;
  }
  if (*number >= low.count() && *number <= high.count()) return Seconds{*number};
  fault(value, fmt::format("{} is {}; it must be from {} to {} seconds{}", key_of(value), *number, low.count(),
                           high.count(), hint));
  return std::nullopt;
}

std::optional<std::chrono::seconds> Fields::duration_within(Index value, std::string_view text, Seconds low,
                                                            Seconds high) {
  const auto duration = common::parse_duration(text);
  if (duration && *duration >= low && *duration <= high) return duration;
  fault(value, fmt::format("{} is {}; it must be a duration such as 90s, 15m, 24h or 7d, from {} to {}", key_of(value),
                           in_quotes(tree_.text(value)), common::format_duration(low), common::format_duration(high)));
  return std::nullopt;
}

std::optional<std::uint64_t> Fields::size_within(Index value, std::string_view text, std::uint64_t low,
                                                 std::uint64_t high) {
  const auto size = common::parse_size(text);
  if (size && *size >= low && *size <= high) return size;
  fault(value, fmt::format("{} is {}; it must be a size such as 64 KiB or 10 MiB, from {} to {}", key_of(value),
                           in_quotes(tree_.text(value)), common::format_size(low), common::format_size(high)));
  return std::nullopt;
}

std::string Fields::without_variables(std::string_view typed) const {
  return expands_ ? expand(typed, hidden_variable).text : std::string(typed);
}

std::optional<Expansion> Fields::expanded(Index value, std::string_view typed) {
  if (!expands_) return Expansion{std::string(typed), {}, {}};
  auto expansion = expand(typed, values() == Values::kExpanded ? environment_variable : hidden_variable);
  if (!expansion.fault.empty()) {
    fault(value, fmt::format("{}: {}", key_of(value), expansion.fault));
    return std::nullopt;
  }
  if (values() != Values::kExpanded && !expansion.used.empty()) return std::nullopt;
  return expansion;
}

std::optional<std::string> Fields::expanded_text(Index value, std::string_view typed) {
  auto expansion = expanded(value, typed);
  if (!expansion) return std::nullopt;
  return std::move(expansion->text);
}

void Fields::refuse_key(Index key, std::string_view owner, const std::vector<std::string_view>& names) {
  const auto meant = closest(tree_.text(key), names);
  fault(key, fmt::format("the key {} is unknown; {}", in_quotes(tree_.text(key)),
                         meant.empty() ? fmt::format("{} may have {}", owner, fmt::join(names, ", "))
                                       : fmt::format("did you mean `{}`?", meant)));
}

void Fields::refuse_repeated(Index key, Index first) {
  fault(key, fmt::format("the key {} is repeated, it is already on line {}; write it once", in_quotes(tree_.text(key)),
                         tree_.place(tree_.position(first)).line));
}

}  // namespace monitor::config
