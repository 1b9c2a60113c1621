// The remote schema's text: tables, and the view that is a contract with everyone who reads it.
#pragma once

#include <string>
#include <string_view>

namespace monitor::exporter {

/// Says of a view that it is ours.
inline constexpr std::string_view kViewComment = "monitor: one row per check; columns are only ever added, at the end";

/// The view's last column: a view that has it has them all.
inline constexpr std::string_view kNewestColumn = "evidence";

/// Makes reading faster, and takes long to make where the table is large already.
inline constexpr const char* kIndexName = "monitoring_skipped_time";

/// Every table, each made only if it is missing, with every column.
std::string tables_sql();
/// What the predecessor's table is called once it is adopted, and what says of a table that it was.
inline constexpr std::string_view kOriginalTable = "monitoring_original";
inline constexpr std::string_view kOriginalComment =
    "monitor: results of the tool before; the view monitoring has them too";

enum class ViewOf { kOurs, kOursAndOriginal };
/// Makes or replaces the view `name`, over our results or over those of kOriginalTable too.
std::string view_sql(std::string_view name, ViewOf rows = ViewOf::kOurs);
/// After entries were put back under their old numbers: new ones get numbers beyond these, and beyond every number that
/// was ever given, as other agents' rows may refer to what they have not put back yet.
std::string pass_numbers_sql(std::string_view table);

}  // namespace monitor::exporter
