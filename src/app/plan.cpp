#include "app/plan.h"

#include <algorithm>
#include <cmath>

#include <fmt/format.h>

#include "agent/files.h"
#include "agent/politeness.h"
#include "common/units.h"

namespace monitor::app {
namespace {

using std::chrono::seconds;

constexpr std::chrono::days kDay{1};
constexpr std::chrono::days kYear{365};
/// What a row of a passed check costs here, and in PostgreSQL with both indexes.
constexpr double kLocalRowBytes = 70;
constexpr double kRemoteRowBytes = 190;
/// Resident memory, as seen of a release build: of the program, of a service, of a check that waits for its server.
constexpr double kProgramBytes = 24 << 20;
constexpr double kServiceBytes = 2 << 10;
constexpr double kPlainCheckBytes = 5 << 10;
constexpr double kTlsCheckBytes = 54 << 10;
/// And of a connection that waits to be used again.
constexpr double kPlainIdleBytes = 1 << 10;
constexpr double kTlsIdleBytes = kTlsCheckBytes - kPlainCheckBytes;
constexpr std::size_t kMostHostWarnings = 10;

double rate_of(const probe::Service& service) {
  return 1.0 / static_cast<double>(service.interval.count());
}

double checks_a_second(const config::Settings& settings) {
  double rate = 0;
  if (!settings.agent.enabled) return rate;
  for (const auto& service : settings.agent.services) rate += rate_of(service);
  return rate;
}

std::uint64_t whole(double number) {
  return static_cast<std::uint64_t>(std::llround(number));
}

std::size_t at_least(double number) {
  constexpr double kRounding = 1e-9;  // sums of tenths are a little more than they should be
  return static_cast<std::size_t>(std::ceil(number - kRounding));
}

/// A roll-up of so many checks: the more of them the fewer new buckets.
struct RollupBytes {
  double empty = 0, check = 0, most = 0;
  double of(double checks) const { return std::min(most, empty + check * checks); }
};
constexpr RollupBytes kLocalHour{50, 15, 250}, kLocalDay{50, 15, 400};
/// With their indexes, as the benchmark `report` makes them: 60 checks an hour; a day with its part of the month.
constexpr RollupBytes kRemoteHour{200, 40, 1200}, kRemoteDay{250, 40, 1150};

/// What the roll-ups of one day take.
struct Rollups {
  double hours = 0, days = 0;
};

Rollups rollups_a_day(const config::Settings& settings, const RollupBytes& hour, const RollupBytes& day) {
  Rollups sum;
  if (!settings.agent.enabled) return sum;
  for (const auto& service : settings.agent.services) {
    const double checks = rate_of(service) * static_cast<double>(seconds{kDay}.count());
    const double hours = std::min(checks, 24.0);
    sum.hours += hours * hour.of(checks / hours);
    sum.days += std::min(checks, 1.0) * day.of(std::max(checks, 1.0));
  }
  return sum;
}

double days_of(seconds time) {
  return std::chrono::duration<double, std::chrono::days::period>(std::min<seconds>(time, kYear)).count();
}

/// Results of one database.
struct Stored {
  double rate = 0, row_bytes = 0;
  std::optional<seconds> kept_for;
  Rollups rolled_a_day;
  double rolled_kept = 0;  ///< bytes, after a year
};

Volume volume(const Stored& stored) {
  const double rows_a_day = stored.rate * static_cast<double>(seconds{kDay}.count());
  const double bytes_a_day = rows_a_day * stored.row_bytes + stored.rolled_a_day.hours + stored.rolled_a_day.days;
  const double kept = rows_a_day * days_of(stored.kept_for.value_or(kYear));
  return {.rows_a_day = whole(rows_a_day),
          .bytes_a_day = whole(bytes_a_day),
          .rows_a_year = whole(rows_a_day * days_of(kYear)),
          .bytes_a_year = whole(bytes_a_day * days_of(kYear)),
          .kept_for = stored.kept_for,
          .rows_kept = whole(kept),
          .bytes_kept = whole(kept * stored.row_bytes + stored.rolled_kept)};
}

/// Roll-ups give way only when they take more than half of it.
void keep_below(Volume& volume, std::uint64_t cap, double row_bytes) {
  if (volume.bytes_kept <= cap) return;
  const auto results = static_cast<double>(volume.rows_kept) * row_bytes;
  const double rolled = std::min(static_cast<double>(volume.bytes_kept) - results, static_cast<double>(cap) / 2);
  volume.rows_kept = whole(std::min(results, static_cast<double>(cap) - rolled) / row_bytes);
  volume.bytes_kept = std::min(cap, whole(static_cast<double>(volume.rows_kept) * row_bytes + rolled));
}

/// How much of its interval a service's check runs, if it takes so long: it never overlaps itself.
double share(const probe::Service& service, std::chrono::duration<double> takes) {
  return std::min(1.0, takes / std::chrono::duration<double>(service.interval));
}

/// Checks at once of one host, if it were for its intervals alone, what they take in memory, and how many begin in a
/// second.
struct Wanted {
  double checks = 0, bytes = 0, rate = 0;
};

/// Checks at once that `limits` let run, and what they take in memory.
struct Busy {
  double checks = 0, bytes = 0;
  double idle_bytes = 0;  ///< of the connections that wait meanwhile, if all of them may
  std::vector<Wanted> by_host;
};

/// How much of it `limits` let through.
double let_through(const agent::Limits& limits, const Wanted& wanted) {
  double part = 1;
  if (limits.per_host_rate > 0) part = std::min(part, limits.per_host_rate / wanted.rate);
  const auto most = static_cast<double>(limits.per_host_concurrency);
  if (most > 0) part = std::min(part, most / wanted.checks);
  return part;
}

template <typename Takes>
Busy busy(const agent::Options& options, const agent::Hosts& hosts, Takes takes) {
  Busy sum;
  auto& wanted = sum.by_host;
  wanted.resize(hosts.names.size());
  for (std::size_t i = 0; i < hosts.of.size(); ++i) {
    const auto& service = options.services[i];
    const std::chrono::duration<double> time = takes(service);
    const double part = share(service, time);
    const bool tls = service.target.starts_with("https:");
    auto& of_host = wanted[hosts.of[i]];
    of_host.checks += part;
    of_host.bytes += part * (tls ? kTlsCheckBytes : kPlainCheckBytes);
    of_host.rate += part / time.count();
    if (service.spec().reuse) sum.idle_bytes += (1 - part) * (tls ? kTlsIdleBytes : kPlainIdleBytes);
  }
  for (const auto& of_host : wanted) {
    const double part = let_through(options.limits, of_host);
    sum.checks += part * of_host.checks;
    sum.bytes += part * of_host.bytes;
  }
  return sum;
}

std::vector<HostLoad> hosts_by_load(const std::vector<probe::Service>& services, const agent::Hosts& found) {
  std::vector<HostLoad> hosts;
  hosts.reserve(found.names.size());
  for (const auto& name : found.names) hosts.push_back({name, 0, 0});
  for (std::size_t i = 0; i < found.of.size(); ++i) {
    auto& host = hosts[found.of[i]];
    ++host.services;
    host.checks_a_second += rate_of(services[i]);
  }
  std::ranges::sort(hosts, [](const HostLoad& a, const HostLoad& b) {
    return a.checks_a_second != b.checks_a_second ? a.checks_a_second > b.checks_a_second : a.host < b.host;
  });
  return hosts;
}

void warn_of_hosts(const Plan& plan, double limit, std::vector<std::string>& warnings) {
  std::size_t more = 0;
  for (const auto& host : plan.hosts) {
    const double gets = limit > 0 ? std::min(limit, host.checks_a_second) : host.checks_a_second;
    if (gets <= kManyChecksASecond) continue;
    if (warnings.size() == kMostHostWarnings) {
      ++more;
      continue;
    }
    warnings.push_back(fmt::format(
        "{} gets {:.1f} checks a second from {} services: unless it is yours and meant for that, poll it less often, "
        "or {} limits.per_host_rate",
        host.host, gets, host.services, limit > 0 ? "lower" : "set"));
  }
  if (more > 0)
    warnings.push_back(fmt::format("{} more hosts get more than {} checks a second", more, kManyChecksASecond));
}

void warn_of_rate(const Plan& plan, double limit, std::vector<std::string>& warnings) {
  if (limit <= 0 || plan.hosts.empty() || plan.hosts.front().checks_a_second <= limit) return;
  const auto& first = plan.hosts.front();
  const auto beyond = std::ranges::count_if(plan.hosts, [&](const auto& host) { return host.checks_a_second > limit; });
  constexpr double kPercent = 100;
  warnings.push_back(
      fmt::format("limits.per_host_rate lets {} checks a second go to one host, and the services of {} ask for {:.1f}: "
                  "about {:.0f} % "
                  "of their slots will be skipped{}",
                  limit, first.host, first.checks_a_second, kPercent * (1 - limit / first.checks_a_second),
                  beyond > 1 ? fmt::format(" (some slots of {} more hosts too)", beyond - 1) : ""));
}

/// Of hosts whose checks want to run at once more often than they may, though none takes longer than is typical.
void warn_of_concurrency(const agent::Limits& limits, const agent::Hosts& hosts, const std::vector<Wanted>& typical,
                         std::vector<std::string>& warnings) {
  const auto most = limits.per_host_concurrency;
  if (most == 0 || typical.empty()) return;
  const auto busiest = std::ranges::max_element(typical, {}, &Wanted::checks);
  if (at_least(busiest->checks) <= most) return;
  const auto beyond = std::ranges::count_if(typical, [&](const auto& host) { return at_least(host.checks) > most; });
  constexpr double kPercent = 100;
  warnings.push_back(fmt::format(
      "limits.per_host_concurrency lets {} checks of one host run at once, and those of {} need about {} even if each "
      "takes {} ms: about {:.0f} % of their slots will be skipped{}",
      most, hosts.names[static_cast<std::size_t>(busiest - typical.begin())], at_least(busiest->checks),
      kTypicalCheck.count(), kPercent * (1 - static_cast<double>(most) / busiest->checks),
      beyond > 1 ? fmt::format(" (some slots of {} more hosts too)", beyond - 1) : ""));
}

void warn_of_files(const Plan& plan, std::size_t kept, std::vector<std::string>& warnings) {
  if (plan.at_once_worst <= plan.at_once_possible) return;
  const bool can_be_raised = plan.at_once_worst <= agent::kMostChecksAtOnce;
  warnings.push_back(fmt::format(
      "when no server answers, {} checks would have to run at once and {} can, so that slots are skipped: {}shorten "
      "timeouts, or poll less often",
      plan.at_once_worst, plan.at_once_possible,
      can_be_raised ? fmt::format("raise the limit of open files to {} (LimitNOFILE= of the unit, or ulimit -n), ",
                                  agent::files_needed(plan.at_once_worst, kept))
                    : ""));
}

void warn_of_cap(const Plan& plan, std::uint64_t cap, std::vector<std::string>& warnings) {
  const auto& local = plan.local;
  if (!local.kept_for || local.rows_a_day == 0) return;
  const double days = static_cast<double>(cap) / (static_cast<double>(local.rows_a_day) * kLocalRowBytes);
  if (std::chrono::duration<double, std::chrono::days::period>(*local.kept_for).count() <= days) return;
  warnings.push_back(
      fmt::format("the local database reaches its size limit of {} after about {:.1f} days, before {} are over: the "
                  "oldest results will go then; raise local_max_size, or keep them for less long",
                  common::format_size(cap), days, common::format_duration(*local.kept_for)));
}

}  // namespace

Volume local_volume(const config::Settings& settings, std::uint64_t max_size) {
  const bool exporting = !settings.exporter.uri.empty();
  const bool purged = settings.collector.enabled && (!exporting || settings.exporter.enabled);
  std::optional<seconds> kept_for;
  if (purged) kept_for = exporting ? settings.collector.keep_exported : settings.collector.local_retention;
  Stored stored{checks_a_second(settings), kLocalRowBytes, kept_for, {}, 0};
  if (kept_for) {  // an hour is rolled up when it is purged
    stored.rolled_a_day = rollups_a_day(settings, kLocalHour, kLocalDay);
    const auto rolled = [&](seconds time) { return std::max(0.0, days_of(time) - days_of(*kept_for)); };
    stored.rolled_kept = stored.rolled_a_day.hours * rolled(settings.collector.rollup_hours) +
                         stored.rolled_a_day.days * rolled(settings.collector.rollup_days);
  }
  auto out = volume(stored);
  keep_below(out, settings.storage.max_size.value_or(max_size), kLocalRowBytes);
  return out;
}

Volume remote_volume(const config::Settings& settings) {
  const auto& exporter = settings.exporter;
  Stored stored{0, kRemoteRowBytes, exporter.remote_retention, {}, 0};
  if (!exporter.enabled) return volume(stored);
  stored.rate = checks_a_second(settings);
  stored.rolled_a_day = rollups_a_day(settings, kRemoteHour, kRemoteDay);
  stored.rolled_kept = stored.rolled_a_day.hours * days_of(exporter.rollup_hours) +
                       stored.rolled_a_day.days * days_of(exporter.rollup_days);
  return volume(stored);
}

Plan plan_of(const config::Settings& settings, std::size_t open_files, std::uint64_t max_size) {
  const auto& services = settings.agent.services;
  const bool polls = settings.agent.enabled;
  const auto hosts = polls ? agent::hosts_of(services) : agent::Hosts{};
  const auto typical = busy(settings.agent, hosts, [](const auto&) { return kTypicalCheck; });
  const auto worst = busy(settings.agent, hosts, [](const auto& service) { return service.timeout; });
  const std::size_t kept = polls ? agent::connections_kept(services) : 0;
  const auto files = agent::share_out(open_files, kept);
  const double empty = kProgramBytes + kServiceBytes * static_cast<double>(services.size());

  Plan plan;
  plan.services = services.size();
  plan.checks_a_second = checks_a_second(settings);
  plan.hosts = hosts_by_load(services, hosts);
  plan.at_once_typical = at_least(typical.checks);
  plan.at_once_worst = at_least(worst.checks);
  plan.at_once_possible = files.checks;
  plan.idle_connections = files.idle;
  plan.open_files = open_files;
  const double idle = static_cast<double>(files.idle) / static_cast<double>(std::max<std::size_t>(1, kept));
  plan.memory_typical = whole(empty + typical.bytes + idle * typical.idle_bytes);
  const double possible = std::min(1.0, static_cast<double>(plan.at_once_possible) / std::max(1.0, worst.checks));
  plan.memory_worst = std::max(plan.memory_typical, whole(empty + worst.bytes * possible + idle * worst.idle_bytes));
  plan.local = local_volume(settings, max_size);
  if (!settings.exporter.uri.empty()) plan.remote = remote_volume(settings);

  const double limit = settings.agent.limits.per_host_rate;
  warn_of_hosts(plan, limit, plan.warnings);
  warn_of_rate(plan, limit, plan.warnings);
  warn_of_concurrency(settings.agent.limits, hosts, typical.by_host, plan.warnings);
  warn_of_files(plan, kept, plan.warnings);
  warn_of_cap(plan, settings.storage.max_size.value_or(max_size), plan.warnings);
  return plan;
}

}  // namespace monitor::app
