#include "storage/meta.h"

#include <fmt/format.h>

namespace monitor::storage {
namespace {

constexpr std::string_view kResults = "exported_results";
constexpr std::string_view kSkipped = "exported_skipped";
constexpr std::string_view kGaps = "exported_gaps";
// With the first number of a range behind it; the value is its last. What grows without being sent grows one range.
constexpr std::string_view kUnsentResults = "unsent_results:";
constexpr std::string_view kUnsentSkipped = "unsent_skipped:";
constexpr std::string_view kOurResults = "our_results";
constexpr std::string_view kOurSkipped = "our_skipped";
constexpr std::string_view kOurGaps = "our_gaps";
constexpr std::string_view kAliveAt = "alive_at";
constexpr std::string_view kRunningSince = "running_since";
constexpr std::string_view kCommitNumber = "commit_number";
constexpr std::string_view kRollupBytes = "rollup_bytes";
constexpr std::string_view kFileIdentity = "file_identity";

}  // namespace

Meta::Meta(Database& database)
    : get_(database.prepare("SELECT value FROM meta WHERE key = ?1")),
      set_(database.prepare("INSERT INTO meta VALUES (?1, ?2) ON CONFLICT (key) DO UPDATE SET value = excluded.value")),
      ranges_(database.prepare("SELECT CAST(substr(key, length(?1) + 1) AS INTEGER), value FROM meta "
                               "WHERE substr(key, 1, length(?1)) = ?1 ORDER BY 1")) {}

Cursor Meta::exported() {
  return {.results = get_.integer(kResults).value_or(0),
          .skipped = get_.integer(kSkipped).value_or(0),
          .gaps = get_.integer(kGaps).value_or(0)};
}

void Meta::set_exported(const Cursor& cursor) {
  set_.run(kResults, cursor.results);
  set_.run(kSkipped, cursor.skipped);
  set_.run(kGaps, cursor.gaps);
}

void Meta::add_unsent(const Cursor& exported, const Cursor& purged) {
  const auto add = [this](std::string_view kind, std::int64_t behind, std::int64_t last) {
    if (last > behind) set_.run(std::string_view(fmt::format("{}{}", kind, behind + 1)), last);
  };
  add(kUnsentResults, exported.results, purged.results);
  add(kUnsentSkipped, exported.skipped, purged.skipped);
}

Unsent Meta::unsent() {
  const auto read = [this](std::string_view kind) {
    std::vector<NumberRange> ranges;
    for (auto rows = ranges_.query(kind); rows.next();) ranges.push_back({rows.integer(0), rows.integer(1)});
    return ranges;
  };
  return {.results = read(kUnsentResults), .skipped = read(kUnsentSkipped)};
}

std::optional<Cursor> Meta::ours() {
  const auto results = get_.integer(kOurResults);
  if (!results) return std::nullopt;
  return Cursor{.results = *results,
                .skipped = get_.integer(kOurSkipped).value_or(0),
                .gaps = get_.integer(kOurGaps).value_or(0)};
}

void Meta::set_ours(const std::optional<Cursor>& ours) {
  const auto number = [&](std::int64_t Cursor::* kind) { return ours ? std::optional{(*ours).*kind} : std::nullopt; };
  set_.run(kOurResults, number(&Cursor::results));
  set_.run(kOurSkipped, number(&Cursor::skipped));
  set_.run(kOurGaps, number(&Cursor::gaps));
}

std::optional<common::WallTime> Meta::alive_at() {
  const auto micros = get_.integer(kAliveAt);
  return micros ? std::optional{common::from_unix_micros(*micros)} : std::nullopt;
}

void Meta::set_alive_at(common::WallTime at) {
  set_.run(kAliveAt, common::unix_micros(at));
}

std::optional<common::WallTime> Meta::running_since() {
  const auto micros = get_.integer(kRunningSince);
  return micros ? std::optional{common::from_unix_micros(*micros)} : std::nullopt;
}

void Meta::set_running_since(std::optional<common::WallTime> at) {
  set_.run(kRunningSince, at ? std::optional{common::unix_micros(*at)} : std::nullopt);
}

std::int64_t Meta::commit_number() {
  return get_.integer(kCommitNumber).value_or(0);
}

void Meta::set_commit_number(std::int64_t number) {
  set_.run(kCommitNumber, number);
}

std::int64_t Meta::rollup_bytes() {
  return get_.integer(kRollupBytes).value_or(0);
}

void Meta::set_rollup_bytes(std::int64_t bytes) {
  set_.run(kRollupBytes, bytes);
}

std::string Meta::file_identity() {
  auto rows = get_.query(kFileIdentity);
  return rows.next() ? std::string(rows.text(0)) : std::string();
}

void Meta::set_file_identity(std::string_view identity) {
  set_.run(kFileIdentity, identity);
}

Cursor head_of(Database& database) {
  auto head = database.prepare("SELECT seq FROM sqlite_sequence WHERE name = ?1");
  const auto of = [&head](std::string_view table) { return head.integer(table).value_or(0); };
  return {.results = of("results"), .skipped = of("skipped"), .gaps = of("gaps")};
}

}  // namespace monitor::storage
