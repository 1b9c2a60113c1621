// What a store was given, and what it says of it by results, skipped slots, roll-ups and outages together: the two are
// the same, however it was purged.
#pragma once

#include <map>
#include <string>
#include <vector>

#include <gtest/gtest.h>

#include "storage/reader.h"
#include "storage/roller.h"

namespace monitor::test {

using Totals = std::map<std::pair<storage::DefinitionId, common::WallTime>, storage::Rollup>;

/// An outage as a line that can be compared.
struct Stretch {
  std::string service;
  std::int64_t from = 0;
  std::int64_t to = 0;  // -1: it lasts
  std::int64_t last = 0;
  std::uint64_t checks = 0;
  std::string reason;
  bool operator==(const Stretch&) const = default;
};

/// The outages of a row of checks, each service's in their order.
class Stretches {
 public:
  /// One that earlier checks began, or that was over before.
  void known(const std::string& service, const storage::Outage& outage) {
    const auto to = outage.to ? common::unix_micros(*outage.to) : -1;
    all_.push_back({service, common::unix_micros(outage.from), to, common::unix_micros(outage.last), outage.checks,
                    outage.reason});
    if (!outage.to) open_[service] = all_.size() - 1;
  }
  void check(const std::string& service, common::WallTime at, common::Outcome outcome, std::string_view reason) {
    const auto verdict = common::verdict_of(outcome);
    const auto open = open_.find(service);
    if (verdict == common::Verdict::kUnknown) return;
    const auto micros = common::unix_micros(at);
    if (open == open_.end()) {
      if (verdict != common::Verdict::kDown) return;
      open_[service] = all_.size();
      all_.push_back({service, micros, -1, micros, 1, std::string(reason)});
      return;
    }
    auto& outage = all_[open->second];
    // Where the clock was set back none of them ends before its last check.
    const auto end = std::max(outage.last, micros);
    if (verdict == common::Verdict::kDown) {
      ++outage.checks;
      outage.last = end;
    } else {
      outage.to = end;
      open_.erase(open);
    }
  }
  const std::vector<Stretch>& all() const { return all_; }

 private:
  std::vector<Stretch> all_;
  std::map<std::string, std::size_t> open_;
};

class Ledger {
 public:
  void add(const std::string& service, const storage::Result& result) {
    for (auto tier : {storage::Tier::kHour, storage::Tier::kDay}) {
      auto& sum = totals_[tier][{result.definition, storage::start_of(tier, result.requested_at)}];
      add_to(sum, result.attempt, result);
    }
    if (result.attempt == 0) stretches_.check(service, result.requested_at, result.outcome, result.reason);
  }
  void add(const storage::Skipped& skipped) { add_to(totals_, skipped); }

  void expect_same(const std::filesystem::path& file) const {
    storage::Reader reader(file);
    const auto until = common::WallTime::max();
    std::map<storage::Tier, Totals> stored;
    Stretches outages;
    const auto key = [&](storage::DefinitionId id) { return reader.definitions().at(id).key; };
    for (auto tier : {storage::Tier::kHour, storage::Tier::kDay}) {
      reader.for_each_rollup(tier, common::WallTime::min(), until, [&](const storage::PackedRollup& rollup) {
        EXPECT_TRUE(rollup.add_to(stored[tier][{rollup.definition, rollup.start}]));
      });
    }
    for (const auto& outage : reader.outages(common::WallTime::min(), until)) {
      outages.known(key(outage.definition), outage);
    }
    reader.for_each_result(common::from_unix_micros(0), until - std::chrono::hours{1}, std::nullopt,
                           [&](const storage::ReportRow& row) {
                             for (auto tier : {storage::Tier::kHour, storage::Tier::kDay}) {
                               const auto start = storage::start_of(tier, row.requested_at);
                               add_to(stored[tier][{row.definition->id, start}], row.attempt, row);
                             }
                             if (row.attempt > 0) return;
                             outages.check(row.definition->key, row.requested_at, row.outcome, row.reason);
                           });
    for (const auto& skipped : reader.skipped(common::WallTime::min(), until)) add_to(stored, skipped);
    EXPECT_TRUE(stored == totals_);
    EXPECT_TRUE(outages.all() == stretches_.all());
  }

 private:
  template <typename Check>
  static void add_to(storage::Rollup& sum, int attempt, const Check& check) {
    using storage::Measure;
    if (attempt > 0) {
      ++sum.rechecks;
      return;
    }
    ++sum.outcomes[static_cast<std::uint8_t>(check.outcome)];
    if (check.status) {
      sum.total_sum += check.total;
      sum.measure(Measure::kTotal).add(check.total);
    }
    if (check.dns) sum.measure(Measure::kDns).add(*check.dns);
    if (check.connect) sum.measure(Measure::kConnect).add(*check.connect);
    if (check.tls) sum.measure(Measure::kTls).add(*check.tls);
    if (check.first_byte) sum.measure(Measure::kFirstByte).add(*check.first_byte);
    if (check.transfer) sum.measure(Measure::kTransfer).add(*check.transfer);
    sum.measure(Measure::kLateness).add(check.lateness);
    sum.lateness_max = std::max(sum.lateness_max, check.lateness);
  }
  /// One slot after the other.
  static void add_to(std::map<storage::Tier, Totals>& totals, const storage::Skipped& skipped) {
    for (std::int64_t i = 0; i < skipped.count; ++i) {
      const auto passed = skipped.count == 1 ? common::Micros{} : (skipped.to - skipped.from) * i / (skipped.count - 1);
      for (auto tier : {storage::Tier::kHour, storage::Tier::kDay}) {
        auto& sum = totals[tier][{skipped.definition, storage::start_of(tier, skipped.from + passed)}];
        ++sum.skipped[static_cast<std::uint8_t>(skipped.reason)];
      }
    }
  }

  std::map<storage::Tier, Totals> totals_;
  Stretches stretches_;
};

}  // namespace monitor::test
