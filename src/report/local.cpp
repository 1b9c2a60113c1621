#include <algorithm>
#include <future>
#include <map>
#include <span>
#include <unordered_map>
#include <utility>
#include <vector>

#include <fmt/format.h>

#include "report/absence.h"
#include "report/outages.h"
#include "report/report.h"
#include "report/summary.h"
#include "report/window.h"
#include "storage/reader.h"

namespace monitor::report {
namespace {

using storage::PackedRollup;
using storage::Tier;

/// Rows that a clock gone wrong has stamped ahead of now are shown too.
constexpr std::chrono::days kAhead{3660};
/// The daemon gives signs of life every few seconds: without one for so long it does not run.
constexpr std::chrono::seconds kSilence{15};

/// A service through all its definitions: changed settings do not begin a new history.
struct Service {
  explicit Service(common::WallTime from) : outages(from) {}
  std::string label;
  Summary summary;
  Outages outages;
  std::chrono::seconds interval{};  ///< the longest
  Absence::Activity activity;
};

/// Roll-ups with their bodies.
class RollupBatch {
 public:
  bool empty() const { return heads_.empty(); }
  bool full() const { return bodies_.size() > kBytes; }
  void clear() {
    heads_.clear();
    bodies_.clear();
  }
  void add(const PackedRollup& packed) {
    heads_.push_back({packed.definition, packed.start, packed.body.size()});
    bodies_.insert(bodies_.end(), packed.body.begin(), packed.body.end());
  }
  template <typename Visit>
  void for_each(Visit visit) const {
    std::span<const std::uint8_t> rest(bodies_);
    for (const auto& [definition, start, size] : heads_) {
      visit({.definition = definition, .start = start, .body = rest.first(size)});
      rest = rest.subspan(size);
    }
  }

 private:
  static constexpr std::size_t kBytes = std::size_t{2} << 20;
  struct Head {
    storage::DefinitionId definition;
    common::WallTime start;
    std::size_t size;
  };
  std::vector<Head> heads_;
  std::vector<std::uint8_t> bodies_;
};

class LocalReport {
 public:
  LocalReport(const std::filesystem::path& database, const Options& options)
      : reader_(database), options_(options), window_(choose_window()), absence_(absence()) {
    find_services();
  }

  Report run() {
    read_before();
    read_rollups(Tier::kDay, window_.days_from, end());
    read_rollups(Tier::kHour, window_.from, window_.days_from);
    read_outages();
    read_results();
    read_skipped();
    return finish();
  }

 private:
  struct Known {
    Service* service = nullptr;
    std::chrono::seconds interval{};
  };

  common::WallTime end() const { return options_.now + kAhead; }

  Window choose_window() {
    const auto wanted = options_.now - options_.last;
    const auto holds = [&](Tier tier) {
      bool found = false;
      const auto start = start_of(tier, wanted);
      reader_.for_each_rollup(tier, start, start + common::Micros{1}, [&](const PackedRollup&) { found = true; });
      return found;
    };
    Edge edge{.hour = holds(Tier::kHour), .all_hours = true, .day = holds(Tier::kDay)};
    const auto oldest = reader_.oldest_rollup(Tier::kHour);
    if (edge.day && (!oldest || *oldest > start_of(Tier::kHour, wanted))) edge.all_hours = hours_make_up_day(wanted);
    return window_from(wanted, edge);
  }

  /// Whether the hours of the day of `moment` hold as much as the day does: none was removed for its age.
  bool hours_make_up_day(common::WallTime moment) {
    const auto day = start_of(Tier::kDay, moment);
    const auto sum_of = [&](Tier tier) {
      storage::Rollup sum;
      reader_.for_each_rollup(tier, day, day + width_of(Tier::kDay),
                              [&](const PackedRollup& packed) { packed.add_to(sum); });
      return std::pair{sum.outcomes, sum.skipped};
    };
    return sum_of(Tier::kHour) == sum_of(Tier::kDay);
  }

  Absence absence() {
    std::vector<Span> gaps;
    for (const auto& gap : reader_.gaps(window_.from, end())) {
      if (gap.reason == storage::GapReason::kNotRunning) {
        gaps.push_back({gap.from, gap.to});
      } else if (gap.reason != storage::GapReason::kSizeCap && gap.reason != storage::GapReason::kRemoteLost &&
                 gap.reason != storage::GapReason::kRefused) {
        lost_.push_back({std::string(name_of(gap.reason)), gap.from, gap.to, gap.count});
      }
    }
    const auto alive = reader_.alive_at(options_.now);
    silent_ = alive && options_.now - *alive > kSilence;
    if (silent_) gaps.push_back({*alive, options_.now});
    return {std::move(gaps), {window_.from, options_.now}};
  }

  void find_services() {
    for (const auto& [id, definition] : reader_.definitions()) {
      longest_interval_ = std::max(longest_interval_, definition.interval);
      const auto label = label_of(definition);
      if (options_.service && label != *options_.service) continue;
      auto& service = services_.try_emplace(definition.key, window_.from).first->second;
      service.label = label;
      service.interval = std::max(service.interval, definition.interval);
      by_definition_.emplace(id, Known{&service, definition.interval});
    }
  }

  static std::string label_of(const storage::Definition& definition) {
    return definition.name.empty() ? definition.method + " " + definition.url : definition.name;
  }

  const Known* find(storage::DefinitionId id) const {
    const auto found = by_definition_.find(id);
    return found == by_definition_.end() ? nullptr : &found->second;
  }

  void mark(const Known& known, common::WallTime first, common::WallTime last) const {
    known.service->activity.mark(absence_, first, last, known.interval);
  }
  void mark(const Known& known, Tier tier, common::WallTime start) const {
    mark(known, start, start + width_of(tier) - common::Micros{1});
  }

  /// Who was active before a gap that the window begins with, or soon after its begin.
  void read_before() {
    const auto before = absence_.look_back(longest_interval_);
    if (before.from == before.to) return;
    for (const auto tier : {Tier::kDay, Tier::kHour}) {
      reader_.for_each_rollup(tier, start_of(tier, before.from), before.to, [&](const PackedRollup& packed) {
        if (const auto* known = find(packed.definition)) mark(*known, tier, packed.start);
      });
    }
    reader_.for_each_result(before.from, before.to, std::nullopt, [&](const storage::ReportRow& row) {
      if (const auto* known = find(row.definition->id)) mark(*known, row.requested_at, row.requested_at);
    });
  }

  /// A second thread adds them up while this one reads: of a year's report that is all there is to do.
  void read_rollups(Tier tier, common::WallTime from, common::WallTime to) {
    RollupBatch batch, full;
    std::future<void> adding;
    const auto hand_over = [&] {
      if (adding.valid()) adding.get();
      if (batch.empty()) return;
      std::swap(batch, full);
      batch.clear();
      adding = std::async(std::launch::async, [&, this] { add(tier, full); });
    };
    reader_.for_each_rollup(tier, from, to, [&](const PackedRollup& packed) {
      batch.add(packed);
      if (batch.full()) hand_over();
    });
    hand_over();
    if (adding.valid()) adding.get();
  }

  void add(Tier tier, const RollupBatch& batch) {
    batch.for_each([&](const PackedRollup& packed) {
      const auto* known = find(packed.definition);
      if (known == nullptr) return;
      if (!packed.add_to(known->service->summary.sum())) {
        ++damaged_;
        return;
      }
      mark(*known, tier, packed.start);
    });
  }

  void read_outages() {
    const auto oldest = reader_.oldest_result();
    const bool all_seen = !oldest || *oldest >= window_.from;
    for (const auto& outage : reader_.outages(window_.from, end())) {
      // How one without an end went on is told by results that lie before the window.
      if (!outage.to && !all_seen) continue;
      if (const auto* known = find(outage.definition)) known->service->outages.add(outage);
    }
  }

  void read_results() {
    reader_.for_each_result(window_.from, end(), std::nullopt, [&](const storage::ReportRow& row) {
      const auto* known = find(row.definition->id);
      if (known == nullptr) return;
      known->service->summary.add(row);
      if (row.attempt > 0) return;
      known->service->outages.add(row.requested_at, static_cast<std::uint8_t>(row.outcome), row.reason);
      mark(*known, row.requested_at, row.requested_at);
    });
  }

  void read_skipped() {
    for (const auto& range : reader_.skipped(window_.from, end())) {
      const auto* known = find(range.definition);
      if (known == nullptr) continue;
      known->service->summary.add_skipped(range.reason, slots_inside(range, window_.from, end()));
      mark(*known, range.from, range.to);
    }
  }

  Report finish() {
    Report report{.from = window_.from, .to = options_.now, .services = {}, .lost = std::move(lost_), .notes = {}};
    for (auto& [key, service] : services_) {
      service.summary.add_not_running(service.activity.slots(absence_));
      if (service.summary.empty()) continue;
      service.outages.lose_sight(silent_ ? common::WallTime::max() : options_.now - longest_silence(service.interval));
      report.services.push_back(service.summary.finish(service.label, service.outages));
    }
    std::ranges::sort(report.services, {}, &ServiceReport::service);
    if (damaged_ > 0) {
      report.notes.push_back(fmt::format(
          "{} roll-ups of the local database cannot be read and are left out: they are damaged, or of a newer version",
          damaged_));
    }
    return report;
  }

  storage::Reader reader_;
  const Options& options_;
  Window window_;
  std::vector<Loss> lost_;
  bool silent_ = false;
  Absence absence_;
  std::map<std::string, Service> services_;
  std::unordered_map<storage::DefinitionId, Known> by_definition_;
  std::chrono::seconds longest_interval_{};
  std::size_t damaged_ = 0;
};

}  // namespace

Report summarize(const std::filesystem::path& database, const Options& options) {
  return LocalReport(database, options).run();
}

}  // namespace monitor::report
