#include "app/store_json.h"

#include <algorithm>
#include <string>

#include <boost/json/value.hpp>

#include "common/text.h"
#include "common/units.h"

namespace monitor::app {

namespace json = boost::json;

namespace {

json::value time_or_null(const std::optional<common::WallTime>& time) {
  if (!time) return nullptr;
  auto text = common::format_time(*time);
  std::ranges::replace(text, ' ', 'T');
  return json::string(text + "Z");
}

json::object kind_json(std::int64_t head, std::int64_t oldest, std::int64_t exported) {
  return {{"here", storage::Stats::held(head, oldest)},
          {"oldest", oldest == 0 ? json::value(nullptr) : json::value(oldest)},
          {"newest", head},
          {"exported_through", exported}};
}

json::string shown(std::string_view text) {
  return json::string(common::escape_controls(text));
}

}  // namespace

json::object to_json(const storage::Stats& stats) {
  return {{"file_bytes", stats.file_bytes},
          {"free_bytes", stats.free_bytes},
          {"log_bytes", stats.wal_bytes},
          {"rollup_bytes", stats.rollup_bytes},
          {"schema", stats.schema},
          {"agent_ids", stats.epochs},
          {"definitions", stats.definitions},
          {"quarantined", stats.quarantined},
          {"outages", stats.outages},
          {"results", kind_json(stats.head.results, stats.oldest.results, stats.exported.results)},
          {"skipped", kind_json(stats.head.skipped, stats.oldest.skipped, stats.exported.skipped)},
          {"gaps", kind_json(stats.head.gaps, stats.oldest.gaps, stats.exported.gaps)},
          {"oldest_result_at", time_or_null(stats.oldest_result)},
          {"newest_result_at", time_or_null(stats.newest_result)}};
}

json::object to_json(const storage::QuarantinedRow& row) {
  return {{"seq", row.seq},
          {"service", shown(row.service)},
          {"requested_at", time_or_null(row.requested_at)},
          {"refused_at", time_or_null(row.at)},
          {"sqlstate", shown(row.sqlstate)},
          {"reason", shown(row.reason)}};
}

}  // namespace monitor::app
