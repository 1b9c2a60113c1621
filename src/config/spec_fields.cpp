#include "config/spec_fields.h"

#include <algorithm>
#include <array>

#include <fmt/format.h>
#include <fmt/ranges.h>

#include "common/error.h"
#include "common/text.h"
#include "config/scalar.h"
#include "config/secret.h"

namespace monitor::config {
namespace {

constexpr common::Micros kShortest{1000};
constexpr common::Micros kLongest = std::chrono::minutes{5};
constexpr std::size_t kMaxPatterns = 64;

/// `https://***@host/?a=***`: not what is behind the scheme and before an `@`, and of a query only the names.
std::string without_secrets(std::string_view url) {
  auto rest = probe::without_userinfo(url);
  if (rest != url) rest.insert(rest.find("://") + 3, "***@");
  return probe::without_query_values(rest);
}

}  // namespace

void SpecFields::no_mapping(Index value, std::string_view wanted) {
  const auto kind = tree().kind(value);
  if (kind == Kind::kRefused) return;
  // YAML's place for an empty value is that of whatever comes next.
  fault(kind == Kind::kNull ? value - 1 : value,
        fmt::format("{} is {}; it must be {}", key_of(value), noun(kind), wanted));
}

std::optional<std::string> SpecFields::typed_text(Index value) {
  auto text = words_of(value);
  if (text) draft_.text.say(value, json_string(*text));
  return text;
}

std::optional<std::string> SpecFields::typed_item(Index item, std::string_view name) {
  auto text = words_of_item(item, name);
  if (text) draft_.text.say(item, json_string(*text));
  return text;
}

std::optional<Expansion> SpecFields::used(Index value, std::string_view typed) {
  auto expansion = expanded(value, typed);
  if (!expansion) return std::nullopt;
  for (const auto& [name, text] : expansion->used) spec().values.emplace_back(text);
  return expansion;
}

std::optional<std::string> SpecFields::used_text(Index value) {
  const auto text = typed_text(value);
  auto expansion = text ? used(value, *text) : std::nullopt;
  return expansion ? std::optional(std::move(expansion->text)) : std::nullopt;
}

std::optional<std::string> SpecFields::used_measure(Index value) {
  const auto text = words_of(value);
  return text ? expanded_text(value, *text) : std::nullopt;
}

void SpecFields::hide_if_secret(Index value, const std::string& typed, bool is_secret) {
  if (!is_secret && !names_variable(typed)) return;
  draft_.text.hide(value, "\"***\"");
  if (is_secret && !typed.empty() && !names_variable(typed)) draft_.holds_secret = true;
}

std::optional<std::string> SpecFields::used_secret(Index value, bool is_secret) {
  const auto text = typed_text(value);
  if (!text) return std::nullopt;
  hide_if_secret(value, *text, is_secret);
  auto expansion = used(value, *text);
  return expansion ? std::optional(std::move(expansion->text)) : std::nullopt;
}

std::optional<Expansion> SpecFields::used_url(Index value) {
  const auto text = typed_text(value);
  if (!text) return std::nullopt;
  const auto shown = without_secrets(*text);
  draft_.text.hide(value, json_string(shown));
  if (probe::without_userinfo(*text) != *text && !names_variable(*text)) draft_.holds_secret = true;
  return used(value, *text);
}

std::optional<bool> SpecFields::boolean(Index value) {
  const auto known = boolean_of(value);
  if (known) draft_.text.say(value, *known ? "true" : "false");
  return known;
}

std::optional<int> SpecFields::whole_number(Index value, int low, int high) {
  const auto number = Fields::whole_number(value, low, high);
  if (number) draft_.text.say(value, fmt::format("{}", *number));
  return number;
}

std::optional<common::Micros> SpecFields::short_duration(Index value) {
  const auto text = used_measure(value);
  if (!text) return std::nullopt;
  const auto duration = common::parse_short_duration(*text);
  if (duration && *duration >= kShortest && *duration <= kLongest) return duration;
  fault(value, fmt::format("{} is {}; it must be a duration such as 500ms, 1.5s or 2s, from 1ms to 300s", key_of(value),
                           in_quotes(tree().text(value))));
  return std::nullopt;
}

std::optional<std::size_t> SpecFields::choice(Index value, std::span<const std::string_view> words) {
  const auto typed = typed_text(value);
  const auto text = typed ? expanded_text(value, *typed) : std::nullopt;
  if (!text) return std::nullopt;
  const auto found = std::ranges::find(words, *text);
  if (found != words.end()) return static_cast<std::size_t>(found - words.begin());
  fault(value, fmt::format("{} is {}; it must be `{}`", key_of(value), in_quotes(tree().text(value)),
                           fmt::join(words, "` or `")));
  return std::nullopt;
}

std::optional<net::TlsVersion> SpecFields::tls_version(Index value) {
  static constexpr std::array<std::string_view, 2> kVersions{"1.2", "1.3"};
  const auto known = choice(value, kVersions);
  if (!known) return std::nullopt;
  return *known == 0 ? net::TlsVersion::k12 : net::TlsVersion::k13;
}

std::optional<std::string> SpecFields::pattern(Index value, std::string_view name) {
  auto text = typed_item(value, name);
  if (!text) return std::nullopt;
  if (text->empty()) {
    fault(value, fmt::format("a pattern of {} is empty and would match anything; write one, or remove it", name));
    return std::nullopt;
  }
  if (const auto& why = draft_.patterns.refuse(*text)) {
    fault(value, fmt::format("{}: {}", name, *why));
    return std::nullopt;
  }
  return text;
}

std::vector<std::string> SpecFields::patterns(Index value) {
  const auto name = key_of(value);
  std::vector<std::string> out;
  const auto add = [&](Index item) {
    if (auto text = pattern(item, name)) out.push_back(std::move(*text));
  };
  if (is_scalar(value)) {
    add(value);
  } else if (tree().kind(value) == Kind::kList) {
    std::size_t count = 0;
    for (auto item = Tree::first(value); item != tree().after(value); item = tree().after(item)) {
      if (++count > kMaxPatterns) {
        fault(item, fmt::format("{} holds more than {} patterns; join some with |", name, kMaxPatterns));
        break;
      }
      add(item);
    }
  } else {
    wrong_type(value, "a pattern or a list of patterns");
  }
  return out;
}

std::optional<std::string> SpecFields::file_text(Index value, std::string_view what, std::size_t limit, bool secret) {
  const auto typed = typed_text(value);
  const auto name = typed ? expanded(value, *typed) : std::nullopt;
  if (!name) return std::nullopt;
  if (name->text.empty()) {
    fault(value, fmt::format("{} is empty; write a file's name, or remove the key", key_of(value)));
    return std::nullopt;
  }
  if (values() != Values::kExpanded) return std::nullopt;
  try {
    auto found = read_named(name->text, reading().file, what, limit);
    read_from_ = found.file;
    if (secret && found.others_may_read && !found.text.empty()) draft_.exposed.push_back(found.file);
    return std::move(found.text);
  } catch (const common::UsageError& error) {
    // A variable that holds the secret itself is easily taken for one with its file's name.
    fault(value, fmt::format("{}: {}", key_of(value), name->without_values(error.what())));
    return std::nullopt;
  }
}

std::optional<std::string> SpecFields::secret_file(Index value) {
  constexpr std::size_t kMaxSecret = std::size_t{64} << 10;
  auto text = file_text(value, "secret", kMaxSecret, true);
  if (!text) return std::nullopt;
  if (text->ends_with('\n')) text->pop_back();
  if (text->ends_with('\r')) text->pop_back();
  if (!text->empty()) return text;
  fault(value, fmt::format("{}: the file {} is empty; write the secret into it", key_of(value),
                           common::escape_controls(read_from_.native())));
  return std::nullopt;
}

void SpecFields::require_one(Index map, Index first, Index second, std::string_view names) {
  if (first != kAbsent && second != kAbsent) {
    fault(std::max(first, second) - 1, fmt::format("{} are both given; keep one of them", names));
  } else if (first == kAbsent && second == kAbsent && whole() && tree().kind(map) == Kind::kMap) {
    fault(map, fmt::format("{} needs one of {}", key_of(map), names));
  }
}

}  // namespace monitor::config
