#include "config/services.h"

#include <algorithm>
#include <array>
#include <unordered_map>

#include <fmt/format.h>

#include "common/text.h"
#include "config/agreement.h"
#include "config/fields.h"
#include "config/spec.h"

namespace monitor::config {
namespace {

constexpr std::chrono::seconds kLongestTimeout{300};
constexpr std::uint64_t kSmallestBodyLimit = 1ULL << 10;
constexpr std::uint64_t kLargestBodyLimit = 64ULL << 20;

/// A password or a token that stands in `https://user:password@host` itself: `shown` has `***` for every variable.
bool holds_password(std::string_view shown) {
  const auto scheme = shown.find("://");
  if (scheme == std::string_view::npos) return false;
  shown.remove_prefix(scheme + 3);
  const auto end = shown.substr(0, shown.find_first_of("/?#")).rfind('@');
  if (end == std::string_view::npos) return false;
  const auto userinfo = shown.substr(0, end);
  const auto colon = userinfo.find(':');
  const auto secret = colon == std::string_view::npos ? userinfo : userinfo.substr(colon + 1);
  return !secret.empty() && secret != "***";
}

class ServiceReader : private Fields {
 public:
  ServiceReader(const Tree& tree, const IntervalLimits* limits, const Reading& reading, Faults& faults)
      : Fields(tree, reading, faults),
        limits_(limits != nullptr ? *limits : IntervalLimits{}),
        given_(limits != nullptr) {}

  ServiceList run(Index list) {
    for (Index item = Tree::first(list); item != tree().after(list); item = tree().after(item)) read_item(item);
    refuse_duplicates();
    return finished();
  }

  ServiceList run_one() {
    read_item(Tree::kRoot);
    return finished();
  }

 private:
  enum KeyNumber : std::uint8_t { kName, kUrl, kMethod, kCheckRegex, kRegex, kInterval, kTimeout, kBodyLimit, kLast };
  static const std::array<Key<ServiceReader>, kLast + 16> kKeys;

  /// What services say in the same words, they share.
  struct Shared {
    std::shared_ptr<const probe::Spec> spec;
    std::string settings;
  };

  probe::Service& service() { return out_.services.back(); }

  ServiceList finished() {
    std::ranges::sort(out_.exposed);
    out_.exposed.erase(std::ranges::unique(out_.exposed).begin(), out_.exposed.end());
    return std::move(out_);
  }

  void read_item(Index item) {
    enter_service(out_.services.size());
    out_.services.emplace_back().method = "GET";
    out_.positions.push_back(tree().position(item));
    if (tree().kind(item) == Kind::kMap) {
      read_service(item);
    } else if (tree().kind(item) != Kind::kRefused) {
      fault(item,
            fmt::format("this service is {}; it must be a mapping with at least a `url`", noun(tree().kind(item))));
    }
  }

  void read_service(Index item) {
    additional_.clear();
    const auto found = read_map(*this, item, "a service", kKeys);
    if (!additional_.empty()) read_additional();
    if (reading().part) return;
    if (found[kUrl] == kAbsent) fault(item, "this service has no url; add one, such as url: https://example.com/");
    if (service().check_regex && !says_regex(found[kRegex])) {
      fault(found[kCheckRegex], "check_regex is true but there is no regex; add a `regex`, or remove check_regex");
    }
    if (found[kInterval] == kAbsent) refuse_default_interval(item);
    if (!additional_.empty()) require_agreement({tree(), item, service(), reading(), current_service()}, faults());
  }

  void read_additional() {
    const auto words = words_of_all(additional_);
    const auto known = shared_.find(words);
    if (known != shared_.end()) return share(known->second);
    const auto before = faults().count();
    auto read = read_spec(tree(), additional_, reading(), current_service(), patterns_, faults());
    out_.holds_secret |= read.holds_secret;
    out_.exposed.insert(out_.exposed.end(), read.exposed.begin(), read.exposed.end());
    const Shared shared{std::move(read.spec), std::move(read.settings)};
    share(shared);
    // What is wrong is told of every service that says it.
    if (faults().count() == before) shared_.emplace(words, shared);
  }

  void share(const Shared& shared) {
    if (values() == Values::kExpanded) {
      service().extra = shared.spec;
    } else {
      service().settings = shared.settings;
    }
  }

  /// Equal for two services only if they say the same in the same order and spelling.
  std::string words_of_all(const std::vector<Index>& values) const {
    std::string out;
    for (const auto value : values) {
      for (auto node = value - 1; node != tree().after(value); ++node) {
        const auto text = tree().text(node);
        out += fmt::format("{},{},{}:", static_cast<int>(tree().kind(node)), tree().after(node) - node, text.size());
        out += text;
      }
    }
    return out;
  }

  /// True also for a regex that is wrong, which has been said.
  bool says_regex(Index value) const {
    if (value == kAbsent || tree().kind(value) == Kind::kNull) return false;
    const bool scalar = tree().kind(value) == Kind::kPlain || tree().kind(value) == Kind::kText;
    return !scalar || !tree().text(value).empty();
  }

  void refuse_default_interval(Index item) {
    const auto interval = service().interval;
    if (interval >= limits_.min && interval <= limits_.max) return;
    fault(item,
          fmt::format("this service has no interval_sec, and the default of {} is not within interval_limits; add "
                      "an interval_sec from {} to {}",
                      interval.count(), limits_.min.count(), limits_.max.count()));
  }

  void read_name(Index value) {
    const auto text = text_or_null(value);
    if (!text) return;
    service().name = *text;
    if (names_variable(*text)) {
      return fault(value, "a name is stored with every result, so it takes no ${…}; write the name itself");
    }
    if (auto why = probe::refuse_name(*text)) fault(value, *why);
  }

  void read_url(Index value) {
    auto text = text_of(value);
    if (!text) return;
    if (!out_.holds_secret) out_.holds_secret = holds_password(without_variables(*text));
    service().url = std::move(*text);
    auto expansion = expanded(value, service().url);
    if (!expansion) return;
    if (auto why = probe::refuse_url(expansion->text)) return fault(value, expansion->without_values(*why));
    if (values() == Values::kExpanded) service().target = std::move(expansion->text);
  }

  void read_method(Index value) {
    auto text = text_of(value);
    if (!text) return;
    if (auto why = probe::refuse_method(*text)) {
      fault(value, fmt::format("method is {}; {}", in_quotes(*text), *why));
    }
    service().method = std::move(*text);
  }

  void read_check_regex(Index value) { service().check_regex = boolean_of(value).value_or(false); }

  void read_regex(Index value) {
    auto text = text_or_null(value);
    if (!text) return;
    if (const auto& why = patterns_.refuse(*text)) fault(value, *why);
    service().regex = std::move(text);
  }

  void read_interval(Index value) {
    const auto hint = given_ ? "" : "; `interval_limits: {min: 1, max: 86400}` at the top of the file widens this";
    service().interval = seconds_within(value, limits_.min, limits_.max, hint).value_or(service().interval);
  }

  void read_timeout(Index value) {
    service().timeout = seconds_within(value, Seconds{1}, kLongestTimeout).value_or(service().timeout);
  }

  void read_body_limit(Index value) {
    const auto text = measure_of(value, "a size such as 64 KiB or 2 MiB");
    if (!text) return;
    const auto size = size_within(value, *text, kSmallestBodyLimit, kLargestBodyLimit);
    service().body_limit = size.value_or(service().body_limit);
  }

  void ignore(Index) {}

  void add(Index value) { additional_.push_back(value); }

  /// Sorted by a hash instead of kept in a map of texts: this is for a hundred thousand services.
  void refuse_duplicates() {
    const auto& services = out_.services;
    std::vector<std::pair<std::uint64_t, std::size_t>> order;
    for (std::size_t i = 0; i < services.size(); ++i) {
      if (services[i].name.empty() && services[i].url.empty()) continue;
      order.emplace_back(common::stable_hash(services[i].key()), i);
    }
    std::sort(order.begin(), order.end());
    for (std::size_t i = 1; i < order.size(); ++i) {
      const auto [first_hash, first] = order[i - 1];
      const auto [second_hash, second] = order[i];
      if (first_hash == second_hash && services[first].key() == services[second].key()) refuse_duplicate(first, second);
    }
  }

  void refuse_duplicate(std::size_t first, std::size_t second) {
    const auto& name = out_.services[second].name;
    const auto other = values() == Values::kUnwritten
                           ? std::string("another one")
                           : fmt::format("the one on line {}", tree().place(out_.positions[first]).line);
    faults().add(out_.positions[second],
                 name.empty()
                     ? fmt::format("this is the same service as {}; change its url, method or regex, or give them "
                                   "different names",
                                   other)
                     : fmt::format("this service has the same name, {}, as {}; every name must be different",
                                   in_quotes(name), other),
                 second);
  }

  const IntervalLimits limits_;
  const bool given_;
  ServiceList out_;
  Patterns patterns_;
  std::vector<Index> additional_;  ///< the values of this service's keys beyond the predecessor's
  std::unordered_map<std::string, Shared> shared_;
};

/// In the order in which they are written.
const std::array<Key<ServiceReader>, ServiceReader::kLast + 16> ServiceReader::kKeys{{
    {"name", &ServiceReader::read_name},
    {"url", &ServiceReader::read_url},
    {"method", &ServiceReader::read_method},
    {"check_regex", &ServiceReader::read_check_regex},
    {"regex", &ServiceReader::read_regex},
    {"interval_sec", &ServiceReader::read_interval},
    {"timeout", &ServiceReader::read_timeout},
    {"body_limit", &ServiceReader::read_body_limit},
    {"last_checked_at", &ServiceReader::ignore},
    {"headers", &ServiceReader::add},
    {"body", &ServiceReader::add},
    {"body_file", &ServiceReader::add},
    {"auth", &ServiceReader::add},
    {"tls", &ServiceReader::add},
    {"redirects", &ServiceReader::add},
    {"family", &ServiceReader::add},
    {"connect_to", &ServiceReader::add},
    {"resolver", &ServiceReader::add},
    {"proxy", &ServiceReader::add},
    {"connection", &ServiceReader::add},
    {"compression", &ServiceReader::add},
    {"expect", &ServiceReader::add},
    {"evidence", &ServiceReader::add},
    {"recheck", &ServiceReader::add},
}};

}  // namespace

ServiceList read_services(const Tree& tree, Tree::Index list, const IntervalLimits* limits, const Reading& reading,
                          Faults& faults) {
  return ServiceReader(tree, limits, reading, faults).run(list);
}

ServiceList read_one_service(const Tree& tree, const Reading& reading, Faults& faults) {
  constexpr IntervalLimits kWidest{Fields::Seconds{1}, std::chrono::days{1}};
  return ServiceReader(tree, &kWidest, reading, faults).run_one();
}

}  // namespace monitor::config
