#include "exporter/remote_schema.h"

#include <charconv>

#include <fmt/format.h>

#include "common/outcome.h"
#include "exporter/array_literal.h"
#include "exporter/rollup.h"
#include "exporter/schema_sql.h"

namespace monitor::exporter {
namespace {

// One lock for everything that changes the schema; any constant will do that nothing else in the database uses.
constexpr std::int64_t kAdvisoryLock = 0x6d6f6e69746f72;  // "monitor"
constexpr std::string_view kPrefix = "monitoring_results_";
/// DETACH, and DROP INDEX, take the table's strongest lock: that waits behind every open SELECT, and every insert waits
/// behind it.
constexpr std::chrono::milliseconds kStrongWait{200};

struct State {
  int version = 0;      ///< 0: there is none
  bool tables = false;  ///< none is missing
  std::string view;
  bool view_complete = false;  ///< it is there with every column of ours
  bool adopted = false;        ///< the predecessor's rows are in the view too

  bool current() const { return version >= kSchemaVersion && tables && view_complete; }
};

/// Ours are told by their comment, or, where a restored dump left the comments out, by being a view with columns that
/// the predecessor's table never had; whatever else is called `monitoring` stays as it is.
constexpr const char* kViewSql = R"sql(
SELECT CASE WHEN c.oid IS NULL OR coalesce(obj_description(c.oid, 'pg_class'), '') = $1
              OR EXISTS (SELECT FROM pg_class WHERE oid = c.oid AND relkind = 'v')
                 AND (SELECT count(*) FROM pg_attribute WHERE attrelid = c.oid AND attname IN ('verdict', 'seq')) = 2
            THEN 'monitoring' ELSE 'monitoring_v' END
FROM (SELECT to_regclass('monitoring') AS oid) AS c
)sql";
constexpr const char* kMissingSql = R"sql(
SELECT count(*) FROM unnest('{monitoring_schema,monitoring_agents,monitoring_definitions,monitoring_outcomes,
monitoring_results,monitoring_gaps,monitoring_skipped,monitoring_tls,monitoring_hours,monitoring_days,
monitoring_months,monitoring_outages,monitoring_rolled,monitoring_touched}'::text[]) AS name WHERE to_regclass(name) IS NULL
)sql";

/// Told by our comment on the table, or, where a restored dump left the comments out, by the view that needs it.
constexpr const char* kAdoptedSql = R"sql(
SELECT count(*) FROM (SELECT to_regclass($1) AS oid) AS c
WHERE obj_description(c.oid, 'pg_class') = $2 OR EXISTS (
  SELECT FROM pg_depend d JOIN pg_rewrite r ON r.oid = d.objid AND d.classid = 'pg_rewrite'::regclass
  WHERE d.refobjid = c.oid AND r.ev_class = to_regclass('monitoring'))
)sql";

/// Of another role's work the server tells us no more than that there is some in this database.
constexpr const char* kIndexStateSql = R"sql(
SELECT CASE WHEN EXISTS (SELECT FROM pg_stat_progress_create_index
                         WHERE datname = current_database() AND relid = to_regclass('monitoring_skipped')) THEN 'begun'
            ELSE (SELECT CASE WHEN indisvalid THEN 'valid'
                              WHEN EXISTS (SELECT FROM pg_stat_progress_create_index
                                           WHERE datname = current_database() AND relid IS NULL) THEN 'begun'
                              ELSE 'invalid' END FROM pg_index WHERE indexrelid = to_regclass($1)) END
)sql";
/// Those that this server's version has.
constexpr const char* kNoTimeLimitSql =
    "SELECT set_config(name, '0', false) FROM pg_settings "
    "WHERE name IN ('statement_timeout', 'lock_timeout', 'transaction_timeout')";

std::string index_sql(std::string_view how) {
  return fmt::format("CREATE INDEX {} IF NOT EXISTS {} ON monitoring_skipped (to_timestamp, from_timestamp)", how,
                     kIndexName);
}

State read_state(Transaction& transaction) {
  State state;
  state.view = transaction.run(kViewSql, {std::string(kViewComment)}).at(0).at(0).value_or("");
  const std::string complete = "SELECT count(*) FROM pg_attribute WHERE attrelid = to_regclass($1) AND attname = $2";
  state.view_complete = number_in(transaction.run(complete, {state.view, std::string(kNewestColumn)}).at(0).at(0)) != 0;
  const auto adopted = transaction.run(kAdoptedSql, {std::string(kOriginalTable), std::string(kOriginalComment)});
  state.adopted = state.view == "monitoring" && number_in(adopted.at(0).at(0)) != 0;
  state.tables = number_in(transaction.run(kMissingSql).at(0).at(0)) == 0;
  if (number_in(transaction.run("SELECT count(to_regclass('monitoring_schema'))").at(0).at(0)) != 0) {
    const auto rows = transaction.run("SELECT coalesce(max(version), 0) FROM monitoring_schema");
    state.version = static_cast<int>(number_in(rows.at(0).at(0)));
  }
  return state;
}

void make_tables(Transaction& transaction) {
  transaction.run(tables_sql());
  // Of more rows it takes longer than a batch may wait: ensure_index() then.
  constexpr int kQuick = 100'000;
  const auto rows = transaction.run(
      fmt::format("SELECT count(*) FROM (SELECT FROM monitoring_skipped LIMIT {}) AS first_rows", kQuick));
  if (number_in(rows.at(0).at(0)) < kQuick) transaction.run(index_sql(""));
  transaction.run(
      fmt::format("INSERT INTO monitoring_schema SELECT {0}, timezone('utc', now()) "
                  "WHERE NOT EXISTS (SELECT FROM monitoring_schema WHERE version >= {0})",
                  kSchemaVersion));
}

std::string name_of_day(std::chrono::sys_days day, std::string_view separator = "") {
  const std::chrono::year_month_day date(day);
  return fmt::format("{0:04}{3}{1:02}{3}{2:02}", static_cast<int>(date.year()), static_cast<unsigned>(date.month()),
                     static_cast<unsigned>(date.day()), separator);
}

std::optional<std::chrono::sys_days> day_of_name(std::string_view name) {
  if (!name.starts_with(kPrefix) || name.size() != kPrefix.size() + 8) return std::nullopt;
  name.remove_prefix(kPrefix.size());
  int digits = 0;
  const auto [end, error] = std::from_chars(name.data(), name.data() + name.size(), digits);
  if (error != std::errc{} || end != name.data() + name.size()) return std::nullopt;
  const std::chrono::year_month_day date{std::chrono::year(digits / 10000),
                                         std::chrono::month(static_cast<unsigned>(digits / 100 % 100)),
                                         std::chrono::day(static_cast<unsigned>(digits % 100))};
  if (!date.ok()) return std::nullopt;
  return std::chrono::sys_days(date);
}

struct Partitions {
  std::set<std::chrono::sys_days> days;
  bool others = false;
};

Partitions partitions(Transaction& transaction) {
  Partitions found;
  for (const auto& row : transaction.run("SELECT c.relname FROM pg_inherits i JOIN pg_class c ON c.oid = i.inhrelid "
                                         "WHERE i.inhparent = to_regclass('monitoring_results')")) {
    const auto day = day_of_name(row.at(0).value_or(""));
    if (day) {
      found.days.insert(*day);
    } else {
      found.others = true;
    }
  }
  return found;
}

}  // namespace

std::int64_t number_in(const std::optional<std::string>& text) {
  std::int64_t value = 0;
  if (text) std::from_chars(text->data(), text->data() + text->size(), value);
  return value;
}

void take_schema_lock(Transaction& transaction) {
  transaction.run(fmt::format("SELECT pg_advisory_xact_lock({})", kAdvisoryLock));
}

SchemaReport read_schema(Transaction& transaction) {
  const State state = read_state(transaction);
  SchemaReport report;
  report.complete = state.current();
  report.view = state.view;
  report.adopted = state.adopted;
  return report;
}

SchemaReport ensure_schema(Session& session) {
  const auto begun = session.begin();
  Transaction& transaction = *begun;
  SchemaReport report;
  report.now = server_now(transaction);
  State state = read_state(transaction);
  bool upgraded = false;
  if (!state.current()) {
    take_schema_lock(transaction);
    state = read_state(transaction);  // another agent may have been faster
    upgraded = state.version < kSchemaVersion;
    if (upgraded || !state.tables) make_tables(transaction);
    // A newer version's view has our columns, and more, which replacing would refuse to take away.
    if (!state.view_complete) {
      transaction.run(view_sql(state.view, state.adopted ? ViewOf::kOursAndOriginal : ViewOf::kOurs));
    }
    report.created = true;
  }
  report.created |= ensure_outcomes(transaction, upgraded);
  report.complete = true;
  report.view = state.view;
  report.adopted = state.adopted;
  transaction.commit();
  return report;
}

// Nothing waits for it, and it may take as long as the link lets it. What was begun and came to no end is of no use and
// stays in the way; it is told from one that somebody makes just now by the server's own list of these.
void ensure_index(Session& session) {
  const auto state = session.begin()->run(kIndexStateSql, {kIndexName}).at(0).at(0).value_or("");
  if (state == "valid" || state == "begun") return;
  if (state == "invalid") {
    const auto transaction = session.begin();
    transaction->run(
        fmt::format("SET LOCAL lock_timeout = {}; DROP INDEX IF EXISTS {}", kStrongWait.count(), kIndexName));
    transaction->commit();
  }
  session.run_alone(kNoTimeLimitSql);  // until the session ends; cut short, it would begin anew for ever
  session.run_alone(index_sql("CONCURRENTLY"));
}

bool ensure_outcomes(Transaction& transaction, bool rewrite) {
  ArrayLiteral codes;
  for (const auto& info : common::kOutcomes) codes.add(std::int64_t{static_cast<std::uint8_t>(info.outcome)});
  const std::string count = "SELECT count(*) FROM monitoring_outcomes WHERE code = ANY ($1::smallint[])";
  const auto known = number_in(transaction.run(count, {codes.close()}).at(0).at(0));
  if (!rewrite && known == static_cast<std::int64_t>(common::kOutcomes.size())) return false;
  const std::string insert = fmt::format("INSERT INTO monitoring_outcomes VALUES ($1::smallint, $2, $3, $4) {}",
                                         rewrite ? "ON CONFLICT (code) DO UPDATE SET outcome = excluded.outcome, "
                                                   "verdict = excluded.verdict, meaning = excluded.meaning"
                                                 : "ON CONFLICT DO NOTHING");
  for (const auto& info : common::kOutcomes) {
    transaction.run(insert, {std::to_string(static_cast<int>(info.outcome)), std::string(info.name),
                             std::string(name_of(info.verdict)), std::string(info.meaning)});
  }
  return true;
}

common::WallTime server_now(Transaction& transaction) {
  const auto rows = transaction.run("SELECT (extract(epoch FROM clock_timestamp()) * 1000000)::bigint");
  return common::from_unix_micros(number_in(rows.at(0).at(0)));
}

bool in_window(common::WallTime moment, common::WallTime server_now) {
  const auto today = std::chrono::floor<std::chrono::days>(server_now);
  const auto day = std::chrono::floor<std::chrono::days>(moment);
  return day >= today - kDaysBack && day <= today + kDaysAhead;
}

std::set<std::chrono::sys_days> partitions(Session& session) {
  return partitions(*session.begin()).days;
}

std::optional<std::set<std::chrono::sys_days>> own_partitions(Transaction& transaction) {
  auto found = partitions(transaction);
  if (found.others) return std::nullopt;
  return std::move(found.days);
}

// CREATE … PARTITION OF would take the table's strongest lock, and so wait behind every open SELECT, with every insert
// waiting behind it in turn. ATTACH does not.
//
// Rows come at the end of the one index, and at the end of their definition's range in the other, so that a page with
// room to spare would keep it for ever: full pages save 10 of 200 bytes a row.
void ensure_partition(Session& session, std::chrono::sys_days day) {
  const auto transaction = session.begin();
  take_schema_lock(*transaction);
  if (partitions(*transaction).days.contains(day)) return;
  seal_lost(*transaction, day);
  const auto name = std::string(kPrefix) + name_of_day(day);
  transaction->run(
      fmt::format("CREATE TABLE IF NOT EXISTS {0} (LIKE monitoring_results INCLUDING ALL);"
                  "ALTER INDEX IF EXISTS {0}_pkey SET (fillfactor = 100);"
                  "ALTER INDEX IF EXISTS {0}_definition_request_timestamp_idx SET (fillfactor = 100);"
                  "ALTER TABLE monitoring_results ATTACH PARTITION {0} FOR VALUES FROM ('{1}') TO ('{2}')",
                  name, name_of_day(day, "-"), name_of_day(day + std::chrono::days{1}, "-")));
  transaction->commit();
}

// The marks are looked at again when nobody writes to the table any more: a batch that came in between has one.
Dropped drop_expired(Session& session, std::chrono::seconds retention) {
  const auto transaction = session.begin();
  take_schema_lock(*transaction);
  const auto days = partitions(*transaction).days;
  if (days.empty()) return {};
  const auto oldest = *days.begin();
  const Hours end = oldest + std::chrono::days{1};
  if (end > server_now(*transaction) - retention) return {};
  if (!take_rollup_lock(*transaction) || !seal(*transaction, end)) return {Dropping::kWaiting, oldest};
  const auto name = std::string(kPrefix) + name_of_day(oldest);
  transaction->run(fmt::format("SET LOCAL lock_timeout = {1}; ALTER TABLE monitoring_results DETACH PARTITION {0}",
                               name, kStrongWait.count()));
  if (is_touched(*transaction, end)) return {Dropping::kWaiting, oldest};
  transaction->run(fmt::format("DROP TABLE {0}", name));
  transaction->commit();
  return {Dropping::kDropped, oldest};
}

}  // namespace monitor::exporter
