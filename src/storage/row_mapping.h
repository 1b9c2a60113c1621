// What a SELECT gives, as rows.h has it; each says which columns it wants. Pure.
#pragma once

#include "storage/rollup.h"
#include "storage/rows.h"
#include "storage/sqlite.h"

namespace monitor::storage {

/// seq, definition, requested_at, outcome, status, flags, attempt, dns_us, connect_us, tls_us, first_byte_us,
/// transfer_us, total_us, lateness_us, body_bytes, stored_after_us, reason, the address itself, tls, hops, evidence.
StoredResult result_of(const Rows& rows);
/// id, definition, from_at, to_at, count, reason.
StoredSkipped skipped_of(const Rows& rows);
/// id, reason, from_at, to_at, first_seq, last_seq, count.
StoredGap gap_of(const Rows& rows);
/// id, fingerprint, key, name, url, method, check_regex, regex, interval_s, timeout_s, settings.
StoredDefinition definition_of(const Rows& rows);
/// id, fingerprint, version, cipher, subject, issuer, not_before, not_after, sha256.
StoredTls tls_of(const Rows& rows);

/// definition, from_at, to_at, last_at, checks, outcome, reason.
Outage outage_of(const Rows& rows);
/// Null is none.
std::optional<common::Micros> duration_of(const Rows& rows, int column);

}  // namespace monitor::storage
