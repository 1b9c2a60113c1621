#include "exporter/adoption.h"

#include <fmt/format.h>

#include "exporter/remote_schema.h"
#include "exporter/schema_sql.h"

namespace monitor::exporter {
namespace {

constexpr std::string_view kLockNotAvailable = "55P03";
constexpr std::string_view kNotAllowed = "42501";
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
  const auto kind = text_of(transaction, "SELECT relkind FROM pg_class WHERE oid = 'monitoring'::regclass");
  if (kind != "r") refuse("monitoring is neither a plain table nor our view");
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

Adoption adopt(Transaction& transaction) {
  take_schema_lock(transaction);
  const bool there = !text_of(transaction, "SELECT to_regclass('monitoring')").empty();
  if (!there) return Adoption::kNothing;
  const auto schema = ensure_schema(transaction);
  if (schema.view == "monitoring") return schema.adopted ? Adoption::kAlready : Adoption::kNothing;
  require_adoptable(transaction);
  // From here on nobody reads or writes it until the view is there.
  transaction.run("LOCK TABLE monitoring IN ACCESS EXCLUSIVE MODE");
  require_silence(transaction);
  transaction.run(fmt::format("ALTER TABLE monitoring RENAME TO {0}; COMMENT ON TABLE {0} IS '{1}'", kOriginalTable,
                              kOriginalComment));
  transaction.run(view_sql("monitoring", ViewOf::kOursAndOriginal));
  if (const auto grants = grants_sql(transaction); !grants.empty()) transaction.run(grants);
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
