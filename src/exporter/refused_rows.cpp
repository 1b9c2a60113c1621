#include "exporter/refused_rows.h"

#include <fmt/format.h>

#include "exporter/sqlstate.h"

namespace monitor::exporter {

using boost::asio::awaitable;

std::string_view name_of(Kind kind) {
  switch (kind) {
    case Kind::kResults:
      return "results";
    case Kind::kSkipped:
      return "skipped ranges";
    case Kind::kGaps:
      break;
  }
  return "gaps";
}

Refused as_exception(const Refusal& refusal) {
  return {refusal.sqlstate, refusal.reason};
}

bool may_be_rows(const Refusal& refusal) {
  const auto reaction = reaction_to(refusal.sqlstate);
  return reaction == Reaction::kRow || reaction == Reaction::kTable;
}

std::size_t RefusedRows::rows_of(Kind kind) const {
  switch (kind) {
    case Kind::kResults:
      return batch_.results.size();
    case Kind::kSkipped:
      return batch_.skipped.size();
    case Kind::kGaps:
      break;
  }
  return batch_.gaps.size();
}

awaitable<std::vector<BadRow>> RefusedRows::results() {
  auto bad = co_await halve(Kind::kResults);
  if (!bad.empty() && bad.size() == batch_.results.size()) {
    throw Refused(bad.front().sqlstate, "every result of the batch is refused: " + bad.front().reason);
  }
  co_return bad;
}

awaitable<std::vector<BadRow>> RefusedRows::others(Kind kind) {
  auto bad = co_await halve(kind);
  if (!bad.empty() && bad.size() == rows_of(kind)) co_await blame_table(kind, bad.front());
  budget_.spend(bad);
  co_return bad;
}

awaitable<std::vector<BadRow>> RefusedRows::halve(Kind kind) {
  Bisection bisection(rows_of(kind));
  while (const auto range = bisection.next()) {
    const auto written = co_await server_.write(Part::of(kind, *range));
    if (!written.refusal) {
      bisection.landed();
      continue;
    }
    if (!may_be_rows(*written.refusal)) throw as_exception(*written.refusal);
    bisection.refused(written.refusal->sqlstate, written.refusal->reason);
    if (!budget_.allows(bisection.bad())) {
      throw Refused(written.refusal->sqlstate,
                    fmt::format("more than {} {} are refused alike, so the table is at fault and not they: {}",
                                RefusalBudget::kMost, name_of(kind), written.refusal->reason));
    }
  }
  co_return co_await still_refused(kind, bisection.bad());
}

// What refused them may be gone since, such as a trigger of somebody's. It may go while this tries them, too: what one
// round refuses says nothing of the rows unless it refuses them all.
awaitable<std::vector<BadRow>> RefusedRows::still_refused(Kind kind, std::vector<BadRow> bad) {
  for (bool changed = true; changed;) {
    std::vector<BadRow> still;
    for (const auto& row : bad) {
      const auto written = co_await server_.write(Part::of(kind, {row.index, row.index + 1}));
      if (!written.refusal) continue;
      if (!may_be_rows(*written.refusal)) throw as_exception(*written.refusal);
      still.push_back({row.index, written.refusal->sqlstate, written.refusal->reason});
    }
    changed = still.size() < bad.size();
    bad = std::move(still);
  }
  co_return bad;
}

// Results have neighbours soon; a gap may be the only one of its month.
awaitable<void> RefusedRows::blame_table(Kind kind, BadRow refused) {
  if (co_await server_.takes(kind)) co_return;
  throw Refused(refused.sqlstate, fmt::format("no {} are taken: {}", name_of(kind), refused.reason));
}

}  // namespace monitor::exporter
