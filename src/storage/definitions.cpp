#include "storage/definitions.h"

#include <openssl/sha.h>

#include "common/text.h"
#include "storage/row_mapping.h"

namespace monitor::storage {
namespace {

constexpr std::size_t kMaxTextBytes = std::size_t{8} << 10;  // a URL has at most 2083, a regex is written by hand
constexpr std::size_t kMaxMethodBytes = 32;
constexpr auto kRememberedInterval = std::chrono::minutes{5};  // shorter ones start afresh within it anyway

void put(std::string& out, std::uint64_t number) {
  for (int shift = 56; shift >= 0; shift -= 8) out += static_cast<char>((number >> shift) & 0xFF);
}

void put(std::string& out, std::string_view text) {
  put(out, text.size());
  out += text;
}

Definition made_storable(Definition definition) {
  for (auto* text : {&definition.key, &definition.name, &definition.url}) {
    *text = common::storable(*text, kMaxTextBytes);
  }
  definition.method = common::storable(definition.method, kMaxMethodBytes);
  if (definition.regex) definition.regex = common::storable(*definition.regex, kMaxTextBytes);
  return definition;
}

}  // namespace

std::array<std::uint8_t, 32> fingerprint(const Definition& definition) {
  std::string fields;
  put(fields, definition.key);
  put(fields, definition.name);
  put(fields, definition.url);
  put(fields, definition.method);
  put(fields, std::uint64_t{definition.check_regex ? 1U : 0U});
  put(fields, std::uint64_t{definition.regex ? 1U : 0U});
  put(fields, definition.regex.value_or(""));
  put(fields, static_cast<std::uint64_t>(definition.interval.count()));
  put(fields, static_cast<std::uint64_t>(definition.timeout.count()));
  std::array<std::uint8_t, 32> digest{};
  SHA256(reinterpret_cast<const unsigned char*>(fields.data()), fields.size(), digest.data());
  return digest;
}

Definitions::Definitions(Database& database)
    : database_(database),
      find_fingerprint_(database.prepare("SELECT id FROM definitions WHERE fingerprint = ?1")),
      insert_(database.prepare("INSERT INTO definitions (fingerprint, key, name, url, method, check_regex, regex, "
                               "interval_s, timeout_s) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9)")),
      find_(
          database.prepare("SELECT id, fingerprint, key, name, url, method, check_regex, regex, interval_s, timeout_s "
                           "FROM definitions WHERE id = ?1")),
      set_last_run_(database.prepare("INSERT INTO last_runs VALUES (?1, ?2) "
                                     "ON CONFLICT (definition) DO UPDATE SET at = excluded.at")) {
  auto select = database_.prepare("SELECT id FROM definitions WHERE interval_s > ?1");
  auto rows = select.query(std::chrono::seconds{kRememberedInterval}.count());
  while (rows.next()) remembered_.insert(rows.integer(0));
}

DefinitionId Definitions::define(Definition definition) {
  definition = made_storable(std::move(definition));
  const auto digest = fingerprint(definition);
  const std::span<const std::uint8_t> bytes(digest);
  if (const auto id = find_fingerprint_.integer(bytes)) return *id;
  insert_.run(bytes, std::string_view(definition.key), std::string_view(definition.name),
              std::string_view(definition.url), std::string_view(definition.method),
              std::int64_t{definition.check_regex ? 1 : 0}, std::optional<std::string_view>(definition.regex),
              definition.interval.count(), definition.timeout.count());
  const DefinitionId id = database_.last_id();
  if (definition.interval > kRememberedInterval) remembered_.insert(id);
  return id;
}

StoredDefinition Definitions::find(DefinitionId id) {
  auto rows = find_.query(id);
  if (rows.next()) return definition_of(rows);
  StoredDefinition unknown;
  unknown.id = id;
  return unknown;
}

std::unordered_map<std::string, common::WallTime> Definitions::last_runs() {
  std::unordered_map<std::string, common::WallTime> runs;
  auto select = database_.prepare(
      "SELECT d.key, max(l.at) FROM last_runs l JOIN definitions d ON d.id = l.definition GROUP BY d.key");
  auto rows = select.query();
  while (rows.next()) runs.emplace(rows.text(0), common::from_unix_micros(rows.integer(1)));
  return runs;
}

}  // namespace monitor::storage
