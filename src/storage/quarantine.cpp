#include "storage/quarantine.h"

#include <algorithm>

#include "common/text.h"

namespace monitor::storage {
namespace {

constexpr std::size_t kMaxReasonBytes = 1024;
constexpr std::size_t kMaxSqlstateBytes = 16;

}  // namespace

std::vector<QuarantinedRow> quarantined_rows(Database& database, Seq after, std::size_t max_rows) {
  auto select = database.prepare(
      "SELECT q.seq, q.sqlstate, q.reason, q.at, r.requested_at, "
      "CASE WHEN d.name <> '' THEN d.name ELSE d.method || ' ' || d.url END "
      "FROM quarantine q LEFT JOIN results r ON r.seq = q.seq LEFT JOIN definitions d ON d.id = r.definition "
      "WHERE q.seq > ?1 ORDER BY q.seq LIMIT ?2");
  std::vector<QuarantinedRow> found;
  auto rows = select.query(after, static_cast<std::int64_t>(max_rows));
  while (rows.next()) {
    auto& row = found.emplace_back();
    row.seq = rows.integer(0);
    row.sqlstate = rows.text(1);
    row.reason = rows.text(2);
    row.at = common::from_unix_micros(rows.integer(3));
    if (const auto at = rows.optional_integer(4)) row.requested_at = common::from_unix_micros(*at);
    row.service = rows.text(5);
  }
  return found;
}

std::vector<Gap> refused_gaps(const std::set<Seq>& seqs, Seq through, common::WallTime at) {
  std::vector<Gap> gaps;
  for (const Seq seq : seqs) {
    if (seq > through) break;
    if (gaps.empty() || gaps.back().last_seq + 1 != seq) {
      gaps.push_back({.reason = GapReason::kRefused, .from = at, .to = at, .first_seq = seq});
    }
    gaps.back().last_seq = seq;
    ++gaps.back().count;
  }
  return gaps;
}

Quarantine::Quarantine(Database& database)
    : database_(database),
      insert_(database.prepare("INSERT OR IGNORE INTO quarantine VALUES (?1, ?2, ?3, ?4)")),
      remove_(database.prepare("DELETE FROM quarantine WHERE seq = ?1")),
      time_of_(database.prepare("SELECT requested_at FROM results WHERE seq = ?1")),
      first_refused_(database.prepare("SELECT min(seq) FROM quarantine WHERE seq >= ?1 AND at BETWEEN ?2 AND ?3")) {
  reload();
}

std::optional<Seq> Quarantine::first_refused(Seq oldest, common::WallTime from, common::WallTime to) {
  return first_refused_.integer(oldest, common::unix_micros(from), common::unix_micros(to));
}

void Quarantine::reload() {
  seqs_.clear();
  auto select = database_.prepare("SELECT seq FROM quarantine");
  auto rows = select.query();
  while (rows.next()) seqs_.insert(rows.integer(0));
}

void Quarantine::remove(Seq seq) {
  remove_.run(seq);
  seqs_.erase(seq);
}

std::int64_t Quarantine::add(const std::vector<Quarantined>& rows, common::WallTime at, Writer& writer) {
  for (const auto& row : rows) {
    const std::string sqlstate = common::storable(row.sqlstate, kMaxSqlstateBytes);
    const std::string reason = common::storable(row.reason, kMaxReasonBytes);
    insert_.run(row.seq, std::string_view(sqlstate), std::string_view(reason), common::unix_micros(at));
    seqs_.insert(row.seq);
  }
  if (seqs_.size() <= kMaxRows) return 0;
  const auto excess = static_cast<std::ptrdiff_t>(seqs_.size() - kMaxRows);
  return give_up({seqs_.begin(), std::next(seqs_.begin(), excess)}, at, writer);
}

std::vector<Seq> Quarantine::among(const std::vector<Seq>& wanted) const {
  if (wanted.empty()) return {seqs_.begin(), seqs_.end()};
  std::vector<Seq> found;
  std::ranges::copy_if(wanted, std::back_inserter(found), [this](Seq seq) { return seqs_.contains(seq); });
  std::ranges::sort(found);
  const auto twice = std::ranges::unique(found);
  found.erase(twice.begin(), twice.end());
  return found;
}

Quarantine::Released Quarantine::release(const std::vector<Seq>& seqs) {
  Released released;
  for (const Seq seq : among(seqs)) {
    if (!time_of_.integer(seq)) {
      ++released.gone;
      continue;
    }
    remove(seq);
    if (released.count++ == 0) released.lowest = seq;
  }
  return released;
}

Quarantine::Dropped Quarantine::drop(const std::vector<Seq>& seqs, Seq through, common::WallTime now, Writer& writer) {
  auto chosen = among(seqs);
  chosen.erase(std::ranges::upper_bound(chosen, through), chosen.end());
  return {.count = std::ssize(chosen), .gaps = give_up(chosen, now, writer)};
}

/// `seqs` are in order. The time of one whose result was purged is not known any more: `now` stands for it.
std::int64_t Quarantine::give_up(const std::vector<Seq>& seqs, common::WallTime now, Writer& writer) {
  std::vector<Gap> gaps;
  for (const Seq seq : seqs) {
    const auto micros = time_of_.integer(seq);
    const auto at = micros ? common::from_unix_micros(*micros) : now;
    if (gaps.empty() || gaps.back().last_seq + 1 != seq) {
      gaps.push_back({.reason = GapReason::kRefused, .from = at, .to = at, .first_seq = seq});
    }
    Gap& gap = gaps.back();
    gap.from = std::min(gap.from, at);
    gap.to = std::max(gap.to, at);
    gap.last_seq = seq;
    ++gap.count;
    remove(seq);
  }
  for (const auto& gap : gaps) writer.write(gap);
  return std::ssize(gaps);
}

}  // namespace monitor::storage
