#include "storage/batch_reader.h"

#include <unordered_set>

#include "storage/row_mapping.h"

namespace monitor::storage {
BatchReader::BatchReader(Database& database, Definitions& definitions, TlsTable& tls, const Epochs& epochs)
    : definitions_(definitions),
      tls_(tls),
      epochs_(epochs),
      results_(database.prepare(
          "SELECT seq, definition, requested_at, outcome, status, flags, attempt, dns_us, connect_us, tls_us, "
          "first_byte_us, transfer_us, total_us, lateness_us, body_bytes, stored_after_us, reason, "
          "CASE WHEN typeof(peer) = 'integer' THEN (SELECT address FROM peers WHERE id = peer) ELSE peer END, "
          "tls, hops, evidence "
          "FROM results WHERE seq > ?1 AND seq < ?2 ORDER BY seq")),
      skipped_(database.prepare("SELECT id, definition, from_at, to_at, count, reason FROM skipped "
                                "WHERE id > ?1 AND id < ?2 ORDER BY id LIMIT ?3")),
      gaps_(database.prepare("SELECT id, reason, from_at, to_at, first_seq, last_seq, count FROM gaps "
                             "WHERE id > ?1 AND id < ?2 ORDER BY id LIMIT ?3")) {}

Batch BatchReader::next(Cursor& cursor, std::size_t max_rows, const std::set<Seq>& quarantined) {
  Batch batch;
  for (const auto& epoch : epochs_.all()) {
    batch.more = false;
    read_results(batch, cursor, epoch, max_rows, quarantined);
    read_skipped(batch, cursor, epoch, max_rows);
    read_gaps(batch, cursor, epoch, max_rows);
    batch.agent_id = epoch.agent_id;
    batch.more = batch.more || &epoch != &epochs_.all().back();
    if (!batch.empty()) break;
  }
  add_definitions(batch);
  add_tls(batch);
  return batch;
}

void BatchReader::read_results(Batch& batch, Cursor& cursor, const Epoch& epoch, std::size_t max_rows,
                               const std::set<Seq>& quarantined) {
  if (cursor.results + 1 >= epoch.end.results) return;
  Seq passed = cursor.results;
  std::size_t text_bytes = 0;
  auto rows = results_.query(cursor.results, epoch.end.results);
  while (batch.results.size() < max_rows && text_bytes < kMaxTextBytes && rows.next()) {
    passed = rows.integer(0);
    if (quarantined.contains(passed)) continue;
    const auto& result = batch.results.emplace_back(result_of(rows));
    text_bytes += text_bytes_of(result);
  }
  batch.more = batch.results.size() == max_rows || text_bytes >= kMaxTextBytes;
  if (batch.results.empty()) cursor.results = passed;
}

void BatchReader::read_skipped(Batch& batch, const Cursor& cursor, const Epoch& epoch, std::size_t max_rows) {
  if (cursor.skipped + 1 >= epoch.end.skipped) return;
  auto rows = skipped_.query(cursor.skipped, epoch.end.skipped, static_cast<std::int64_t>(max_rows));
  while (rows.next()) {
    batch.skipped.push_back(skipped_of(rows));
  }
  batch.more = batch.more || batch.skipped.size() == max_rows;
}

void BatchReader::read_gaps(Batch& batch, const Cursor& cursor, const Epoch& epoch, std::size_t max_rows) {
  if (cursor.gaps + 1 >= epoch.end.gaps) return;
  auto rows = gaps_.query(cursor.gaps, epoch.end.gaps, static_cast<std::int64_t>(max_rows));
  while (rows.next()) {
    batch.gaps.push_back(gap_of(rows));
  }
  batch.more = batch.more || batch.gaps.size() == max_rows;
}

void BatchReader::add_definitions(Batch& batch) {
  ++batches_;
  if (known_bytes_ > kMaxKnownBytes) {
    known_.clear();
    known_bytes_ = 0;
  }
  for (const auto& result : batch.results) want(result.definition, batch);
  for (const auto& skipped : batch.skipped) want(skipped.definition, batch);
}

void BatchReader::want(DefinitionId id, Batch& batch) {
  auto& known = known_[id];
  if (known.batch == batches_) return;
  if (!known.definition) {
    known.definition = std::make_shared<const StoredDefinition>(definitions_.find(id));
    known_bytes_ += sizeof(StoredDefinition) + text_bytes_of(*known.definition);
  }
  known.batch = batches_;
  batch.definitions.push_back(known.definition);
}

void BatchReader::add_tls(Batch& batch) {
  std::unordered_set<std::int64_t> wanted;
  for (const auto& result : batch.results) {
    if (result.tls_id == 0 || !wanted.insert(result.tls_id).second) continue;
    auto tls = tls_.find(result.tls_id);
    if (tls.facts != net::TlsFacts{}) batch.tls.push_back(std::move(tls));
  }
}

}  // namespace monitor::storage
