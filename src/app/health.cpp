#include "app/health.h"

#include <algorithm>

#include <fmt/format.h>

namespace monitor::app {

bool Health::healthy() const {
  return std::ranges::none_of(workers, [](const auto& worker) { return worker.condition == Condition::kStalled; });
}

const char* name_of(Condition condition) {
  switch (condition) {
    case Condition::kMoves:
      return "moves";
    case Condition::kDegraded:
      return "degraded";
    case Condition::kSlow:
      return "slow";
    case Condition::kStalled:
      return "stalled";
  }
  return "unknown";
}

std::string status_sentence(const Health& health) {
  std::string sentence;
  if (const auto& services = health.services) {
    sentence = fmt::format("{} services: {} up, {} degraded, {} down, {} unknown; {} checks, {} slots skipped{}; ",
                           services->all, services->up, services->degraded, services->down, services->unknown,
                           health.checks, health.skipped, health.late ? ", checks begin late" : "");
  }
  if (health.exporting) {
    sentence += fmt::format("{} results exported, {} waiting", health.exported, health.backlog);
  } else {
    sentence += fmt::format("{} results stored", health.committed);
  }
  for (const auto& worker : health.workers) {
    if (worker.problem.empty()) continue;
    sentence += fmt::format("; {}", worker.problem);
    if (worker.name == "store") sentence += fmt::format(" ({} results dropped)", health.dropped);
  }
  if (health.lines_dropped > 0) sentence += fmt::format("; {} log lines dropped", health.lines_dropped);
  return sentence;
}

std::string places(const std::vector<WorkerHealth>& workers) {
  std::string text;
  for (const auto& worker : workers) {
    text +=
        fmt::format("{}{}: {}", text.empty() ? "" : "; ", worker.name, worker.place.empty() ? "waiting" : worker.place);
  }
  return text;
}

}  // namespace monitor::app
