#include "storage/definitions.h"

#include <fmt/format.h>

#include "common/text.h"
#include "storage/row_mapping.h"

namespace monitor::storage {
namespace {

constexpr std::size_t kMaxTextBytes = std::size_t{8} << 10;  // a URL has at most 2083, a regex is written by hand
constexpr std::size_t kMaxMethodBytes = 32;
constexpr std::size_t kMaxSettingsBytes = std::size_t{64} << 10;
constexpr std::int64_t kRememberedResults = 100'000;           // read in some 20 ms
constexpr auto kRememberedInterval = std::chrono::minutes{5};  // shorter ones start afresh within it anyway

/// Cut short they would be JSON no more, and two that differ behind the cut would be one definition.
std::string storable_settings(const std::string& settings) {
  if (settings.size() <= kMaxSettingsBytes) return common::storable(settings, kMaxSettingsBytes);
  Fingerprint whole;
  whole.add(settings);
  std::string out = fmt::format(R"({{"too_long":{},"fingerprint":")", settings.size());
  for (const auto byte : whole.digest()) out += fmt::format("{:02x}", byte);
  return out += "\"}";
}

Definition made_storable(Definition definition) {
  for (auto* text : {&definition.key, &definition.name, &definition.url}) {
    *text = common::storable(*text, kMaxTextBytes);
  }
  definition.method = common::storable(definition.method, kMaxMethodBytes);
  if (definition.regex) definition.regex = common::storable(*definition.regex, kMaxTextBytes);
  definition.settings = storable_settings(definition.settings);
  return definition;
}

}  // namespace

Fingerprint::Digest fingerprint(const Definition& definition) {
  Fingerprint fields;
  fields.add(definition.key);
  fields.add(definition.name);
  fields.add(definition.url);
  fields.add(definition.method);
  fields.add(std::uint64_t{definition.check_regex ? 1U : 0U});
  fields.add(std::uint64_t{definition.regex ? 1U : 0U});
  fields.add(definition.regex.value_or(""));
  fields.add(static_cast<std::uint64_t>(definition.interval.count()));
  fields.add(static_cast<std::uint64_t>(definition.timeout.count()));
  if (!definition.settings.empty()) fields.add(definition.settings);
  return fields.digest();
}

Definitions::Definitions(Database& database)
    : database_(database),
      find_fingerprint_(database.prepare("SELECT id FROM definitions WHERE fingerprint = ?1")),
      insert_(database.prepare("INSERT INTO definitions (fingerprint, key, name, url, method, check_regex, regex, "
                               "interval_s, timeout_s, settings, id) "
                               "VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11)")),
      find_(
          database.prepare("SELECT id, fingerprint, key, name, url, method, check_regex, regex, interval_s, timeout_s, "
                           "settings FROM definitions WHERE id = ?1")),
      set_last_run_(database.prepare("INSERT INTO last_runs VALUES (?1, ?2) "
                                     "ON CONFLICT (definition) DO UPDATE SET at = excluded.at")) {
  auto select = database_.prepare("SELECT id FROM definitions WHERE interval_s > ?1");
  auto rows = select.query(std::chrono::seconds{kRememberedInterval}.count());
  while (rows.next()) remembered_.insert(rows.integer(0));
}

DefinitionId Definitions::define(Definition definition) {
  definition = made_storable(std::move(definition));
  const auto digest = fingerprint(definition);
  const auto id = find_fingerprint_.integer(std::span<const std::uint8_t>(digest));
  return id ? *id : insert(std::nullopt, definition);
}

void Definitions::restore(DefinitionId id, Definition definition) {
  insert(id, made_storable(std::move(definition)));
}

DefinitionId Definitions::insert(std::optional<DefinitionId> id, const Definition& definition) {
  const auto digest = fingerprint(definition);
  insert_.run(std::span<const std::uint8_t>(digest), std::string_view(definition.key),
              std::string_view(definition.name), std::string_view(definition.url), std::string_view(definition.method),
              std::int64_t{definition.check_regex ? 1 : 0}, std::optional<std::string_view>(definition.regex),
              definition.interval.count(), definition.timeout.count(),
              definition.settings.empty() ? std::nullopt : std::optional<std::string_view>(definition.settings), id);
  const DefinitionId stored = database_.last_id();
  if (definition.interval > kRememberedInterval) remembered_.insert(stored);
  return stored;
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

std::unordered_map<std::string, common::Verdict> Definitions::last_verdicts() {
  std::unordered_map<DefinitionId, std::string> keys;
  auto select_keys = database_.prepare("SELECT id, key FROM definitions");
  auto definitions = select_keys.query();
  while (definitions.next()) keys.emplace(definitions.integer(0), definitions.text(1));

  std::unordered_map<std::string, common::Verdict> verdicts;
  auto select = database_.prepare("SELECT definition, outcome FROM results ORDER BY seq DESC LIMIT ?1");
  auto rows = select.query(kRememberedResults);
  while (rows.next()) {
    const auto verdict = common::verdict_of(static_cast<common::Outcome>(rows.integer(1)));
    const auto key = keys.find(rows.integer(0));
    if (verdict != common::Verdict::kUnknown && key != keys.end()) verdicts.emplace(key->second, verdict);
  }
  return verdicts;
}

}  // namespace monitor::storage
