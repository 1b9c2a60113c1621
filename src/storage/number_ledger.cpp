#include "storage/number_ledger.h"

#include <algorithm>

#include <fmt/format.h>

#include "storage/epochs.h"
#include "storage/meta.h"
#include "storage/row_mapping.h"
#include "storage/sqlite.h"

namespace monitor::storage {
namespace {

constexpr std::int64_t kCounted = 4096;  // numbers are counted so many at once, and looked at where some are missing

class Numbers {
 public:
  Numbers(const Database& database, std::string_view table, std::string_view key)
      : counted_(database.prepare(fmt::format("SELECT count(*) FROM {0} WHERE {1} BETWEEN ?1 AND ?2", table, key))),
        listed_(
            database.prepare(fmt::format("SELECT {1} FROM {0} WHERE {1} BETWEEN ?1 AND ?2 ORDER BY {1}", table, key))),
        next_(database.prepare(fmt::format("SELECT min({1}) FROM {0} WHERE {1} BETWEEN ?1 AND ?2", table, key))) {}

  /// Those in [first, last] that are there, as ranges.
  std::vector<NumberRange> in(std::int64_t first, std::int64_t last) {
    ranges_.clear();
    for (auto at = next_.integer(first, last); at; at = next_.integer(*at, last)) {
      const std::int64_t end = std::min(*at + kCounted - 1, last);
      if (counted_.integer(*at, end) == end - *at + 1) {
        add({*at, end});
      } else {
        auto rows = listed_.query(*at, end);
        while (rows.next()) add({rows.integer(0), rows.integer(0)});
      }
      if (end == last) break;
      at = end + 1;
    }
    return std::move(ranges_);
  }

 private:
  void add(NumberRange range) {
    if (!ranges_.empty() && ranges_.back().last + 1 == range.first) {
      ranges_.back().last = range.last;
    } else {
      ranges_.push_back(range);
    }
  }

  Statement counted_;
  Statement listed_;
  Statement next_;
  std::vector<NumberRange> ranges_;
};

}  // namespace

Ledger ledger_of(Database& database) {
  Ledger ledger;
  ledger.head = head_of(database);
  Meta meta(database);
  ledger.exported = meta.exported();
  ledger.unsent = meta.unsent();
  Numbers results(database, "results", "seq");
  Numbers skipped(database, "skipped", "id");
  Numbers gaps(database, "gaps", "id");
  const Epochs epochs(database);
  for (const auto& epoch : epochs.all()) {
    LedgerEpoch entry;
    entry.agent_id = epoch.agent_id;
    entry.first = epoch.first;
    entry.last = {.results = std::min(epoch.end.results - 1, ledger.head.results),
                  .skipped = std::min(epoch.end.skipped - 1, ledger.head.skipped),
                  .gaps = std::min(epoch.end.gaps - 1, ledger.head.gaps)};
    entry.results = results.in(entry.first.results, entry.last.results);
    entry.skipped = skipped.in(entry.first.skipped, entry.last.skipped);
    entry.gaps = gaps.in(entry.first.gaps, entry.last.gaps);
    ledger.epochs.push_back(std::move(entry));
  }
  auto all_gaps =
      database.prepare("SELECT id, reason, from_at, to_at, first_seq, last_seq, count FROM gaps ORDER BY id");
  for (auto rows = all_gaps.query(); rows.next();) ledger.gaps.push_back(gap_of(rows));
  auto refused = database.prepare("SELECT seq FROM quarantine ORDER BY seq");
  for (auto rows = refused.query(); rows.next();) ledger.quarantined.push_back(rows.integer(0));
  return ledger;
}

}  // namespace monitor::storage
