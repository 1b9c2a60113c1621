#include "exporter/sqlstate.h"

namespace monitor::exporter {

Reaction reaction_to(std::string_view sqlstate) {
  if (sqlstate.size() != 5) return Reaction::kRetry;
  if (sqlstate == "23502" || sqlstate == "23503" || sqlstate == "23514") return Reaction::kTable;
  const auto group = sqlstate.substr(0, 2);
  // P0: a trigger's own refusal; 44: a view's check option. Both judge rows.
  if (group == "22" || group == "21" || group == "23" || group == "44" || group == "P0") return Reaction::kRow;
  // 25006: a standby, or a primary that was demoted; the next connection may find the new one.
  // 55000 and 55006: the object is busy with what another session does to it.
  if (group == "08" || group == "53" || group == "40" || group == "57" || group == "58" || group == "XX" ||
      group == "55" || group == "25") {
    return Reaction::kRetry;
  }
  return Reaction::kStop;
}

std::string_view advice_for(std::string_view sqlstate) {
  const auto group = sqlstate.substr(0, 2);
  if (group == "28") return "check user and password in external_database_uri, and the server's pg_hba.conf";
  if (sqlstate == "3D000") return "create the database, or correct its name in external_database_uri";
  if (sqlstate == "3F000") return "create the schema that the role's search_path names, and let the role create in it";
  if (sqlstate == "42501") {
    return "let the role of external_database_uri own the monitoring_ tables, and create tables in their schema";
  }
  if (sqlstate == "42P01" || sqlstate == "42703" || sqlstate == "42804" || sqlstate == "42846") {
    return "the monitoring_ tables were changed: restore them, or rename them and new ones are made";
  }
  if (sqlstate == "53100") return "make room on the server's disk";
  if (sqlstate == "25006") return "the server is read-only: add target_session_attrs=read-write and every host of it";
  if (sqlstate == "42939" || sqlstate == "42P07") return "rename the relation that is in the way";
  return {};
}

}  // namespace monitor::exporter
