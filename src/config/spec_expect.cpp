// What a service expects of the answer.
#include <algorithm>
#include <array>

#include <fmt/format.h>

#include "config/scalar.h"
#include "config/spec_fields.h"

namespace monitor::config {
namespace {

constexpr std::size_t kMaxRules = 64;
constexpr int kMostCertificateDays = 3650;

/// RFC 9110 §5.6.2.
bool is_field_name(std::string_view name) {
  const auto allowed = [](char c) {
    return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') ||
           (c != '\0' && std::string_view("!#$%&'*+-.^_`|~").find(c) != std::string_view::npos);
  };
  return !name.empty() && std::ranges::all_of(name, allowed);
}

class HeaderRulesReader : private SpecFields {
 public:
  HeaderRulesReader(Draft& draft, std::vector<probe::HeaderRule>& rules) : SpecFields(draft), rules_(rules) {}

  void read(Index map) {
    if (tree().kind(map) != Kind::kMap) return wrong_type(map, "a mapping such as `Content-Type: '^text/html'`");
    std::vector<std::string> seen;
    for (Index key = Tree::first(map); key != tree().after(map); key = tree().after(key + 1)) {
      const std::string name(tree().text(key));
      if (!is_field_name(name)) {
        fault(key, fmt::format("{} is no header's name; use letters, digits and '-'", in_quotes(name)));
      } else if (std::ranges::find(seen, name) != seen.end()) {
        fault(key, fmt::format("the header {} is repeated; give it a list of patterns", name));
      } else if (rules_.size() >= kMaxRules) {
        fault(key, fmt::format("there are more than {} rules for headers; remove some", kMaxRules));
      } else {
        seen.push_back(name);
        read_rule(name, key + 1);
      }
    }
  }

 private:
  void read_rule(const std::string& name, Index value) {
    const bool plain = tree().kind(value) == Kind::kPlain;
    if (const auto known = plain ? as_boolean(tree().text(value)) : std::nullopt) {
      if (!*known) return fault(value, fmt::format("{} is false; write true, or a pattern for its value", name));
      draft().text.say(value, "true");
      rules_.push_back({name, ""});
      return;
    }
    for (auto& pattern : patterns(value)) rules_.push_back({name, std::move(pattern)});
  }

  std::vector<probe::HeaderRule>& rules_;
};

class JsonRuleReader : private SpecFields {
 public:
  explicit JsonRuleReader(Draft& draft) : SpecFields(draft) {}

  void read(Index item) {
    if (tree().kind(item) != Kind::kMap) {
      return wrong_item(item, "json", "a mapping such as {pointer: /status, equals: ok}");
    }
    const auto found = read_map(*this, item, "a rule of json", kKeys);
    draft().text.order(item, found);
    if (found[0] == kAbsent) fault(item, "this rule has no pointer; add one, such as /status, or \"\" for everything");
    if (std::ranges::count(found, kAbsent) >= static_cast<std::ptrdiff_t>(found.size()) - 1 && found[0] != kAbsent) {
      fault(item, fmt::format("this rule compares with nothing; add equals, not_equals, exists, below, at_most, above "
                              "or at_least"));
    }
    if (missing_ && rules_.size() > 1) fault(item, "this rule says exists: false and more; keep one of them");
    for (auto& rule : rules_) {
      rule.pointer = pointer_;
      spec().expect.json.push_back(std::move(rule));
    }
  }

 private:
  using Is = probe::JsonRule::Is;
  static const std::array<Key<JsonRuleReader>, 8> kKeys;

  void read_pointer(Index value) {
    auto text = typed_text(value);
    if (!text) return;
    if (auto why = probe::refuse_json_pointer(*text)) return fault(value, *why);
    pointer_ = std::move(*text);
  }
  void read_equals(Index value) { compare(value, Is::kEqual); }
  void read_not_equals(Index value) { compare(value, Is::kNotEqual); }
  void read_below(Index value) { order(value, Is::kBelow); }
  void read_at_most(Index value) { order(value, Is::kAtMost); }
  void read_above(Index value) { order(value, Is::kAbove); }
  void read_at_least(Index value) { order(value, Is::kAtLeast); }
  void read_exists(Index value) {
    const auto known = boolean(value);
    missing_ = known == false;
    rules_.push_back({"", missing_ ? Is::kMissing : Is::kExisting, ""});
  }

  void compare(Index value, Is is) {
    hidden_ = false;
    if (auto json = json_value(value)) add(value, is, std::move(*json));
  }
  void order(Index value, Is is) {
    const auto text = tree().kind(value) == Kind::kPlain ? tree().text(value) : std::string_view();
    if (!is_json_number(text)) return wrong_type(value, "a number, without quotes");
    hidden_ = false;
    add(value, is, std::string(text));
  }
  void add(Index value, Is is, std::string json) {
    if (auto why = probe::refuse_json_value(json, is)) return fault(value, fmt::format("{}: {}", key_of(value), *why));
    rules_.push_back({"", is, std::move(json), hidden_});
  }

  /// The value as JSON with every `${NAME}` in its texts expanded.
  std::optional<std::string> json_value(Index node) {
    const auto kind = tree().kind(node);
    if (kind == Kind::kMap || kind == Kind::kList) return json_children(node);
    if (kind == Kind::kRefused) return std::nullopt;
    const auto text = tree().text(node);
    if (kind == Kind::kPlain && is_number_or_boolean(text) && !as_boolean(text) && !is_json_number(text)) {
      fault(node, fmt::format("{} is no number of JSON; write it in decimal, or put it in quotes", in_quotes(text)));
      return std::nullopt;
    }
    auto json = json_of(tree(), node);
    if (!json.starts_with('"')) return json;
    hidden_ = hidden_ || names_variable(text);
    const auto expansion = used(node, text);
    return expansion ? std::optional(json_string(expansion->text)) : std::nullopt;
  }

  std::optional<std::string> json_children(Index node) {
    const bool map = tree().kind(node) == Kind::kMap;
    std::string out(1, map ? '{' : '[');
    bool complete = true;
    for (auto child = Tree::first(node); child != tree().after(node); child = tree().after(child)) {
      if (child != Tree::first(node)) out += ',';
      if (map) out += json_string(tree().text(child++)) + ':';
      const auto json = json_value(child);
      complete = complete && json.has_value();
      out += json.value_or("");
    }
    out += map ? '}' : ']';
    return complete ? std::optional(std::move(out)) : std::nullopt;
  }

  std::string pointer_;
  std::vector<probe::JsonRule> rules_;
  bool missing_ = false;
  bool hidden_ = false;  ///< a `${NAME}` is in the value that is being read
};

const std::array<Key<JsonRuleReader>, 8> JsonRuleReader::kKeys{{
    {"pointer", &JsonRuleReader::read_pointer},
    {"equals", &JsonRuleReader::read_equals},
    {"not_equals", &JsonRuleReader::read_not_equals},
    {"exists", &JsonRuleReader::read_exists},
    {"below", &JsonRuleReader::read_below},
    {"at_most", &JsonRuleReader::read_at_most},
    {"above", &JsonRuleReader::read_above},
    {"at_least", &JsonRuleReader::read_at_least},
}};

class ExpectReader : private SpecFields {
 public:
  explicit ExpectReader(Draft& draft) : SpecFields(draft) {}

  void read(Index map) {
    const auto found = read_keys(*this, map, kKeys);
    if (whole() && expect().max_time && expect().warn_time && *expect().warn_time >= *expect().max_time) {
      fault(found[kWarnTime],
            "warn_time is not below max_time, so that nothing would ever be degraded; lower it, or remove it");
    }
  }

 private:
  enum KeyNumber : std::uint8_t {
    kStatus,
    kBody,
    kBodyNot,
    kHeaders,
    kHeadersNot,
    kJson,
    kMaxTime,
    kMaxPhase,
    kWarnTime,
    kCertDays,
    kTlsMin,
    kSha256
  };
  static const std::array<Key<ExpectReader>, kSha256 + 1> kKeys;
  static const std::array<Key<ExpectReader>, 5> kPhaseKeys;

  probe::Expect& expect() { return spec().expect; }

  void read_status(Index value) {
    if (is_scalar(value)) return read_one_status(value);
    if (tree().kind(value) != Kind::kList) return wrong_type(value, kStatusForms);
    if (Tree::first(value) == tree().after(value)) {
      return fault(value, "status is an empty list; write what is good, or remove it for 200-399");
    }
    for (auto item = Tree::first(value); item != tree().after(value); item = tree().after(item)) read_one_status(item);
    if (expect().status.size() > kMaxRules) {
      fault(value, fmt::format("status holds more than {} items; join some into ranges", kMaxRules));
    }
  }
  void read_one_status(Index value) {
    const auto typed = words_of_item(value, "status");
    const auto text = typed ? expanded_text(value, *typed) : std::nullopt;
    if (!text) return;
    if (const auto range = probe::parse_status(*text)) {
      expect().status.push_back(*range);
    } else {
      fault(value, fmt::format("{} is not a status; it must be {}", in_quotes(*typed), kStatusForms));
    }
  }

  void read_body(Index value) { expect().body = patterns(value); }
  void read_body_not(Index value) { expect().body_not = patterns(value); }
  void read_headers(Index value) { HeaderRulesReader(draft(), expect().headers).read(value); }
  void read_headers_not(Index value) { HeaderRulesReader(draft(), expect().headers_not).read(value); }

  void read_json(Index value) {
    if (tree().kind(value) != Kind::kList) {
      return wrong_type(value, "a list of rules such as {pointer: /status, equals: ok}");
    }
    std::size_t count = 0;
    for (auto item = Tree::first(value); item != tree().after(value); item = tree().after(item)) {
      if (++count > kMaxRules) {
        return fault(item, fmt::format("there are more than {} rules for JSON; remove some", kMaxRules));
      }
      JsonRuleReader(draft()).read(item);
    }
  }

  void read_max_time(Index value) { expect().max_time = short_duration(value); }
  void read_warn_time(Index value) { expect().warn_time = short_duration(value); }
  void read_max_phase(Index value) { read_keys(*this, value, kPhaseKeys); }
  void read_max_dns(Index value) { expect().max_dns = short_duration(value); }
  void read_max_connect(Index value) { expect().max_connect = short_duration(value); }
  void read_max_tls(Index value) { expect().max_tls = short_duration(value); }
  void read_max_first_byte(Index value) { expect().max_first_byte = short_duration(value); }
  void read_max_transfer(Index value) { expect().max_transfer = short_duration(value); }
  void read_cert_days(Index value) { expect().cert_days = whole_number(value, 1, kMostCertificateDays); }
  void read_tls_min(Index value) { expect().tls_min = tls_version(value); }

  void read_sha256(Index value) {
    auto text = used_text(value);
    if (!text) return;
    if (auto why = probe::refuse_sha256(*text)) return fault(value, fmt::format("sha256: {}", *why));
    std::ranges::transform(*text, text->begin(),
                           [](char c) { return c >= 'A' && c <= 'F' ? static_cast<char>(c + 32) : c; });
    expect().sha256 = std::move(*text);
  }

  static constexpr std::string_view kStatusForms = "such as 200, 2xx or 301-303, or a list of those";
};

const std::array<Key<ExpectReader>, ExpectReader::kSha256 + 1> ExpectReader::kKeys{{
    {"status", &ExpectReader::read_status},
    {"body", &ExpectReader::read_body},
    {"body_not", &ExpectReader::read_body_not},
    {"headers", &ExpectReader::read_headers},
    {"headers_not", &ExpectReader::read_headers_not},
    {"json", &ExpectReader::read_json},
    {"max_time", &ExpectReader::read_max_time},
    {"max_phase", &ExpectReader::read_max_phase},
    {"warn_time", &ExpectReader::read_warn_time},
    {"cert_days", &ExpectReader::read_cert_days},
    {"tls_min", &ExpectReader::read_tls_min},
    {"sha256", &ExpectReader::read_sha256},
}};

const std::array<Key<ExpectReader>, 5> ExpectReader::kPhaseKeys{{
    {"dns", &ExpectReader::read_max_dns},
    {"connect", &ExpectReader::read_max_connect},
    {"tls", &ExpectReader::read_max_tls},
    {"first_byte", &ExpectReader::read_max_first_byte},
    {"transfer", &ExpectReader::read_max_transfer},
}};

}  // namespace

void read_expect(Draft& draft, Tree::Index value) {
  ExpectReader(draft).read(value);
}

}  // namespace monitor::config
