#include "config/interpret.h"

#include <algorithm>
#include <array>
#include <span>
#include <unordered_map>

#include <fmt/format.h>

#include "common/text.h"
#include "common/units.h"
#include "config/scalar.h"
#include "config/suggest.h"
#include "exporter/options.h"

namespace monitor::config {
namespace {

using std::chrono::seconds;

constexpr seconds kWidestInterval = std::chrono::days{1};
constexpr seconds kLongestTimeout{300};
constexpr std::uint64_t kSmallestBodyLimit = 1ULL << 10;
constexpr std::uint64_t kLargestBodyLimit = 64ULL << 20;
constexpr std::uint64_t kSmallestDatabase = 16ULL << 20;  // the write-ahead log and the ballast need some of it
constexpr seconds kLongestGrace = std::chrono::minutes{5};
constexpr seconds kLongestRetention = std::chrono::days{36500};
constexpr Tree::Index kAbsent = 0;  // the root is nobody's value

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

/// A password that stands in `https://user:password@host` itself, not taken from the environment.
bool holds_password(std::string_view url) {
  const auto scheme = url.find("://");
  if (scheme == std::string_view::npos) return false;
  url.remove_prefix(scheme + 3);
  const auto host_end = url.find_first_of("/?#");
  const auto end = url.substr(0, host_end).rfind('@');
  if (end == std::string_view::npos) return false;
  const auto userinfo = url.substr(0, end);
  const auto colon = userinfo.find(':');
  const auto secret = colon == std::string_view::npos ? userinfo : userinfo.substr(colon + 1);
  return !secret.empty() && secret != "***";
}

class Interpreter {
 public:
  Interpreter(const Tree& tree, Values values, Faults& faults) : tree_(tree), values_(values), faults_(faults) {}

  Interpretation run() {
    if (tree_.kind(Tree::kRoot) == Kind::kMap) {
      read_map(Tree::kRoot, "the file", kTopKeys);
      refuse_two_uris();
      refuse_duplicates();
      warn_of_long_timeouts();
    } else if (tree_.kind(Tree::kRoot) != Kind::kRefused) {
      fault(Tree::kRoot, fmt::format("the file is {}; it must be a mapping with keys such as `local_database_path` and "
                                     "`services`",
                                     noun(tree_.kind(Tree::kRoot))));
    }
    return std::move(out_);
  }

 private:
  using Index = Tree::Index;
  struct Key {
    std::string_view name;
    void (Interpreter::*read)(Index value);
  };

  // ---- the keys, in the order in which they are judged: the limits before the services that must keep them

  void read_local_database_path(Index value) {
    const auto text = text_of(value);
    if (!text) return;
    out_.document.local_database_path = *text;
    const auto expanded = expanded_text(value, *text);
    if (!expanded) return;
    if (expanded->empty()) return fault(value, key_of(value) + " is empty; write a path or remove the key");
    if (!expand_home(*expanded)) {
      return fault(value, fmt::format("the home folder of {} is not known; write the whole path", in_quotes(*text)));
    }
    out_.local_database_path = *expanded;
  }

  void read_external_database_uri(Index value) {
    uri_position_ = tree_.position(value);
    const auto text = text_or_null(value);
    if (!text) return;
    out_.document.external_database_uri = *text;
    note_secret(*text, [](const std::string& shown) { return exporter::masked_uri(shown) != shown; });
    const auto expansion = expanded(value, *text);
    if (!expansion || expansion->text.empty()) return;
    if (auto why = exporter::refuse_uri(expansion->text)) return fault(value, expansion->without_values(*why));
    out_.external_database_uri = expansion->text;
  }

  void read_external_database_uri_file(Index value) {
    const auto text = text_or_null(value);
    if (!text) return;
    out_.document.external_database_uri_file = *text;
    out_.uri_file_position = tree_.position(value);
    const auto expanded = expanded_text(value, *text);
    if (!expanded) return;
    if (expanded->empty()) return fault(value, key_of(value) + " is empty; write a file's name or remove the key");
    out_.external_database_uri_file = *expanded;
  }

  void read_interval_limits(Index value) {
    if (tree_.kind(value) != Kind::kMap) return wrong_type(value, "a mapping with `min` and `max`, in seconds");
    out_.document.interval_limits.emplace();
    read_map(value, "interval_limits", kLimitKeys);
    auto& limits = *out_.document.interval_limits;
    if (limits.min <= limits.max) return;
    fault(value,
          fmt::format("interval_limits has a min of {} s above its max of {} s; min must not exceed max (5 and 300 "
                      "where they are not given)",
                      limits.min.count(), limits.max.count()));
    limits = {seconds{1}, kWidestInterval};  // so that not every service is reported as well
  }
  void read_limit_min(Index value) {
    read_seconds(value, seconds{1}, kWidestInterval, out_.document.interval_limits->min);
  }
  void read_limit_max(Index value) {
    read_seconds(value, seconds{1}, kWidestInterval, out_.document.interval_limits->max);
  }

  void read_workers(Index value) {
    if (tree_.kind(value) != Kind::kMap) return wrong_type(value, "a mapping with `agent`, `exporter` and `collector`");
    read_map(value, "workers", kWorkerKeys);
  }
  void read_worker_agent(Index value) { out_.document.worker_agent = boolean_of(value); }
  void read_worker_exporter(Index value) { out_.document.worker_exporter = boolean_of(value); }
  void read_worker_collector(Index value) { out_.document.worker_collector = boolean_of(value); }

  void read_keep_exported(Index value) {
    read_duration(value, seconds{0}, kLongestRetention, out_.document.keep_exported, out_.keep_exported);
  }
  void read_local_retention(Index value) {
    read_duration(value, std::chrono::minutes{1}, kLongestRetention, out_.document.local_retention,
                  out_.local_retention);
  }
  void read_remote_retention(Index value) {
    read_duration(value, std::chrono::days{1}, kLongestRetention, out_.document.remote_retention,
                  out_.remote_retention);
  }
  void read_stop_grace(Index value) {
    read_duration(value, seconds{0}, kLongestGrace, out_.document.stop_grace, out_.stop_grace);
  }

  void read_local_max_size(Index value) {
    const auto text = measure_of(value, "a size such as 500 MiB or 10 GiB");
    if (!text) return;
    out_.document.local_max_size = *text;
    if (const auto expanded = expanded_text(value, *text)) {
      out_.local_max_size = size_within(value, *expanded, kSmallestDatabase, std::uint64_t{1} << 50);
    }
  }

  void read_dns_cache(Index value) {
    const auto text = text_of(value);
    if (!text) return;
    out_.document.dns_cache = *text;
    const auto expanded = expanded_text(value, *text);
    if (!expanded) return;
    if (*expanded != "ttl" && *expanded != "off") {
      return fault(value, fmt::format("dns_cache is {}; it must be `ttl` or `off`", in_quotes(*text)));
    }
    out_.dns_cache = *expanded == "ttl";
  }

  void read_services(Index value) {
    if (tree_.kind(value) == Kind::kNull) return;
    if (tree_.kind(value) != Kind::kList) return wrong_type(value, "a list of services, each with at least a `url`");
    for (Index item = Tree::first(value); item != tree_.after(value); item = tree_.after(item)) {
      service_ = out_.document.services.size();
      out_.document.services.emplace_back().method = "GET";
      positions_.push_back(tree_.position(item));
      read_service(item);
    }
    service_.reset();
  }

  // ---- one service

  void read_service(Index item) {
    if (tree_.kind(item) == Kind::kRefused) return;
    if (tree_.kind(item) != Kind::kMap) {
      return fault(item,
                   fmt::format("a service is {}; it must be a mapping with at least a `url`", noun(tree_.kind(item))));
    }
    read_map(item, "a service", kServiceKeys);
    const auto& service = out_.document.services.back();
    if (service.url.empty() && !given(kUrl)) fault(item, "this service has no url; write url: https://…");
    if (service.check_regex && !has_regex()) {
      fault(seen_[kCheckRegex], "check_regex is true but there is no regex; add `regex` or remove check_regex");
    }
    if (!given(kInterval)) refuse_default_interval(item);
  }

  void read_name(Index value) {
    const auto text = text_or_null(value);
    if (!text) return;
    auto& service = out_.document.services.back();
    service.name = *text;
    if (text->find("${") != std::string::npos) {
      return fault(value, "a name is stored with every result, so it takes no ${…}; write the name itself");
    }
    if (auto why = probe::refuse_name(*text)) fault(value, *why);
  }

  void read_url(Index value) {
    const auto text = text_of(value);
    if (!text) return;
    auto& service = out_.document.services.back();
    service.url = *text;
    note_secret(*text, [](const std::string& shown) { return holds_password(shown); });
    const auto expansion = expanded(value, *text);
    if (!expansion) return;
    if (auto why = probe::refuse_url(expansion->text)) return fault(value, expansion->without_values(*why));
    if (values_ == Values::kExpanded) service.target = expansion->text;
  }

  void read_method(Index value) {
    const auto text = text_of(value);
    if (!text) return;
    out_.document.services.back().method = *text;
    if (auto why = probe::refuse_method(*text)) fault(value, *why);
  }

  void read_check_regex(Index value) { out_.document.services.back().check_regex = boolean_of(value).value_or(false); }

  void read_regex(Index value) {
    auto text = text_or_null(value);
    if (!text) return;
    const auto [known, is_new] = regexes_.try_emplace(*text);
    if (is_new) known->second = probe::refuse_regex(*text);
    if (known->second) fault(value, *known->second);
    out_.document.services.back().regex = std::move(text);
  }

  void read_interval(Index value) {
    const auto limits = out_.document.interval_limits.value_or(IntervalLimits{});
    read_seconds(value, limits.min, limits.max, out_.document.services.back().interval,
                 out_.document.interval_limits ? "" : "; `interval_limits: {min: 1, max: 86400}` widens this");
  }

  void read_timeout(Index value) {
    read_seconds(value, seconds{1}, kLongestTimeout, out_.document.services.back().timeout);
  }

  void read_body_limit(Index value) {
    const auto text = measure_of(value, "a size such as 64 KiB or 2 MiB");
    if (!text) return;
    if (const auto size = size_within(value, *text, kSmallestBodyLimit, kLargestBodyLimit)) {
      out_.document.services.back().body_limit = *size;
    }
  }

  void ignore(Index) {}

  void refuse_default_interval(Index item) {
    const auto limits = out_.document.interval_limits.value_or(IntervalLimits{});
    const auto interval = out_.document.services.back().interval;
    if (interval >= limits.min && interval <= limits.max) return;
    fault(item, fmt::format("this service has no interval_sec, and the default of {} s is not within interval_limits; "
                            "write an interval_sec from {} to {}",
                            interval.count(), limits.min.count(), limits.max.count()));
  }

  // ---- the file as a whole

  void refuse_two_uris() {
    if (!out_.document.external_database_uri || !out_.document.external_database_uri_file) return;
    faults_.add(std::max(uri_position_, out_.uri_file_position),
                "external_database_uri and external_database_uri_file are both given; keep one of them");
  }

  /// Sorted by a hash instead of kept in a map of texts: this is for a hundred thousand services.
  void refuse_duplicates() {
    const auto& services = out_.document.services;
    std::vector<std::pair<std::uint64_t, std::size_t>> order;
    for (std::size_t i = 0; i < services.size(); ++i) {
      if (!services[i].name.empty() || !services[i].url.empty()) {
        order.emplace_back(common::stable_hash(services[i].key()), i);
      }
    }
    std::sort(order.begin(), order.end());
    for (std::size_t i = 1; i < order.size(); ++i) {
      const auto [first_hash, first] = order[i - 1];
      const auto [second_hash, second] = order[i];
      if (first_hash == second_hash && services[first].key() == services[second].key()) refuse_duplicate(first, second);
    }
  }

  void refuse_duplicate(std::size_t first, std::size_t second) {
    const auto& name = out_.document.services[second].name;
    const auto other = values_ == Values::kUnwritten
                           ? std::string("one that is there already")
                           : fmt::format("the one on line {}", tree_.place(positions_[first]).line);
    faults_.add(
        positions_[second],
        name.empty()
            ? fmt::format("this is the same service as {}; change its url, method or regex, or give them "
                          "different names",
                          other)
            : fmt::format("the name {} is the same as that of {}; a name is given once", in_quotes(name), other),
        second);
  }

  /// One sentence for all of them: with the predecessor's defaults this is every service.
  void warn_of_long_timeouts() {
    const auto& services = out_.document.services;
    const auto is_long = [](const probe::Service& service) { return service.timeout > service.interval; };
    const auto first = std::find_if(services.begin(), services.end(), is_long);
    if (first == services.end()) return;
    const auto more = std::count_if(std::next(first), services.end(), is_long);
    out_.warnings.push_back(
        {positions_[static_cast<std::size_t>(first - services.begin())],
         fmt::format("the timeout of {} s is longer than the interval of {} s{}; a check that takes longer than the "
                     "interval makes the next ones skipped",
                     first->timeout.count(), first->interval.count(),
                     more > 0 ? fmt::format(", and so for {} more services", more) : "")});
  }

  // ---- values

  std::string key_of(Index value) const { return std::string(tree_.text(value - 1)); }

  void fault(Index node, std::string sentence) { faults_.add(tree_.position(node), std::move(sentence), service_); }

  void wrong_type(Index value, std::string_view wanted) {
    const auto kind = tree_.kind(value);
    if (kind == Kind::kRefused) return;
    // The place of an empty value is that of whatever comes next.
    const Index place = kind == Kind::kNull ? value - 1 : value;
    const bool scalar = kind == Kind::kPlain || kind == Kind::kText;
    const auto is = kind == Kind::kText ? "the text " + in_quotes(tree_.text(value))
                    : scalar            ? in_quotes(tree_.text(value))
                                        : std::string(noun(kind));
    fault(place, fmt::format("{} is {}; it must be {}", key_of(value), is, wanted));
  }

  std::optional<std::string> text_of(Index value) {
    const auto kind = tree_.kind(value);
    const auto text = kind == Kind::kPlain || kind == Kind::kText ? tree_.text(value) : std::string_view{};
    if (kind == Kind::kPlain && is_number_or_boolean(text)) {
      wrong_type(value, fmt::format("text, so put it in quotes: \"{}\"", text));
      return std::nullopt;
    }
    if (kind != Kind::kPlain && kind != Kind::kText) {
      wrong_type(value, "text");
      return std::nullopt;
    }
    if (text.find('\0') != std::string_view::npos) {
      fault(value, key_of(value) + " holds a NUL character; remove it");
      return std::nullopt;
    }
    return std::string(text);
  }

  std::optional<std::string> text_or_null(Index value) {
    if (tree_.kind(value) == Kind::kNull) return std::nullopt;
    return text_of(value);
  }

  /// Durations and sizes may stand there as numbers.
  std::optional<std::string> measure_of(Index value, std::string_view wanted) {
    const auto kind = tree_.kind(value);
    if (kind == Kind::kPlain || kind == Kind::kText) return std::string(tree_.text(value));
    wrong_type(value, wanted);
    return std::nullopt;
  }

  std::optional<bool> boolean_of(Index value) {
    const auto known = tree_.kind(value) == Kind::kPlain ? as_boolean(tree_.text(value)) : std::nullopt;
    if (!known) wrong_type(value, "true or false, without quotes");
    return known;
  }

  void read_seconds(Index value, seconds low, seconds high, seconds& into, std::string_view hint = {}) {
    const auto number = tree_.kind(value) == Kind::kPlain ? as_integer(tree_.text(value)) : std::nullopt;
    if (!number) return wrong_type(value, "a whole number of seconds, without quotes and without a unit");
    if (*number < low.count() || *number > high.count()) {
      return fault(value, fmt::format("{} is {}; it must be from {} to {} seconds{}", key_of(value), *number,
                                      low.count(), high.count(), hint));
    }
    into = seconds{*number};
  }

  void read_duration(Index value, seconds low, seconds high, std::optional<std::string>& typed,
                     std::optional<seconds>& into) {
    const auto text = measure_of(value, "a duration such as 90s, 15m, 24h or 7d");
    if (!text) return;
    typed = *text;
    const auto expanded = expanded_text(value, *text);
    if (!expanded) return;
    const auto duration = common::parse_duration(*expanded);
    if (!duration || *duration < low || *duration > high) {
      return fault(value, fmt::format("{} is {}; it must be a duration such as 90s, 15m, 24h or 7d, from {} to {}",
                                      key_of(value), in_quotes(*text), common::format_duration(low),
                                      common::format_duration(high)));
    }
    into = duration;
  }

  std::optional<std::uint64_t> size_within(Index value, std::string_view text, std::uint64_t low, std::uint64_t high) {
    const auto size = common::parse_size(text);
    if (size && *size >= low && *size <= high) return size;
    fault(value, fmt::format("{} is {}; it must be a size such as 64 KiB or 10 MiB, from {} to {}", key_of(value),
                             in_quotes(tree_.text(value)), common::format_size(low), common::format_size(high)));
    return std::nullopt;
  }

  /// Nothing where the value is not to be judged: it holds a fault, or a `${NAME}` that is not expanded now.
  std::optional<Expansion> expanded(Index value, const std::string& text) {
    auto expansion = expand(text, values_ == Values::kExpanded ? environment_variable : hidden_variable);
    if (!expansion.fault.empty()) {
      fault(value, fmt::format("{}: {}", key_of(value), expansion.fault));
      return std::nullopt;
    }
    if (values_ != Values::kExpanded && !expansion.used.empty()) return std::nullopt;
    return expansion;
  }

  std::optional<std::string> expanded_text(Index value, const std::string& text) {
    auto expansion = expanded(value, text);
    if (!expansion) return std::nullopt;
    return std::move(expansion->text);
  }

  template <typename Holds>
  void note_secret(const std::string& typed, const Holds& holds) {
    if (!out_.holds_secret) out_.holds_secret = holds(expand(typed, hidden_variable).text);
  }

  // ---- mappings

  /// Reports keys that are unknown or repeated, then reads the others in the order of the table.
  void read_map(Index map, std::string_view owner, std::span<const Key> keys) {
    std::array<Index, kMostKeys> found{};
    for (Index key = Tree::first(map); key != tree_.after(map); key = tree_.after(key + 1)) {
      const auto name = tree_.text(key);
      const auto known = std::find_if(keys.begin(), keys.end(), [&](const Key& each) { return each.name == name; });
      if (known == keys.end()) {
        refuse_key(key, owner, keys);
        continue;
      }
      auto& value = found[static_cast<std::size_t>(known - keys.begin())];
      if (value != kAbsent) {
        fault(key, fmt::format("the key `{}` is repeated, it is already on line {}; write it once", name,
                               tree_.place(tree_.position(value - 1)).line));
      } else {
        value = key + 1;
      }
    }
    if (keys.data() == kServiceKeys.data()) seen_ = found;
    for (std::size_t i = 0; i < keys.size(); ++i) {
      if (found[i] != kAbsent && tree_.kind(found[i]) != Kind::kRefused) (this->*keys[i].read)(found[i]);
    }
  }

  void refuse_key(Index key, std::string_view owner, std::span<const Key> keys) {
    std::vector<std::string_view> names;
    for (const auto& each : keys) names.push_back(each.name);
    const auto meant = closest(tree_.text(key), names);
    fault(key, fmt::format("the key {} is unknown; {}", in_quotes(tree_.text(key)),
                           meant.empty() ? fmt::format("{} may have {}", owner, fmt::join(names, ", "))
                                         : fmt::format("did you mean `{}`?", meant)));
  }

  static constexpr std::size_t kMostKeys = 16;
  static const std::array<Key, 12> kTopKeys;
  static const std::array<Key, 2> kLimitKeys;
  static const std::array<Key, 3> kWorkerKeys;
  /// Positions in kServiceKeys.
  enum ServiceKey : std::uint8_t { kName, kUrl, kMethod, kCheckRegex, kRegex, kInterval };
  static const std::array<Key, 9> kServiceKeys;

  bool given(ServiceKey key) const { return seen_[key] != kAbsent; }
  /// True also for one that is wrong, which has been said.
  bool has_regex() const {
    if (!given(kRegex)) return false;
    const auto kind = tree_.kind(seen_[kRegex]);
    return kind != Kind::kNull && (kind == Kind::kList || kind == Kind::kMap || !tree_.text(seen_[kRegex]).empty());
  }

  const Tree& tree_;
  const Values values_;
  Faults& faults_;
  Interpretation out_;
  std::vector<std::uint32_t> positions_;  ///< of each service
  std::optional<std::size_t> service_;    ///< the one that is being read
  std::array<Index, kMostKeys> seen_{};   ///< its values, by ServiceKey
  std::uint32_t uri_position_ = 0;
  std::unordered_map<std::string, std::optional<std::string>> regexes_;  ///< why each is refused; judged once
};

const std::array<Interpreter::Key, 12> Interpreter::kTopKeys{{
    {"local_database_path", &Interpreter::read_local_database_path},
    {"external_database_uri", &Interpreter::read_external_database_uri},
    {"external_database_uri_file", &Interpreter::read_external_database_uri_file},
    {"interval_limits", &Interpreter::read_interval_limits},
    {"workers", &Interpreter::read_workers},
    {"keep_exported", &Interpreter::read_keep_exported},
    {"local_retention", &Interpreter::read_local_retention},
    {"local_max_size", &Interpreter::read_local_max_size},
    {"remote_retention", &Interpreter::read_remote_retention},
    {"stop_grace", &Interpreter::read_stop_grace},
    {"dns_cache", &Interpreter::read_dns_cache},
    {"services", &Interpreter::read_services},
}};

const std::array<Interpreter::Key, 2> Interpreter::kLimitKeys{{
    {"min", &Interpreter::read_limit_min},
    {"max", &Interpreter::read_limit_max},
}};

const std::array<Interpreter::Key, 3> Interpreter::kWorkerKeys{{
    {"agent", &Interpreter::read_worker_agent},
    {"exporter", &Interpreter::read_worker_exporter},
    {"collector", &Interpreter::read_worker_collector},
}};

const std::array<Interpreter::Key, 9> Interpreter::kServiceKeys{{
    {"name", &Interpreter::read_name},
    {"url", &Interpreter::read_url},
    {"method", &Interpreter::read_method},
    {"check_regex", &Interpreter::read_check_regex},
    {"regex", &Interpreter::read_regex},
    {"interval_sec", &Interpreter::read_interval},
    {"timeout", &Interpreter::read_timeout},
    {"body_limit", &Interpreter::read_body_limit},
    {"last_checked_at", &Interpreter::ignore},
}};

}  // namespace

Interpretation interpret(const Tree& tree, Values values, Faults& faults) {
  return Interpreter(tree, values, faults).run();
}

}  // namespace monitor::config
