#include "exporter/dimension.h"

#include <charconv>

#include <fmt/format.h>

#include "exporter/row_columns.h"
#include "exporter/schema_sql.h"
#include "storage/rows.h"

namespace monitor::exporter {
namespace {

int number(const std::optional<std::string>& text) {
  int value = 0;
  if (text) std::from_chars(text->data(), text->data() + text->size(), value);
  return value;
}

}  // namespace

template <typename Row, typename Columns>
void Dimension<Row, Columns>::find(Transaction& transaction, const std::vector<Row>& rows, Repertoire repertoire) {
  numbers_.clear();
  if (rows.empty()) return;
  std::map<Fingerprint, const Row*> sorted;  // one order for every agent: no deadlock
  for (const auto& row : rows) sorted.emplace(row.fingerprint, &row);
  Wanted wanted;
  wanted.reserve(sorted.size());
  for (const auto& [fingerprint, row] : sorted) wanted.push_back(row);
  std::map<Fingerprint, int> found;
  for (const bool with_known_numbers : {true, false}) {
    look_up(transaction, wanted, found);
    std::erase_if(wanted, [&](const Row* row) { return found.contains(row->fingerprint); });
    if (!wanted.empty()) add(transaction, wanted, repertoire, with_known_numbers);
  }
  if (!wanted.empty()) look_up(transaction, wanted, found);
  for (const auto& row : rows) {
    const auto entry = found.find(row.fingerprint);
    if (entry == found.end()) {
      throw Unavailable(fmt::format("{} has no free number; the next attempt takes another", Columns::kTable));
    }
    numbers_[row.id] = entry->second;
  }
  if (known_.size() + found.size() > kMaxKnown) known_.clear();
  for (const auto& [fingerprint, id] : found) known_[fingerprint] = id;
}

template <typename Row, typename Columns>
void Dimension<Row, Columns>::look_up(Transaction& transaction, const Wanted& wanted,
                                      std::map<Fingerprint, int>& found) {
  ArrayLiteral fingerprints;
  std::map<std::string, Fingerprint> by_hex;
  for (const Row* row : wanted) {
    const auto text = hex(row->fingerprint);
    fingerprints.add_text(text);
    by_hex.emplace(text, row->fingerprint);
  }
  for (const auto& row :
       transaction.run(fmt::format("SELECT encode(fingerprint, 'hex'), id FROM {} "
                                   "WHERE fingerprint IN (SELECT decode(f, 'hex') FROM unnest($1::text[]) f)",
                                   Columns::kTable),
                       {fingerprints.close()})) {
    found[by_hex.at(row.at(0).value_or(""))] = number(row.at(1));
  }
}

template <typename Row, typename Columns>
void Dimension<Row, Columns>::add(Transaction& transaction, const Wanted& missing, Repertoire repertoire,
                                  bool with_known_numbers) const {
  Columns columns(repertoire);
  for (const Row* row : missing) {
    const auto known = known_.find(row->fingerprint);
    if (with_known_numbers && known == known_.end()) continue;
    columns.add(*row, with_known_numbers ? known->second : 0);
  }
  if (columns.empty()) return;
  transaction.run(with_known_numbers ? Columns::kInsertWithIds : Columns::kInsert, columns.close());
  if (with_known_numbers) transaction.run(pass_numbers_sql(Columns::kTable));
}

template class Dimension<storage::StoredDefinition, DefinitionColumns>;
template class Dimension<storage::StoredTls, TlsColumns>;

}  // namespace monitor::exporter
