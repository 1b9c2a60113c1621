#include "report/hours.h"

#include <algorithm>

#include "storage/rollup.h"

namespace monitor::report {
namespace {

constexpr std::chrono::hours kHour{1};

/// Whether results are read for an hour that is touched.
bool is_raw(const HourState& state) {
  return state.touched && (!state.rolled || state.sealed || state.kept);
}

std::optional<Seqs> both(const std::optional<Seqs>& one, const std::optional<Seqs>& other) {
  if (!one || !other) return one ? one : other;
  return Seqs{std::min(one->first, other->first), std::max(one->last, other->last)};
}

/// Everything but the hours that the roll-ups hold as they are.
void add_unmarked(RawHours& raw, AgentId agent, const HourStates& states, common::WallTime from, common::WallTime to) {
  auto begin = from;
  const auto add = [&](common::WallTime end) {
    if (begin < end) raw.runs.push_back({.agent = agent, .from = begin, .to = end, .has_seqs = false, .seqs = {}});
  };
  for (auto at = states.lower_bound({agent, storage::start_of(storage::Tier::kHour, from)});
       at != states.end() && at->first.first == agent && at->first.second < to; ++at) {
    if (!at->second.rolled || is_raw(at->second)) continue;
    add(at->first.second);
    begin = std::max(from, at->first.second + kHour);
  }
  add(to);
}

}  // namespace

RawHours raw_hours(const HourStates& states, const std::set<AgentId>& unmarked, common::WallTime from,
                   common::WallTime to) {
  RawHours raw;
  for (const auto agent : unmarked) add_unmarked(raw, agent, states, from, to);
  const Run* last = nullptr;
  for (const auto& [agent_hour, state] : states) {
    const auto& [agent, hour] = agent_hour;
    if (!is_raw(state) || hour + kHour <= from || hour >= to) continue;
    if (state.rolled && !state.sealed) raw.stale.insert(agent_hour);
    if (unmarked.contains(agent)) continue;
    const Run run{
        .agent = agent, .from = std::max(hour, from), .to = hour + kHour, .has_seqs = true, .seqs = state.seqs};
    if (last != nullptr && last->agent == run.agent && last->to == run.from) {
      raw.runs.back().to = run.to;
      raw.runs.back().seqs = both(raw.runs.back().seqs, run.seqs);
    } else {
      raw.runs.push_back(run);
    }
    last = &raw.runs.back();
  }
  return raw;
}

}  // namespace monitor::report
