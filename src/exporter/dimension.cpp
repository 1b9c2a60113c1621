#include "exporter/dimension.h"

#include <algorithm>
#include <charconv>
#include <utility>

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
void Dimension<Row, Columns>::find(Transaction& transaction, const Wanted& rows, Repertoire repertoire) {
  numbers_.clear();
  if (rows.empty()) return;
  if (!all_there(transaction, rows)) settle(transaction, rows, repertoire);
  for (const Row* row : rows) numbers_[row->id] = known_.at(row->fingerprint);
}

template <typename Row, typename Columns>
bool Dimension<Row, Columns>::all_there(Transaction& transaction, const Wanted& rows) const {
  ArrayLiteral numbers;
  ArrayLiteral fingerprints;
  for (const Row* row : rows) {
    const auto known = known_.find(row->fingerprint);
    if (known == known_.end()) return false;
    numbers.add(std::int64_t{known->second});
    fingerprints.add_text("\\x" + hex(row->fingerprint));
  }
  const auto there = transaction.run(fmt::format("SELECT count(*) FROM unnest($1::integer[], $2::bytea[]) "
                                                 "AS k(id, fingerprint) JOIN {} USING (id, fingerprint)",
                                                 Columns::kTable),
                                     {numbers.close(), fingerprints.close()});
  return static_cast<std::size_t>(number(there.at(0).at(0))) == rows.size();
}

template <typename Row, typename Columns>
void Dimension<Row, Columns>::settle(Transaction& transaction, const Wanted& rows, Repertoire repertoire) {
  Wanted wanted = rows;  // in one order for every agent: no deadlock
  std::ranges::sort(wanted, {}, [](const Row* row) { return row->fingerprint; });
  const auto same = std::ranges::unique(wanted, {}, [](const Row* row) { return row->fingerprint; });
  wanted.erase(same.begin(), same.end());
  Numbers found;
  for (const bool with_known_numbers : {true, false}) {
    look_up(transaction, wanted, found);
    std::erase_if(wanted, [&](const Row* row) { return found.contains(row->fingerprint); });
    if (!wanted.empty()) add(transaction, wanted, repertoire, with_known_numbers);
  }
  if (!wanted.empty()) look_up(transaction, wanted, found);
  for (const Row* row : rows) {
    if (found.contains(row->fingerprint)) continue;
    throw Unavailable(fmt::format("{} has no free number; the next attempt takes another", Columns::kTable));
  }
  if (known_.size() + found.size() > kMaxKnown) known_.clear();
  for (const auto& [fingerprint, id] : found) known_[fingerprint] = id;
}

template <typename Row, typename Columns>
void Dimension<Row, Columns>::look_up(Transaction& transaction, const Wanted& wanted, Numbers& found) {
  ArrayLiteral fingerprints;
  std::unordered_map<std::string, Fingerprint> by_hex;
  for (const Row* row : wanted) {
    auto text = hex(row->fingerprint);
    fingerprints.add_text(text);
    by_hex.emplace(std::move(text), row->fingerprint);
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
