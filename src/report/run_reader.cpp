#include "report/run_reader.h"

#include <algorithm>
#include <string>

#include <fmt/format.h>

#include "report/remote_rollup.h"

namespace monitor::report {

using common::WallTime;
using storage::Tier;

namespace {

/// Of longer runs the activity is looked at by the day.
constexpr std::chrono::hours kLongRun{72};
/// What was judged within this time after a piece of the roll-ups is read with it.
constexpr std::chrono::hours kSoonAfter{23};

/// The pieces without an end, of one service, of which it is not known yet how it went on.
std::vector<Piece*> unfinished(std::vector<Piece>& pieces, WallTime now) {
  std::set<WallTime> going_on;
  for (const auto& piece : pieces) {
    if (piece.from_start) going_on.insert(piece.span_from);
  }
  std::vector<Piece*> found;
  for (auto& piece : pieces) {
    if (piece.outage.to || piece.span_to > now || going_on.contains(piece.span_to)) continue;
    const bool known = piece.next_judged && *piece.next_judged <= piece.span_to + kSoonAfter;
    if (!known) found.push_back(&piece);
  }
  return found;
}

}  // namespace

void RunReader::read(const Run& run) {
  const bool no_results = run.has_seqs && !run.seqs;
  if (!no_results) {
    DownServices down;
    read_counts(run, down);
    read_buckets(run);
    read_turns(run, down);
  }
  remote_.query(skipped_sql(run, scope_), {}, [&](const RemoteRow& row) {
    const auto* known = services_.find(row.integer(1));
    if (known == nullptr) return;
    const auto reason = skip_reason_of(row.text(5));
    const storage::Skipped range{row.integer(1), row.time(2), row.time(3), row.integer(4), reason};
    known->service->summary.add_skipped(reason, slots_inside(range, run.from, run.to));
    services_.mark(*known, row.integer(0), range.from, range.to);
  });
}

void RunReader::read_counts(const Run& run, DownServices& down) {
  const auto until = std::min(run.to, now_);
  const auto* stretch = until - run.from > kLongRun ? "day" : "hour";
  remote_.query(counts_sql(run, stretch, scope_), {}, [&](const RemoteRow& row) {
    const auto* known = services_.find(row.integer(1));
    if (known == nullptr) return;
    auto& sum = known->service->summary.sum();
    const auto count = static_cast<std::uint64_t>(row.integer(5));
    if (row.boolean(4)) {
      sum.rechecks += count;
      return;
    }
    const auto outcome = static_cast<std::uint8_t>(row.integer(3));
    sum.outcomes[outcome] += count;
    sum.total_sum += common::Micros{row.integer(6)};
    sum.lateness_max = std::max(sum.lateness_max, common::Micros{row.integer(7)});
    services_.mark(*known, row.integer(0), row.time(8), row.time(9));
    known->service->last = std::max(known->service->last, row.time(9));
    note_verdict(down[{row.integer(0), known->service}], outcome, count, {row.time(8), row.time(9)});
  });
}

void RunReader::note_verdict(DownInRun& seen, std::uint8_t outcome, std::uint64_t count, Span times) {
  const auto verdict = common::verdict_of(static_cast<common::Outcome>(outcome));
  if (verdict == common::Verdict::kUnknown) return;
  seen.first_judged = std::min(seen.first_judged.value_or(times.from), times.from);
  if (verdict != common::Verdict::kDown) return;
  seen.downs += count;
  seen.last_down = std::max(seen.last_down.value_or(times.to), times.to);
}

void RunReader::read_buckets(const Run& run) {
  remote_.query(buckets_sql(run, scope_), {bucket_begins()}, [&](const RemoteRow& row) {
    const auto* known = services_.find(row.integer(0));
    if (known == nullptr) return;
    auto& measures = known->service->summary.sum().measures;
    measures.at(static_cast<std::size_t>(row.integer(1)))
        .add_bucket(static_cast<int>(row.integer(2)), static_cast<std::uint64_t>(row.integer(3)));
  });
}

void RunReader::read_turns(const Run& run, const DownServices& down) {
  std::set<RemoteService*> services;
  for (const auto& [key, seen] : down) {
    if (seen.downs > 0) services.insert(key.second);
    if (seen.first_judged) first_judged_[key].push_back(*seen.first_judged);
  }
  if (services.empty()) return;
  std::map<Key, Piece> open;
  remote_.query(turns_sql(run), services_.numbers_of(services), [&](const RemoteRow& row) {
    const Key key{row.integer(0), &services_.at(row.integer(1))};
    const auto at = row.time(2);
    const auto downs_before = static_cast<std::uint64_t>(row.integer(6));
    if (row.boolean(3)) {
      Piece piece{.outage = {}, .span_from = run.from, .span_to = run.to, .from_start = row.null(7), .next_judged = {}};
      piece.outage.from = at;
      piece.outage.checks = downs_before;  // until it ends
      piece.outage.outcome = static_cast<common::Outcome>(row.integer(4));
      piece.outage.reason = row.text(5);
      open.insert_or_assign(key, std::move(piece));
    } else if (auto ended = open.extract(key); !ended.empty()) {
      auto& outage = ended.mapped().outage;
      outage.to = at;
      outage.last = row.time(7);
      outage.checks = downs_before - outage.checks;
      services_.watched(key.first, *key.second).pieces.push_back(std::move(ended.mapped()));
    }
  });
  for (auto& [key, piece] : open) {
    const auto& seen = down.at(key);
    piece.outage.last = seen.last_down.value_or(piece.outage.from);
    piece.outage.checks = seen.downs - piece.outage.checks;
    services_.watched(key.first, *key.second).pieces.push_back(std::move(piece));
  }
}

void RunReader::read_pieces(WallTime from, const std::set<AgentHour>& stale) {
  std::set<RemoteService*> all;
  for (auto& [key, service] : services_.services()) all.insert(&service);
  const auto numbers = services_.numbers_of(all);
  auto parameters = numbers;
  parameters.push_back(timestamp_of(from));
  remote_.query(kPiecesSql, parameters, [&](const RemoteRow& row) {
    const auto hour = row.time(2);
    if (stale.contains({row.integer(0), hour})) return;
    Piece piece{.outage = {},
                .span_from = hour,
                .span_to = hour + width_of(Tier::kHour),
                .from_start = row.boolean(8),
                .next_judged = row.time_or_null(9)};
    piece.outage.from = row.time(3);
    piece.outage.to = row.time_or_null(4);
    piece.outage.last = piece.outage.from;
    piece.outage.checks = static_cast<std::uint64_t>(row.integer(5));
    piece.outage.outcome = static_cast<common::Outcome>(row.integer(6));
    piece.outage.reason = row.text(7);
    auto* service = &services_.at(row.integer(1));
    add_next_judged(piece, {row.integer(0), service}, row.boolean(10));
    services_.watched(row.integer(0), *service).pieces.push_back(std::move(piece));
  });
  read_next_judged(numbers);
}

void RunReader::read_next_judged(std::vector<std::string> services) {
  std::vector<Piece*> pieces;
  std::vector<std::int64_t> agents, numbers;
  std::string ends;
  for (auto& [id, agent] : services_.agents()) {
    for (auto& [service, watched] : agent.services) {
      for (auto* piece : unfinished(watched.pieces, now_)) {
        add_next_judged(*piece, {id, service}, false);
        ends += fmt::format("{}\"{}\"", pieces.empty() ? "" : ",", timestamp_of(piece->span_to));
        pieces.push_back(piece);
        agents.push_back(id);
        numbers.push_back(service->number);
      }
    }
  }
  if (pieces.empty()) return;
  services.insert(services.end(), {array_of(agents), array_of(numbers), "{" + ends + "}"});
  remote_.query(kNextJudgedSql, services, [&](const RemoteRow& row) {
    auto& next = pieces.at(static_cast<std::size_t>(row.integer(0) - 1))->next_judged;
    next = std::min(next.value_or(WallTime::max()), row.time(1));
  });
}

void RunReader::add_next_judged(Piece& piece, const Key& key, bool hours_gone) const {
  if (piece.outage.to) return;
  if (const auto found = first_judged_.find(key); found != first_judged_.end()) {
    for (const auto at : found->second) {
      if (at >= piece.span_to && (!piece.next_judged || at < *piece.next_judged)) piece.next_judged = at;
    }
  }
  if (!piece.next_judged && hours_gone) piece.next_judged = piece.span_to;
}

}  // namespace monitor::report
