#include <algorithm>
#include <map>
#include <set>
#include <unordered_map>

#include <fmt/format.h>

#include "common/error.h"
#include "report/absence.h"
#include "report/external_sql.h"
#include "report/hours.h"
#include "report/pieces.h"
#include "report/postgres.h"
#include "report/remote_rollup.h"
#include "report/report.h"
#include "report/summary.h"
#include "report/window.h"

namespace monitor::report {
namespace {

using common::WallTime;
using storage::DefinitionId;
using storage::Tier;

/// Rows that a clock gone wrong has stamped ahead of now are shown too.
constexpr std::chrono::days kAhead{3660};
/// An agent that has sent nothing for so long, though it did in the window, is told of.
constexpr std::chrono::minutes kSilence{15};
/// Of longer runs the activity is looked at by the day.
constexpr std::chrono::hours kLongRun{72};

WallTime month_from(WallTime time) {
  const std::chrono::year_month_day date(std::chrono::floor<std::chrono::days>(time));
  const WallTime first{std::chrono::sys_days(date.year() / date.month() / 1)};
  if (first == time) return first;
  return WallTime{std::chrono::sys_days((date.year() / date.month() + std::chrono::months{1}) / 1)};
}

/// A service through all its definitions and agents.
struct Service {
  std::string label;
  std::int64_t number = 0;
  Summary summary;
  storage::Rollup stale;            ///< to be taken off again
  WallTime last = WallTime::min();  ///< its last check was then or later
};

/// A service as one agent checks it.
struct Watched {
  Absence::Activity activity;
  std::vector<Piece> pieces;
};

struct Agent {
  std::string name;
  std::optional<WallTime> exported_at;
  std::vector<Span> gaps;
  std::optional<Absence> absence;
  std::unordered_map<Service*, Watched> services;
};

struct Known {
  Service* service = nullptr;
  std::chrono::seconds interval{};
};

/// What a run of results says of a service of an agent that was down in it.
struct DownInRun {
  std::optional<WallTime> first_judged, last_down;
  std::uint64_t downs = 0;
};

class ExternalReport {
 public:
  ExternalReport(const std::string& uri, const Options& options) : remote_(uri), options_(options) {}

  Report run() {
    read_schema();
    read_definitions();
    read_agents();
    read_hours();
    read_gaps();
    read_before();
    if (rollups_) read_tiers();
    for (const auto& run : raw_.runs) read_run(run);
    if (rollups_) read_pieces();
    read_last();
    return finish();
  }

 private:
  WallTime end() const { return options_.now + kAhead; }

  void read_schema() {
    bool results = false;
    remote_.query(kSchemaSql, {}, [&](const RemoteRow& row) {
      results = row.boolean(0);
      rollups_ = row.boolean(1);
    });
    if (!results) {
      throw common::Error(
          "this PostgreSQL database holds no results of a monitor; `monitor start` makes the tables when it first "
          "exports there");
    }
    if (!rollups_) {
      report_.notes.emplace_back(
          "this PostgreSQL database has no roll-ups yet: every result was read, and what remote_retention removed is "
          "missing; the first agent of this version that exports there adds them");
    }
  }

  void read_definitions() {
    std::vector<std::int64_t> wanted;
    remote_.query(kDefinitionsSql, {}, [&](const RemoteRow& row) {
      const std::chrono::seconds interval{row.integer(5)};
      longest_interval_ = std::max(longest_interval_, interval);
      auto label = row.text(2).empty() ? fmt::format("{} {}", row.text(3), row.text(4)) : std::string(row.text(2));
      if (options_.service && label != *options_.service) return;
      auto& service = services_[std::string(row.text(1))];
      service.label = std::move(label);
      if (service.number == 0) service.number = std::ssize(services_);
      by_definition_.emplace(row.integer(0), Known{&service, interval});
      wanted.push_back(row.integer(0));
    });
    if (options_.service) scope_.definitions = fmt::format(" AND definition = ANY ('{}')", array_of(wanted));
    for (auto& [key, service] : services_) by_number_.emplace(service.number, &service);
  }

  void read_agents() {
    remote_.query(agents_sql(rollups_), {}, [&](const RemoteRow& row) {
      auto& agent = agents_[row.integer(0)];
      agent.name = row.text(1);
      agent.exported_at = row.time_or_null(2);
      if (row.boolean(3)) unmarked_.insert(row.integer(0));
    });
  }

  /// What is read from where.
  void read_hours() {
    const auto wanted = options_.now - options_.last;
    if (!rollups_) {
      window_ = window_from(wanted, {});
      raw_.runs.push_back({.agent = {}, .from = wanted, .to = end(), .has_seqs = false, .seqs = {}});
      return;
    }
    HourStates states;
    Edge edge{.hour = false, .all_hours = true, .day = false};
    const auto hour = start_of(Tier::kHour, wanted);
    const auto day_end = start_of(Tier::kDay, wanted) + width_of(Tier::kDay);
    const std::vector<std::int64_t> unmarked(unmarked_.begin(), unmarked_.end());
    const std::vector<std::string> parameters{timestamp_of(start_of(Tier::kDay, wanted)), timestamp_of(day_end),
                                              array_of(unmarked)};
    remote_.query(kHoursSql, parameters, [&](const RemoteRow& row) {
      HourState state{.touched = row.boolean(2),
                      .rolled = row.boolean(3),
                      .kept = row.boolean(4),
                      .sealed = row.boolean(5),
                      .seqs = {}};
      if (!row.null(6)) state.seqs = Seqs{row.integer(6), row.integer(7)};
      const auto at = row.time(1);
      if (state.rolled && at < day_end) {
        edge.day = true;
        edge.hour = edge.hour || at == hour;
        edge.all_hours = edge.all_hours && (at < hour || state.kept);
      }
      states.emplace(AgentHour{row.integer(0), at}, state);
    });
    window_ = window_from(wanted, edge);
    raw_ = raw_hours(states, unmarked_, window_.from, end());
  }

  void read_gaps() {
    remote_.query(kGapsSql, {timestamp_of(window_.from)}, [&](const RemoteRow& row) {
      const auto reason = row.text(1);
      if (reason == name_of(storage::GapReason::kNotRunning)) {
        agents_[row.integer(0)].gaps.push_back({row.time(2), row.time(3)});
      } else {
        report_.lost.push_back({std::string(reason), row.time(2), row.time(3), row.integer(4)});
      }
    });
    for (auto& [id, agent] : agents_) {
      agent.absence.emplace(std::move(agent.gaps), Span{window_.from, options_.now});
      const bool silent =
          agent.exported_at && *agent.exported_at >= window_.from && options_.now - *agent.exported_at > kSilence;
      if (!silent) continue;
      report_.notes.push_back(fmt::format("agent {} has sent nothing since {} UTC; the time after that is not covered",
                                          agent.name, common::format_time(*agent.exported_at)));
    }
  }

  const Known* find(DefinitionId definition) const {
    const auto found = by_definition_.find(definition);
    return found == by_definition_.end() ? nullptr : &found->second;
  }

  Agent& agent_of(AgentId id) {
    auto& agent = agents_[id];
    if (!agent.absence) agent.absence.emplace(std::vector<Span>{}, Span{});
    return agent;
  }

  void mark(const Known& known, AgentId id, WallTime first, WallTime last) {
    auto& agent = agent_of(id);
    agent.services[known.service].activity.mark(*agent.absence, first, last, known.interval);
  }

  /// Who was active before a gap that the window begins with, or soon after its begin.
  void read_before() {
    Span before{window_.from, window_.from};
    for (const auto& [id, agent] : agents_) {
      const auto span = agent.absence->look_back(longest_interval_);
      if (span.from < span.to) before.from = std::min(before.from, span.from);
    }
    if (before.from == before.to) return;
    const std::vector<std::string> times{timestamp_of(before.from), timestamp_of(before.to)};
    remote_.query(activity_sql(scope_), times, [&](const RemoteRow& row) {
      if (const auto* known = find(row.integer(1))) mark(*known, row.integer(0), row.time(2), row.time(3));
    });
    if (!rollups_) return;
    for (const auto& [table, tier] : {std::pair{"monitoring_hours", Tier::kHour}, {"monitoring_days", Tier::kDay}}) {
      const auto from = start_of(tier, before.from);
      read_tier(table, width_of(tier), from, before.to, [](const RemoteRow&, Service&) {});
    }
  }

  template <typename Take>
  void read_tier(const char* table, common::Micros width, WallTime from, WallTime to, Take take) {
    remote_.query(tier_sql(table, scope_), {timestamp_of(from), timestamp_of(to)}, [&](const RemoteRow& row) {
      const auto* known = find(row.integer(kDefinition));
      if (known == nullptr) return;
      const auto start = row.time(kStart);
      mark(*known, row.integer(kAgent), start, start + width - common::Micros{1});
      if (!row.null(kOutcomes)) known->service->last = std::max(known->service->last, start);
      take(row, *known->service);
    });
  }

  void read_tiers() {
    const auto add = [](const RemoteRow& row, Service& service) { add_row(row, service.summary.sum()); };
    const auto months_from = month_from(window_.days_from);
    read_tier("monitoring_months", std::chrono::days{28}, months_from, end(), add);
    read_tier("monitoring_days", std::chrono::days{1}, window_.days_from, months_from, add);
    read_tier("monitoring_hours", std::chrono::hours{1}, window_.from, window_.days_from,
              [&](const RemoteRow& row, Service& service) {
                const bool stale = raw_.stale.contains({row.integer(kAgent), row.time(kStart)});
                if (!stale) add_row(row, service.summary.sum());
              });
    take_stale_off();
  }

  /// Days and months hold hours as they were before more results came: those are read instead.
  void take_stale_off() {
    std::vector<std::int64_t> agents;
    std::string hours;
    for (const auto& [agent, hour] : raw_.stale) {
      if (hour < window_.days_from) continue;
      agents.push_back(agent);
      hours += fmt::format("{}\"{}\"", hours.empty() ? "" : ",", timestamp_of(hour));
    }
    if (agents.empty()) return;
    remote_.query(stale_sql(scope_), {array_of(agents), fmt::format("{{{}}}", hours)}, [&](const RemoteRow& row) {
      if (const auto* known = find(row.integer(kDefinition))) add_row(row, known->service->stale);
    });
  }

  using DownServices = std::map<std::pair<AgentId, Service*>, DownInRun>;

  void read_run(const Run& run) {
    const bool no_results = run.has_seqs && !run.seqs;
    if (!no_results) {
      DownServices down;
      read_counts(run, down);
      read_buckets(run);
      read_turns(run, down);
    }
    remote_.query(skipped_sql(run, scope_), {}, [&](const RemoteRow& row) {
      const auto* known = find(row.integer(1));
      if (known == nullptr) return;
      const auto reason = skip_reason_of(row.text(5));
      const storage::Skipped range{row.integer(1), row.time(2), row.time(3), row.integer(4), reason};
      known->service->summary.add_skipped(reason, slots_inside(range, run.from, run.to));
      mark(*known, row.integer(0), range.from, range.to);
    });
  }

  void read_counts(const Run& run, DownServices& down) {
    const auto until = std::min(run.to, options_.now);
    const auto* stretch = until - run.from > kLongRun ? "day" : "hour";
    remote_.query(counts_sql(run, stretch, scope_), {}, [&](const RemoteRow& row) {
      const auto* known = find(row.integer(1));
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
      mark(*known, row.integer(0), row.time(8), row.time(9));
      known->service->last = std::max(known->service->last, row.time(9));
      note_verdict(down[{row.integer(0), known->service}], outcome, count, {row.time(8), row.time(9)});
    });
  }

  static void note_verdict(DownInRun& seen, std::uint8_t outcome, std::uint64_t count, Span times) {
    const auto verdict = common::verdict_of(static_cast<common::Outcome>(outcome));
    if (verdict == common::Verdict::kUnknown) return;
    seen.first_judged = std::min(seen.first_judged.value_or(times.from), times.from);
    if (verdict != common::Verdict::kDown) return;
    seen.downs += count;
    seen.last_down = std::max(seen.last_down.value_or(times.to), times.to);
  }

  void read_buckets(const Run& run) {
    remote_.query(buckets_sql(run, scope_), {bucket_begins()}, [&](const RemoteRow& row) {
      const auto* known = find(row.integer(0));
      if (known == nullptr) return;
      auto& measures = known->service->summary.sum().measures;
      measures.at(static_cast<std::size_t>(row.integer(1)))
          .add_bucket(static_cast<int>(row.integer(2)), static_cast<std::uint64_t>(row.integer(3)));
    });
  }

  /// Definitions and the number of the service of each, as two parameters.
  std::vector<std::string> numbers_of(const std::set<Service*>& services) const {
    std::vector<std::int64_t> definitions, numbers;
    for (const auto& [definition, known] : by_definition_) {
      if (!services.contains(known.service)) continue;
      definitions.push_back(definition);
      numbers.push_back(known.service->number);
    }
    return {array_of(definitions), array_of(numbers)};
  }

  void read_turns(const Run& run, const DownServices& down) {
    std::set<Service*> services;
    for (const auto& [key, seen] : down) {
      if (seen.downs > 0) services.insert(key.second);
      if (seen.first_judged) first_judged_[key].push_back(*seen.first_judged);
    }
    if (services.empty()) return;
    std::map<std::pair<AgentId, Service*>, Piece> open;
    remote_.query(turns_sql(run), numbers_of(services), [&](const RemoteRow& row) {
      const std::pair key{row.integer(0), by_number_.at(row.integer(1))};
      const auto at = row.time(2);
      const auto downs_before = static_cast<std::uint64_t>(row.integer(6));
      if (row.boolean(3)) {
        Piece piece{
            .outage = {}, .span_from = run.from, .span_to = run.to, .from_start = row.null(7), .next_judged = {}};
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
        agent_of(key.first).services[key.second].pieces.push_back(std::move(ended.mapped()));
      }
    });
    for (auto& [key, piece] : open) {
      const auto& seen = down.at(key);
      piece.outage.last = seen.last_down.value_or(piece.outage.from);
      piece.outage.checks = seen.downs - piece.outage.checks;
      agent_of(key.first).services[key.second].pieces.push_back(std::move(piece));
    }
  }

  void read_pieces() {
    std::set<Service*> all;
    for (auto& [key, service] : services_) all.insert(&service);
    auto parameters = numbers_of(all);
    parameters.push_back(timestamp_of(window_.from));
    remote_.query(kPiecesSql, parameters, [&](const RemoteRow& row) {
      const auto hour = row.time(2);
      if (raw_.stale.contains({row.integer(0), hour})) return;
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
      auto* service = by_number_.at(row.integer(1));
      add_next_judged(piece, {row.integer(0), service}, row.boolean(10));
      agent_of(row.integer(0)).services[service].pieces.push_back(std::move(piece));
    });
  }

  /// Results that are not rolled up may tell how it went on.
  void add_next_judged(Piece& piece, const std::pair<AgentId, Service*>& key, bool hours_gone) const {
    if (piece.outage.to) return;
    if (const auto found = first_judged_.find(key); found != first_judged_.end()) {
      for (const auto at : found->second) {
        if (at >= piece.span_to && (!piece.next_judged || at < *piece.next_judged)) piece.next_judged = at;
      }
    }
    if (!piece.next_judged && hours_gone) piece.next_judged = piece.span_to;
  }

  /// The last check of each service. Planning for all the days of a year would take longer than everything else: so
  /// those that are known to have had one lately are asked for apart.
  void read_last() {
    const auto lately = options_.now - std::chrono::days{1};
    read_last_from(window_.from, lately);
    read_last_from(lately, end());
  }

  void read_last_from(WallTime from, WallTime to) {
    std::vector<std::int64_t> definitions;
    std::string begins;
    auto first = WallTime::max();
    for (const auto& [definition, known] : by_definition_) {
      const auto begin = std::max(known.service->last, window_.from);
      if (known.service->summary.empty() || begin < from || begin >= to) continue;
      first = std::min(first, begin);
      begins += fmt::format("{}\"{}\"", definitions.empty() ? "" : ",", timestamp_of(begin));
      definitions.push_back(definition);
    }
    if (definitions.empty()) return;
    const std::vector<std::string> parameters{array_of(definitions), "{" + begins + "}"};
    remote_.query(last_sql(first, end()), parameters, [&](const RemoteRow& row) {
      storage::ReportRow last;
      last.requested_at = row.time(1);
      last.outcome = static_cast<common::Outcome>(row.integer(2));
      last.reason = row.text(3);
      if (!row.null(4)) last.status = static_cast<std::uint16_t>(row.integer(4));
      last.total = common::Micros{row.integer(5)};
      find(row.integer(0))->service->summary.set_last(last);
    });
  }

  Report finish() {
    report_.from = window_.from;
    report_.to = options_.now;
    std::map<Service*, Outages> outages;
    for (auto& [id, agent] : agents_) {
      for (auto& [service, watched] : agent.services) {
        Outages own(window_.from);
        add_pieces(own, std::move(watched.pieces));
        outages.try_emplace(service, window_.from).first->second.merge(own);
        service->summary.add_not_running(watched.activity.slots(*agent.absence));
      }
    }
    for (auto& [key, service] : services_) {
      subtract(service.summary.sum(), service.stale);
      if (service.summary.empty()) continue;
      const auto found = outages.try_emplace(&service, window_.from).first;
      report_.services.push_back(service.summary.finish(service.label, found->second));
    }
    std::ranges::sort(report_.services, {}, &ServiceReport::service);
    return std::move(report_);
  }

  Remote remote_;
  const Options& options_;
  bool rollups_ = false;
  Scope scope_;
  Window window_;
  RawHours raw_;
  std::chrono::seconds longest_interval_{};
  std::map<std::string, Service> services_;
  std::unordered_map<DefinitionId, Known> by_definition_;
  std::unordered_map<std::int64_t, Service*> by_number_;
  std::map<AgentId, Agent> agents_;
  std::set<AgentId> unmarked_;
  /// Of each run of results, by agent and service.
  std::map<std::pair<AgentId, Service*>, std::vector<WallTime>> first_judged_;
  Report report_;
};

}  // namespace

Report summarize_external(const std::string& uri, const Options& options) {
  return ExternalReport(uri, options).run();
}

}  // namespace monitor::report
