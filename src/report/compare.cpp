// The comparison itself: sets of numbers in, findings out.
#include <algorithm>
#include <map>
#include <utility>

#include <fmt/format.h>

#include "report/verify.h"

namespace monitor::report {
namespace {

using storage::Seq;

std::string results_text(std::int64_t count) {
  return fmt::format("{} result{}", count, count == 1 ? "" : "s");
}

std::string numbers_text(const SeqSet& numbers) {
  constexpr std::size_t kShown = 5;
  std::string out;
  std::size_t shown = 0;
  for (const auto& range : numbers.ranges()) {
    if (shown++ == kShown) return out + fmt::format(" and {} more ranges", numbers.ranges().size() - kShown);
    out += out.empty() ? "seq " : ", ";
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

/// Whether a gap that names no numbers is of some that this agent had given: only such ones are ever made one.
bool had_numbers(const LedgerGap& gap) {
  return gap.reason == "size_cap" || gap.reason == "remote_lost" || gap.reason == "refused";
}

class Comparison {
 public:
  explicit Comparison(Ledgers ledgers) : gaps_(all_gaps(ledgers)) { found_.ledgers = std::move(ledgers); }

  AgentVerification run() {
    if (found_.ledgers.there) there_ = *found_.ledgers.there;
    if (found_.ledgers.here) {
      compare_both();
    } else {
      look_there_alone();
    }
    explain_by_gaps();
    explain_by_removal();
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
    if (here.exported > there_.later) tell_put_back(here);
    tell_beyond(here, there_.results - given);
    if (!found_.ledgers.different.empty()) {
      found_.problems.push_back(fmt::format("{} differ{} between here and PostgreSQL, though results never change: {}",
                                            results_text(found_.ledgers.different.count()),
                                            found_.ledgers.different.count() == 1 ? "s" : "",
                                            numbers_text(found_.ledgers.different)));
    }
  }

  void tell_put_back(const LedgerHere& here) {
    const SeqSet affected = in_scope(SeqSet{{there_.later + 1, std::min(here.exported, here.numbers.last)}});
    if (affected.empty()) return;
    found_.notes.push_back(
        fmt::format("PostgreSQL stands at {} though {} had arrived: it was restored or failed over, and what is still "
                    "here is sent again when the agent connects next",
                    there_.later, here.exported));
  }

  void tell_beyond(const LedgerHere& here, const SeqSet& beyond) {
    if (beyond.empty()) return;
    const auto what = fmt::format("PostgreSQL has {} under this id that this file never gave ({})",
                                  results_text(beyond.count()), numbers_text(beyond));
    if (!here.current && beyond.first() > here.numbers.last) {
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
    for (const auto& [id, gap] : gaps_) {
      if (gap.numbers.first > 0 || !had_numbers(gap) || open_.empty()) continue;
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
    tell_lost_gaps();
  }

  void tell_lost_gaps() {
    if (!found_.ledgers.here) return;
    // One that PostgreSQL refused is told of by another.
    const auto stands_for = [](const LedgerGap& refused) {
      return [&refused](const auto& entry) {
        const LedgerGap& gap = entry.second;
        return gap.id > refused.id && gap.reason == "refused" && gap.from == refused.from && gap.to == refused.to &&
               gap.count == refused.count;
      };
    };
    std::int64_t lost = 0;
    for (const auto& gap : found_.ledgers.here->gaps) {
      const bool there = std::ranges::find(there_.gaps, gap.id, &LedgerGap::id) != there_.gaps.end();
      if (gap.id <= there_.head.gaps && !there && std::ranges::none_of(gaps_, stands_for(gap))) ++lost;
    }
    if (lost == 0) return;
    found_.problems.push_back(fmt::format("{} row{} of monitoring_gaps had arrived in PostgreSQL and {} there no more",
                                          lost, lost == 1 ? "" : "s", lost == 1 ? "is" : "are"));
  }

  std::map<std::int64_t, LedgerGap> gaps_;
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
