#include "app/daemon.h"

#include <cstdlib>
#include <memory>
#include <string>

#include <boost/asio/io_context.hpp>

#include "agent/agent.h"
#include "agent/files.h"
#include "app/control_server.h"
#include "app/health_json.h"
#include "app/limits.h"
#include "app/plan.h"
#include "app/signals.h"
#include "app/supervisor.h"
#include "app/systemd.h"
#include "async/clock.h"
#include "async/event.h"
#include "async/task_group.h"
#include "collector/collector.h"
#include "common/error.h"
#include "common/log.h"
#include "exporter/exporter.h"
#include "probe/prober.h"
#include "storage/store.h"

namespace monitor::app {
namespace {

namespace asio = boost::asio;
namespace log = common::log;
using std::chrono::milliseconds;
using std::chrono::seconds;

/// What the last export attempt may take at the stop, and what a PostgreSQL that hangs is waited for before it.
constexpr milliseconds kLastExport{3000};
constexpr seconds kExporterPatience{2};
constexpr seconds kLastPatience{2};

constexpr const char* kStopTask = "stop";

class Daemon {
 public:
  Daemon(const config::Settings& settings, bool notify_systemd);
  int run();

 private:
  async::TaskGroup::OnFailure on_failure();
  void build();
  void open_control();
  void start();
  void say_where_results_go() const;
  void stop(const std::string& why, int status);
  asio::awaitable<void> run_agent();
  asio::awaitable<void> run_exporter();
  asio::awaitable<void> stop_in_order();
  asio::awaitable<void> stop_exporting();
  Watched watched() const;

  const config::Settings& settings_;
  const bool exporting_;
  asio::io_context io_{1};
  async::SystemClock clock_;
  Systemd systemd_;
  Supervisor supervisor_;
  std::unique_ptr<storage::Store> store_;
  std::unique_ptr<probe::Prober> prober_;
  std::unique_ptr<agent::Agent> agent_;
  std::unique_ptr<exporter::Exporter> exporter_;
  std::unique_ptr<collector::Collector> collector_;
  std::unique_ptr<control::Server> control_;  // null: it could not be opened
  // One group a worker, so that each can be stopped in its turn.
  async::TaskGroup agent_tasks_, exporter_tasks_, collector_tasks_, store_tasks_, control_tasks_, own_tasks_;
  async::Event agent_ended_, exporter_ended_;
  bool exporter_runs_ = false;
  bool stopping_ = false;
  int status_ = EXIT_SUCCESS;
};

std::string explain(const std::exception_ptr& failure) {
  try {
    std::rethrow_exception(failure);
  } catch (const std::exception& error) {
    return error.what();
  } catch (...) {
    return "unknown exception";
  }
}

/// Every loop catches what it can mend; what gets past it is a bug, and a restart is safer than to go on without a
/// worker.
async::TaskGroup::OnFailure Daemon::on_failure() {
  return [this](const std::string& name, std::exception_ptr failure) {
    stop(fmt::format("the {} died: {}", name, explain(failure)), EXIT_FAILURE);
  };
}

Daemon::Daemon(const config::Settings& settings, bool notify_systemd)
    : settings_(settings),
      exporting_(!settings.exporter.uri.empty()),
      systemd_(notify_systemd),
      supervisor_([this] { return watched(); }, systemd_, clock_),
      agent_tasks_(io_.get_executor(), on_failure()),
      exporter_tasks_(io_.get_executor(), on_failure()),
      collector_tasks_(io_.get_executor(), on_failure()),
      store_tasks_(io_.get_executor(), on_failure()),
      control_tasks_(io_.get_executor(), on_failure()),
      own_tasks_(io_.get_executor(),
                 [this, otherwise = on_failure()](const std::string& name, std::exception_ptr failure) {
                   otherwise(name, failure);
                   if (name == kStopTask) io_.stop();  // the orderly stop itself failed
                 }),
      agent_ended_(io_.get_executor()),
      exporter_ended_(io_.get_executor()) {}

void Daemon::build() {
  const std::size_t open_files = raise_open_files();
  auto storage = settings_.storage;
  storage.polls = settings_.agent.enabled;
  store_ = storage::Store::open(io_.get_executor(), storage, clock_);
  if (settings_.agent.enabled) {
    const auto files = agent::share_out(open_files, agent::connections_kept(settings_.agent.services));
    log::info("At most {} checks run at once (limit of open files: {}).", files.checks, open_files);
    auto net = settings_.net;
    net.max_idle = files.idle;
    net.max_spare = files.spare;
    prober_ = probe::Prober::create(io_.get_executor(), clock_, net);
    agent_ = agent::Agent::create(io_.get_executor(), settings_.agent, files.checks, *prober_, *store_, clock_);
  }
  if (exporting_ && settings_.exporter.enabled) {
    exporter_ = exporter::Exporter::create(io_.get_executor(), settings_.exporter, *store_, clock_);
    store_->on_commit([this] { exporter_->wake(); });
  }
  if (settings_.collector.enabled) {
    collector_ = collector::Collector::create(io_.get_executor(), settings_.collector, exporting_, *store_, clock_);
  }
}

/// The daemon is asked over it, and works without it.
void Daemon::open_control() {
  try {
    auto control = std::make_unique<control::Server>(io_.get_executor(), settings_.storage.path);
    control->open();
    control_ = std::move(control);
  } catch (const common::Error& error) {
    return log::warning("The daemon cannot be asked anything while it runs: {}", error.what());
  }
  control_->handle("health", [this](const boost::json::object&) -> asio::awaitable<boost::json::object> {
    co_return to_json(supervisor_.health());
  });
}

void Daemon::start() {
  store_tasks_.spawn("store", store_->run());
  if (agent_) {
    log::info("Starting Agent worker.");
    agent_tasks_.spawn("agent", run_agent());
  }
  if (collector_) {
    log::info("Starting Collector worker.");
    collector_tasks_.spawn("collector", collector_->run());
  }
  if (exporter_) {
    log::info("Starting Exporter worker.");
    exporter_runs_ = true;
    exporter_tasks_.spawn("exporter", run_exporter());
  }
  say_where_results_go();
  if (control_) control_tasks_.spawn("control socket", control_->run());
  own_tasks_.spawn("supervisor", supervisor_.run());
  systemd_.ready();
}

void Daemon::say_where_results_go() const {
  const auto local = common::format_size(local_volume(settings_, store_->max_size_bytes()).bytes_a_day);
  if (exporting_) {
    log::info("{} services. Results go to {} (about {} a day) and on to {} (about {} a day).",
              settings_.agent.services.size(), settings_.storage.path.string(), local,
              exporter::masked_uri(settings_.exporter.uri), common::format_size(remote_volume(settings_).bytes_a_day));
  } else {
    log::info("{} services. Results go to {} (about {} a day, kept for {}); no external database is configured.",
              settings_.agent.services.size(), settings_.storage.path.string(), local,
              common::format_duration(settings_.collector.local_retention));
  }
}

asio::awaitable<void> Daemon::run_agent() {
  co_await agent_->run();
  agent_ended_.notify();
}

asio::awaitable<void> Daemon::run_exporter() {
  std::exception_ptr failure;
  try {
    co_await exporter_->run();
  } catch (...) {
    failure = std::current_exception();
  }
  exporter_runs_ = false;
  exporter_ended_.notify();
  if (failure) std::rethrow_exception(failure);
}

void Daemon::stop(const std::string& why, int status) {
  if (status != EXIT_SUCCESS) {
    log::error("Stopping: {}.", why);
    status_ = status;
  } else {
    log::info("Stopping: {}.", why);
  }
  if (stopping_) return;
  stopping_ = true;
  systemd_.stopping();
  own_tasks_.cancel();  // the supervisor; what is spawned below comes after
  own_tasks_.spawn(kStopTask, stop_in_order());
}

asio::awaitable<void> Daemon::stop_in_order() {
  control_tasks_.cancel();
  if (agent_ && agent_tasks_.size() > 0) {
    agent_->stop();
    const auto grace = clock_.steady() + settings_.stop_grace;
    if (!co_await agent_ended_.wait_until(grace)) {
      agent_->cut();
      co_await agent_tasks_.join();
    }
  }
  if (agent_) agent_->close_books();
  co_await store_->commit();
  if (exporter_) co_await stop_exporting();
  collector_tasks_.cancel();
  co_await collector_tasks_.join();
  co_await control_tasks_.join();
  store_tasks_.cancel();
  co_await store_tasks_.join();
  if (agent_) agent_->close_books();  // what came due since the last export goes at the next start
  const auto committed = store_->health().committed;
  if (co_await store_->close() > 0) status_ = EXIT_FAILURE;  // the store has said what, and recorded it
  log::info("Stopped: {} results committed since the start.", committed);
  io_.stop();
}

asio::awaitable<void> Daemon::stop_exporting() {
  exporter_tasks_.cancel();
  if (exporter_runs_) co_await exporter_ended_.wait_until(clock_.steady() + kExporterPatience);
  if (!exporter_runs_) co_await exporter_->flush(kLastExport);
}

Watched Daemon::watched() const {
  return {.settings = settings_,
          .store = *store_,
          .agent = agent_.get(),
          .exporter = exporter_.get(),
          .collector = collector_.get()};
}

int Daemon::run() {
  build();
  open_control();
  const Signals signals(
      io_.get_executor(), [this](const char* name) { stop(std::string{name} + " received", EXIT_SUCCESS); },
      [] { log::warning("SIGHUP: the configuration is read at the start only; restart to apply a change."); });
  start();
  io_.run();
  // The local database is closed, so nothing is lost by not waiting for a call that hangs in libpq or the resolver.
  leave_within(kLastPatience, status_);
  return status_;
}

}  // namespace

int run(const config::Settings& settings, bool notify_systemd) {
  ignore_fatal_io_signals();
  Daemon daemon(settings, notify_systemd);
  return daemon.run();
}

}  // namespace monitor::app
