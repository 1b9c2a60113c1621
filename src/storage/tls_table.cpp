#include "storage/tls_table.h"

#include <algorithm>

#include "common/text.h"
#include "storage/row_mapping.h"

namespace monitor::storage {
namespace {

constexpr std::size_t kMaxNameBytes = 64;  // of a version or a cipher; OpenSSL's longest has 34
constexpr std::size_t kMaxSubjectBytes = 1024;

net::TlsFacts made_storable(net::TlsFacts facts) {
  facts.version = common::storable(facts.version, kMaxNameBytes);
  facts.cipher = common::storable(facts.cipher, kMaxNameBytes);
  facts.certificate.subject = common::storable(facts.certificate.subject, kMaxSubjectBytes);
  facts.certificate.issuer = common::storable(facts.certificate.issuer, kMaxSubjectBytes);
  return facts;
}

std::optional<std::string_view> text_or_null(const std::string& text) {
  return text.empty() ? std::nullopt : std::optional<std::string_view>(text);
}

}  // namespace

Fingerprint::Digest fingerprint(const net::TlsFacts& facts) {
  Fingerprint fields;
  fields.add(facts.version);
  fields.add(facts.cipher);
  fields.add(std::uint64_t{facts.has_certificate ? 1U : 0U});
  if (facts.has_certificate) {
    const auto& certificate = facts.certificate;
    fields.add(std::string_view(reinterpret_cast<const char*>(certificate.sha256.data()), certificate.sha256.size()));
    fields.add(certificate.subject);
    fields.add(certificate.issuer);
    fields.add(static_cast<std::uint64_t>(common::unix_micros(certificate.not_before)));
    fields.add(static_cast<std::uint64_t>(common::unix_micros(certificate.not_after)));
  }
  return fields.digest();
}

TlsTable::TlsTable(Database& database, std::size_t max_rows)
    : database_(database),
      max_rows_(max_rows),
      insert_(database.prepare("INSERT INTO tls_facts (fingerprint, version, cipher, subject, issuer, not_before, "
                               "not_after, sha256) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8)")),
      find_(database.prepare("SELECT id, fingerprint, version, cipher, subject, issuer, not_before, not_after, sha256 "
                             "FROM tls_facts WHERE id = ?1")),
      remove_(database.prepare("DELETE FROM tls_facts WHERE id = ?1")) {
  reload();
}

void TlsTable::reload() {
  known_.clear();
  last_ = nullptr;
  const Seq newest = database_.integer("SELECT coalesce(max(seq), 0) FROM results");
  auto select = database_.prepare("SELECT fingerprint, id FROM tls_facts");
  auto rows = select.query();
  while (rows.next()) {
    Fingerprint::Digest digest{};
    const auto bytes = rows.blob(0);
    std::copy_n(bytes.begin(), std::min(bytes.size(), digest.size()), digest.begin());
    known_.emplace(digest, Known{.id = rows.integer(1), .last_use = newest});
  }
}

std::optional<std::int64_t> TlsTable::number_of(const net::TlsFacts& seen) {
  const net::TlsFacts facts = made_storable(seen);
  if (facts == net::TlsFacts{}) return std::nullopt;
  const auto digest = fingerprint(facts);
  auto known = known_.find(digest);
  if (known == known_.end()) {
    if (known_.size() >= max_rows_) return std::nullopt;
    const auto& certificate = facts.certificate;
    const bool has = facts.has_certificate;
    insert_.run(std::span<const std::uint8_t>(digest), text_or_null(facts.version), text_or_null(facts.cipher),
                has ? std::optional<std::string_view>(certificate.subject) : std::nullopt,
                has ? std::optional<std::string_view>(certificate.issuer) : std::nullopt,
                has ? std::optional(common::unix_micros(certificate.not_before)) : std::nullopt,
                has ? std::optional(common::unix_micros(certificate.not_after)) : std::nullopt,
                has ? std::optional(std::span<const std::uint8_t>(certificate.sha256)) : std::nullopt);
    known = known_.emplace(digest, Known{.id = database_.last_id()}).first;
  }
  last_ = &known->second;
  return last_->id;
}

StoredTls TlsTable::find(std::int64_t id) {
  auto rows = find_.query(id);
  if (rows.next()) return tls_of(rows);
  StoredTls unknown;
  unknown.id = id;
  return unknown;
}

void TlsTable::forget_before(Seq oldest) {
  std::erase_if(known_, [&](const auto& entry) {
    if (oldest != 0 && entry.second.last_use >= oldest) return false;
    remove_.run(entry.second.id);
    return true;
  });
  last_ = nullptr;
}

}  // namespace monitor::storage
