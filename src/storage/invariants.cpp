#include "storage/invariants.h"

#include <array>
#include <optional>
#include <string_view>

#include <fmt/format.h>

#include "storage/meta.h"
#include "storage/rollup.h"
#include "storage/schema.h"
#include "storage/sqlite.h"

namespace monitor::storage {
namespace {

/// `query` gives how many rows are wrong, and the number of the first of them.
struct Rule {
  std::string_view query;
  std::string_view sentence;
};

constexpr std::array kRules{
    Rule{"SELECT count(*), min(seq) FROM results WHERE definition NOT IN (SELECT id FROM definitions)",
         "{} results have no definition, the first is {}"},
    Rule{"SELECT count(*), min(seq) FROM results WHERE outcome NOT IN (SELECT code FROM outcomes)",
         "{} results have an outcome that this version does not know, the first is {}"},
    Rule{"SELECT count(*), min(seq) FROM results WHERE typeof(peer) = 'integer' AND peer NOT IN (SELECT id FROM peers)",
         "{} results have a remote address that is missing, the first is {}"},
    Rule{"SELECT count(*), min(seq) FROM results WHERE total_us < 0 OR lateness_us < 0",
         "{} results have a negative duration, the first is {}"},
    Rule{"SELECT count(*), min(seq) FROM results "
         "WHERE seq > (SELECT seq FROM sqlite_sequence WHERE name = 'results')",
         "{} results have a number that was never given, the first is {}"},
    Rule{"SELECT count(*), min(id) FROM skipped WHERE definition NOT IN (SELECT id FROM definitions)",
         "{} skipped ranges have no definition, the first is {}"},
    Rule{"SELECT count(*), min(id) FROM skipped WHERE count < 1 OR to_at < from_at",
         "{} skipped ranges hold no slot or end before they begin, the first is {}"},
    Rule{"SELECT count(*), min(id) FROM gaps WHERE last_seq < first_seq OR count < 0 OR first_seq < 0 OR last_seq > "
         "coalesce((SELECT seq FROM sqlite_sequence WHERE name = 'results'), 0)",
         "{} gaps tell of numbers that cannot be, the first is {}"},
    Rule{"SELECT count(*), min(seq) FROM quarantine "
         "WHERE seq > coalesce((SELECT seq FROM sqlite_sequence WHERE name = 'results'), 0)",
         "{} rows of the quarantine have a number that was never given, the first is {}"},
    Rule{"SELECT count(*), min(id) FROM epochs AS e WHERE first_seq > "
         "coalesce((SELECT seq FROM sqlite_sequence WHERE name = 'results'), 0) + 1 "
         "OR first_seq < (SELECT max(first_seq) FROM epochs WHERE id < e.id)",
         "{} agent ids begin at a number that was never given or is before an older one's, the first is {}"},
    Rule{"SELECT iif(count(*) = 0, 1, 0), 0 FROM epochs", "the file has no agent id"},
};

constexpr std::array kRollupRules{
    Rule{"SELECT count(*), min(definition) FROM rollups WHERE definition NOT IN (SELECT id FROM definitions)",
         "{} roll-ups have no definition, the first is of {}"},
    Rule{"SELECT count(*), min(id) FROM outages WHERE definition NOT IN (SELECT id FROM definitions)",
         "{} outages have no definition, the first is {}"},
    Rule{"SELECT count(*), min(id) FROM outages WHERE checks < 1", "{} outages hold no check, the first is {}"},
};

constexpr std::array kTlsRules{
    Rule{"SELECT count(*), min(seq) FROM results WHERE tls IS NOT NULL AND tls <> 0 "
         "AND tls NOT IN (SELECT id FROM tls_facts)",
         "{} results have TLS facts that are missing, the first is {}"},
};

std::optional<std::string> broken(Database& database, const Rule& rule) {
  auto statement = database.prepare(rule.query);
  auto rows = statement.query();
  if (!rows.next() || rows.integer(0) == 0) return std::nullopt;
  return fmt::format(fmt::runtime(rule.sentence), rows.integer(0), rows.optional_integer(1).value_or(0));
}

void check_cursor(Database& database, std::vector<std::string>& found) {
  const Cursor head = head_of(database);
  const Cursor exported = Meta(database).exported();
  const auto check = [&](std::string_view kind, std::int64_t sent, std::int64_t newest) {
    if (sent <= newest) return;
    found.push_back(fmt::format("{} up to {} count as exported, but the newest is {}", kind, sent, newest));
  };
  check("results", exported.results, head.results);
  check("skipped ranges", exported.skipped, head.skipped);
  check("gaps", exported.gaps, head.gaps);
}

void check_rollups(Database& database, std::vector<std::string>& found) {
  auto statement = database.prepare("SELECT definition, start, body FROM rollups");
  auto rows = statement.query();
  std::int64_t unreadable = 0;
  while (rows.next()) {
    Rollup sum;
    const PackedRollup rollup{rows.integer(0), common::from_unix_micros(rows.integer(1)), rows.blob(2)};
    if (!rollup.add_to(sum)) ++unreadable;
  }
  if (unreadable > 0) found.push_back(fmt::format("{} roll-ups cannot be read", unreadable));
}

}  // namespace

std::vector<std::string> broken_invariants(Database& database, std::size_t max_findings) {
  std::vector<std::string> found;
  const auto apply = [&](const auto& rules) {
    for (const auto& rule : rules) {
      if (auto finding = broken(database, rule)) found.push_back(std::move(*finding));
    }
  };
  check_cursor(database, found);
  apply(kRules);
  const auto schema = database.integer("PRAGMA user_version");
  if (schema >= kTlsSchema) apply(kTlsRules);
  if (schema >= kRollupSchema) {
    apply(kRollupRules);
    check_rollups(database, found);
  }
  if (found.size() > max_findings) found.resize(max_findings);
  return found;
}

}  // namespace monitor::storage
