#include "app/health_json.h"

#include <boost/json/array.hpp>
#include <boost/json/value.hpp>

namespace monitor::app {

namespace json = boost::json;

namespace {

json::object worker_json(const WorkerHealth& worker) {
  return {{"name", worker.name},
          {"condition", name_of(worker.condition)},
          {"still_s", worker.still.count()},
          {"problem", worker.problem.empty() ? json::value(nullptr) : json::value(worker.problem)},
          {"place", worker.place.empty() ? json::value(nullptr) : json::value(worker.place)}};
}

json::value services_json(const Health& health) {
  if (!health.services) return nullptr;
  const auto& services = *health.services;
  return json::object{{"all", services.all},
                      {"up", services.up},
                      {"degraded", services.degraded},
                      {"down", services.down},
                      {"unknown", services.unknown},
                      {"checks", health.checks},
                      {"slots_skipped", health.skipped},
                      {"late", health.late}};
}

json::value export_json(const Health& health) {
  if (!health.exporting) return nullptr;
  return json::object{{"exported", health.exported}, {"backlog", health.backlog}, {"quarantined", health.quarantined}};
}

}  // namespace

json::object to_json(const Health& health) {
  json::array workers;
  for (const auto& worker : health.workers) workers.emplace_back(worker_json(worker));
  json::value last_commit = nullptr;
  if (health.last_commit) last_commit = std::chrono::duration<double>(*health.last_commit).count();
  return {{"healthy", health.healthy()},
          {"status", status_sentence(health)},
          {"workers", std::move(workers)},
          {"services", services_json(health)},
          {"export", export_json(health)},
          {"store", json::object{{"committed", health.committed},
                                 {"waiting", health.waiting},
                                 {"dropped", health.dropped},
                                 {"last_commit_ago_s", std::move(last_commit)}}},
          {"log_lines_dropped", health.lines_dropped},
          {"config_file", health.config_file},
          {"database", health.database},
          {"version", health.version},
          {"pid", health.pid},
          {"uptime_s", health.uptime.count()}};
}

}  // namespace monitor::app
