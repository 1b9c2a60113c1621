// The exporter at its work: begun, ended in order, and replaced. io thread only.
#pragma once

#include <memory>

#include <boost/asio/any_io_executor.hpp>
#include <boost/asio/awaitable.hpp>

#include "app/retired_exporters.h"
#include "async/clock.h"
#include "async/event.h"
#include "async/task_group.h"
#include "exporter/exporter.h"

namespace monitor::app {

/// To be destroyed before the store and the io_context (see RetiredExporters).
class ExportWorker {
 public:
  ExportWorker(boost::asio::any_io_executor io, const async::Clock& clock, async::TaskGroup::OnFailure on_failure);

  /// Null: nothing is exported. The one before has ended.
  void set(std::unique_ptr<exporter::Exporter> exporter);
  /// Does nothing where there is none.
  void start();
  /// Something was committed.
  void wake();
  /// Ends it with a last attempt to export, which has 3 s; one that hangs for 2 s is left to itself.
  boost::asio::awaitable<void> stop();
  /// Returns when nothing awaits it any more.
  boost::asio::awaitable<void> join() { return tasks_.join(); }
  /// Destroys those before it that have come to their end, which takes no time.
  void sweep() { retired_.sweep(); }
  const exporter::Exporter* exporter() const { return exporter_.get(); }

 private:
  boost::asio::awaitable<void> run();

  const async::Clock& clock_;
  std::unique_ptr<exporter::Exporter> exporter_;
  RetiredExporters retired_;
  async::TaskGroup tasks_;
  async::Event ended_;
  bool runs_ = false;
};

}  // namespace monitor::app
