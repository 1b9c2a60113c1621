#include "config/interpret.h"

#include <algorithm>
#include <array>

#include <fmt/format.h>

#include "agent/options.h"
#include "collector/options.h"
#include "common/units.h"
#include "config/fields.h"
#include "config/scalar.h"
#include "config/services.h"
#include "exporter/options.h"
#include "net/options.h"

namespace monitor::config {
namespace {

constexpr std::chrono::seconds kWidestInterval = std::chrono::days{1};
constexpr std::chrono::seconds kLongestGrace = std::chrono::minutes{5};
constexpr std::chrono::seconds kLongestRetention = std::chrono::days{36500};
constexpr int kMostAtOnce = static_cast<int>(agent::kMostChecksAtOnce);
constexpr int kHighestRateTenths = 10 * agent::kHighestHostRate;
constexpr std::size_t kMostDenied = 1000;                 // each is compared at every connection
constexpr std::uint64_t kSmallestDatabase = 16ULL << 20;  // the write-ahead log and the ballast need some of it
constexpr std::uint64_t kLargestDatabase = 1ULL << 50;

constexpr std::string_view kUriAsFile =
    "external_database_uri_file holds a URI where a file's name belongs; that is a URI: use external_database_uri";

bool is_uri(const std::string& text) {
  return text.find("://") != std::string::npos || (!text.empty() && !exporter::refuse_uri(text));
}

class Interpreter : private Fields {
 public:
  using Fields::Fields;

  Interpretation run() {
    const auto kind = tree().kind(Tree::kRoot);
    if (kind == Kind::kMap) {
      read_map(*this, Tree::kRoot, "the file", kKeys);
      refuse_two_uris();
      warn_of_long_timeouts();
    } else if (kind != Kind::kRefused) {
      fault(Tree::kRoot,
            fmt::format("the file is {}; it must be a mapping with keys such as `local_database_path` and `services`",
                        noun(kind)));
    }
    return std::move(out_);
  }

 private:
  static const std::array<Key<Interpreter>, 15> kKeys;
  static const std::array<Key<Interpreter>, 2> kLimitKeys;
  static const std::array<Key<Interpreter>, 3> kHostLimitKeys;
  static const std::array<Key<Interpreter>, 3> kWorkerKeys;
  static const std::array<Key<Interpreter>, 2> kRollupKeys;

  Document& document() { return out_.document; }

  void read_local_database_path(Index value) {
    const auto text = text_of(value);
    if (!text) return;
    document().local_database_path = *text;
    auto path = expanded_text(value, *text);
    if (!path) return;
    if (path->empty()) return fault(value, "local_database_path is empty; write a path, or remove the key");
    if (!expand_home(*path)) {
      return fault(value, fmt::format("the home folder of {} is not known; write the whole path", in_quotes(*text)));
    }
    out_.local_database_path = std::move(*path);
  }

  void read_external_database_uri(Index value) {
    uri_position_ = tree().position(value);
    const auto text = text_or_null(value);
    if (!text) return;
    document().external_database_uri = *text;
    const auto shown = without_variables(*text);
    out_.holds_secret = exporter::masked_uri(shown) != shown;
    auto expansion = expanded(value, *text);
    if (!expansion || expansion->text.empty()) return;
    if (auto why = exporter::refuse_uri(expansion->text)) return fault(value, expansion->without_values(*why));
    out_.external_database_uri = std::move(expansion->text);
  }

  void read_external_database_uri_file(Index value) {
    const auto text = text_or_null(value);
    if (!text) return;
    document().external_database_uri_file = *text;
    out_.uri_file_position = tree().position(value);
    if (is_uri(*text)) return fault(value, std::string(kUriAsFile));
    auto name = expanded_text(value, *text);
    if (!name) return;
    if (name->empty())
      return fault(value, "external_database_uri_file is empty; write a file's name, or remove the key");
    if (is_uri(*name)) return fault(value, std::string(kUriAsFile));
    out_.external_database_uri_file = std::move(*name);
  }

  void refuse_two_uris() {
    if (!document().external_database_uri || !document().external_database_uri_file) return;
    faults().add(std::max(uri_position_, out_.uri_file_position),
                 "external_database_uri and external_database_uri_file are both given; keep one of them");
    out_.external_database_uri_file.clear();
  }

  void read_interval_limits(Index value) {
    if (tree().kind(value) != Kind::kMap) return wrong_type(value, "a mapping with `min` and `max`, in seconds");
    auto& limits = document().interval_limits.emplace();
    read_map(*this, value, "interval_limits", kLimitKeys);
    if (limits.min <= limits.max) return;
    fault(value, fmt::format("interval_limits has a min of {} above its max of {}; min must not exceed max (they are 5 "
                             "and 300 where not given)",
                             limits.min.count(), limits.max.count()));
    limits = {Seconds{1}, kWidestInterval};  // so that not every service is reported as well
  }
  void read_limit_min(Index value) {
    auto& min = document().interval_limits->min;
    min = seconds_within(value, Seconds{1}, kWidestInterval).value_or(min);
  }
  void read_limit_max(Index value) {
    auto& max = document().interval_limits->max;
    max = seconds_within(value, Seconds{1}, kWidestInterval).value_or(max);
  }

  void read_limits(Index value) {
    if (tree().kind(value) != Kind::kMap)
      return wrong_type(value, "a mapping with `per_host_concurrency`, `per_host_rate` and `deny_networks`");
    document().limits.emplace();
    read_map(*this, value, "limits", kHostLimitKeys);
  }
  void read_host_concurrency(Index value) { document().limits->concurrency = whole_number(value, 0, kMostAtOnce); }
  void read_host_rate(Index value) {
    const auto tenths = tree().kind(value) == Kind::kPlain ? as_tenths(tree().text(value)) : std::nullopt;
    if (tenths && *tenths <= kHighestRateTenths) {
      document().limits->rate_tenths = static_cast<int>(*tenths);
    } else {
      wrong_type(value, "checks a second, 0 or from 0.1 to 10000, with one decimal at most and without quotes");
    }
  }

  void read_deny_networks(Index value) {
    if (tree().kind(value) != Kind::kList) return wrong_type(value, "a list such as [10.0.0.0/8, link-local]");
    for (auto item = Tree::first(value); item != tree().after(value); item = tree().after(item)) {
      if (out_.deny_networks.size() == kMostDenied) {
        return fault(item, fmt::format("deny_networks holds more than {} networks; join some", kMostDenied));
      }
      auto typed = words_of_item(item, "deny_networks");
      if (!typed) continue;
      if (const auto why = net::refuse_network(*typed)) fault(item, fmt::format("deny_networks: {}", *why));
      document().limits->deny_networks.push_back(*typed);
      out_.deny_networks.push_back(std::move(*typed));
    }
  }

  void read_workers(Index value) {
    if (tree().kind(value) != Kind::kMap)
      return wrong_type(value, "a mapping with `agent`, `exporter` and `collector`");
    read_map(*this, value, "workers", kWorkerKeys);
  }
  void read_worker_agent(Index value) { document().worker_agent = boolean_of(value); }
  void read_worker_exporter(Index value) { document().worker_exporter = boolean_of(value); }
  void read_worker_collector(Index value) { document().worker_collector = boolean_of(value); }

  void read_keep_exported(Index value) {
    out_.keep_exported = read_duration(value, Seconds{0}, kLongestRetention, document().keep_exported);
  }
  void read_local_retention(Index value) {
    out_.local_retention = read_duration(value, std::chrono::minutes{1}, kLongestRetention, document().local_retention);
  }
  void read_remote_retention(Index value) {
    out_.remote_retention = read_duration(value, std::chrono::days{1}, kLongestRetention, document().remote_retention);
  }
  void read_rollups(Index value) {
    if (tree().kind(value) != Kind::kMap) return wrong_type(value, "a mapping with `hours` and `days`");
    document().rollups.emplace();
    read_map(*this, value, "rollups", kRollupKeys);
    const collector::Options defaults;
    const Seconds hours = out_.rollup_hours.value_or(defaults.rollup_hours);
    const Seconds days = out_.rollup_days.value_or(defaults.rollup_days);
    if (hours <= days) return;
    fault(value,
          fmt::format("rollups keeps hours for {} and days for {} only; a day must stay as long as its hours "
                      "(they are {} and {} where not given)",
                      common::format_duration(hours), common::format_duration(days),
                      common::format_duration(defaults.rollup_hours), common::format_duration(defaults.rollup_days)));
  }
  void read_rollup_hours(Index value) {
    out_.rollup_hours = read_duration(value, std::chrono::days{2}, kLongestRetention, document().rollups->hours);
  }
  void read_rollup_days(Index value) {
    out_.rollup_days = read_duration(value, std::chrono::days{2}, kLongestRetention, document().rollups->days);
  }
  void read_stop_grace(Index value) {
    out_.stop_grace = read_duration(value, Seconds{0}, kLongestGrace, document().stop_grace);
  }

  std::optional<Seconds> read_duration(Index value, Seconds low, Seconds high, std::optional<std::string>& typed) {
    typed = measure_of(value, "a duration such as 90s, 15m, 24h or 7d");
    const auto text = typed ? expanded_text(value, *typed) : std::nullopt;
    return text ? duration_within(value, *text, low, high) : std::nullopt;
  }

  void read_local_max_size(Index value) {
    auto& typed = document().local_max_size;
    typed = measure_of(value, "a size such as 500 MiB or 10 GiB");
    const auto text = typed ? expanded_text(value, *typed) : std::nullopt;
    if (text) out_.local_max_size = size_within(value, *text, kSmallestDatabase, kLargestDatabase);
  }

  void read_dns_cache(Index value) {
    const auto text = text_of(value);
    if (!text) return;
    document().dns_cache = *text;
    const auto known = expanded_text(value, *text);
    if (known == "ttl" || known == "off") {
      out_.dns_cache = known == "ttl";
    } else if (known) {
      fault(value, fmt::format("dns_cache is {}; it must be `ttl` or `off`", in_quotes(*text)));
    }
  }

  void read_watch_config(Index value) { document().watch_config = boolean_of(value); }

  void read_services_list(Index value) {
    if (tree().kind(value) == Kind::kNull) return;
    if (tree().kind(value) != Kind::kList) return wrong_type(value, "a list of services, each with at least a `url`");
    const auto& limits = document().interval_limits;
    auto list = read_services(tree(), value, limits ? &*limits : nullptr, reading(), faults());
    document().services = std::move(list.services);
    positions_ = std::move(list.positions);
    out_.holds_secret |= list.holds_secret;
    out_.exposed = std::move(list.exposed);
  }

  /// One sentence for all of them: with the predecessor's defaults this is every service.
  void warn_of_long_timeouts() {
    const auto& services = document().services;
    const auto is_long = [](const probe::Service& service) { return service.timeout > service.interval; };
    const auto first = std::find_if(services.begin(), services.end(), is_long);
    if (first == services.end()) return;
    const auto more = std::count_if(std::next(first), services.end(), is_long);
    out_.warnings.push_back(
        {positions_[static_cast<std::size_t>(first - services.begin())],
         fmt::format("the timeout of {} s is longer than the interval of {} s{}; a check that takes longer than the "
                     "interval makes the next ones be skipped",
                     first->timeout.count(), first->interval.count(),
                     more > 0 ? fmt::format(" (so it is with {} more of the services)", more) : "")});
  }

  Interpretation out_;
  std::vector<std::uint32_t> positions_;  ///< of each service
  std::uint32_t uri_position_ = 0;
};

/// In the order in which they are read: the limits before the services that must keep them.
const std::array<Key<Interpreter>, 15> Interpreter::kKeys{{
    {"local_database_path", &Interpreter::read_local_database_path},
    {"external_database_uri", &Interpreter::read_external_database_uri},
    {"external_database_uri_file", &Interpreter::read_external_database_uri_file},
    {"interval_limits", &Interpreter::read_interval_limits},
    {"limits", &Interpreter::read_limits},
    {"workers", &Interpreter::read_workers},
    {"keep_exported", &Interpreter::read_keep_exported},
    {"local_retention", &Interpreter::read_local_retention},
    {"local_max_size", &Interpreter::read_local_max_size},
    {"remote_retention", &Interpreter::read_remote_retention},
    {"rollups", &Interpreter::read_rollups},
    {"stop_grace", &Interpreter::read_stop_grace},
    {"dns_cache", &Interpreter::read_dns_cache},
    {"watch_config", &Interpreter::read_watch_config},
    {"services", &Interpreter::read_services_list},
}};

const std::array<Key<Interpreter>, 2> Interpreter::kLimitKeys{{
    {"min", &Interpreter::read_limit_min},
    {"max", &Interpreter::read_limit_max},
}};

const std::array<Key<Interpreter>, 3> Interpreter::kHostLimitKeys{{
    {"per_host_concurrency", &Interpreter::read_host_concurrency},
    {"per_host_rate", &Interpreter::read_host_rate},
    {"deny_networks", &Interpreter::read_deny_networks},
}};

const std::array<Key<Interpreter>, 3> Interpreter::kWorkerKeys{{
    {"agent", &Interpreter::read_worker_agent},
    {"exporter", &Interpreter::read_worker_exporter},
    {"collector", &Interpreter::read_worker_collector},
}};

const std::array<Key<Interpreter>, 2> Interpreter::kRollupKeys{{
    {"hours", &Interpreter::read_rollup_hours},
    {"days", &Interpreter::read_rollup_days},
}};

}  // namespace

Interpretation interpret(const Tree& tree, const Reading& reading, Faults& faults) {
  return Interpreter(tree, reading, faults).run();
}

}  // namespace monitor::config
