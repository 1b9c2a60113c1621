#include "exporter/exporter.h"

#include <random>
#include <set>
#include <string>
#include <utility>

#include <boost/asio/error.hpp>
#include <boost/system/system_error.hpp>
#include <fmt/format.h>

#include "async/event.h"
#include "common/log.h"
#include "exporter/backoff.h"
#include "exporter/batching.h"
#include "exporter/job.h"
#include "exporter/maintenance.h"
#include "exporter/shipper.h"
#include "exporter/sqlstate.h"

namespace monitor::exporter {

namespace log = common::log;
using boost::asio::awaitable;

namespace {

/// Rows that no wake-up announced are found at the latest after this, and the loop is seen to live.
constexpr std::chrono::seconds kIdleCheck{5};
/// How the kind of a problem begins that PostgreSQL answered.
const std::string kRefused = "refused";

std::function<double()> system_random() {
  return [engine = std::minstd_rand(std::random_device{}())]() mutable {
    return std::uniform_real_distribution<double>(0, 1)(engine);
  };
}

/// What went wrong, and in how far it is another thing than what went wrong before.
struct Problem {
  std::string kind;  ///< `away`, or the SQLSTATE…; never empty
  std::string text;
};

/// Everything that a call under way refers to. It lives until that call has ended, whoever stops waiting for it.
class Core : public std::enable_shared_from_this<Core> {
 public:
  Core(const boost::asio::any_io_executor& io, const Options& options, storage::Store& store, const async::Clock& clock,
       const Limits& limits)
      : store_(store),
        clock_(clock),
        shipper_(io, options.uri, limits, store, clock),
        maintenance_(io, options, limits, clock),
        shipping_(io),
        maintaining_(io),
        wake_(io) {}

  awaitable<Progress> step() {
    begin_step();
    co_await shipping_.ended_by(common::SteadyTime::max());
    co_return last_;
  }

  awaitable<void> maintain() {
    const auto self = shared_from_this();
    begin_maintenance(true);
    co_await maintaining_.ended_by(common::SteadyTime::max());
  }

  awaitable<void> run() {
    while (true) {
      const auto progress = co_await step();
      // Also while a backlog is sent or refused: where there is no room, it makes some.
      if (maintenance_.due() && can_be_reached(progress)) begin_maintenance(false);
      if (progress == Progress::kMore) {
        batching_.taken(true, clock_.steady());
      } else if (progress == Progress::kUnavailable) {
        co_await async::sleep_for(backoff_.next());
      } else {
        batching_.taken(false, clock_.steady());
        co_await wait_for_work();
      }
      if (progress != Progress::kUnavailable) backoff_.reset();
      ++health_.steps;
    }
  }

  awaitable<void> flush(std::chrono::milliseconds limit) {
    const auto end = std::chrono::steady_clock::now() + limit;
    // What a step under way took may be older than what was committed last.
    bool ended = co_await shipping_.ended_by(end);
    bool more = true;
    while (ended && more && std::chrono::steady_clock::now() < end) {
      begin_step();
      ended = co_await shipping_.ended_by(end);
      more = last_ == Progress::kMore || last_ == Progress::kExported;
    }
    if (ended) co_return;
    log::warning("the last export did not end within {} ms; what has not arrived is sent at the next start",
                 limit.count());
    quiet_ = true;
    shipper_.interrupt();
  }

  void wake() { wake_.notify(); }

  Health health() const {
    auto health = health_;
    health.place = shipper_.place();
    health.connected = shipper_.connected();
    health.quarantined = shipper_.quarantined();
    health.steps += shipper_.calls();  // one step may be many calls, of seconds each
    if (!health.connected && !health.degraded) {
      health.degraded = true;
      health.problem = "PostgreSQL is not connected yet";
    }
    return health;
  }

  void retire() {
    quiet_ = true;
    shipper_.retire();
    maintenance_.retire();
  }

  // What was interrupted resumes on the io thread, so it has ended only where neither runs: then no thread of the links
  // has anything left to do.
  bool busy() const { return shipping_.running() || maintaining_.running(); }

  void close() {
    retire();  // both, before either is waited for
    shipper_.close();
    maintenance_.close();
  }

 private:
  void begin_step() {
    if (!shipping_.running()) shipping_.start(shared_from_this(), one_step());
  }
  bool can_be_reached(Progress progress) const {
    return progress != Progress::kUnavailable || problem_kind_.starts_with(kRefused);
  }
  void begin_maintenance(bool everything) {
    if (!maintaining_.running()) maintaining_.start(shared_from_this(), maintenance_.pass(everything));
  }

  awaitable<void> wait_for_work() {
    const auto until = clock_.steady() + kIdleCheck;
    while (clock_.steady() < until && !batching_.due(clock_.steady(), store_.backlog())) {
      if (co_await wake_.wait_until(std::min(until, batching_.due_at()))) batching_.arrived(clock_.steady());
    }
  }

  awaitable<void> one_step() {
    Problem problem;
    try {
      if (!shipper_.connected()) co_await shipper_.connect();
      const auto waiting = store_.backlog();
      const auto [progress, rows] = co_await shipper_.ship();
      recovered(waiting);
      count(progress, rows);
      last_ = progress;
      co_return;
    } catch (const Unavailable& error) {
      problem = {"away", error.what()};
    } catch (const Refused& error) {
      problem = {kRefused + error.sqlstate(), sentence(error)};
    } catch (const IdentityShared& error) {
      shipper_.id_is_shared();
      problem = {"shared", error.what()};
    } catch (const boost::system::system_error& error) {
      if (error.code() == boost::asio::error::operation_aborted) throw;
      problem = {"failed", error.what()};
    } catch (const std::exception& error) {
      problem = {"failed", error.what()};
    }
    last_ = Progress::kUnavailable;
    failed(problem);
    co_await shipper_.disconnect();
  }

  static std::string sentence(const Refused& error) {
    const auto advice = advice_for(error.sqlstate());
    return fmt::format("PostgreSQL refuses the batch: {}{}{}{}", error.what(),
                       error.sqlstate().empty() ? "" : " (SQLSTATE " + error.sqlstate() + ")",
                       advice.empty() ? "" : "; ", advice);
  }

  void failed(const Problem& problem) {
    health_.degraded = true;
    health_.problem = problem.text;
    problem_kind_ = problem.kind;
    // Where two problems take turns, each is said once.
    if (quiet_ || !said_.insert(problem.kind).second) return;
    log::warning("nothing is exported for now, and results wait here: {}", problem.text);
  }

  void recovered(std::int64_t waiting) {
    if (problem_kind_.empty()) {
      if (!announced_) log::info("exporting to PostgreSQL at {}", shipper_.where());
      announced_ = true;
      return;
    }
    problem_kind_.clear();
    said_.clear();
    announced_ = true;
    health_.degraded = false;
    health_.problem.clear();
    log::warning("results are exported to PostgreSQL at {} again; {} wait", shipper_.where(), waiting);
  }

  void count(Progress progress, std::size_t rows) {
    health_.exported += rows;
    if (progress == Progress::kIdle) {
      if (!std::exchange(idle_, true)) log::info("No records to export.");
      return;
    }
    idle_ = false;
    log::info("Exported {} records.", rows);
  }

  storage::Store& store_;
  const async::Clock& clock_;
  Shipper shipper_;
  Maintenance maintenance_;
  Job shipping_;
  Job maintaining_;
  async::Event wake_;
  Batching batching_;
  Backoff backoff_{system_random()};
  Health health_;
  Progress last_ = Progress::kIdle;
  std::string problem_kind_;    ///< of what is wrong now; empty while nothing is
  std::set<std::string> said_;  ///< kinds of problems since all was well
  bool announced_ = false;
  bool idle_ = false;
  bool quiet_ = false;
};

class CoreExporter final : public Exporter {
 public:
  explicit CoreExporter(std::shared_ptr<Core> core) : core_(std::move(core)) {}
  ~CoreExporter() override { core_->close(); }
  CoreExporter(const CoreExporter&) = delete;
  CoreExporter& operator=(const CoreExporter&) = delete;

  awaitable<Progress> step() override { return core_->step(); }
  awaitable<void> run() override { return core_->run(); }
  void wake() override { core_->wake(); }
  awaitable<void> maintain() override { return core_->maintain(); }
  awaitable<void> flush(std::chrono::milliseconds limit) override { return core_->flush(limit); }
  void retire() override { core_->retire(); }
  bool busy() const override { return core_->busy(); }
  Health health() const override { return core_->health(); }

 private:
  std::shared_ptr<Core> core_;
};

}  // namespace

std::unique_ptr<Exporter> Exporter::create(boost::asio::any_io_executor io, const Options& options,
                                           storage::Store& store, const async::Clock& clock, const Limits& limits) {
  return std::make_unique<CoreExporter>(std::make_shared<Core>(io, options, store, clock, limits));
}

}  // namespace monitor::exporter
