#include "exporter/adoption.h"

#include <fmt/format.h>

#include "exporter/remote_schema.h"
#include "exporter/schema_sql.h"

namespace monitor::exporter {
namespace {

constexpr std::string_view kLockNotAvailable = "55P03";
constexpr std::string_view kNotAllowed = "42501";
/// Empty: nothing has the name.
constexpr const char* kKindSql = "SELECT max(relkind::text) FROM pg_class WHERE oid = to_regclass('monitoring')";
/// A row as young as that was written by a tool that still runs.
constexpr std::chrono::seconds kStillWriting{60};

[[noreturn]] void refuse(const std::string& why) {
  throw Refused("", why + "; nothing was changed");
}

std::string text_of(Transaction& transaction, const std::string& sql) {
  return transaction.run(sql).at(0).at(0).value_or("");
}

void require_columns(Transaction& transaction) {
  // Character varying with or without a length, and text, hold the same.
  const auto lacking = text_of(transaction, R"sql(
SELECT string_agg(e.name, ', ') FROM (VALUES
  ('id', 'integer,bigint'), ('local_id', 'character varying,text'), ('url', 'character varying'),
  ('method', 'character varying'), ('request_timestamp', 'timestamp without time zone'),
  ('regex_check_required', 'boolean'), ('contains_regex', 'boolean'), ('contains_exception', 'boolean'),
  ('status_code', 'integer'), ('response_timestamp', 'timestamp without time zone'), ('regex', 'character varying'),
  ('exception', 'text'), ('local_created_at', 'timestamp without time zone'),
  ('created_at', 'timestamp without time zone')) AS e(name, types)
WHERE NOT EXISTS (
  SELECT FROM pg_attribute a WHERE a.attrelid = 'monitoring'::regclass AND a.attname = e.name AND NOT a.attisdropped
    AND format_type(a.atttypid, NULL) = ANY (string_to_array(e.types, ',')))
)sql");
  if (lacking.empty()) return;
  refuse(fmt::format("the table monitoring is not that of the tool before monitor: {} {} missing or of another type",
                     lacking, lacking.find(',') == std::string::npos ? "is" : "are"));
}

void require_adoptable(Transaction& transaction) {
  require_columns(transaction);
  if (!text_of(transaction, fmt::format("SELECT to_regclass('{}')", kOriginalTable)).empty()) {
    refuse(fmt::format("the name {} is taken already; rename that first", kOriginalTable));
  }
  const auto schema = text_of(transaction,
                              "SELECT CASE WHEN relnamespace <> to_regnamespace(quote_ident(current_schema())) THEN "
                              "relnamespace::regnamespace::text END FROM pg_class WHERE oid = 'monitoring'::regclass");
  if (!schema.empty()) {
    refuse(
        fmt::format("the table monitoring is in the schema {}, and the view would be made in another; put {} first in "
                    "the search_path of this role",
                    schema, schema));
  }
  // Views and the like would go on with the old rows alone.
  const auto dependent = text_of(transaction,
                                 "SELECT string_agg(DISTINCT pg_describe_object(classid, objid, objsubid), ', ') "
                                 "FROM pg_depend WHERE refclassid = 'pg_class'::regclass AND refobjid = "
                                 "'monitoring'::regclass AND deptype = 'n'");
  if (!dependent.empty()) {
    refuse(
        fmt::format("the table monitoring is used by: {}; drop these first, and make them anew afterwards", dependent));
  }
}

void require_silence(Transaction& transaction) {
  const auto ago = text_of(transaction,
                           "SELECT ceil(extract(epoch FROM timezone('utc', clock_timestamp()) - created_at))::bigint "
                           "FROM monitoring ORDER BY id DESC LIMIT 1");
  if (ago.empty() || std::abs(number_in(ago)) > kStillWriting.count()) return;
  refuse(fmt::format("the tool before monitor wrote into the table {} s ago; stop it, and try again after {} s", ago,
                     kStillWriting.count()));
}

std::string grants_sql(Transaction& transaction) {
  return text_of(transaction, fmt::format(R"sql(
SELECT string_agg(format('GRANT SELECT ON monitoring TO %s%s', CASE a.grantee WHEN 0 THEN 'PUBLIC'
  ELSE quote_ident(pg_get_userbyid(a.grantee)) END, CASE WHEN a.is_grantable THEN ' WITH GRANT OPTION' ELSE '' END), '; ')
FROM pg_class c, aclexplode(c.relacl) AS a
WHERE c.oid = '{}'::regclass AND a.privilege_type = 'SELECT' AND a.grantee <> c.relowner
)sql",
                                          kOriginalTable));
}

constexpr const char* kOwnersSql = R"sql(
SELECT quote_ident(pg_get_userbyid(t.relowner)), quote_ident(pg_get_userbyid(o.relowner)), quote_ident(current_user),
  pg_has_role(t.relowner, 'USAGE') AND pg_has_role(o.relowner, 'USAGE')
FROM pg_class t, pg_class o WHERE t.oid = 'monitoring'::regclass AND o.oid = 'monitoring_results'::regclass
)sql";

/// Roles, quoted.
struct Owners {
  std::string theirs;  ///< of the predecessor's table
  std::string ours;    ///< of our tables; has to own the view too, which it makes anew in an upgrade
};

/// Whoever adopts acts for both.
Owners require_role(Transaction& transaction) {
  const auto row = transaction.run(kOwnersSql).at(0);
  const auto theirs = row.at(0).value_or("");
  const auto ours = row.at(1).value_or("");
  if (row.at(3) == "t") return {theirs, ours};
  const auto role = row.at(2).value_or("");
  if (theirs == ours) {
    refuse(fmt::format("this role, {}, may not do it; use the role that owns the table monitoring, {}", role, ours));
  }
  refuse(
      fmt::format("the table monitoring belongs to {}, monitor's own tables to {}, and this role, {}, may not act for "
                  "both; let a superuser do `GRANT {} TO {};`, and adopt as {}",
                  theirs, ours, role, theirs, ours, ours));
}

void require_tables(bool there) {
  if (there) return;
  refuse(
      "monitor's own tables are not there yet, or are those of an older version; start monitor with this database, so "
      "that its role makes them, and try again");
}

/// A view reads with its owner's rights. Who owned the table may read the view as before.
void hand_over(Transaction& transaction, const Owners& owners) {
  if (const auto grants = grants_sql(transaction); !grants.empty()) transaction.run(grants);
  transaction.run(
      fmt::format("GRANT SELECT ON monitoring TO {0}; GRANT SELECT ON {1} TO {2}; "
                  "ALTER VIEW monitoring OWNER TO {2}",
                  owners.theirs, kOriginalTable, owners.ours));
}

Adoption adopt(Transaction& transaction) {
  take_schema_lock(transaction);
  const auto kind = text_of(transaction, kKindSql);
  if (kind.empty()) return Adoption::kNothing;
  if (kind != "r") {
    const auto schema = read_schema(transaction);
    if (schema.view == "monitoring") return schema.adopted ? Adoption::kAlready : Adoption::kNothing;
    refuse("monitoring is neither a plain table nor our view");
  }
  require_adoptable(transaction);
  require_tables(!text_of(transaction, "SELECT to_regclass('monitoring_results')").empty());
  const auto owners = require_role(transaction);
  require_tables(read_schema(transaction).complete);
  // From here on nobody reads or writes it until the view is there.
  transaction.run("LOCK TABLE monitoring IN ACCESS EXCLUSIVE MODE");
  require_silence(transaction);
  transaction.run(fmt::format("ALTER TABLE monitoring RENAME TO {0}; COMMENT ON TABLE {0} IS '{1}'", kOriginalTable,
                              kOriginalComment));
  transaction.run(view_sql("monitoring", ViewOf::kOursAndOriginal));
  hand_over(transaction, owners);
  return Adoption::kDone;
}

}  // namespace

Adoption adopt_original(Session& session) {
  const auto transaction = session.begin();
  try {
    const auto done = adopt(*transaction);
    if (done == Adoption::kDone) transaction->commit();
    return done;
  } catch (const Refused& error) {
    if (error.sqlstate() == kLockNotAvailable) {
      refuse(
          "somebody uses the table monitoring just now: stop the tool before monitor, end long queries, and try again");
    }
    if (error.sqlstate() == kNotAllowed) {
      refuse(fmt::format("this role may not do it ({}); use the role that owns the table monitoring", error.what()));
    }
    throw;
  }
}

}  // namespace monitor::exporter
