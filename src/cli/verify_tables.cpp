#include <algorithm>
#include <utility>
#include <vector>

#include <fmt/format.h>

#include "cli/tables.h"
#include "cli/verify_text.h"
#include "common/text.h"

namespace monitor::cli {
namespace {

using report::AgentVerification;
using report::SeqSet;
using report::Verification;

constexpr std::size_t kShownRanges = 4;

std::string ranges_text(const SeqSet& numbers) {
  if (numbers.empty()) return "None";
  std::string out;
  std::size_t shown = 0;
  for (const auto& range : numbers.ranges()) {
    if (shown++ == kShownRanges) return out + fmt::format(", and {} more", numbers.ranges().size() - kShownRanges);
    if (!out.empty()) out += ", ";
    out += range.first == range.last ? fmt::format("{}", range.first) : fmt::format("{}-{}", range.first, range.last);
  }
  return out;
}

/// `2024-04-22 12:35:30`
std::string second_of(const std::optional<common::WallTime>& time) {
  constexpr std::size_t kToTheSecond = 19;
  return time ? common::format_time(*time).substr(0, kToTheSecond) : "None";
}

std::string whose(const AgentVerification& agent) {
  if (!agent.ledgers.here) return "of another file";
  return agent.ledgers.here->current ? "this file's" : "an older one of this file's";
}

std::string where_table(const AgentVerification& agent) {
  Table table{{"where", "results", "seq", "newest"}, {}};
  if (const auto& here = agent.ledgers.here) {
    table.rows.push_back(
        {"local", fmt::format("{}", here->results.count()), ranges_text(here->results), second_of(here->newest)});
  }
  const auto there = agent.ledgers.there.value_or(report::LedgerThere{});
  table.rows.push_back(
      {"PostgreSQL", fmt::format("{}", there.results.count()), ranges_text(there.results), second_of(there.newest)});
  return render(table);
}

std::string missing_table(const AgentVerification& agent) {
  if (agent.missing.empty()) return {};
  Table table{{"not in PostgreSQL", "results", "seq"}, {}};
  for (const auto& missing : agent.missing) {
    table.rows.push_back({missing.reason, fmt::format("{}", missing.count), ranges_text(missing.numbers)});
  }
  return render(table);
}

std::string gaps_table(const AgentVerification& agent) {
  if (agent.recorded.empty()) return {};
  Table table{{"recorded gaps", "rows", "results and slots", "from", "to"}, {}};
  for (const auto& gap : agent.recorded) {
    table.rows.push_back({gap.reason, fmt::format("{}", gap.gaps), fmt::format("{}", gap.count), second_of(gap.from),
                          second_of(gap.to)});
  }
  return render(table);
}

std::string lag_line(const AgentVerification& agent) {
  const auto& there = agent.ledgers.there;
  if (!agent.ledgers.here || !agent.ledgers.here->current) return {};
  auto line = fmt::format("Lag: {} result{} to be sent", agent.waiting, agent.waiting == 1 ? " waits" : "s wait");
  const auto newest = agent.ledgers.here->newest;
  if (newest && there && there->newest && *newest > *there->newest) {
    line +=
        fmt::format("; PostgreSQL is {:.1f} s behind", std::chrono::duration<double>(*newest - *there->newest).count());
  }
  line += there && there->exported_at ? fmt::format("; last export at {} UTC", second_of(there->exported_at))
                                      : "; nothing was ever exported";
  return line + ".\n";
}

std::string quarantine_lines(const AgentVerification& agent) {
  if (!agent.ledgers.here || agent.ledgers.here->quarantined.empty()) return {};
  const auto& here = *agent.ledgers.here;
  std::string out = fmt::format("Quarantined: {}\n", here.quarantined.count());
  for (const auto& row : here.refused)
    out += fmt::format("  seq {}: {} {}\n", row.seq, row.sqlstate, common::escape_controls(row.reason));
  return out;
}

std::string agent_text(const AgentVerification& agent) {
  std::string out = fmt::format("Agent {} ({})\n", agent.ledgers.agent_id, whose(agent));
  out += where_table(agent) + missing_table(agent) + gaps_table(agent) + quarantine_lines(agent) + lag_line(agent);
  for (const auto& note : agent.notes) out += "Note: " + common::escape_controls(note) + ".\n";
  for (const auto& problem : agent.problems) out += "UNEXPLAINED: " + common::escape_controls(problem) + ".\n";
  return out;
}

}  // namespace

std::string verify_tables(const Verification& verification) {
  std::string out;
  for (const auto& agent : verification.agents) out += agent_text(agent) + "\n";
  if (verification.other_agents > 0) {
    out +=
        fmt::format("PostgreSQL knows {} agent{} of other files; --all-agents shows {}.\n", verification.other_agents,
                    verification.other_agents == 1 ? "" : "s", verification.other_agents == 1 ? "it" : "them");
  }
  if (verification.since) {
    out +=
        fmt::format("Results before {} were not looked at.\n", common::format_time(*verification.since).substr(0, 10));
  }
  std::size_t problems = 0;
  for (const auto& agent : verification.agents) problems += agent.problems.size();
  out += problems == 0 ? "Everything is explained.\n"
                       : fmt::format("{} finding{} not explained.\n", problems, problems == 1 ? " is" : "s are");
  return out;
}

}  // namespace monitor::cli
