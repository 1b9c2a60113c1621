#include "app/supervisor.h"

#include <algorithm>
#include <new>
#include <unistd.h>
#include <utility>

#include <fmt/format.h>

#include "async/event.h"
#include "common/log.h"

namespace monitor::app {

namespace asio = boost::asio;
namespace log = common::log;
using std::chrono::milliseconds;
using std::chrono::seconds;

namespace {

constexpr seconds kStatusEvery{5};
constexpr milliseconds kTick{1000};
constexpr milliseconds kShortestTick{10};

/// A check that hangs while the agent's loop goes on: another way for the agent not to move.
constexpr const char* kAgent = "agent";
constexpr const char* kCheck = "check";

std::vector<std::string> names_from(const std::vector<WorkerHealth>& workers, Condition least) {
  std::vector<std::string> names;
  for (const auto& worker : workers) {
    if (worker.condition >= least) names.push_back(worker.name);
  }
  return names;
}

std::string place_of(const agent::Health& agent) {
  auto place = fmt::format("{} checks running", agent.running);
  if (const auto& overdue = agent.overdue) {
    place += fmt::format(", one of them for {} with a timeout of {}: {}", common::format_duration(overdue->since),
                         common::format_duration(overdue->timeout), overdue->service);
  }
  return place;
}

/// `still`: for so long it has not moved.
WorkerHealth worker_after(common::SteadyTime::duration still, const std::string& name, const std::string& problem,
                          const std::string& place) {
  WorkerHealth worker{.name = name, .still = std::chrono::floor<seconds>(still), .problem = problem, .place = place};
  if (still > Supervisor::kStallAfter) {
    worker.condition = Condition::kStalled;
  } else if (still > Supervisor::kSlowAfter) {
    worker.condition = Condition::kSlow;
  } else if (!problem.empty()) {
    worker.condition = Condition::kDegraded;
  }
  return worker;
}

bool holds(const std::vector<std::string>& names, const std::string& name) {
  return std::ranges::find(names, name) != names.end();
}

}  // namespace

Supervisor::Supervisor(std::function<Watched()> look, Systemd& systemd, IoWatch& watch, MemoryWatch& memory,
                       const async::Clock& clock)
    : look_(std::move(look)),
      systemd_(systemd),
      watch_(watch),
      memory_(memory),
      clock_(clock),
      began_(clock.steady()),
      next_status_(began_) {}

milliseconds Supervisor::tick() const {
  const auto limit = systemd_.watchdog_limit();
  if (!limit) return kTick;
  return std::clamp(std::chrono::duration_cast<milliseconds>(*limit / 3), kShortestTick, kTick);
}

asio::awaitable<void> Supervisor::run() {
  for (;;) {
    try {
      turn();
    } catch (const std::bad_alloc&) {  // the next one may find memory
    }
    co_await async::sleep_for(tick());
  }
}

void Supervisor::turn() {
  const auto now = clock_.steady();
  memory_.turn(now);
  progress_.look(now, pulses());
  const auto seen = workers();
  watch_.beat(places(seen), look_().store.health().waiting);
  if (stopping_) return;
  say_changes(seen);
  if (stalled_.empty()) systemd_.watchdog();
  if (now < next_status_) return;
  systemd_.status(status_sentence(health()));
  next_status_ = now + kStatusEvery;
}

void Supervisor::say_changes(const std::vector<WorkerHealth>& now) {
  auto slow = names_from(now, Condition::kSlow);
  auto stalled = names_from(now, Condition::kStalled);
  for (const auto& worker : now) {
    if (holds(stalled, worker.name) && !holds(stalled_, worker.name)) {
      log::error("The {} has not moved for more than {}; the watchdog is not fed until it does. {}", worker.name,
                 common::format_duration(kStallAfter), places(now));
    } else if (holds(slow, worker.name) && !holds(slow_, worker.name)) {
      log::warning("The {} has not moved for more than {}. {}", worker.name, common::format_duration(kSlowAfter),
                   places(now));
    }
  }
  if (slow.empty() && !slow_.empty()) log::warning("Every worker moves again.");
  slow_ = std::move(slow);
  stalled_ = std::move(stalled);
}

std::vector<Pulse> Supervisor::pulses() const {
  const auto watched = look_();
  std::vector<Pulse> all;
  const auto store = watched.store.health();
  all.push_back({"store", store.commits, store.degraded || store.waiting == 0});
  if (watched.agent != nullptr) {
    const auto agent = watched.agent->health();
    all.push_back({kAgent, agent.steps, false});
    all.push_back({kCheck, agent.overdue ? agent.overdue->number : 0, !agent.overdue});
  }
  if (watched.exporter != nullptr) {
    const auto exporter = watched.exporter->health();
    all.push_back({"exporter", exporter.steps, exporter.degraded});
  }
  if (watched.collector != nullptr) {
    const auto collector = watched.collector->health();
    all.push_back({"collector", collector.steps, collector.degraded});
  }
  return all;
}

WorkerHealth Supervisor::worker(const std::string& name, const std::string& problem, const std::string& place) const {
  return worker_after(progress_.still(name), name, problem, place);
}

WorkerHealth Supervisor::worker(const agent::Health& agent) const {
  return worker_after(std::max(progress_.still(kAgent), progress_.still(kCheck)), kAgent, agent.problem,
                      place_of(agent));
}

std::vector<WorkerHealth> Supervisor::workers() const {
  const auto watched = look_();
  const auto store = watched.store.health();
  std::vector<WorkerHealth> all{worker("store", store.problem, store.place)};
  if (watched.agent != nullptr) all.push_back(worker(watched.agent->health()));
  if (watched.exporter != nullptr) {
    const auto exporter = watched.exporter->health();
    all.push_back(worker("exporter", exporter.problem, exporter.place));
  }
  if (watched.collector != nullptr) {
    const auto collector = watched.collector->health();
    all.push_back(worker("collector", collector.problem, collector.place));
  }
  return all;
}

Health Supervisor::health() const {
  const auto watched = look_();
  const auto store = watched.store.health();
  Health health;
  health.workers = workers();
  if (watched.agent != nullptr) {
    const auto agent = watched.agent->health();
    health.services = {watched.settings.agent.services.size(), agent.up, agent.degraded, agent.down, agent.unknown};
    health.checks = agent.checks;
    health.skipped = agent.skipped;
    health.late = agent.late;
  }
  if (watched.exporter != nullptr) {
    const auto exporter = watched.exporter->health();
    health.exporting = true;
    health.exported = exporter.exported;
    health.quarantined = exporter.quarantined;
    health.backlog = watched.store.backlog();
  }
  if (store.last_commit) {
    health.last_commit = std::chrono::duration_cast<milliseconds>(clock_.steady() - *store.last_commit);
  }
  health.committed = store.committed;
  health.dropped = store.dropped;
  health.waiting = store.waiting;
  health.lines_dropped = log::dropped();
  health.config_file = watched.settings.file.string();
  health.database = watched.settings.storage.path.string();
  health.version = MONITOR_VERSION;
  health.pid = ::getpid();
  health.uptime = std::chrono::duration_cast<seconds>(clock_.steady() - began_);
  return health;
}

}  // namespace monitor::app
