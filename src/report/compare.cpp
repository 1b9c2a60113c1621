// The comparison itself: sets of numbers in, findings out.
#include <algorithm>
#include <iterator>
#include <map>
#include <utility>

#include <fmt/format.h>

#include "report/compare_skipped.h"
#include "report/verify.h"

namespace monitor::report {
namespace {

using storage::Seq;

std::string count_text(std::int64_t count, std::string_view kind) {
  return fmt::format("{} {}{}", count, kind, count == 1 ? "" : "s");
}

std::string results_text(std::int64_t count) {
  return count_text(count, "result");
}

std::string numbers_text(const SeqSet& numbers, std::string_view what = "seq") {
  constexpr std::size_t kShown = 5;
  std::string out;
  std::size_t shown = 0;
  for (const auto& range : numbers.ranges()) {
    if (shown++ == kShown) return out + fmt::format(" and {} more ranges", numbers.ranges().size() - kShown);
    out += out.empty() ? fmt::format("{} ", what) : ", ";
    out += range.first == range.last ? fmt::format("{}", range.first) : fmt::format("{}-{}", range.first, range.last);
  }
  return out;
}

/// Gaps are sent like results, and stay in PostgreSQL when they are forgotten here.
std::map<std::int64_t, LedgerGap> all_gaps(const Ledgers& ledgers) {
  std::map<std::int64_t, LedgerGap> gaps;
  if (ledgers.there) {
    for (const auto& gap : ledgers.there->gaps) gaps.emplace(gap.id, gap);
  }
  if (ledgers.here) {
    for (const auto& gap : ledgers.here->gaps) gaps.insert_or_assign(gap.id, gap);
  }
  return gaps;
}

/// Whether a gap that names no numbers may be of results that had one: such gaps are made one in the end.
bool may_be_results(const LedgerGap& gap) {
  return gap.reason == "size_cap" || gap.reason == "remote_lost" || gap.reason == "refused";
}

/// Stands for one skipped range or one gap that PostgreSQL refused, or for several results in quarantine.
bool stands_for_one(const LedgerGap& gap) {
  return gap.reason == "refused" && gap.numbers.first == 0;
}

/// Of how many skipped ranges a gap tells at most, beside the results that it names; `refused` are not among these.
std::int64_t most_ranges(const LedgerGap& gap, const SeqSet& refused) {
  if (gap.reason != "file_lost" && !may_be_results(gap)) return 0;
  if (stands_for_one(gap)) return 1;
  return std::max<std::int64_t>(0, gap.count - (gap.numbers.first > 0 ? (SeqSet{gap.numbers} - refused).count() : 0));
}

class Comparison {
 public:
  explicit Comparison(Ledgers ledgers) : gaps_(all_gaps(ledgers)) {
    for (const auto& [id, gap] : gaps_) telling_.push_back(gap);
    if (ledgers.here)
      telling_.insert(telling_.end(), ledgers.here->told_elsewhere.begin(), ledgers.here->told_elsewhere.end());
    found_.ledgers = std::move(ledgers);
  }

  AgentVerification run() {
    if (found_.ledgers.there) there_ = *found_.ledgers.there;
    if (found_.ledgers.here) {
      compare_both();
    } else {
      look_there_alone();
    }
    explain_by_gaps();
    if (found_.ledgers.here) explain("local_retention", open_ & found_.ledgers.here->unsent);
    explain_by_removal();
    tell_lost_gaps();
    tell_lost_ranges();
    tell_uncompared_ranges();
    explain_by_count();
    tell_unexplained();
    tell_repeated();
    sum_gaps();
    return std::move(found_);
  }

 private:
  SeqSet in_scope(const SeqSet& numbers) const { return numbers & above(found_.ledgers.from - 1); }

  void explain(std::string reason, const SeqSet& numbers) {
    if (numbers.empty()) return;
    open_ = open_ - numbers;
    found_.missing.push_back({.reason = std::move(reason), .numbers = numbers, .count = numbers.count()});
  }

  // PostgreSQL was read first, the local database then, so whatever PostgreSQL's head had passed by then is told of
  // here: a result is quarantined, or becomes a gap, before the head passes it. What was above the head is here, or has
  // arrived and been purged since.
  void compare_both() {
    const auto& here = *found_.ledgers.here;
    const SeqSet given{here.numbers};
    const auto all = in_scope(given);
    const auto inside = there_.results & all;
    open_ = all - there_.results;
    found_.in_both = (here.results & inside).count();
    found_.only_there = (inside - here.results).count();
    found_.only_here = (in_scope(here.results) - there_.results).count();

    explain("quarantined", open_ & here.quarantined);
    const Seq arrived = std::min(there_.head.results, here.exported);
    const auto waiting = open_ & here.results & above(arrived);
    found_.waiting = waiting.count();
    explain("waiting", waiting);
    const Seq since = std::min(here.exported, there_.later);
    explain("sent_meanwhile", (open_ - here.results) & above(there_.head.results) & up_to(since));
    tell_put_back(here);
    tell_beyond("result", there_.results - given, here.numbers.last);
    tell_beyond("skipped range", strange_skipped(found_.ledgers), here.skipped_numbers.last);
    tell_differences();
  }

  void tell_differences() {
    if (const auto& rest = found_.ledgers.uncompared; !rest.empty()) {
      found_.problems.push_back(
          fmt::format("{} in both {} not compared, because results differ in too many places before: {}; "
                      "choose a --last",
                      results_text(rest.count()), rest.count() == 1 ? "was" : "were", numbers_text(rest)));
    }
    if (!found_.ledgers.different.empty()) {
      found_.problems.push_back(fmt::format("{} differ{} between here and PostgreSQL, though results never change: {}",
                                            results_text(found_.ledgers.different.count()),
                                            found_.ledgers.different.count() == 1 ? "s" : "",
                                            numbers_text(found_.ledgers.different)));
    }
  }

  // The cursor is of the whole file: it passed what was lost at the end of an earlier id, too.
  void tell_put_back(const LedgerHere& here) {
    SeqSet results = in_scope(SeqSet{{there_.later + 1, std::min(here.exported, here.numbers.last)}});
    SeqSet ranges{{there_.later_skipped + 1, std::min(here.exported_skipped, here.skipped_numbers.last)}};
    if (!here.current) {
      results = results & here.results;
      ranges = ranges & here.skipped;
    }
    if (results.empty() && ranges.empty()) return;
    found_.notes.push_back(fmt::format(
        "PostgreSQL stands at {}{} though {} had arrived: it was restored or failed over, and what is still here is "
        "sent again when the agent connects next",
        results.empty() ? "skipped range " : "", results.empty() ? there_.later_skipped : there_.later,
        *(results.empty() ? ranges : results).last()));
  }

  /// `last`: the last number that this file gave under this id.
  void tell_beyond(std::string_view kind, const SeqSet& beyond, Seq last) {
    if (beyond.empty()) return;
    const auto what = fmt::format("PostgreSQL has {} under this id that this file never gave ({})",
                                  count_text(beyond.count(), kind), numbers_text(beyond));
    if (!found_.ledgers.here->current && beyond.first() > last) {
      found_.notes.push_back(what + ": the file is a copy or was restored, and went on under a new id");
    } else {
      found_.problems.push_back(what +
                                ": the file is a copy or was restored; when the agent connects next, it goes on "
                                "under a new id");
    }
  }

  /// Which numbers were given last is not known of another file, nor what waits there or is quarantined.
  void look_there_alone() {
    const auto first = there_.results.first();
    const Seq last = std::max(there_.head.results, there_.results.last().value_or(0));
    Seq from = found_.ledgers.from;
    // An agent of a copied file begins where its predecessor ended.
    if (from == 0)
      from = there_.removed.empty() ? first.value_or(last + 1) : *(there_.removed | there_.results).first();
    open_ = SeqSet{{from, last}} - there_.results;
    found_.only_there = there_.results.count();
  }

  void explain_by_gaps() {
    std::map<std::string, std::vector<SeqRange>> ranges;
    for (const auto& [id, gap] : gaps_) {
      if (gap.numbers.first > 0) ranges[gap.reason].push_back(gap.numbers);
    }
    if (found_.ledgers.here) {
      for (const auto& gap : found_.ledgers.here->told_elsewhere) ranges[gap.reason].push_back(gap.numbers);
    }
    for (auto& [reason, list] : ranges) explain(reason, open_ & SeqSet(std::move(list)));
  }

  void explain_by_removal() {
    auto removed = there_.removed;
    if (there_.forgotten_below > 1) removed = removed | up_to(there_.forgotten_below - 1);
    explain("remote_retention", open_ & removed);
  }

  /// Gaps that were made one no longer say which numbers they are of, but how many.
  void explain_by_count() {
    for (const auto& gap : telling_) {
      if (gap.numbers.first > 0 || !may_be_results(gap) || open_.empty()) continue;
      std::int64_t left = gap.count;
      std::vector<SeqRange> taken;
      for (const auto& range : open_.ranges()) {
        if (left <= 0) break;
        taken.push_back({range.first, std::min(range.last, range.first + left - 1)});
        left -= count_of(taken.back());
      }
      explain(gap.reason, SeqSet(std::move(taken)));
    }
  }

  void tell_unexplained() {
    if (open_.empty()) return;
    const SeqSet here = found_.ledgers.here ? open_ & found_.ledgers.here->results : SeqSet{};
    const SeqSet nowhere = open_ - here;
    if (!here.empty()) {
      found_.problems.push_back(
          fmt::format("{} had arrived in PostgreSQL and {} there no more, though still here: {}; somebody deleted "
                      "them, or it lost them",
                      results_text(here.count()), here.count() == 1 ? "is" : "are", numbers_text(here)));
    }
    if (!nowhere.empty()) {
      const bool known = found_.ledgers.here.has_value();
      found_.problems.push_back(fmt::format(
          "{} {} {}, and nothing says why: {}{}", results_text(nowhere.count()), nowhere.count() == 1 ? "is" : "are",
          known ? "neither here nor in PostgreSQL" : "not in PostgreSQL", numbers_text(nowhere),
          known ? "" : "; the local database they come from may know: run `monitor verify` there"));
    }
    found_.missing.push_back({.reason = "unexplained", .explained = false, .numbers = open_, .count = open_.count()});
  }

  void tell_repeated() {
    if (const auto& ledgers = found_.ledgers; ledgers.copies_count > 0) {
      const auto& first = ledgers.copies.front();
      found_.problems.push_back(
          fmt::format("PostgreSQL has {} under more than one agent id of this file; the first is that of {} at {} UTC",
                      results_text(ledgers.copies_count), first.service, common::format_time(first.requested_at)));
    }
    if (!there_.repeated.empty()) {
      found_.problems.push_back(fmt::format("PostgreSQL has {} more than once: {}",
                                            results_text(there_.repeated.count()), numbers_text(there_.repeated)));
    }
    if (there_.twice_count > 0) {
      const auto& first = there_.twice.front();
      found_.problems.push_back(fmt::format(
          "PostgreSQL has {} slot{} under more than one number; the first is that of {} at {} UTC", there_.twice_count,
          there_.twice_count == 1 ? "" : "s", first.service, common::format_time(first.requested_at)));
    }
  }

  void sum_gaps() {
    std::map<std::string, Recorded> sums;
    for (const auto& [id, gap] : gaps_) {
      const auto [place, first] =
          sums.try_emplace(gap.reason, Recorded{.reason = gap.reason, .from = gap.from, .to = gap.to});
      auto& sum = place->second;
      ++sum.gaps;
      sum.count += gap.count;
      sum.from = std::min(sum.from, gap.from);
      sum.to = std::max(sum.to, gap.to);
    }
    for (auto& [reason, sum] : sums) found_.recorded.push_back(std::move(sum));
  }

  // One that PostgreSQL refused is told of by another, which says no more than that; one that it refused in turn is
  // not. What the other says of times and numbers is not always the same.
  void tell_lost_gaps() {
    if (!found_.ledgers.here) return;
    const auto arrived = std::min(there_.head.gaps, found_.ledgers.here->exported_gaps);
    std::int64_t lost = 0;
    std::int64_t refused = 0;
    for (const auto& gap : found_.ledgers.here->gaps) {
      const bool there = std::ranges::find(there_.gaps, gap.id, &LedgerGap::id) != there_.gaps.end();
      if (gap.id > arrived || there) continue;
      const auto other = std::ranges::find_if(
          telling_, [&gap](const auto& later) { return later.id > gap.id && stands_for_one(later); });
      if (other != telling_.end()) {
        telling_.erase(other);
      } else if (stands_for_one(gap)) {
        ++refused;
      } else {
        ++lost;
      }
    }
    tell_refused(refused);
    if (lost == 0) return;
    found_.problems.push_back(fmt::format("{} row{} of monitoring_gaps had arrived in PostgreSQL and {} there no more",
                                          lost, lost == 1 ? "" : "s", lost == 1 ? "is" : "are"));
  }

  void tell_refused(std::int64_t gaps) {
    if (gaps == 0) return;
    found_.notes.push_back(
        fmt::format("{} of monitoring_gaps, which told of rows that PostgreSQL had refused, {} not there: {} refused "
                    "too, or deleted",
                    count_text(gaps, "row"), gaps == 1 ? "is" : "are", gaps == 1 ? "it was" : "they were"));
  }

  /// Still in quarantine, or given up since.
  SeqSet refused_results() const {
    std::vector<SeqRange> numbers;
    for (const auto& gap : telling_) {
      if (gap.reason == "refused" && gap.numbers.first > 0) numbers.push_back(gap.numbers);
    }
    if (found_.ledgers.here) std::ranges::copy(found_.ledgers.here->quarantined.ranges(), std::back_inserter(numbers));
    return SeqSet(std::move(numbers));
  }

  /// Which gap tells of which skipped range is not recorded, but how many.
  void tell_lost_ranges() {
    const auto missing = missing_skipped(found_.ledgers);
    auto lost = missing.count();
    const auto refused = refused_results();
    for (auto& gap : telling_) {
      const auto told = std::min(lost, most_ranges(gap, gap.reason == "refused" ? SeqSet{} : refused));
      lost -= told;
      gap.count -= stands_for_one(gap) && told > 0 ? gap.count : told;
    }
    if (lost <= 0) return;
    found_.problems.push_back(fmt::format(
        "{} of monitoring_skipped had arrived in PostgreSQL and {} there no more: {}{}", count_text(lost, "row"),
        lost == 1 ? "is" : "are", lost < missing.count() ? "among " : "", numbers_text(missing, "id")));
  }

  void tell_uncompared_ranges() {
    const auto missing = uncompared_skipped(found_.ledgers);
    if (missing.empty()) return;
    found_.notes.push_back(fmt::format(
        "skipped ranges were not compared: {} {} not in PostgreSQL ({}), and may have been removed there for "
        "their age, or with the results of their time",
        count_text(missing.count(), "range"), missing.count() == 1 ? "is" : "are", numbers_text(missing, "id")));
  }

  std::map<std::int64_t, LedgerGap> gaps_;
  std::vector<LedgerGap> telling_;  ///< those of other epochs too, less what is spent
  AgentVerification found_;
  LedgerThere there_;
  SeqSet open_;  ///< missing in PostgreSQL, and not explained yet
};

}  // namespace

AgentVerification compare(Ledgers ledgers) {
  return Comparison(std::move(ledgers)).run();
}

bool Verification::explained() const {
  return std::ranges::all_of(agents, [](const auto& agent) { return agent.problems.empty(); });
}

}  // namespace monitor::report
