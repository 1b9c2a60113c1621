#include "report/verify.h"

#include <algorithm>
#include <iterator>
#include <map>
#include <tuple>
#include <utility>

#include <fmt/format.h>

#include "common/error.h"
#include "report/verify_remote.h"
#include "storage/reader.h"

namespace monitor::report {
namespace {

using storage::Seq;

/// So many numbers PostgreSQL adds up in one statement: some seconds. Whole sums.
constexpr Seq kNumbersAtOnce = 1024 * storage::kNumbersPerSum;
/// Of the quarantine, with their reasons.
constexpr std::size_t kListedQuarantined = 20;

bool is_in(SeqRange numbers, std::int64_t number) {
  return number >= numbers.first && number <= numbers.last;
}

/// Whether a gap of another epoch may be of these numbers.
bool may_be_of(SeqRange gap, SeqRange numbers) {
  return gap.first == 0 || (gap.first <= numbers.last && gap.last >= numbers.first);
}

LedgerHere here_of(const storage::Ledger& ledger, const storage::LedgerEpoch& epoch, storage::Reader& reader) {
  LedgerHere here;
  here.current = &epoch == &ledger.epochs.back();
  here.numbers = {epoch.first.results, epoch.last.results};
  here.results = SeqSet(epoch.results);
  here.exported = ledger.exported.results;
  here.gap_numbers = {epoch.first.gaps, epoch.last.gaps};
  here.skipped_numbers = {epoch.first.skipped, epoch.last.skipped};
  here.skipped = SeqSet(epoch.skipped);
  here.unsent = SeqSet(ledger.unsent.results);
  here.unsent_skipped = SeqSet(ledger.unsent.skipped);
  here.exported_skipped = ledger.exported.skipped;
  here.exported_gaps = ledger.exported.gaps;
  std::vector<SeqRange> quarantined;
  for (const Seq seq : ledger.quarantined) {
    if (seq >= epoch.first.results && seq <= epoch.last.results) quarantined.push_back({seq, seq});
  }
  here.quarantined = SeqSet(std::move(quarantined));
  for (const auto& gap : ledger.gaps) {
    const bool own = is_in(here.gap_numbers, gap.id);
    if (!own && !may_be_of({gap.first_seq, gap.last_seq}, here.numbers)) continue;
    (own ? here.gaps : here.told_elsewhere)
        .push_back({.id = gap.id,
                    .reason = std::string(name_of(gap.reason)),
                    .from = gap.from,
                    .to = gap.to,
                    .numbers = {gap.first_seq, gap.last_seq},
                    .count = gap.count});
  }
  for (const auto& row : reader.quarantined(epoch.first.results - 1, kListedQuarantined)) {
    if (row.seq <= epoch.last.results) here.refused.push_back(row);
  }
  if (const auto last = here.results.last()) here.newest = reader.requested_at(*last);
  return here;
}

SeqRange numbers_of(const storage::RowSum& sum) {
  const auto first = sum.bucket * storage::kNumbersPerSum;
  return {first, first + storage::kNumbersPerSum - 1};
}

/// Of results that are in both databases: those that are not alike. Where the sums over a stretch of numbers are the
/// same, so are the results; the rest is looked at one by one.
class Differences {
 public:
  Differences(RemoteLedgers& remote, const std::filesystem::path& database, const LedgerThere& there,
              const SeqSet& both, std::size_t most_stretches)
      : remote_(remote), database_(database), there_(there), both_(both), most_stretches_(most_stretches) {}

  /// `sums`: those of the local database.
  SeqSet found(const std::vector<storage::RowSum>& sums) {
    if (both_.empty()) return {};
    const auto theirs = sums_there();
    for (const auto& sum : sums) {
      const auto other = std::ranges::lower_bound(theirs, sum.bucket, {}, &storage::RowSum::bucket);
      if (other == theirs.end() || *other != sum) look_at(numbers_of(sum));
    }
    return SeqSet(std::move(found_));
  }
  /// What was not looked at.
  SeqSet rest() { return SeqSet(std::move(rest_)); }

 private:
  std::vector<storage::RowSum> sums_there() {
    std::vector<storage::RowSum> sums;
    const Seq last = *both_.last();
    for (Seq first = *both_.first(); first <= last;) {
      const Seq behind = (first / kNumbersAtOnce + 1) * kNumbersAtOnce;
      const auto some = remote_.row_sums(there_, {first, std::min(last, behind - 1)});
      sums.insert(sums.end(), some.begin(), some.end());
      first = behind;
    }
    return sums;
  }

  /// Those of `numbers` that are in both: above all that were asked for before.
  SeqSet next_in_both(SeqRange numbers) {
    const auto& ranges = both_.ranges();
    while (at_ < ranges.size() && ranges[at_].last < numbers.first) ++at_;
    std::vector<SeqRange> found;
    for (auto i = at_; i < ranges.size() && ranges[i].first <= numbers.last; ++i) {
      found.push_back({std::max(ranges[i].first, numbers.first), std::min(ranges[i].last, numbers.last)});
    }
    return SeqSet(std::move(found));
  }

  void look_at(SeqRange numbers) {
    const auto stretch = next_in_both(numbers);
    if (stretch.empty()) return;
    if (differing_ >= most_stretches_) {
      rest_.insert(rest_.end(), stretch.ranges().begin(), stretch.ranges().end());
      return;
    }
    const SeqRange ends{*stretch.first(), *stretch.last()};
    std::multimap<Seq, std::int64_t> theirs;
    for (const auto& [seq, value] : remote_.row_values(there_, ends)) theirs.emplace(seq, value);
    const auto before = found_.size();
    for (const auto& [seq, value] : storage::Reader(database_).row_values(ends.first, ends.last)) {
      const auto [from, to] = theirs.equal_range(seq);
      const bool same = std::any_of(from, to, [mine = value](const auto& row) { return row.second == mine; });
      if (from != to && !same) found_.push_back({seq, seq});
    }
    if (found_.size() > before) ++differing_;
  }

  RemoteLedgers& remote_;
  const std::filesystem::path& database_;
  const LedgerThere& there_;
  const SeqSet& both_;
  const std::size_t most_stretches_;
  std::vector<SeqRange> found_;
  std::vector<SeqRange> rest_;
  std::size_t differing_ = 0;  // stretches
  std::size_t at_ = 0;         // of the ranges in both
};

class Verifier {
 public:
  Verifier(const std::filesystem::path& database, const std::string& uri, const VerifyOptions& options)
      : database_(database), uri_(uri), options_(options) {
    result_.at = options.now;
    if (options.last) result_.since = std::chrono::floor<std::chrono::days>(options.now - *options.last);
  }

  // PostgreSQL first: see compare(). Only which ids this file has is read before; that a new one begins meanwhile is
  // seen as results that wait.
  Verification run() {
    const auto own = read_local_ids();
    require_results(uri_);
    RemoteLedgers remote(uri_, options_, result_.since);
    choose(own, remote.agents());
    for (const auto& id : wanted_) {
      if (!remote.agents().contains(id)) continue;
      auto& ledgers = read_[id];
      ledgers.there = remote.read(id);
      const Seq behind = ledgers.there->head.results + 1;
      if (options_.last) ledgers.from = remote.first_since() == 0 ? behind : remote.first_since();
    }
    add_local(remote);
    add_heads();
    add_gaps_of_other_epochs();
    add_copies(remote, own);
    for (const auto& id : wanted_) {
      auto& ledgers = read_[id];
      ledgers.agent_id = id;
      result_.agents.push_back(compare(std::move(ledgers)));
    }
    return std::move(result_);
  }

 private:
  std::vector<std::string> read_local_ids() const {
    storage::Reader reader(database_);
    return reader.agent_ids();
  }

  void choose(const std::vector<std::string>& own, const std::map<std::string, LedgerThere>& known) {
    const auto mine = [&](const std::string& id) { return std::ranges::find(own, id) != own.end(); };
    if (options_.agent) {
      if (!mine(*options_.agent) && !known.contains(*options_.agent)) {
        throw common::UsageError(
            fmt::format("there is no agent {}: neither this local database nor PostgreSQL knows it", *options_.agent));
      }
      wanted_ = {*options_.agent};
      return;
    }
    wanted_ = own;
    for (const auto& [id, agent] : known) {
      if (mine(id)) continue;
      if (options_.all_agents) wanted_.push_back(id);
      if (!options_.all_agents) ++result_.other_agents;
    }
  }

  void add_local(RemoteLedgers& remote) {
    auto sums = read_local();
    for (auto& [id, ledgers] : read_) {
      if (!ledgers.here || !ledgers.there) continue;
      const auto both = both_of(ledgers);
      Differences differences(remote, database_, *ledgers.there, both, options_.most_stretches);
      ledgers.different = differences.found(sums[id]);
      ledgers.uncompared = differences.rest();
    }
  }

  void add_heads() {
    for (auto& [id, ledgers] : read_) {
      if (!ledgers.there || !ledgers.here) continue;
      const auto later = heads(uri_, id);
      ledgers.there->later = later.results;
      ledgers.there->later_skipped = later.skipped;
    }
  }

  /// As PostgreSQL has them, where they are forgotten here.
  void add_gaps_of_other_epochs() {
    for (auto& [id, ledgers] : read_) {
      if (!ledgers.here) continue;
      auto& elsewhere = ledgers.here->told_elsewhere;
      for (const auto& [other, theirs] : read_) {
        if (other == id || !theirs.here || !theirs.there) continue;
        for (const auto& gap : theirs.there->gaps) {
          const bool known = std::ranges::find(elsewhere, gap.id, &LedgerGap::id) != elsewhere.end();
          // A copy of the file gives the same numbers to gaps of its own.
          if (known || !is_in(theirs.here->gap_numbers, gap.id)) continue;
          if (may_be_of(gap.numbers, ledgers.here->numbers)) elsewhere.push_back(gap);
        }
      }
    }
  }

  void add_copies(RemoteLedgers& remote, const std::vector<std::string>& own) {
    const auto id = std::ranges::find_first_of(wanted_, own);
    if (id == wanted_.end()) return;
    std::tie(read_[*id].copies_count, read_[*id].copies) = remote.copies(own);
  }

  static SeqSet both_of(const Ledgers& ledgers) {
    return ledgers.here->results & ledgers.there->results & above(ledgers.from - 1);
  }

  /// While a reader lives, the daemon's log grows: PostgreSQL is asked before and after.
  std::map<std::string, std::vector<storage::RowSum>> read_local() {
    storage::Reader reader(database_);
    const auto ledger = reader.ledger();
    const auto since = result_.since ? reader.first_since(*result_.since) : std::nullopt;
    std::map<std::string, std::vector<storage::RowSum>> sums;
    for (const auto& epoch : ledger.epochs) {
      if (std::ranges::find(wanted_, epoch.agent_id) == wanted_.end()) continue;
      auto& ledgers = read_[epoch.agent_id];
      ledgers.here = here_of(ledger, epoch, reader);
      if (since && ledgers.from > 0) ledgers.from = std::min(ledgers.from, *since);
      if (!ledgers.there) continue;
      const auto both = both_of(ledgers);
      if (!both.empty()) sums[epoch.agent_id] = reader.row_sums(*both.first(), *both.last());
    }
    return sums;
  }

  const std::filesystem::path& database_;
  const std::string& uri_;
  const VerifyOptions& options_;
  Verification result_;
  std::vector<std::string> wanted_;
  std::map<std::string, Ledgers> read_;
};

}  // namespace

Verification verify(const std::filesystem::path& database, const std::string& uri, const VerifyOptions& options) {
  return Verifier(database, uri, options).run();
}

}  // namespace monitor::report
