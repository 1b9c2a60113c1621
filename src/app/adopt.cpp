#include "app/adopt.h"

#include <fmt/format.h>

#include "exporter/adoption.h"

namespace monitor::app {

std::string adopt_original(const std::string& uri) {
  exporter::Limits limits;
  // A person waits, and on a busy server the schema may be locked by an agent that just made something.
  limits.statement = std::chrono::seconds{60};
  limits.lock = std::chrono::seconds{5};
  exporter::Breaker breaker;
  const auto session = exporter::Session::open(uri, limits, breaker);
  switch (exporter::adopt_original(*session)) {
    case exporter::Adoption::kDone:
      return fmt::format(
          "The table monitoring in {} is now called monitoring_original, and the view monitoring shows its rows and "
          "ours. For quick queries by time over the old rows make an index:\n"
          "CREATE INDEX CONCURRENTLY monitoring_original_time ON monitoring_original (request_timestamp);\n",
          session->where());
    case exporter::Adoption::kAlready:
      return fmt::format("There is nothing to do: the view monitoring in {} shows monitoring_original already.\n",
                         session->where());
    case exporter::Adoption::kNothing:
      break;
  }
  return fmt::format("There is nothing to adopt: {} has no table monitoring of the tool before monitor.\n",
                     session->where());
}

}  // namespace monitor::app
