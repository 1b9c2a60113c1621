#include "storage/row_mapping.h"

#include <algorithm>
#include <limits>

#include "storage/schema.h"

namespace monitor::storage {
namespace {

template <std::size_t N>
void copy_blob(const Rows& rows, int column, std::array<std::uint8_t, N>& to) {
  const auto bytes = rows.blob(column);
  std::copy_n(bytes.begin(), std::min(bytes.size(), N), to.begin());
}

/// In a damaged file any number may stand: the sum ends where its type does.
common::WallTime later(common::WallTime time, std::int64_t micros) {
  std::int64_t sum = 0;
  if (__builtin_add_overflow(common::unix_micros(time), micros, &sum)) {
    sum = micros < 0 ? std::numeric_limits<std::int64_t>::min() : std::numeric_limits<std::int64_t>::max();
  }
  return common::from_unix_micros(sum);
}

}  // namespace

StoredResult result_of(const Rows& rows) {
  StoredResult result;
  result.seq = rows.integer(0);
  result.definition = rows.integer(1);
  result.requested_at = common::from_unix_micros(rows.integer(2));
  result.outcome = static_cast<common::Outcome>(rows.integer(3));
  if (const auto status = rows.optional_integer(4)) result.status = static_cast<std::uint16_t>(*status);
  const std::int64_t flags = rows.integer(5);
  result.contains_regex = (flags & kContainsRegex) != 0;
  result.capped = (flags & kCapped) != 0;
  result.dns_cached = (flags & kDnsCached) != 0;
  result.connection = (flags & kReused) != 0 ? Connection::kReused : Connection::kFresh;
  result.retried = (flags & kRetried) != 0;
  result.http_1_0 = (flags & kHttp10) != 0;
  result.attempt = static_cast<std::uint16_t>(rows.integer(6));
  result.dns = duration_of(rows, 7);
  result.connect = duration_of(rows, 8);
  result.tls = duration_of(rows, 9);
  result.first_byte = duration_of(rows, 10);
  result.transfer = duration_of(rows, 11);
  result.total = common::Micros{rows.integer(12)};
  result.lateness = common::Micros{rows.integer(13)};
  result.body_bytes = rows.integer(14);
  result.stored_at = later(result.requested_at, rows.integer(15));
  result.reason = rows.text(16);
  result.remote_address = rows.text(17);
  result.tls_id = rows.integer(18);
  result.hops = rows.text(19);
  result.evidence = rows.text(20);
  return result;
}

StoredSkipped skipped_of(const Rows& rows) {
  StoredSkipped skipped;
  skipped.id = rows.integer(0);
  skipped.definition = rows.integer(1);
  skipped.from = common::from_unix_micros(rows.integer(2));
  skipped.to = common::from_unix_micros(rows.integer(3));
  skipped.count = rows.integer(4);
  skipped.reason = static_cast<SkipReason>(rows.integer(5));
  return skipped;
}

StoredGap gap_of(const Rows& rows) {
  StoredGap gap;
  gap.id = rows.integer(0);
  gap.reason = static_cast<GapReason>(rows.integer(1));
  gap.from = common::from_unix_micros(rows.integer(2));
  gap.to = common::from_unix_micros(rows.integer(3));
  gap.first_seq = rows.integer(4);
  gap.last_seq = rows.integer(5);
  gap.count = rows.integer(6);
  return gap;
}

StoredDefinition definition_of(const Rows& rows) {
  StoredDefinition definition;
  definition.id = rows.integer(0);
  copy_blob(rows, 1, definition.fingerprint);
  definition.key = rows.text(2);
  definition.name = rows.text(3);
  definition.url = rows.text(4);
  definition.method = rows.text(5);
  definition.check_regex = rows.integer(6) != 0;
  if (!rows.is_null(7)) definition.regex = rows.text(7);
  definition.interval = std::chrono::seconds{rows.integer(8)};
  definition.timeout = std::chrono::seconds{rows.integer(9)};
  definition.settings = rows.text(10);
  return definition;
}

StoredTls tls_of(const Rows& rows) {
  StoredTls tls;
  tls.id = rows.integer(0);
  copy_blob(rows, 1, tls.fingerprint);
  tls.facts.version = rows.text(2);
  tls.facts.cipher = rows.text(3);
  tls.facts.has_certificate = !rows.is_null(6);
  if (!tls.facts.has_certificate) return tls;
  auto& certificate = tls.facts.certificate;
  certificate.subject = rows.text(4);
  certificate.issuer = rows.text(5);
  certificate.not_before = common::from_unix_micros(rows.integer(6));
  certificate.not_after = common::from_unix_micros(rows.integer(7));
  copy_blob(rows, 8, certificate.sha256);
  return tls;
}

Outage outage_of(const Rows& rows) {
  Outage outage;
  outage.definition = rows.integer(0);
  outage.from = common::from_unix_micros(rows.integer(1));
  if (const auto to = rows.optional_integer(2)) outage.to = common::from_unix_micros(*to);
  outage.last = common::from_unix_micros(rows.integer(3));
  outage.checks = static_cast<std::uint64_t>(rows.integer(4));
  outage.outcome = static_cast<common::Outcome>(rows.integer(5));
  outage.reason = rows.text(6);
  return outage;
}

std::optional<common::Micros> duration_of(const Rows& rows, int column) {
  const auto micros = rows.optional_integer(column);
  return micros ? std::optional{common::Micros{*micros}} : std::nullopt;
}

}  // namespace monitor::storage
