#include "app/export_worker.h"

#include <chrono>
#include <exception>
#include <utility>

#include "app/lasting.h"
#include "common/log.h"

namespace monitor::app {

namespace asio = boost::asio;

namespace {

/// What the last export attempt may take at the stop, and what a PostgreSQL that hangs is waited for before it.
constexpr std::chrono::milliseconds kLastExport{3000};
constexpr std::chrono::seconds kExporterPatience{2};

}  // namespace

ExportWorker::ExportWorker(asio::any_io_executor io, const async::Clock& clock, async::TaskGroup::OnFailure on_failure)
    : clock_(clock), tasks_(io, std::move(on_failure)), ended_(io) {}

void ExportWorker::set(std::unique_ptr<exporter::Exporter> exporter) {
  retired_.take(std::exchange(exporter_, std::move(exporter)));
}

void ExportWorker::start() {
  if (!exporter_) return;
  common::log::info("Starting Exporter worker.");
  runs_ = true;
  tasks_.spawn("exporter", run());
}

void ExportWorker::wake() {
  if (exporter_) exporter_->wake();
}

asio::awaitable<void> ExportWorker::run() {
  std::exception_ptr failure;
  try {
    co_await lasting("exporter", [this] { return exporter_->run(); });
  } catch (...) {
    failure = std::current_exception();
  }
  runs_ = false;
  ended_.notify();
  if (failure) std::rethrow_exception(failure);
}

asio::awaitable<void> ExportWorker::stop() {
  if (!exporter_) co_return;
  tasks_.cancel();
  // The event may be that of an exporter before this one.
  const auto until = clock_.steady() + kExporterPatience;
  while (runs_ && co_await ended_.wait_until(until)) {
  }
  if (!runs_) co_await exporter_->flush(kLastExport);
}

}  // namespace monitor::app
