#include "app/plan.h"

#include <algorithm>
#include <cmath>

#include <fmt/format.h>

#include "agent/politeness.h"
#include "app/limits.h"
#include "common/units.h"

namespace monitor::app {
namespace {

using std::chrono::seconds;

constexpr std::chrono::days kDay{1};
constexpr std::chrono::days kYear{365};
/// What a row of a passed check costs here, and in PostgreSQL with both indexes.
constexpr double kLocalRowBytes = 70;
constexpr double kRemoteRowBytes = 190;
/// DESIGN: the cap that the local database has by itself, where the disk is large enough.
constexpr std::uint64_t kUsualMaxSize = std::uint64_t{10} << 30;
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

Volume volume(double rate, double row_bytes, std::optional<seconds> kept_for, std::optional<std::uint64_t> cap) {
  const double a_day = rate * static_cast<double>(seconds{kDay}.count());
  const double a_year = rate * static_cast<double>(seconds{kYear}.count());
  double kept = rate * static_cast<double>(std::min<seconds>(kept_for.value_or(kYear), kYear).count());
  if (cap) kept = std::min(kept, static_cast<double>(*cap) / row_bytes);
  return {.rows_a_day = whole(a_day),
          .bytes_a_day = whole(a_day * row_bytes),
          .rows_a_year = whole(a_year),
          .bytes_a_year = whole(a_year * row_bytes),
          .kept_for = kept_for,
          .rows_kept = whole(kept),
          .bytes_kept = whole(kept * row_bytes)};
}

/// How much of its interval a service's check runs, if it takes so long: it never overlaps itself.
double share(const probe::Service& service, std::chrono::duration<double> takes) {
  return std::min(1.0, takes / std::chrono::duration<double>(service.interval));
}

/// Checks at once, and what they take in memory.
struct Busy {
  double checks = 0, bytes = 0;
  double idle_bytes = 0;  ///< of the connections that wait meanwhile, if all of them may
};

template <typename Takes>
Busy busy(const config::Settings& settings, Takes takes) {
  Busy sum;
  if (!settings.agent.enabled) return sum;
  for (const auto& service : settings.agent.services) {
    const double part = share(service, takes(service));
    sum.checks += part;
    const bool tls = service.target.starts_with("https:");
    sum.bytes += part * (tls ? kTlsCheckBytes : kPlainCheckBytes);
    if (service.spec().reuse) sum.idle_bytes += (1 - part) * (tls ? kTlsIdleBytes : kPlainIdleBytes);
  }
  return sum;
}

std::vector<HostLoad> hosts_by_load(const config::Settings& settings) {
  if (!settings.agent.enabled) return {};
  const auto& services = settings.agent.services;
  auto found = agent::hosts_of(services);
  std::vector<HostLoad> hosts;
  hosts.reserve(found.names.size());
  for (auto& name : found.names) hosts.push_back({std::move(name), 0, 0});
  for (std::size_t i = 0; i < services.size(); ++i) {
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
        "or set limits.per_host_rate",
        host.host, gets, host.services));
  }
  if (more > 0)
    warnings.push_back(fmt::format("{} more hosts get more than {} checks a second", more, kManyChecksASecond));
}

void warn_of_limit(const Plan& plan, double limit, std::vector<std::string>& warnings) {
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

void warn_of_files(const Plan& plan, std::size_t reusing, std::vector<std::string>& warnings) {
  if (plan.at_once_worst <= plan.at_once_possible) return;
  const bool can_be_raised = plan.at_once_worst <= agent::kMostChecksAtOnce;
  warnings.push_back(fmt::format(
      "when no server answers, {} checks would have to run at once and {} can, so that slots are skipped: {}shorten "
      "timeouts, or poll less often",
      plan.at_once_worst, plan.at_once_possible,
      can_be_raised ? fmt::format("raise the limit of open files to {} (LimitNOFILE= of the unit, or ulimit -n), ",
                                  plan.at_once_worst + agent::kReservedFiles + reusing)
                    : ""));
}

void warn_of_cap(const config::Settings& settings, const Plan& plan, std::vector<std::string>& warnings) {
  const auto& local = plan.local;
  const auto cap = settings.storage.max_size.value_or(kUsualMaxSize);
  if (!local.kept_for || local.bytes_a_day == 0) return;
  const double days = static_cast<double>(cap) / static_cast<double>(local.bytes_a_day);
  if (std::chrono::duration<double, std::chrono::days::period>(*local.kept_for).count() <= days) return;
  warnings.push_back(
      fmt::format("the local database reaches its size limit of {} after about {:.1f} days, before {} are over: the "
                  "oldest results will go then; raise local_max_size, or keep them for less long",
                  common::format_size(cap), days, common::format_duration(*local.kept_for)));
}

}  // namespace

Volume local_volume(const config::Settings& settings) {
  const bool exporting = !settings.exporter.uri.empty();
  const bool purged = settings.collector.enabled && (!exporting || settings.exporter.enabled);
  std::optional<seconds> kept_for;
  if (purged) kept_for = exporting ? settings.collector.keep_exported : settings.collector.local_retention;
  return volume(checks_a_second(settings), kLocalRowBytes, kept_for, settings.storage.max_size.value_or(kUsualMaxSize));
}

Volume remote_volume(const config::Settings& settings) {
  const double rate = settings.exporter.enabled ? checks_a_second(settings) : 0;
  return volume(rate, kRemoteRowBytes, settings.exporter.remote_retention, std::nullopt);
}

std::size_t reusing(const config::Settings& settings) {
  const auto reuses = [](const auto& service) { return service.spec().reuse; };
  return static_cast<std::size_t>(std::ranges::count_if(settings.agent.services, reuses));
}

Plan plan_of(const config::Settings& settings, std::size_t open_files) {
  const auto& services = settings.agent.services;
  const auto typical = busy(settings, [](const auto&) { return kTypicalCheck; });
  const auto worst = busy(settings, [](const auto& service) { return service.timeout; });
  const double empty = kProgramBytes + kServiceBytes * static_cast<double>(services.size());

  Plan plan;
  plan.services = services.size();
  plan.checks_a_second = checks_a_second(settings);
  plan.hosts = hosts_by_load(settings);
  plan.at_once_typical = at_least(typical.checks);
  plan.at_once_worst = at_least(worst.checks);
  plan.at_once_possible = checks_at_once(reusing(settings), open_files);
  plan.idle_connections = idle_connections(reusing(settings), open_files);
  plan.open_files = open_files;
  const double all = static_cast<double>(std::max<std::size_t>(1, reusing(settings)));
  const double kept = static_cast<double>(plan.idle_connections) / all;
  plan.memory_typical = whole(empty + typical.bytes + kept * typical.idle_bytes);
  const double possible = std::min(1.0, static_cast<double>(plan.at_once_possible) / std::max(1.0, worst.checks));
  plan.memory_worst = std::max(plan.memory_typical, whole(empty + worst.bytes * possible + kept * worst.idle_bytes));
  plan.local = local_volume(settings);
  if (!settings.exporter.uri.empty()) plan.remote = remote_volume(settings);

  const double limit = settings.agent.limits.per_host_rate;
  warn_of_hosts(plan, limit, plan.warnings);
  warn_of_limit(plan, limit, plan.warnings);
  warn_of_files(plan, reusing(settings), plan.warnings);
  warn_of_cap(settings, plan, plan.warnings);
  return plan;
}

}  // namespace monitor::app
