// The services that PostgreSQL has definitions of, and what a report gathers of them, by agent. One thread.
#pragma once

#include <chrono>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <unordered_map>
#include <vector>

#include "report/absence.h"
#include "report/hours.h"
#include "report/pieces.h"
#include "report/summary.h"
#include "storage/rows.h"

namespace monitor::report {

/// A service through all its definitions and agents.
struct RemoteService {
  std::string label;
  std::int64_t number = 0;
  std::chrono::seconds interval{};  ///< the longest
  Summary summary;
  storage::Rollup stale;                            ///< to be taken off again
  common::WallTime last = common::WallTime::min();  ///< its last check was then or later
};

/// A service as one agent checks it.
struct Watched {
  Absence::Activity activity;
  std::vector<Piece> pieces;
};

struct RemoteAgent {
  std::string name;
  std::optional<common::WallTime> exported_at;
  bool silent = false;
  std::vector<Span> gaps;
  std::optional<Absence> absence;
  std::unordered_map<RemoteService*, Watched> services;
};

struct Known {
  RemoteService* service = nullptr;
  std::chrono::seconds interval{};
};

class RemoteServices {
 public:
  RemoteServices() = default;
  RemoteServices(const RemoteServices&) = delete;
  RemoteServices& operator=(const RemoteServices&) = delete;

  /// A service is told by its key: changed settings do not begin a new history.
  void define(storage::DefinitionId definition, const std::string& key, std::string label,
              std::chrono::seconds interval);
  /// Null for a definition that is not reported on.
  const Known* find(storage::DefinitionId definition) const;
  /// By RemoteService::number, which must be one.
  RemoteService& at(std::int64_t number) const { return *by_number_.at(number); }
  /// Definitions and the number of the service of each, as two parameters of a query.
  std::vector<std::string> numbers_of(const std::set<RemoteService*>& services) const;

  /// Made if there is none of that number.
  RemoteAgent& agent(AgentId id);
  Watched& watched(AgentId id, RemoteService& service) { return agent(id).services[&service]; }
  /// Something of the service was due in [first, last].
  void mark(const Known& known, AgentId id, common::WallTime first, common::WallTime last);

  std::map<std::string, RemoteService>& services() { return services_; }
  const std::unordered_map<storage::DefinitionId, Known>& definitions() const { return by_definition_; }
  std::map<AgentId, RemoteAgent>& agents() { return agents_; }

 private:
  std::map<std::string, RemoteService> services_;
  std::unordered_map<storage::DefinitionId, Known> by_definition_;
  std::unordered_map<std::int64_t, RemoteService*> by_number_;
  std::map<AgentId, RemoteAgent> agents_;
};

}  // namespace monitor::report
