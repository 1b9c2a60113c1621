#include "probe/json_rules.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <new>

#include <boost/json/memory_resource.hpp>
#include <boost/json/parse.hpp>
#include <boost/json/parser.hpp>
#include <boost/json/serialize.hpp>
#include <boost/json/value.hpp>
#include <fmt/format.h>

#include "common/error.h"
#include "common/text.h"
#include "common/units.h"

namespace monitor::probe {
namespace {

namespace json = boost::json;
using Is = JsonRule::Is;

constexpr std::size_t kShownBytes = 80;
constexpr std::size_t kMaxPointerBytes = 1000;

json::parse_options limits() {
  json::parse_options options;
  options.max_depth = kMaxJsonDepth;
  return options;
}

/// Gives no more than kMaxJsonMemory. Boost.JSON 1.81 gives texts back with another alignment than it took them with,
/// neither above the usual one.
class Budget final : public json::memory_resource {
 private:
  void* do_allocate(std::size_t size, std::size_t alignment) override {
    if (size > left_ || alignment > __STDCPP_DEFAULT_NEW_ALIGNMENT__) throw std::bad_alloc();
    void* taken = ::operator new(size);
    left_ -= size;
    return taken;
  }
  void do_deallocate(void* given, std::size_t size, std::size_t /*alignment*/) override {
    left_ += size;
    ::operator delete(given);
  }
  bool do_is_equal(const json::memory_resource& other) const noexcept override { return this == &other; }

  std::size_t left_ = kMaxJsonMemory;
};

/// Wide enough for every 64-bit integer and every double.
using Number = long double;
static_assert(std::numeric_limits<Number>::digits >= 64);

std::optional<Number> number(const json::value& value) {
  if (const auto* integer = value.if_int64()) return static_cast<Number>(*integer);
  if (const auto* integer = value.if_uint64()) return static_cast<Number>(*integer);
  if (const auto* real = value.if_double()) return static_cast<Number>(*real);
  return std::nullopt;
}

bool equal(const json::value& a, const json::value& b) {
  if (const auto x = number(a)) {
    const auto y = number(b);
    return y && *x == *y;
  }
  if (a.is_array() && b.is_array()) return std::ranges::equal(a.get_array(), b.get_array(), equal);
  if (a.is_object() && b.is_object()) {
    const auto& x = a.get_object();
    const auto& y = b.get_object();
    return x.size() == y.size() && std::ranges::all_of(x, [&y](const auto& member) {
             const auto* other = y.if_contains(member.key());
             return other != nullptr && equal(member.value(), *other);
           });
  }
  return a == b;
}

/// The reference tokens of a pointer, unescaped (RFC 6901 §4).
std::vector<std::string> tokens_of(std::string_view pointer) {
  std::vector<std::string> tokens;
  for (std::size_t at = 0; at < pointer.size(); ++at) {
    if (pointer[at] == '/') {
      tokens.emplace_back();
    } else if (pointer[at] == '~') {
      tokens.back() += pointer[++at] == '0' ? '~' : '/';
    } else {
      tokens.back() += pointer[at];
    }
  }
  return tokens;
}

/// RFC 6901 §4: digits without a leading zero. `-` is the element after the last, which is not there.
const json::value* element(const json::array& array, const std::string& token) {
  constexpr std::size_t kMostDigits = 18;
  const bool digits = std::ranges::all_of(token, [](char c) { return c >= '0' && c <= '9'; });
  if (token.empty() || token.size() > kMostDigits || !digits || (token.size() > 1 && token[0] == '0')) return nullptr;
  return array.if_contains(std::stoull(token));
}

const json::value* find(const json::value& document, const std::vector<std::string>& tokens) {
  const auto* at = &document;
  for (const auto& token : tokens) {
    if (const auto* object = at->if_object()) {
      at = object->if_contains(token);
    } else if (const auto* array = at->if_array()) {
      at = element(*array, token);
    } else {
      return nullptr;
    }
    if (at == nullptr) return nullptr;
  }
  return at;
}

std::string cut(std::string_view text) {
  return common::storable(common::escape_controls(text), kShownBytes);
}

std::string scalar(const json::value& value) {
  if (const auto* real = value.if_double()) return fmt::format("{}", *real);
  return json::serialize(value);
}

/// `below 3`: what an order asks for.
std::string_view order_name(Is is) {
  switch (is) {
    case Is::kBelow:
      return "below";
    case Is::kAtMost:
      return "at most";
    case Is::kAbove:
      return "above";
    default:
      return "at least";
  }
}

bool in_order(Number a, Is is, Number b) {
  switch (is) {
    case Is::kBelow:
      return a < b;
    case Is::kAtMost:
      return a <= b;
    case Is::kAbove:
      return a > b;
    default:
      return a >= b;
  }
}

struct CompiledRule {
  explicit CompiledRule(const JsonRule& rule)
      : is(rule.is),
        tokens(tokens_of(rule.pointer)),
        place(rule.pointer.empty() ? std::string{} : " at " + cut(rule.pointer)) {
    if (is == Is::kExisting || is == Is::kMissing) return;
    expected = json::parse({rule.value.data(), rule.value.size()}, {}, limits());
    shown = rule.hidden ? "***" : cut(scalar(expected));
  }

  Is is;
  std::vector<std::string> tokens;
  std::string place;  ///< ` at /status`
  json::value expected;
  std::string shown;
};

bool holds(const CompiledRule& rule, const json::value* value) {
  if (rule.is == Is::kExisting) return value != nullptr;
  if (rule.is == Is::kMissing) return value == nullptr;
  if (value == nullptr) return false;
  if (rule.is == Is::kEqual) return equal(*value, rule.expected);
  if (rule.is == Is::kNotEqual) return !equal(*value, rule.expected);
  const auto had = number(*value);
  return had && in_order(*had, rule.is, *number(rule.expected));
}

std::string what_is_wrong(const CompiledRule& rule, const json::value& value) {
  if (rule.is == Is::kNotEqual) return ", which it must not be";
  if (rule.is == Is::kEqual) return fmt::format(", not {}", rule.shown);
  if (!number(value)) return ", not a number";
  return fmt::format(", not {} {}", order_name(rule.is), rule.shown);
}

JsonRules::Breaches describe(const CompiledRule& rule, const json::value* value) {
  JsonRules::Breaches out;
  if (value == nullptr) {
    out.before = fmt::format("the JSON document has no value{}", rule.place);
    return out;
  }
  if (rule.is == Is::kMissing) {
    out.before = fmt::format("the JSON document has a value{}, which must not be there", rule.place);
    return out;
  }
  out.before = fmt::format("the JSON {}{} is ", rule.tokens.empty() ? "document" : "value", rule.place);
  out.after = what_is_wrong(rule, *value);
  if (const auto* text = value->if_string()) {
    out.value = *text;
    out.is_text = true;
  } else if (const auto* array = value->if_array()) {
    out.before += fmt::format("an array of {}", array->size());
  } else if (const auto* object = value->if_object()) {
    out.before += fmt::format("an object of {}", object->size());
  } else {
    out.value = scalar(*value);
  }
  return out;
}

std::string explain(const boost::system::error_code& error) {
  if (error == json::error::too_deep) {
    return fmt::format("the body cannot be read as JSON: it is nested more than {} deep", kMaxJsonDepth);
  }
  return fmt::format("the body is not JSON: {}", error.message());
}

/// Why a value that is to be compared with cannot be used.
std::optional<std::string> refuse_value(std::string_view value, Is is) {
  boost::system::error_code error;
  const auto parsed = json::parse({value.data(), value.size()}, error, {}, limits());
  if (error) {
    return fmt::format("the value to compare with is not JSON ({}): write \"text\", 5, true, null", error.message());
  }
  if (is == Is::kEqual || is == Is::kNotEqual) return std::nullopt;
  const auto had = number(parsed);
  if (!had || !std::isfinite(*had)) {
    return "the value to compare with is not a number: below, at_most, above and at_least compare numbers";
  }
  return std::nullopt;
}

}  // namespace

std::optional<std::string> refuse_json_pointer(std::string_view pointer) {
  if (pointer.size() > kMaxPointerBytes) {
    return fmt::format("the JSON pointer is {} bytes long; at most {} are allowed", pointer.size(), kMaxPointerBytes);
  }
  if (!pointer.empty() && pointer.front() != '/') {
    return "the JSON pointer does not begin with a slash (RFC 6901): write /a/b for the member b of the member a, and "
           "an empty text for the whole document";
  }
  for (std::size_t at = 0; at < pointer.size(); ++at) {
    if (pointer[at] != '~') continue;
    const char next = at + 1 < pointer.size() ? pointer[at + 1] : ' ';
    if (next != '0' && next != '1') {
      return "the JSON pointer has a ~ that is followed by neither 0 nor 1 (RFC 6901): write ~0 for ~ and ~1 for /";
    }
  }
  return std::nullopt;
}

std::optional<std::string> refuse_json_value(std::string_view value, JsonRule::Is is) {
  if (is != Is::kExisting && is != Is::kMissing) return refuse_value(value, is);
  if (value.empty()) return std::nullopt;
  return "there is nothing to compare with: whether a value exists is all that is asked";
}

struct JsonRules::Compiled {
  std::vector<CompiledRule> rules;
};

JsonRules::JsonRules() = default;

JsonRules::JsonRules(const std::vector<JsonRule>& rules) {
  if (rules.empty()) return;
  auto compiled = std::make_unique<Compiled>();
  for (const auto& rule : rules) {
    if (const auto why = refuse_json_pointer(rule.pointer)) throw common::UsageError(*why);
    if (const auto why = refuse_json_value(rule.value, rule.is)) throw common::UsageError(*why);
    compiled->rules.emplace_back(rule);
  }
  compiled_ = std::move(compiled);
}

JsonRules::~JsonRules() = default;
JsonRules::JsonRules(JsonRules&&) noexcept = default;
JsonRules& JsonRules::operator=(JsonRules&&) noexcept = default;

bool JsonRules::empty() const {
  return compiled_ == nullptr;
}

JsonRules::Breaches JsonRules::judge(std::string_view text) const {
  Breaches out;
  if (empty()) return out;
  constexpr std::string_view kByteOrderMark = "\xEF\xBB\xBF";
  if (text.starts_with(kByteOrderMark)) text.remove_prefix(kByteOrderMark.size());
  const auto unreadable = [&](std::string sentence) {
    return Breaches{std::move(sentence), {}, {}, false, static_cast<int>(compiled_->rules.size())};
  };
  Budget budget;
  try {
    json::parser parser(&budget, limits());
    parser.reset(&budget);
    boost::system::error_code error;
    parser.write({text.data(), text.size()}, error);
    if (error) return unreadable(explain(error));
    const auto document = parser.release();
    for (const auto& rule : compiled_->rules) {
      const auto* value = find(document, rule.tokens);
      if (holds(rule, value)) continue;
      const int count = out.count + 1;
      if (count == 1) out = describe(rule, value);
      out.count = count;
    }
    return out;
  } catch (const std::bad_alloc&) {
    return unreadable(fmt::format("the body cannot be read as JSON: it would take more than {} of memory",
                                  common::format_size(kMaxJsonMemory)));
  }
}

}  // namespace monitor::probe
