// What a result is in the remote table: one mapping for every way of sending it. Pure.
#pragma once

#include <optional>
#include <string_view>

#include "exporter/array_literal.h"
#include "storage/rows.h"

namespace monitor::exporter {

/// What is beyond half an hour in microseconds, 24 days in milliseconds, 2 GiB is shown as that.
std::int64_t as_int4(std::int64_t value);
std::optional<std::int64_t> as_int4(const std::optional<common::Micros>& duration);
/// The address without a zone (fe80::1%eth0), which `inet` does not know; empty for what is no address.
std::string_view inet_of(std::string_view text);
std::int64_t flags_of(const storage::Result& row);

/// Gives `fields` each column of `row` in the order of kResultColumns. `definition` and `tls` are the server's numbers;
/// 0: none. `Fields` has number(), time(), text() and null().
template <typename Fields>
void map_result(const storage::StoredResult& row, int definition, int tls, Repertoire repertoire, Fields fields) {
  const auto optional = [&](const std::optional<std::int64_t>& value) {
    value ? fields.number(*value) : fields.null();
  };
  const auto text = [&](std::string_view value) {
    if (value.empty()) return fields.null();
    if (repertoire == Repertoire::kAll) return fields.text(value);
    fields.text(encodable(value, repertoire));
  };
  fields.number(row.seq);
  fields.time(row.requested_at);
  fields.number(definition);
  fields.number(as_int4(row.total.count()));
  fields.number(as_int4(row.lateness.count()));
  fields.number(as_int4(std::chrono::ceil<std::chrono::milliseconds>(row.stored_at - row.requested_at).count()));
  fields.number(as_int4(row.body_bytes));
  for (const auto* phase : {&row.dns, &row.connect, &row.tls, &row.first_byte, &row.transfer}) {
    optional(as_int4(*phase));
  }
  fields.number(static_cast<std::uint8_t>(row.outcome));
  optional(row.status ? std::optional<std::int64_t>(std::min<std::uint16_t>(*row.status, 32767)) : std::nullopt);
  fields.number(flags_of(row));
  fields.number(std::min<std::uint16_t>(row.attempt, 32767));
  text(inet_of(row.remote_address));
  text(row.reason);
  optional(tls == 0 ? std::nullopt : std::optional<std::int64_t>(tls));
  text(row.hops);
  text(row.evidence);
}

/// The columns that map_result() fills.
inline constexpr std::string_view kResultColumns =
    "seq, request_timestamp, definition, total_us, lateness_us, stored_ms, body_bytes, dns_us, connect_us, tls_us, "
    "first_byte_us, transfer_us, outcome, status, flags, attempt, remote_address, reason, tls, hops, evidence";

}  // namespace monitor::exporter
