#include "report/remote_services.h"

#include <algorithm>
#include <utility>

#include "report/postgres.h"

namespace monitor::report {

void RemoteServices::define(storage::DefinitionId definition, const std::string& key, std::string label,
                            std::chrono::seconds interval) {
  auto& service = services_[key];
  service.label = std::move(label);
  service.interval = std::max(service.interval, interval);
  if (service.number == 0) {
    service.number = std::ssize(services_);
    by_number_.emplace(service.number, &service);
  }
  by_definition_.emplace(definition, Known{&service, interval});
}

const Known* RemoteServices::find(storage::DefinitionId definition) const {
  const auto found = by_definition_.find(definition);
  return found == by_definition_.end() ? nullptr : &found->second;
}

std::vector<std::string> RemoteServices::numbers_of(const std::set<RemoteService*>& services) const {
  std::vector<std::int64_t> definitions, numbers;
  for (const auto& [definition, known] : by_definition_) {
    if (!services.contains(known.service)) continue;
    definitions.push_back(definition);
    numbers.push_back(known.service->number);
  }
  return {array_of(definitions), array_of(numbers)};
}

RemoteAgent& RemoteServices::agent(AgentId id) {
  auto& agent = agents_[id];
  if (!agent.absence) agent.absence.emplace(std::vector<Span>{}, Span{});
  return agent;
}

void RemoteServices::mark(const Known& known, AgentId id, common::WallTime first, common::WallTime last) {
  auto& by = agent(id);
  by.services[known.service].activity.mark(*by.absence, first, last, known.interval);
}

}  // namespace monitor::report
