#include "report/report.h"

#include <map>

#include "report/summary.h"
#include "storage/reader.h"

namespace monitor::report {
namespace {

/// Rows that a clock gone wrong has stamped ahead of now are shown too.
constexpr std::chrono::days kAhead{3660};

std::string label_of(const storage::Definition& definition) {
  return definition.name.empty() ? definition.method + " " + definition.url : definition.name;
}

/// A service through all its definitions: changed settings do not begin a new history.
struct Service {
  std::string label;
  Summary summary;
  bool seen = false;
};

}  // namespace

std::vector<ServiceReport> summarize(const Options& options) {
  storage::Reader reader(options.database);
  std::map<std::string, Service> services;
  std::unordered_map<storage::DefinitionId, Service*> by_definition;
  for (const auto& [id, definition] : reader.definitions()) {
    const auto label = label_of(definition);
    if (options.service && label != *options.service) continue;
    auto& service = services[definition.key];
    service.label = label;
    by_definition.emplace(id, &service);
  }

  const auto from = options.now - options.last;
  const auto to = options.now + kAhead;
  reader.for_each_result(from, to, std::nullopt, [&](const storage::ReportRow& row) {
    const auto found = by_definition.find(row.definition->id);
    if (found == by_definition.end()) return;
    found->second->seen = true;
    if (row.attempt > 0) {
      found->second->summary.add_recheck();
      return;
    }
    const auto reason = storage::reason_text(row);
    found->second->summary.add(
        {row.requested_at, static_cast<std::uint8_t>(row.outcome), row.status.has_value(), row.total, reason});
  });
  for (const auto& range : reader.skipped(from, to)) {
    const auto found = by_definition.find(range.definition);
    if (found == by_definition.end()) continue;
    found->second->seen = true;
    found->second->summary.add_skipped(range.count);
  }

  std::vector<ServiceReport> reports;
  for (auto& [key, service] : services) {
    if (service.seen) reports.push_back(service.summary.finish(service.label));
  }
  std::ranges::sort(reports, {}, &ServiceReport::service);
  return reports;
}

}  // namespace monitor::report
