#include "agent/recheck.h"

namespace monitor::agent {

bool followed(const probe::Recheck& rule, std::uint16_t attempt, common::Verdict verdict) {
  return verdict == common::Verdict::kDown && attempt < rule.times;
}

void Rechecks::plan(const Recheck& recheck, common::SteadyTime due) {
  give_way(recheck.service);
  planned_.emplace(recheck.service, Planned{recheck.attempt, due});
  by_due_.emplace(due, recheck.service);
}

void Rechecks::give_way(std::size_t service) {
  const auto found = planned_.find(service);
  if (found == planned_.end()) return;
  by_due_.erase({found->second.due, service});
  planned_.erase(found);
}

void Rechecks::clear() {
  planned_.clear();
  by_due_.clear();
}

std::optional<common::SteadyTime> Rechecks::next_due() const {
  if (by_due_.empty()) return std::nullopt;
  return by_due_.begin()->first;
}

void Rechecks::take_due(common::SteadyTime now, std::vector<Recheck>& ready) {
  while (!by_due_.empty() && by_due_.begin()->first <= now) {
    const std::size_t service = by_due_.begin()->second;
    ready.push_back({service, planned_.at(service).attempt});
    give_way(service);
  }
}

}  // namespace monitor::agent
