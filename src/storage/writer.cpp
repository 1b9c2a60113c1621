#include "storage/writer.h"

#include "storage/schema.h"

namespace monitor::storage {
namespace {

// Targets behind large balancers answer from ever new addresses; beyond this many the rows hold them themselves, so
// that neither the table nor its copy in memory grows without end.
constexpr std::size_t kMaxPeers = 4096;

std::optional<std::int64_t> count_of(const std::optional<common::Micros>& duration) {
  return duration ? std::optional{duration->count()} : std::nullopt;
}

std::int64_t flags_of(const Result& result) {
  return (result.contains_regex ? kContainsRegex : 0) | (result.capped ? kCapped : 0) |
         (result.dns_cached ? kDnsCached : 0) | (result.connection == Connection::kReused ? kReused : 0) |
         (result.retried ? kRetried : 0) | (result.http_1_0 ? kHttp10 : 0);
}

std::optional<std::string_view> text_or_null(const std::string& text) {
  return text.empty() ? std::nullopt : std::optional<std::string_view>(text);
}

}  // namespace

Writer::Writer(Database& database, Definitions& definitions, TlsTable& tls)
    : database_(database),
      definitions_(definitions),
      tls_(tls),
      insert_result_(database.prepare(
          "INSERT INTO results (definition, requested_at, outcome, status, flags, attempt, dns_us, connect_us, tls_us, "
          "first_byte_us, transfer_us, total_us, lateness_us, body_bytes, stored_after_us, reason, peer, tls, hops, "
          "evidence) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13, ?14, ?15, ?16, ?17, ?18, ?19, "
          "?20)")),
      insert_skipped_(database.prepare(
          "INSERT INTO skipped (definition, from_at, to_at, count, reason) VALUES (?1, ?2, ?3, ?4, ?5)")),
      insert_gap_(database.prepare(
          "INSERT INTO gaps (reason, from_at, to_at, first_seq, last_seq, count) VALUES (?1, ?2, ?3, ?4, ?5, ?6)")),
      insert_peer_(database.prepare("INSERT INTO peers (address) VALUES (?1)")) {
  rolled_back();
}

void Writer::rolled_back() {
  peers_.clear();
  auto select = database_.prepare("SELECT address, id FROM peers");
  auto rows = select.query();
  while (rows.next()) peers_.emplace(rows.text(0), rows.integer(1));
}

std::optional<std::int64_t> Writer::peer(const std::string& address) {
  if (const auto known = peers_.find(address); known != peers_.end()) return known->second;
  if (peers_.size() >= kMaxPeers) return std::nullopt;
  insert_peer_.run(std::string_view(address));
  return peers_.emplace(address, database_.last_id()).first->second;
}

void Writer::write(const Result& result, common::WallTime now) {
  const auto tls = result.tls_facts ? tls_.number_of(*result.tls_facts) : std::nullopt;
  const auto run = [&](const auto& address) {
    insert_result_.run(result.definition, common::unix_micros(result.requested_at),
                       static_cast<std::int64_t>(result.outcome), std::optional<std::int64_t>(result.status),
                       flags_of(result), std::int64_t{result.attempt}, count_of(result.dns), count_of(result.connect),
                       count_of(result.tls), count_of(result.first_byte), count_of(result.transfer),
                       result.total.count(), result.lateness.count(), result.body_bytes,
                       (now - result.requested_at).count(), text_or_null(result.reason), address, tls,
                       text_or_null(result.hops), text_or_null(result.evidence));
  };
  if (result.remote_address.empty()) {
    run(nullptr);
  } else if (const auto id = peer(result.remote_address)) {
    run(*id);
  } else {
    run(std::string_view(result.remote_address));
  }
  if (tls) tls_.used_by(database_.last_id());
  // A check that only confirms another is no slot that ran.
  if (result.attempt == 0) definitions_.ran(result.definition, result.requested_at);
}

void Writer::write(const Skipped& skipped) {
  insert_skipped_.run(skipped.definition, common::unix_micros(skipped.from), common::unix_micros(skipped.to),
                      skipped.count, static_cast<std::int64_t>(skipped.reason));
}

void Writer::write(const Gap& gap) {
  insert_gap_.run(static_cast<std::int64_t>(gap.reason), common::unix_micros(gap.from), common::unix_micros(gap.to),
                  gap.first_seq, gap.last_seq, gap.count);
}

}  // namespace monitor::storage
