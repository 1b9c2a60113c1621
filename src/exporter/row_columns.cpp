#include "exporter/row_columns.h"

#include "exporter/result_fields.h"

namespace monitor::exporter {
namespace {

void add_text_or_null(ArrayLiteral& column, const std::string& text, Repertoire repertoire) {
  if (text.empty()) {
    column.add_null();
  } else if (repertoire == Repertoire::kAll) {
    column.add_text(text);
  } else {
    column.add_text(encodable(text, repertoire));
  }
}

}  // namespace

std::string hex(std::span<const std::uint8_t> bytes) {
  constexpr std::string_view kDigits = "0123456789abcdef";
  std::string out;
  out.reserve(bytes.size() * 2);
  for (const auto byte : bytes) {
    out += kDigits[byte >> 4];
    out += kDigits[byte & 0xF];
  }
  return out;
}

const std::string ResultColumns::kInsert = R"sql(
INSERT INTO monitoring_results (seq, request_timestamp, agent, definition, total_us, lateness_us, stored_ms, arrived_s,
  body_bytes, dns_us, connect_us, tls_us, first_byte_us, transfer_us, outcome, status, flags, attempt, remote_address,
  reason, tls, hops, evidence)
SELECT seq, requested, $1::integer, definition, total_us, lateness_us, stored_ms,
  ceil(extract(epoch FROM timezone('utc', now()) - requested))::integer,
  body_bytes, dns_us, connect_us, tls_us, first_byte_us, transfer_us, outcome, status, flags, attempt, remote_address,
  reason, tls, hops, evidence
FROM (
  SELECT t.*, timestamp 'epoch' + t.requested_us * interval '1 microsecond' AS requested
  FROM unnest($2::bigint[], $3::bigint[], $4::integer[], $5::integer[], $6::integer[], $7::integer[], $8::integer[],
    $9::integer[], $10::integer[], $11::integer[], $12::integer[], $13::integer[], $14::smallint[], $15::smallint[],
    $16::smallint[], $17::smallint[], $18::inet[], $19::text[], $20::integer[], $21::text[], $22::text[])
    AS t(seq, requested_us, definition, total_us, lateness_us, stored_ms, body_bytes, dns_us, connect_us, tls_us,
      first_byte_us, transfer_us, outcome, status, flags, attempt, remote_address, reason, tls, hops, evidence)
) AS rows
ON CONFLICT (agent, seq, request_timestamp) DO NOTHING
)sql";

namespace {

/// Each field goes to a column of its own.
class ArrayFields {
 public:
  explicit ArrayFields(std::span<ArrayLiteral> columns) : columns_(columns) {}
  void number(std::int64_t value) { next().add(value); }
  void time(common::WallTime value) { next().add(common::unix_micros(value)); }
  void text(std::string_view value) { next().add_text(value); }
  void null() { next().add_null(); }

 private:
  ArrayLiteral& next() { return columns_[column_++]; }

  std::span<ArrayLiteral> columns_;
  std::size_t column_ = 0;
};

}  // namespace

void ResultColumns::add(const storage::StoredResult& row, int definition, int tls, Repertoire repertoire) {
  ++rows_;
  map_result(row, definition, tls, repertoire, ArrayFields(columns_));
}

namespace {

std::string definition_insert(bool with_ids) {
  const std::string id = with_ids ? "id, " : "";
  return "INSERT INTO monitoring_definitions (" + id +
         "fingerprint, key, name, url, method, regex_check_required, regex, interval_s, timeout_s, settings) SELECT " +
         id +
         "decode(fingerprint, 'hex'), key, name, url, method, regex_check_required, regex, interval_s, timeout_s, "
         "settings FROM unnest($1::integer[], $2::text[], $3::text[], $4::text[], $5::text[], $6::text[], "
         "$7::boolean[], "
         "$8::text[], $9::integer[], $10::integer[], $11::text[]) AS t(id, fingerprint, key, name, url, method, "
         "regex_check_required, regex, interval_s, timeout_s, settings) ON CONFLICT DO NOTHING";
}

}  // namespace

const std::string DefinitionColumns::kInsert = definition_insert(false);
const std::string DefinitionColumns::kInsertWithIds = definition_insert(true);

void DefinitionColumns::add(const storage::StoredDefinition& row, int id) {
  ++rows_;
  columns_[0].add(std::int64_t{id});
  columns_[1].add_text(hex(row.fingerprint));
  columns_[2].add_text(encodable(row.key, repertoire_));
  columns_[3].add_text(encodable(row.name, repertoire_));
  columns_[4].add_text(encodable(row.url, repertoire_));
  columns_[5].add_text(encodable(row.method, repertoire_));
  columns_[6].add_text(row.check_regex ? "true" : "false");
  if (row.regex) {
    columns_[7].add_text(encodable(*row.regex, repertoire_));
  } else {
    columns_[7].add_null();
  }
  columns_[8].add(as_int4(row.interval.count()));
  columns_[9].add(as_int4(row.timeout.count()));
  add_text_or_null(columns_[10], row.settings, repertoire_);
}

namespace {

// Seconds: what a certificate counts in.
std::string tls_insert(bool with_ids) {
  const std::string id = with_ids ? "id, " : "";
  return "INSERT INTO monitoring_tls (" + id +
         "fingerprint, version, cipher, subject, issuer, not_before, not_after, sha256) SELECT " + id +
         "decode(fingerprint, 'hex'), version, cipher, subject, issuer, timezone('utc', to_timestamp(not_before)), "
         "timezone('utc', to_timestamp(not_after)), decode(sha256, 'hex') "
         "FROM unnest($1::integer[], $2::text[], $3::text[], $4::text[], $5::text[], $6::text[], $7::bigint[], "
         "$8::bigint[], $9::text[]) AS t(id, fingerprint, version, cipher, subject, issuer, not_before, not_after, "
         "sha256) ON CONFLICT DO NOTHING";
}

std::int64_t unix_seconds(common::WallTime time) {
  return std::chrono::floor<std::chrono::seconds>(time).time_since_epoch().count();
}

}  // namespace

const std::string TlsColumns::kInsert = tls_insert(false);
const std::string TlsColumns::kInsertWithIds = tls_insert(true);

void TlsColumns::add(const storage::StoredTls& row, int id) {
  ++rows_;
  columns_[0].add(std::int64_t{id});
  columns_[1].add_text(hex(row.fingerprint));
  add_text_or_null(columns_[2], row.facts.version, repertoire_);
  add_text_or_null(columns_[3], row.facts.cipher, repertoire_);
  if (!row.facts.has_certificate) {
    for (std::size_t column = 4; column < columns_.size(); ++column) columns_.at(column).add_null();
    return;
  }
  const auto& certificate = row.facts.certificate;
  columns_[4].add_text(encodable(certificate.subject, repertoire_));
  columns_[5].add_text(encodable(certificate.issuer, repertoire_));
  columns_[6].add(unix_seconds(certificate.not_before));
  columns_[7].add(unix_seconds(certificate.not_after));
  columns_[8].add_text(hex(certificate.sha256));
}

const std::string SkippedColumns::kInsert = R"sql(
INSERT INTO monitoring_skipped (agent, id, definition, reason, from_timestamp, to_timestamp, count)
SELECT $1::integer, id, definition, reason, timestamp 'epoch' + from_us * interval '1 microsecond',
  timestamp 'epoch' + to_us * interval '1 microsecond', count
FROM unnest($2::bigint[], $3::integer[], $4::text[], $5::bigint[], $6::bigint[], $7::bigint[])
  AS t(id, definition, reason, from_us, to_us, count)
ON CONFLICT (agent, id) DO NOTHING
)sql";

void SkippedColumns::add(const storage::StoredSkipped& row, int definition) {
  ++rows_;
  columns_[0].add(row.id);
  columns_[1].add(std::int64_t{definition});
  columns_[2].add_text(name_of(row.reason));
  columns_[3].add(common::unix_micros(row.from));
  columns_[4].add(common::unix_micros(row.to));
  columns_[5].add(row.count);
}

const std::string GapColumns::kInsert = R"sql(
INSERT INTO monitoring_gaps (agent, id, reason, from_timestamp, to_timestamp, first_seq, last_seq, count)
SELECT $1::integer, id, reason, timestamp 'epoch' + from_us * interval '1 microsecond',
  timestamp 'epoch' + to_us * interval '1 microsecond', first_seq, last_seq, count
FROM unnest($2::bigint[], $3::text[], $4::bigint[], $5::bigint[], $6::bigint[], $7::bigint[], $8::bigint[])
  AS t(id, reason, from_us, to_us, first_seq, last_seq, count)
ON CONFLICT (agent, id) DO NOTHING
)sql";

void GapColumns::add(const storage::StoredGap& row) {
  ++rows_;
  columns_[0].add(row.id);
  columns_[1].add_text(name_of(row.reason));
  columns_[2].add(common::unix_micros(row.from));
  columns_[3].add(common::unix_micros(row.to));
  columns_[4].add(row.first_seq);
  columns_[5].add(row.last_seq);
  columns_[6].add(row.count);
}

}  // namespace monitor::exporter
