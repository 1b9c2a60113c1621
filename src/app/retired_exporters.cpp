#include "app/retired_exporters.h"

#include <utility>

namespace monitor::app {

void RetiredExporters::take(std::unique_ptr<exporter::Exporter> exporter) {
  if (!exporter) return;
  exporter->retire();
  exporters_.push_back(std::move(exporter));
  sweep();
}

void RetiredExporters::sweep() {
  std::erase_if(exporters_, [](const auto& exporter) { return !exporter->busy(); });
}

}  // namespace monitor::app
