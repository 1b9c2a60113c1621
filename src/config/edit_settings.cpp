#include "config/edit_settings.h"

#include <algorithm>
#include <array>

#include <fmt/format.h>

#include "common/error.h"
#include "common/text.h"
#include "config/faults.h"
#include "config/file.h"
#include "config/reader.h"
#include "config/secret.h"
#include "config/services.h"
#include "config/settings_text.h"
#include "config/spec.h"
#include "config/writer.h"

namespace monitor::config {
namespace {

constexpr std::size_t kMaxServiceFile = std::size_t{4} << 20;
constexpr std::size_t kMaxValue = std::size_t{1} << 20;

[[noreturn]] void refuse(std::string_view path, std::string_view sentence) {
  constexpr std::size_t kShownPath = 200;
  const auto shown = common::storable(common::escape_controls(without_secret(path)), kShownPath);
  throw common::UsageError(fmt::format("--set {}: {}", shown, sentence));
}

/// The keys that a service has in members of its own.
struct OwnKey {
  std::string_view name;
  bool is_text;
  void (*assign)(probe::Service& to, const probe::Service& from);
};

constexpr std::array kOwnKeys{
    OwnKey{"name", true, [](probe::Service& to, const probe::Service& from) { to.name = from.name; }},
    OwnKey{"url", true, [](probe::Service& to, const probe::Service& from) { to.url = from.url; }},
    OwnKey{"method", true, [](probe::Service& to, const probe::Service& from) { to.method = from.method; }},
    OwnKey{"check_regex", false,
           [](probe::Service& to, const probe::Service& from) { to.check_regex = from.check_regex; }},
    OwnKey{"regex", true, [](probe::Service& to, const probe::Service& from) { to.regex = from.regex; }},
    OwnKey{"interval_sec", false, [](probe::Service& to, const probe::Service& from) { to.interval = from.interval; }},
    OwnKey{"timeout", false, [](probe::Service& to, const probe::Service& from) { to.timeout = from.timeout; }},
    OwnKey{"body_limit", false,
           [](probe::Service& to, const probe::Service& from) { to.body_limit = from.body_limit; }},
};

/// `expect.status` in its parts. What is behind a mapping of headers is one name, whatever it holds.
std::vector<std::string> parts_of(std::string_view path) {
  static constexpr std::array<std::string_view, 3> kHeaders{"headers.", "expect.headers.", "expect.headers_not."};
  std::size_t fixed = std::string_view::npos;
  for (const auto prefix : kHeaders) {
    if (path.starts_with(prefix)) fixed = prefix.size();
  }
  std::vector<std::string> parts;
  std::size_t at = 0;
  while (at <= path.size()) {
    const auto dot = at == fixed ? std::string_view::npos : path.find('.', at);
    const auto end = std::min(dot, path.size());
    parts.emplace_back(path.substr(at, end - at));
    at = end + 1;
  }
  return parts;
}

bool names_header(const std::vector<std::string>& parts, std::size_t depth) {
  return (depth == 1 && parts[0] == "headers") ||
         (depth == 2 && parts[0] == "expect" && (parts[1] == "headers" || parts[1] == "headers_not"));
}

/// Both spellings of one header's name are the same key.
bool same_key(const std::vector<std::string>& parts, std::size_t depth, std::string_view key) {
  if (!names_header(parts, depth)) return parts[depth] == key;
  const auto low = [](char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c + 32) : c; };
  return std::ranges::equal(parts[depth], key, {}, low, low);
}

/// `[…]` or `{…}`, but for the keys of which a text may look so.
bool is_structure(std::string_view path, std::string_view typed) {
  if (path == "body" || path == "connect_to" || path == "resolver") return false;
  if (path.starts_with("auth.") && std::ranges::count(path, '.') == 2) return false;
  return (typed.starts_with('[') && typed.ends_with(']')) || (typed.starts_with('{') && typed.ends_with('}'));
}

/// The value as JSON: what is typed as a list or a mapping, or else a scalar.
std::string value_json(std::string_view path, std::string_view typed) {
  if (is_structure(path, typed)) {
    // YAML's flow form holds JSON, but for pairs of escapes. It is read as an item of a list, so that nobody takes a
    // mapping at the beginning for a file of JSON.
    Tree tree(fmt::format("- {}", typed));
    Faults faults;
    if (!read_tree(tree, faults) || !faults.empty()) {
      refuse(path,
             fmt::format("this is no list and no mapping, as its brackets say ({}); a text in brackets is written in a "
                         "list, as in ['[a-z]']",
                         faults.all().front().sentence));
    }
    const auto value = Tree::first(Tree::kRoot);
    if (tree.after(value) != tree.after(Tree::kRoot)) refuse(path, "write one list or one mapping");
    return json_of(tree, value);
  }
  if (typed == "true" || typed == "false" || is_json_number(typed)) return std::string(typed);
  return json_string(typed);
}

/// `{"expect":{"status":VALUE}}`.
std::string nested(const std::vector<std::string>& parts, std::string_view json) {
  std::string out;
  for (const auto& part : parts) out += '{' + json_string(part) + ':';
  out += json;
  return out.append(parts.size(), '}');
}

Reading reading_of_part() {
  Reading reading(Values::kUnwritten);
  reading.expands = true;
  reading.part = true;
  return reading;
}

/// One service of which only some keys are there.
probe::Service part_of(std::string_view path, const std::string& json) {
  Tree tree(json);
  Faults faults;
  ServiceList list;
  if (read_tree(tree, faults)) list = read_one_service(tree, reading_of_part(), faults);
  if (!faults.empty()) refuse(path, faults.lines(std::vector<std::string>{}));
  return std::move(list.services.front());
}

/// Throws if `path` leads nowhere; what its value is makes no difference.
void require_known(std::string_view path, const std::vector<std::string>& parts) {
  Tree tree(nested(parts, "\"\""));
  const auto value = tree.source().size() - parts.size() - 2;
  Faults faults;
  if (read_tree(tree, faults)) read_one_service(tree, reading_of_part(), faults);
  for (const auto& fault : faults.all()) {
    if (fault.position != value) refuse(path, fault.sentence);
  }
}

/// One mapping of the settings written again, with the value at the end of the path put in or, where it is null, left
/// out; a mapping that this empties is left out too.
class Edit {
 public:
  Edit(const Tree& tree, const std::vector<std::string>& parts, const std::string* json)
      : tree_(tree), parts_(parts), json_(json) {}

  std::string map(Tree::Index node, std::size_t depth) const {
    std::string out;
    bool met = false;
    const auto add = [&out](std::string_view key, const std::string& json) {
      if (json.empty()) return;
      out += fmt::format("{}{}:{}", out.empty() ? "" : ",", json_string(key), json);
    };
    for (auto key = Tree::first(node); key != tree_.after(node); key = tree_.after(key + 1)) {
      const bool same = same_key(parts_, depth, tree_.text(key));
      met = met || same;
      add(same && names_header(parts_, depth) ? parts_[depth] : tree_.text(key),
          same ? value(key + 1, depth) : json_of(tree_, key + 1));
    }
    if (!met && json_ != nullptr) add(parts_[depth], rest(depth + 1));
    return out.empty() ? "" : '{' + out + '}';
  }

 private:
  std::string value(Tree::Index node, std::size_t depth) const {
    if (depth + 1 == parts_.size()) return json_ != nullptr ? *json_ : "";
    if (tree_.kind(node) == Kind::kMap) return map(node, depth + 1);
    return json_ != nullptr ? rest(depth + 1) : json_of(tree_, node);
  }
  std::string rest(std::size_t depth) const {
    return nested({parts_.begin() + static_cast<std::ptrdiff_t>(depth), parts_.end()}, *json_);
  }

  const Tree& tree_;
  const std::vector<std::string>& parts_;
  const std::string* json_;
};

std::string edited(const std::string& settings, const std::vector<std::string>& parts, const std::string* json) {
  Tree tree(settings.empty() ? "{}" : settings);
  Faults faults;
  read_tree(tree, faults);
  return Edit(tree, parts, json).map(Tree::kRoot, 0);
}

void set_own(const OwnKey& key, probe::Service& service, std::string_view value) {
  if (value.empty()) {
    if (key.name == "url") refuse(key.name, "a service needs a url; write one, such as https://example.com/");
    probe::Service standard;
    standard.method = "GET";
    return key.assign(service, standard);
  }
  const auto json = key.is_text ? json_string(value) : value_json(key.name, value);
  key.assign(service, part_of(key.name, nested({std::string(key.name)}, json)));
}

}  // namespace

void set(probe::Service& service, std::string_view path, std::string_view value) {
  if (path.empty()) throw common::UsageError("--set needs PATH=VALUE, such as --set expect.status=2xx");
  if (value.size() > kMaxValue) refuse(path, fmt::format("the value is longer than {} bytes", kMaxValue));
  if (common::escape_controls(path) != path) refuse(path, "a key is written without control characters");
  const auto* const own = std::ranges::find(kOwnKeys, path, &OwnKey::name);
  if (own != kOwnKeys.end()) return set_own(*own, service, value);
  const auto parts = parts_of(path);
  if (value.empty()) {
    require_known(path, parts);
    service.settings = edited(service.settings, parts, nullptr);
  } else {
    const auto json = value_json(path, value);
    part_of(path, nested(parts, json));
    service.settings = part_of(path, edited(service.settings, parts, &json)).settings;
  }
}

bool is_secret(std::string_view path) {
  const auto parts = parts_of(path);
  if (parts.size() == 2 && parts[0] == "headers") return is_secret_header(parts[1]);
  if (parts[0] == "proxy" || parts[0] == "auth") {
    return parts.size() != 3 || parts[2] == "password" || parts[2] == "token" || parts[2] == "client_secret";
  }
  return false;
}

probe::Service read_service_file(const std::filesystem::path& file) {
  Tree tree(read_file(file, "the service's file", kMaxServiceFile).text);
  Faults faults;
  ServiceList list;
  const Reading reading(Values::kTyped);
  if (read_tree(tree, faults)) list = read_one_service(tree, reading, faults);
  if (!faults.empty()) throw common::UsageError(faults.lines(file, tree));
  return std::move(list.services.front());
}

ReadyService load_one(const probe::Service& typed, Format format, const std::filesystem::path& file) {
  Document document;
  document.format = format;
  document.interval_limits = IntervalLimits{std::chrono::seconds{1}, std::chrono::days{1}};
  document.services.push_back(typed);
  Tree tree(to_text(document));
  Faults faults;
  Interpretation in;
  if (read_tree(tree, faults)) in = interpret(tree, {Values::kExpanded, file}, faults);
  if (!faults.empty()) throw common::UsageError(faults.lines(std::vector{typed.label()}));
  ReadyService ready{std::move(in.document.services.front()), {}};
  for (const auto& exposed : in.exposed) ready.warnings.push_back(world_readable(exposed));
  return ready;
}

}  // namespace monitor::config
