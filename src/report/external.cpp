#include <algorithm>
#include <map>
#include <set>

#include <fmt/format.h>

#include "common/error.h"
#include "report/absence.h"
#include "report/external_sql.h"
#include "report/hours.h"
#include "report/postgres.h"
#include "report/remote_rollup.h"
#include "report/remote_services.h"
#include "report/report.h"
#include "report/run_reader.h"
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

WallTime month_from(WallTime time) {
  const std::chrono::year_month_day date(std::chrono::floor<std::chrono::days>(time));
  const WallTime first{std::chrono::sys_days(date.year() / date.month() / 1)};
  if (first == time) return first;
  return WallTime{std::chrono::sys_days((date.year() / date.month() + std::chrono::months{1}) / 1)};
}

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
    RunReader reader(remote_, services_, scope_, options_.now);
    for (const auto& run : raw_.runs) reader.read(run);
    if (rollups_) reader.read_pieces(window_.from, raw_.stale);
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
      services_.define(row.integer(0), std::string(row.text(1)), std::move(label), interval);
      wanted.push_back(row.integer(0));
    });
    if (options_.service) scope_.definitions = fmt::format(" AND definition = ANY ('{}')", array_of(wanted));
  }

  void read_agents() {
    remote_.query(agents_sql(rollups_), {}, [&](const RemoteRow& row) {
      auto& agent = services_.agents()[row.integer(0)];
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
        services_.agents()[row.integer(0)].gaps.push_back({row.time(2), row.time(3)});
      } else {
        report_.lost.push_back({std::string(reason), row.time(2), row.time(3), row.integer(4)});
      }
    });
    for (auto& [id, agent] : services_.agents()) {
      agent.absence.emplace(std::move(agent.gaps), Span{window_.from, options_.now});
      agent.silent = agent.exported_at && options_.now - *agent.exported_at > kSilence;
      if (!agent.silent || *agent.exported_at < window_.from) continue;
      report_.notes.push_back(fmt::format("agent {} has sent nothing since {} UTC; the time after that is not covered",
                                          agent.name, common::format_time(*agent.exported_at)));
    }
  }

  /// Who was active before a gap that the window begins with, or soon after its begin.
  void read_before() {
    Span before{window_.from, window_.from};
    for (const auto& [id, agent] : services_.agents()) {
      const auto span = agent.absence->look_back(longest_interval_);
      if (span.from < span.to) before.from = std::min(before.from, span.from);
    }
    if (before.from == before.to) return;
    const std::vector<std::string> times{timestamp_of(before.from), timestamp_of(before.to)};
    remote_.query(activity_sql(scope_), times, [&](const RemoteRow& row) {
      if (const auto* known = services_.find(row.integer(1)))
        services_.mark(*known, row.integer(0), row.time(2), row.time(3));
    });
    if (!rollups_) return;
    for (const auto& [table, tier] : {std::pair{"monitoring_hours", Tier::kHour}, {"monitoring_days", Tier::kDay}}) {
      const auto from = start_of(tier, before.from);
      read_tier(table, width_of(tier), from, before.to, [](const RemoteRow&, RemoteService&) {});
    }
  }

  template <typename Take>
  void read_tier(const char* table, common::Micros width, WallTime from, WallTime to, Take take) {
    remote_.query(tier_sql(table, scope_), {timestamp_of(from), timestamp_of(to)}, [&](const RemoteRow& row) {
      const auto* known = services_.find(row.integer(kDefinition));
      if (known == nullptr) return;
      const auto start = row.time(kStart);
      services_.mark(*known, row.integer(kAgent), start, start + width - common::Micros{1});
      if (!row.null(kOutcomes)) known->service->last = std::max(known->service->last, start);
      take(row, *known->service);
    });
  }

  void read_tiers() {
    const auto add = [](const RemoteRow& row, RemoteService& service) { add_row(row, service.summary.sum()); };
    const auto months_from = month_from(window_.days_from);
    read_tier("monitoring_months", std::chrono::days{28}, months_from, end(), add);
    read_tier("monitoring_days", std::chrono::days{1}, window_.days_from, months_from, add);
    read_tier("monitoring_hours", std::chrono::hours{1}, window_.from, window_.days_from,
              [&](const RemoteRow& row, RemoteService& service) {
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
      if (const auto* known = services_.find(row.integer(kDefinition))) add_row(row, known->service->stale);
    });
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
    for (const auto& [definition, known] : services_.definitions()) {
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
      services_.find(row.integer(0))->service->summary.set_last(last);
    });
  }

  Report finish() {
    report_.from = window_.from;
    report_.to = options_.now;
    std::map<RemoteService*, Outages> outages;
    for (auto& [id, agent] : services_.agents()) {
      for (auto& [service, watched] : agent.services) {
        Outages own(window_.from);
        add_pieces(own, std::move(watched.pieces));
        own.lose_sight(agent.silent ? WallTime::max() : options_.now - longest_silence(service->interval));
        outages.try_emplace(service, window_.from).first->second.merge(own);
        service->summary.add_not_running(watched.activity.slots(*agent.absence));
      }
    }
    for (auto& [key, service] : services_.services()) {
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
  RemoteServices services_;
  std::set<AgentId> unmarked_;
  Report report_;
};

}  // namespace

Report summarize_external(const std::string& uri, const Options& options) {
  return ExternalReport(uri, options).run();
}

}  // namespace monitor::report
