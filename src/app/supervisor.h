// Watches the workers: feeds systemd's watchdog while each of them moves, says where a worker stands that does not,
// and knows the daemon's health. io thread only.
#pragma once

#include <functional>
#include <string>
#include <vector>

#include <boost/asio/awaitable.hpp>

#include "agent/agent.h"
#include "app/health.h"
#include "app/io_watch.h"
#include "app/memory_watch.h"
#include "app/progress.h"
#include "app/systemd.h"
#include "async/clock.h"
#include "collector/collector.h"
#include "config/settings.h"
#include "exporter/exporter.h"
#include "storage/store.h"

namespace monitor::app {

/// What runs now; null: that worker is switched off.
struct Watched {
  const config::Settings& settings;
  const storage::Store& store;
  const agent::Agent* agent = nullptr;
  const exporter::Exporter* exporter = nullptr;
  const collector::Collector* collector = nullptr;
};

class Supervisor {
 public:
  /// A worker that has not moved for this long: where it stands is logged.
  static constexpr std::chrono::seconds kSlowAfter{15};
  /// And is stalled; every call it makes carries a shorter limit of its own.
  static constexpr std::chrono::seconds kStallAfter{45};

  /// `look` is asked at every turn, so that workers may be replaced meanwhile. `watch` gets a beat, and
  /// `memory` a look, at every turn.
  Supervisor(std::function<Watched()> look, Systemd& systemd, IoWatch& watch, MemoryWatch& memory,
             const async::Clock& clock);

  /// Until cancelled.
  boost::asio::awaitable<void> run();
  /// One look at everything: says what has changed, feeds the watchdog.
  void turn();
  /// A stop has begun: workers end one after another, and that one does not move is no news.
  void stopping() { stopping_ = true; }
  Health health() const;

 private:
  std::vector<Pulse> pulses() const;
  std::vector<WorkerHealth> workers() const;
  WorkerHealth worker(const std::string& name, const std::string& problem, const std::string& place) const;
  WorkerHealth worker(const agent::Health& agent) const;
  void say_changes(const std::vector<WorkerHealth>& now);
  std::chrono::milliseconds tick() const;

  const std::function<Watched()> look_;
  Systemd& systemd_;
  IoWatch& watch_;
  MemoryWatch& memory_;
  const async::Clock& clock_;
  const common::SteadyTime began_;
  common::SteadyTime next_status_;
  bool stopping_ = false;
  Progress progress_{kStallAfter};
  std::vector<std::string> slow_, stalled_;  ///< as said
};

}  // namespace monitor::app
