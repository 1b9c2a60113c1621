#include <ranges>

#include <boost/json/serialize.hpp>
#include <boost/json/string.hpp>
#include <fmt/format.h>
#include <fmt/ranges.h>

#include "cli/timestamp.h"
#include "cli/verify_text.h"

namespace monitor::cli {
namespace {

using report::AgentVerification;
using report::SeqSet;

std::string json_text(std::string_view text) {
  return boost::json::serialize(boost::json::string(text));
}

std::string time_or_null(const std::optional<common::WallTime>& time) {
  return time ? json_text(timestamp(*time)) : "null";
}

/// So many ranges of one kind are told; how many numbers there are is told beside them.
constexpr std::size_t kShownRanges = 1000;

std::string ranges_array(const SeqSet& numbers) {
  const auto pairs = numbers.ranges() | std::views::take(kShownRanges) | std::views::transform([](const auto& range) {
                       return fmt::format("[{}, {}]", range.first, range.last);
                     });
  return fmt::format("[{}]", fmt::join(pairs, ", "));
}

template <typename Range, typename Make>
std::string array_of(const Range& range, Make make) {
  return fmt::format("[{}]", fmt::join(std::views::transform(range, make), ", "));
}

std::string local_object(const AgentVerification& agent) {
  const auto& here = agent.ledgers.here;
  if (!here) return "null";
  return fmt::format(
      R"({{"current": {}, "first_seq": {}, "last_seq": {}, "exported_through": {}, "results": {}, "seq": {}, )"
      R"("newest": {}}})",
      here->current, here->numbers.first, here->numbers.last, here->exported, here->results.count(),
      ranges_array(here->results), time_or_null(here->newest));
}

std::string postgresql_object(const AgentVerification& agent) {
  const auto& there = agent.ledgers.there;
  if (!there) return "null";
  const auto twice = array_of(there->twice, [](const auto& slot) {
    return fmt::format(R"({{"service": {}, "at": {}, "seq": [{}]}})", json_text(slot.service),
                       json_text(timestamp(slot.requested_at)), fmt::join(slot.seqs, ", "));
  });
  return fmt::format(R"({{"results_head": {}, "results": {}, "seq": {}, "newest": {}, "exported_at": {}, )"
                     R"("repeated_rows": {}, "repeated_seq": {}, "slots_stored_twice": {}, "stored_twice": {}}})",
                     there->head.results, there->results.count(), ranges_array(there->results),
                     time_or_null(there->newest), time_or_null(there->exported_at), there->repeated_rows,
                     ranges_array(there->repeated), there->twice_count, twice);
}

std::string quarantine_array(const AgentVerification& agent) {
  if (!agent.ledgers.here) return "[]";
  return array_of(agent.ledgers.here->refused, [](const storage::Quarantined& row) {
    return fmt::format(R"({{"seq": {}, "sqlstate": {}, "reason": {}}})", row.seq, json_text(row.sqlstate),
                       json_text(row.reason));
  });
}

std::string lag_object(const AgentVerification& agent) {
  std::string seconds = "null";
  const auto& here = agent.ledgers.here;
  const auto& there = agent.ledgers.there;
  if (here && there && here->newest && there->newest) {
    seconds = fmt::format("{}", std::max(0.0, seconds_of(*here->newest - *there->newest)));
  }
  return fmt::format(R"({{"results": {}, "seconds": {}}})", agent.waiting, seconds);
}

std::string agent_object(const AgentVerification& agent) {
  const auto missing = array_of(agent.missing, [](const report::Missing& entry) {
    return fmt::format(R"({{"reason": {}, "explained": {}, "results": {}, "seq": {}}})", json_text(entry.reason),
                       entry.explained, entry.count, ranges_array(entry.numbers));
  });
  const auto gaps = array_of(agent.recorded, [](const report::Recorded& gap) {
    return fmt::format(R"({{"reason": {}, "rows": {}, "count": {}, "from": {}, "to": {}}})", json_text(gap.reason),
                       gap.gaps, gap.count, json_text(timestamp(gap.from)), json_text(timestamp(gap.to)));
  });
  return fmt::format(
      R"({{"agent_id": {}, "local": {}, "postgresql": {}, "in_both": {}, "only_local": {}, "only_postgresql": {}, )"
      R"("different": {}, "different_seq": {}, "not_compared": {}, "missing": {}, "gaps": {}, "quarantined": {}, "quarantine": {}, )"
      R"("lag": {}, "notes": {}, "unexplained": {}}})",
      json_text(agent.ledgers.agent_id), local_object(agent), postgresql_object(agent), agent.in_both, agent.only_here,
      agent.only_there, agent.ledgers.different.count(), ranges_array(agent.ledgers.different),
      agent.ledgers.uncompared.count(), missing, gaps, agent.ledgers.here ? agent.ledgers.here->quarantined.count() : 0,
      quarantine_array(agent), lag_object(agent), array_of(agent.notes, json_text),
      array_of(agent.problems, json_text));
}

}  // namespace

std::string verify_json(const report::Verification& verification) {
  const auto agents = std::views::transform(verification.agents, agent_object);
  return fmt::format("{{\"at\": {}, \"since\": {}, \"explained\": {}, \"other_agents\": {}, \"agents\": [\n  {}]}}\n",
                     json_text(timestamp(verification.at)), time_or_null(verification.since), verification.explained(),
                     verification.other_agents, fmt::join(agents, ",\n  "));
}

}  // namespace monitor::cli
