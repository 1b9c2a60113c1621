#include "app/daemon.h"

#include <cstdlib>
#include <functional>
#include <memory>
#include <new>
#include <string>
#include <unistd.h>
#include <utility>

#include <boost/asio/io_context.hpp>

#include "agent/agent.h"
#include "agent/files.h"
#include "app/control_server.h"
#include "app/export_worker.h"
#include "app/health_json.h"
#include "app/io_watch.h"
#include "app/lasting.h"
#include "app/limits.h"
#include "app/memory_watch.h"
#include "app/plan.h"
#include "app/reload_json.h"
#include "app/reloader.h"
#include "app/room_to_run.h"
#include "app/signals.h"
#include "app/store_commands.h"
#include "app/supervisor.h"
#include "app/systemd.h"
#include "async/clock.h"
#include "async/event.h"
#include "async/task_group.h"
#include "collector/collector.h"
#include "common/error.h"
#include "common/log.h"
#include "common/memory.h"
#include "exporter/exporter.h"
#include "probe/prober.h"
#include "storage/store.h"

namespace monitor::app {
namespace {

namespace asio = boost::asio;
namespace log = common::log;
using std::chrono::seconds;

constexpr seconds kLastPatience{2};
/// What a stop may take beside its grace. A disk that hangs holds up the last commit for as long as it likes.
constexpr seconds kStopPatience{20};

constexpr const char* kStopTask = "stop";

/// What the log still holds is written, if that can be done.
void leave_hanging() {
  log::stop();
  ::_exit(EXIT_FAILURE);
}

class Daemon {
 public:
  Daemon(config::Settings settings, bool notify_systemd);
  int run();

 private:
  async::TaskGroup::OnFailure on_failure();
  void build();
  agent::Files share_files(const config::Settings& settings) const;
  std::unique_ptr<exporter::Exporter> make_exporter(const config::Settings& settings);
  std::unique_ptr<collector::Collector> make_collector(const config::Settings& settings);
  void open_control();
  void start();
  void start_collector();
  asio::awaitable<void> apply(Takeover& next);
  struct Workers {
    std::unique_ptr<exporter::Exporter> exporter;
    std::unique_ptr<collector::Collector> collector;
  };
  asio::awaitable<void> replace(Workers next, const Difference& difference, bool elsewhere);
  void say_where_results_go() const;
  void stop(const std::string& why, int status);
  asio::awaitable<void> run_agent();
  asio::awaitable<void> stop_in_order();
  Watched look();

  common::MemoryReserve reserve_;
  std::shared_ptr<const config::Settings> settings_;  // in force
  std::size_t open_files_ = 0;
  asio::io_context io_{1};
  async::SystemClock clock_;
  Systemd systemd_;
  IoWatch watch_{IoWatch::Limits{}, leave_hanging};
  MemoryWatch memory_watch_{common::is_memory_short, [this] { return reserve_.take_back(); }};
  Supervisor supervisor_;
  std::unique_ptr<storage::Store> store_;
  std::unique_ptr<probe::Prober> prober_;
  std::unique_ptr<agent::Agent> agent_;
  ExportWorker exporting_;
  std::unique_ptr<collector::Collector> collector_;
  Reloader reloader_;
  std::unique_ptr<control::Server> control_;  // null: it could not be opened
  // One group a worker, so that each can be stopped in its turn.
  async::TaskGroup agent_tasks_, collector_tasks_, store_tasks_, control_tasks_, watch_tasks_, own_tasks_;
  async::Event agent_ended_, applied_;
  bool applying_ = false;  ///< workers are being replaced
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

Daemon::Daemon(config::Settings settings, bool notify_systemd)
    : settings_(std::make_shared<const config::Settings>(std::move(settings))),
      systemd_(notify_systemd),
      supervisor_([this] { return look(); }, systemd_, watch_, memory_watch_, clock_),
      exporting_(io_.get_executor(), clock_, on_failure()),
      reloader_(
          io_.get_executor(), [this] { return settings_; }, [this](Takeover& next) { return apply(next); }, systemd_),
      agent_tasks_(io_.get_executor(), on_failure()),
      collector_tasks_(io_.get_executor(), on_failure()),
      store_tasks_(io_.get_executor(), on_failure()),
      control_tasks_(io_.get_executor(), on_failure()),
      watch_tasks_(io_.get_executor(), on_failure()),
      own_tasks_(io_.get_executor(),
                 [this, otherwise = on_failure()](const std::string& name, std::exception_ptr failure) {
                   otherwise(name, failure);
                   if (name == kStopTask) io_.stop();  // the orderly stop itself failed
                 }),
      agent_ended_(io_.get_executor()),
      applied_(io_.get_executor()) {}

net::Options net_options(const config::Settings& settings, const agent::Files& files) {
  auto net = settings.net;
  net.max_idle = files.idle;
  net.max_spare = files.spare;
  return net;
}

agent::Files Daemon::share_files(const config::Settings& settings) const {
  return agent::share_out(open_files_, agent::connections_kept(settings.agent.services));
}

void Daemon::build() {
  open_files_ = raise_open_files();
  auto storage = settings_->storage;
  storage.polls = settings_->agent.enabled;
  store_ = storage::Store::open(io_.get_executor(), storage, clock_);
  store_->on_commit([this] { exporting_.wake(); });
  if (settings_->agent.enabled) {
    const auto files = share_files(*settings_);
    log::info("At most {} checks run at once (limit of open files: {}).", files.checks, open_files_);
    prober_ = probe::Prober::create(io_.get_executor(), clock_, net_options(*settings_, files));
    agent_ = agent::Agent::create(io_.get_executor(), settings_->agent, files.checks, *prober_, *store_, clock_);
  }
  exporting_.set(make_exporter(*settings_));
  collector_ = make_collector(*settings_);
}

std::unique_ptr<exporter::Exporter> Daemon::make_exporter(const config::Settings& settings) {
  if (settings.exporter.uri.empty() || !settings.exporter.enabled) return nullptr;
  return exporter::Exporter::create(io_.get_executor(), settings.exporter, *store_, clock_);
}

std::unique_ptr<collector::Collector> Daemon::make_collector(const config::Settings& settings) {
  if (!settings.collector.enabled) return nullptr;
  const bool exports = !settings.exporter.uri.empty();
  return collector::Collector::create(io_.get_executor(), settings.collector, exports, *store_, clock_);
}

/// The daemon is asked over it, and works without it.
void Daemon::open_control() {
  try {
    auto control = std::make_unique<control::Server>(io_.get_executor(), settings_->storage.path);
    control->open();
    control_ = std::move(control);
  } catch (const common::Error& error) {
    return log::warning("The daemon cannot be asked anything while it runs: {}", error.what());
  }
  control_->handle("health", [this](const boost::json::object&) -> asio::awaitable<boost::json::object> {
    co_return to_json(supervisor_.health());
  });
  for (auto& [name, handler] : store_commands(*store_)) control_->handle(name, handler);
  control_->handle("reload", [this](boost::json::object request) -> asio::awaitable<boost::json::object> {
    require_file(request, settings_->file);
    const Reloaded reloaded = co_await reloader_.reload();
    if (!reloaded.refusal.empty()) throw common::Error(reloaded.refusal);
    co_return to_json(reloaded);
  });
}

void Daemon::start() {
  store_tasks_.spawn("store", lasting("store", [this] { return store_->run(); }));
  if (agent_) {
    log::info("Starting Agent worker.");
    agent_tasks_.spawn("agent", run_agent());
  }
  start_collector();
  exporting_.start();
  say_where_results_go();
  if (control_) control_tasks_.spawn("control socket", control_->run());
  watch_tasks_.spawn("supervisor", supervisor_.run());
  own_tasks_.spawn("reloader", lasting("reloader", [this] { return reloader_.run(); }));
  systemd_.ready();
}

void Daemon::start_collector() {
  if (!collector_) return;
  log::info("Starting Collector worker.");
  collector_tasks_.spawn("collector", lasting("collector", [this] { return collector_->run(); }));
}

/// What may be refused comes first: a thread for a worker, a service that cannot be made ready.
asio::awaitable<void> Daemon::apply(Takeover& next) {
  const auto files = share_files(*next.settings);
  Workers workers;
  if (next.difference.exporter) workers.exporter = make_exporter(*next.settings);
  if (next.difference.collector) workers.collector = make_collector(*next.settings);
  if (agent_) co_await agent_->apply(next.change, files.checks);
  if (stopping_) co_return;
  const auto before = std::exchange(settings_, next.settings);
  if (prober_) prober_->adjust(net_options(*settings_, files));
  if (before->storage.max_size != settings_->storage.max_size) store_->limit_size(settings_->storage.max_size);
  applying_ = true;
  std::exception_ptr failure;
  try {
    co_await replace(std::move(workers), next.difference, before->exporter.uri != settings_->exporter.uri);
  } catch (...) {
    failure = std::current_exception();
  }
  applying_ = false;
  applied_.notify();
  if (failure) std::rethrow_exception(failure);
}

/// `elsewhere`: results go to another PostgreSQL, or to none, or to one where there was none.
asio::awaitable<void> Daemon::replace(Workers next, const Difference& difference, bool elsewhere) {
  if (difference.exporter) {
    co_await exporting_.stop();
    co_await exporting_.join();
    if (stopping_) co_return;
    exporting_.set(std::move(next.exporter));
    exporting_.start();
  }
  if (difference.collector) {
    collector_tasks_.cancel();
    co_await collector_tasks_.join();
    if (stopping_) co_return;
    collector_ = std::move(next.collector);
    start_collector();
  }
  if (elsewhere) say_where_results_go();
}

void Daemon::say_where_results_go() const {
  const auto local = common::format_size(local_volume(*settings_, store_->max_size_bytes()).bytes_a_day);
  if (!settings_->exporter.uri.empty()) {
    log::info("{} services. Results go to {} (about {} a day) and on to {} (about {} a day).",
              settings_->agent.services.size(), settings_->storage.path.string(), local,
              exporter::masked_uri(settings_->exporter.uri),
              common::format_size(remote_volume(*settings_).bytes_a_day));
  } else {
    log::info("{} services. Results go to {} (about {} a day, kept for {}); no external database is configured.",
              settings_->agent.services.size(), settings_->storage.path.string(), local,
              common::format_duration(settings_->collector.local_retention));
  }
}

asio::awaitable<void> Daemon::run_agent() {
  co_await agent_->run();
  agent_ended_.notify();
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
  supervisor_.stopping();
  watch_.end_by(settings_->stop_grace + kStopPatience);
  own_tasks_.cancel();  // what is spawned below comes after
  own_tasks_.spawn(kStopTask, stop_in_order());
}

asio::awaitable<void> Daemon::stop_in_order() {
  control_tasks_.cancel();
  if (agent_ && agent_tasks_.size() > 0) {
    agent_->stop();
    const auto grace = clock_.steady() + settings_->stop_grace;
    if (!co_await agent_ended_.wait_until(grace)) {
      agent_->cut();
      co_await agent_tasks_.join();
    }
  }
  if (agent_) agent_->close_books();
  co_await store_->commit();
  if (applying_) co_await applied_.wait();
  co_await exporting_.stop();
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

Watched Daemon::look() {
  exporting_.sweep();
  return {.settings = *settings_,
          .store = *store_,
          .agent = agent_.get(),
          .exporter = exporting_.exporter(),
          .collector = collector_.get()};
}

int Daemon::run() {
  require_room_to_run();
  try {
    build();
    open_control();
  } catch (const std::exception&) {
    require_room_to_run();  // want of memory has many words
    throw;
  }
  require_room_to_run();
  const Signals signals(
      io_.get_executor(), [this](const char* name) { stop(std::string{name} + " received", EXIT_SUCCESS); },
      [this] { reloader_.ask(); });
  start();
  io_.run();
  // The local database is closed, so nothing is lost by not waiting for a call that hangs in libpq or the resolver.
  leave_within(kLastPatience, status_);
  return status_;
}

}  // namespace

int run(config::Settings settings, bool notify_systemd) {
  ignore_fatal_io_signals();
  hold_hangups();
  Daemon daemon(std::move(settings), notify_systemd);
  return daemon.run();
}

}  // namespace monitor::app
