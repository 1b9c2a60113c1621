#include "app/reload.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

namespace monitor::app {
namespace {

/// In what two configurations differ, key by key.
class Comparison {
 public:
  Comparison(const config::Settings& before, const config::Settings& after) : before_(before), after_(after) {}

  Difference run() {
    compare_storage();
    compare_workers();
    compare_databases();
    const auto& limits = before_.agent.limits;
    if (limits.per_host_concurrency != after_.agent.limits.per_host_concurrency ||
        limits.per_host_rate != after_.agent.limits.per_host_rate ||
        before_.net.deny_networks != after_.net.deny_networks) {
      out_.applied.emplace_back("limits");
    }
    if (before_.net.dns_cache != after_.net.dns_cache) out_.applied.emplace_back("dns_cache");
    if (before_.stop_grace != after_.stop_grace) out_.applied.emplace_back("stop_grace");
    if (before_.watch != after_.watch) out_.applied.emplace_back("watch_config");
    return std::move(out_);
  }

 private:
  void compare_storage() {
    if (before_.storage.path != after_.storage.path) out_.restart.emplace_back("local_database_path");
    if (before_.storage.max_size != after_.storage.max_size) out_.applied.emplace_back("local_max_size");
  }

  void compare_workers() {
    if (before_.agent.enabled != after_.agent.enabled) out_.restart.emplace_back("workers.agent");
    if (before_.exporter.enabled != after_.exporter.enabled) made_anew(out_.exporter, "workers.exporter");
    if (before_.collector.enabled != after_.collector.enabled) made_anew(out_.collector, "workers.collector");
  }

  void compare_databases() {
    const auto& exporter = before_.exporter;
    const auto& collector = before_.collector;
    if (exporter.uri != after_.exporter.uri) {
      made_anew(out_.exporter, "external_database_uri");
      out_.collector |= exporter.uri.empty() != after_.exporter.uri.empty();  // what has to arrive before it goes
    }
    if (exporter.remote_retention != after_.exporter.remote_retention) made_anew(out_.exporter, "remote_retention");
    if (collector.keep_exported != after_.collector.keep_exported) made_anew(out_.collector, "keep_exported");
    if (collector.local_retention != after_.collector.local_retention) made_anew(out_.collector, "local_retention");
    if (exporter.rollup_hours != after_.exporter.rollup_hours || exporter.rollup_days != after_.exporter.rollup_days) {
      made_anew(out_.exporter, "rollups");
      out_.collector = true;
    }
  }

  void made_anew(bool& worker, const char* key) {
    worker = true;
    out_.applied.emplace_back(key);
  }

  const config::Settings& before_;
  const config::Settings& after_;
  Difference out_;
};

}  // namespace

Difference difference_of(const config::Settings& before, const config::Settings& after) {
  return Comparison(before, after).run();
}

bool loses_too_many(std::size_t before, std::size_t removed) {
  return 2 * removed > before;
}

std::string sentence_of(const Reloaded& reloaded) {
  const auto same = reloaded.services - reloaded.added - reloaded.changed;
  auto out = fmt::format("services: {} added, {} changed, {} removed, {} as they were.", reloaded.added,
                         reloaded.changed, reloaded.removed, same);
  if (!reloaded.polled) out += " Nobody polls them: the agent is switched off.";
  if (!reloaded.applied.empty()) out += fmt::format(" Also in force: {}.", fmt::join(reloaded.applied, ", "));
  if (!reloaded.restart.empty()) out += fmt::format(" After a restart only: {}.", fmt::join(reloaded.restart, ", "));
  return out;
}

}  // namespace monitor::app
