// Exporters that were replaced, perhaps while a call of theirs hangs. io thread only.
#pragma once

#include <memory>
#include <vector>

#include "exporter/exporter.h"

namespace monitor::app {

/// To be destroyed before the store and the io_context: a thread that is still in a call posts what came of it to that
/// io_context, so no such thread may outlive it, and destruction waits for them all. A process that cannot wait so long
/// ends without it.
class RetiredExporters {
 public:
  /// Nothing awaits `exporter` any more. Null is nothing.
  void take(std::unique_ptr<exporter::Exporter> exporter);
  /// Destroys those that have come to their end, which takes no time.
  void sweep();
  std::size_t size() const { return exporters_.size(); }

 private:
  std::vector<std::unique_ptr<exporter::Exporter>> exporters_;
};

}  // namespace monitor::app
