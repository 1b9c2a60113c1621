#include <gmock/gmock.h>

#include "report/verify.h"

namespace monitor::report {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;

/// 1 to 100 were given; 1 to 90 have arrived; the first 40 were purged here.
Ledgers healthy() {
  Ledgers ledgers{.agent_id = "a", .here = LedgerHere{}, .there = LedgerThere{}};
  ledgers.here->numbers = {1, 100};
  ledgers.here->results = SeqSet{{41, 100}};
  ledgers.here->exported = 90;
  ledgers.there->head.results = 90;
  ledgers.there->later = 90;
  ledgers.there->results = SeqSet{{1, 90}};
  return ledgers;
}

std::string reasons_of(const AgentVerification& found) {
  std::string out;
  for (const auto& missing : found.missing) out += fmt::format("{}:{} ", missing.reason, missing.count);
  return out;
}

TEST(Compare, WhatIsOnItsWayWaits) {
  const auto found = compare(healthy());
  EXPECT_EQ(reasons_of(found), "waiting:10 ");
  EXPECT_EQ(found.waiting, 10);
  EXPECT_EQ(found.in_both, 50);
  EXPECT_EQ(found.only_there, 40);
  EXPECT_EQ(found.only_here, 10);
  EXPECT_THAT(found.problems, IsEmpty());
  EXPECT_THAT(found.notes, IsEmpty());
}

TEST(Compare, WhatArrivedAndWentWhileWeLookedIsNotMissing) {
  auto ledgers = healthy();
  ledgers.here->results = SeqSet{{96, 100}};
  ledgers.here->exported = 95;
  ledgers.there->later = 95;
  const auto found = compare(ledgers);
  EXPECT_EQ(reasons_of(found), "waiting:5 sent_meanwhile:5 ");
  EXPECT_THAT(found.problems, IsEmpty());
}

TEST(Compare, WhatWasPurgedHereAndIsNotThereIsUnexplained) {
  auto ledgers = healthy();
  ledgers.here->results = SeqSet{{96, 100}};
  ledgers.here->exported = 95;
  const auto found = compare(ledgers);
  EXPECT_EQ(reasons_of(found), "waiting:5 unexplained:5 ");
  EXPECT_THAT(found.problems, ElementsAre(HasSubstr("5 results are neither here nor in PostgreSQL, and nothing says "
                                                    "why: seq 91-95")));
  EXPECT_THAT(found.notes, ElementsAre(HasSubstr("PostgreSQL stands at 90 though 95 had arrived")));
}

TEST(Compare, AServerThatWasRestoredIsSentAgainWhatIsStillHere) {
  auto ledgers = healthy();
  ledgers.there->head.results = 60;
  ledgers.there->later = 60;
  ledgers.there->results = SeqSet{{1, 60}};
  const auto found = compare(ledgers);
  EXPECT_EQ(reasons_of(found), "waiting:40 ");
  EXPECT_THAT(found.problems, IsEmpty());
  EXPECT_THAT(found.notes, ElementsAre(HasSubstr("it was restored or failed over")));
}

TEST(Compare, WhatAnEarlierIdNeverSentIsNotTakenForARestoredServer) {
  auto ledgers = healthy();
  ledgers.here->current = false;
  ledgers.here->exported = 500;
  ledgers.here->results = SeqSet{};
  ledgers.here->gaps = {{.id = 1, .reason = "file_lost", .numbers = {91, 100}, .count = 10}};
  EXPECT_THAT(compare(ledgers).notes, IsEmpty());
  ledgers.here->results = SeqSet{{95, 100}};
  EXPECT_THAT(compare(ledgers).notes, ElementsAre(HasSubstr("stands at 90 though 100 had arrived")));
}

TEST(Compare, ADeletedResultIsFoundWhetherItIsStillHereOrNot) {
  auto ledgers = healthy();
  ledgers.there->results = SeqSet{{1, 6}, {8, 49}, {52, 90}};
  const auto found = compare(ledgers);
  EXPECT_EQ(reasons_of(found), "waiting:10 unexplained:3 ");
  EXPECT_THAT(found.problems,
              ElementsAre(HasSubstr("2 results had arrived in PostgreSQL and are there no more, though still here: "
                                    "seq 50-51"),
                          HasSubstr("1 result is neither here nor in PostgreSQL, and nothing says why: seq 7")));
}

TEST(Compare, GapsQuarantineAndRemovalExplainTheirNumbersAndNoOthers) {
  auto ledgers = healthy();
  ledgers.there->results = SeqSet{{31, 59}, {62, 69}, {76, 90}};
  ledgers.there->removed = SeqSet{{5, 30}};
  ledgers.here->quarantined = SeqSet{{60, 61}};
  ledgers.here->gaps = {{.id = 1, .reason = "size_cap", .numbers = {1, 4}, .count = 4},
                        {.id = 2, .reason = "not_running", .count = 1000}};
  ledgers.there->gaps = {{.id = 1, .reason = "size_cap", .numbers = {1, 4}, .count = 4}};
  ledgers.there->head.gaps = 1;
  const auto found = compare(ledgers);
  EXPECT_EQ(reasons_of(found), "quarantined:2 waiting:10 size_cap:4 remote_retention:26 unexplained:6 ");
  EXPECT_EQ(found.missing.back().numbers, (SeqSet{{70, 75}}));
  ASSERT_EQ(found.recorded.size(), 2U);
  EXPECT_EQ(found.recorded[0].reason, "not_running");
  EXPECT_EQ(found.recorded[1].count, 4) << "a gap in both databases is one";
}

TEST(Compare, AGapWithoutNumbersExplainsAsManyAsItCounts) {
  auto ledgers = healthy();
  ledgers.there->results = SeqSet{{11, 90}};
  ledgers.there->gaps = {{.id = 1, .reason = "size_cap", .count = 8}};
  ledgers.there->head.gaps = 1;
  EXPECT_EQ(reasons_of(compare(ledgers)), "waiting:10 size_cap:8 unexplained:2 ");
  ledgers.there->gaps[0].reason = "not_running";
  EXPECT_EQ(reasons_of(compare(ledgers)), "waiting:10 unexplained:10 ") << "those never had a number";
}

TEST(Compare, AResultThatWasReleasedFromQuarantineWaits) {
  auto ledgers = healthy();
  ledgers.there->results = SeqSet{{1, 69}, {71, 90}};
  ledgers.here->exported = 69;  // the cursor went back before it
  const auto found = compare(ledgers);
  EXPECT_EQ(reasons_of(found), "waiting:11 ");
  EXPECT_THAT(found.problems, IsEmpty());
}

TEST(Compare, NumbersThatThisFileNeverGaveAreThoseOfACopy) {
  auto ledgers = healthy();
  ledgers.there->results = SeqSet{{1, 120}};
  EXPECT_THAT(compare(ledgers).problems, ElementsAre(HasSubstr("20 results under this id that this file never gave")));
  ledgers.here->current = false;
  const auto found = compare(ledgers);
  EXPECT_THAT(found.problems, IsEmpty());
  EXPECT_THAT(found.notes, ElementsAre(HasSubstr("went on under a new id")));
}

TEST(Compare, RepeatedAndDifferingResultsAreFindings) {
  auto ledgers = healthy();
  ledgers.there->repeated = SeqSet{{7, 7}};
  ledgers.there->repeated_rows = 1;
  ledgers.there->twice = {{.service = "shop", .requested_at = {}, .seqs = {3, 4}}};
  ledgers.there->twice_count = 1;
  ledgers.different = SeqSet{{50, 50}};
  EXPECT_THAT(compare(ledgers).problems,
              ElementsAre(HasSubstr("1 result differs between here and PostgreSQL"), HasSubstr("more than once: seq 7"),
                          HasSubstr("1 slot under more than one number; the first is that of shop")));
}

TEST(Compare, AnAgentThatHasSentNothingOnlyWaits) {
  auto ledgers = healthy();
  ledgers.there.reset();
  ledgers.here->exported = 0;
  ledgers.here->results = SeqSet{{1, 100}};
  const auto found = compare(ledgers);
  EXPECT_EQ(reasons_of(found), "waiting:100 ");
  EXPECT_THAT(found.problems, IsEmpty());
}

TEST(Compare, OfAnotherFileHolesAreUnexplainedUnlessPostgreSqlKnowsWhy) {
  auto ledgers = healthy();
  ledgers.here.reset();
  ledgers.there->results = SeqSet{{11, 40}, {45, 90}};
  ledgers.there->removed = SeqSet{{5, 10}};
  const auto found = compare(ledgers);
  EXPECT_EQ(reasons_of(found), "remote_retention:6 unexplained:4 ");
  EXPECT_THAT(found.problems, ElementsAre(HasSubstr("run `monitor verify` there")));
}

TEST(Compare, BelowTheWindowNothingIsAsked) {
  auto ledgers = healthy();
  ledgers.there->results = SeqSet{{50, 90}};
  ledgers.from = 50;
  const auto found = compare(ledgers);
  EXPECT_EQ(reasons_of(found), "waiting:10 ");
  EXPECT_EQ(found.in_both, 41);
}

TEST(Compare, WhatWasRemovedSoLongAgoThatNothingTellsOfItIsNotMissing) {
  auto ledgers = healthy();
  ledgers.there->results = SeqSet{{31, 90}};
  ledgers.there->removed = SeqSet{{21, 30}};
  EXPECT_EQ(reasons_of(compare(ledgers)), "waiting:10 remote_retention:10 unexplained:20 ");
  ledgers.there->forgotten_below = 21;
  EXPECT_EQ(reasons_of(compare(ledgers)), "waiting:10 remote_retention:30 ");
}

TEST(Compare, ADeletedGapIsAFinding) {
  auto ledgers = healthy();
  ledgers.here->gaps = {{.id = 3, .reason = "not_running", .count = 5}};
  ledgers.here->exported_gaps = 4;
  ledgers.there->head.gaps = 2;
  EXPECT_THAT(compare(ledgers).problems, IsEmpty()) << "it waits";
  ledgers.there->head.gaps = 3;
  EXPECT_THAT(compare(ledgers).problems, ElementsAre(HasSubstr("1 row of monitoring_gaps had arrived")));
  ledgers.here->gaps.push_back({.id = 4, .reason = "refused", .count = 5});
  EXPECT_THAT(compare(ledgers).problems, IsEmpty()) << "it was refused, and another gap tells of it";
  ledgers.here->gaps.pop_back();
  ledgers.here->exported_gaps = 2;
  EXPECT_THAT(compare(ledgers).problems, IsEmpty()) << "it is refused now, and another gap will tell of it";
}

TEST(Compare, AGapThatStandsForARefusedOneMayBeRefusedToo) {
  auto ledgers = healthy();
  ledgers.here->gaps = {{.id = 3, .reason = "size_cap", .count = 5}, {.id = 4, .reason = "refused", .count = 1}};
  ledgers.here->exported_gaps = 4;
  ledgers.there->head.gaps = 4;
  const auto found = compare(ledgers);
  EXPECT_THAT(found.problems, IsEmpty());
  EXPECT_THAT(found.notes, ElementsAre(HasSubstr("it was refused too, or deleted")));
  ledgers.here->gaps.push_back({.id = 2, .reason = "not_running", .count = 5});
  EXPECT_THAT(compare(ledgers).problems, ElementsAre(HasSubstr("1 row of monitoring_gaps"))) << "one stands for one";
}

TEST(Compare, WhatWasNotComparedIsAFinding) {
  auto ledgers = healthy();
  ledgers.uncompared = SeqSet{{50, 60}};
  EXPECT_THAT(compare(ledgers).problems, ElementsAre(HasSubstr("11 results in both were not compared")));
}

TEST(Compare, AResultUnderTwoIdsOfOneFileIsAFinding) {
  auto ledgers = healthy();
  ledgers.copies = {{.service = "shop", .requested_at = {}, .seqs = {3, 4}}};
  ledgers.copies_count = 7;
  EXPECT_THAT(compare(ledgers).problems,
              ElementsAre(HasSubstr("7 results under more than one agent id of this file; the first is that of shop")));
}

/// 1 to 20 were given to skipped ranges, an hour apart; 1 to 18 have arrived; the first ten were purged here.
class CompareSkipped : public testing::Test {
 protected:
  CompareSkipped() : ledgers_(healthy()) {
    ledgers_.here->skipped_numbers = {1, 20};
    ledgers_.here->skipped = SeqSet{{11, 20}};
    ledgers_.here->exported_skipped = 18;
    ledgers_.there->head.skipped = 18;
    ledgers_.there->later_skipped = 18;
    ledgers_.there->exported_at = at(20);
    there({{1, 18}});
  }

  static common::WallTime at(std::int64_t hour) { return common::from_unix_micros(0) + std::chrono::hours{hour}; }
  void there(std::initializer_list<SeqRange> islands) {
    ledgers_.there->skipped.clear();
    for (const auto& numbers : islands) {
      ledgers_.there->skipped.push_back(
          {.numbers = numbers, .first_end = at(numbers.first), .last_end = at(numbers.last)});
    }
  }
  std::vector<std::string> problems() const { return compare(ledgers_).problems; }

  Ledgers ledgers_;
};

TEST_F(CompareSkipped, WhatIsOnItsWayOrArrivedMeanwhileIsNotMissing) {
  EXPECT_THAT(problems(), IsEmpty());
  ledgers_.here->skipped = SeqSet{{20, 20}};
  ledgers_.here->exported_skipped = 19;
  ledgers_.there->later_skipped = 19;
  EXPECT_THAT(problems(), IsEmpty());
  ledgers_.there->later_skipped = 18;
  EXPECT_THAT(problems(), ElementsAre(HasSubstr("1 row of monitoring_skipped had arrived in PostgreSQL and is there no "
                                                "more: id 19")));
  EXPECT_THAT(compare(ledgers_).notes, ElementsAre(HasSubstr("stands at skipped range 18 though 19 had arrived")));
}

TEST_F(CompareSkipped, AHoleIsAFindingUnlessAGapTellsOfAsMany) {
  there({{1, 4}, {6, 14}, {16, 18}});
  EXPECT_THAT(problems(), ElementsAre(HasSubstr("2 rows of monitoring_skipped had arrived in PostgreSQL and are there "
                                                "no more: id 5, 15")));
  ledgers_.here->told_elsewhere = {{.id = 2, .reason = "refused", .count = 60}};
  EXPECT_THAT(problems(), ElementsAre(HasSubstr("1 row of monitoring_skipped"))) << "60 slots were one range";
  ledgers_.here->told_elsewhere[0].reason = "not_running";
  EXPECT_THAT(problems(), ElementsAre(HasSubstr("2 rows of monitoring_skipped")));
  ledgers_.here->told_elsewhere[0].reason = "remote_lost";
  EXPECT_THAT(problems(), IsEmpty());
  ledgers_.here->told_elsewhere[0] = {.id = 2, .reason = "size_cap", .numbers = {200, 209}, .count = 11};
  EXPECT_THAT(problems(), ElementsAre(HasSubstr("1 row of monitoring_skipped"))) << "ten were results";
  ledgers_.here->quarantined = SeqSet{{209, 209}};
  EXPECT_THAT(problems(), IsEmpty()) << "nine of them were";
  ledgers_.here->quarantined = {};
  ledgers_.here->told_elsewhere.push_back({.id = 3, .reason = "refused", .numbers = {209, 209}, .count = 1});
  EXPECT_THAT(problems(), IsEmpty()) << "and the tenth was given up";
}

TEST_F(CompareSkipped, AGapThatTellsOfRangesExplainsNoResults) {
  there({{1, 4}, {6, 18}});
  ledgers_.there->results = SeqSet{{1, 6}, {8, 90}};
  ledgers_.here->gaps = {{.id = 1, .reason = "refused", .count = 60}};
  EXPECT_THAT(problems(), ElementsAre(HasSubstr("seq 7")));
}

TEST_F(CompareSkipped, OfRangesThatMayHaveBeenRemovedForTheirAgeNothingIsSaid) {
  there({{10, 40}, {42, 90}});
  ledgers_.here->skipped_numbers.last = 90;
  ledgers_.here->skipped = {};
  ledgers_.here->exported_skipped = ledgers_.there->head.skipped = ledgers_.there->later_skipped = 90;
  ledgers_.there->exported_at = at(91);
  EXPECT_THAT(problems(), ElementsAre(HasSubstr("id 1-9, 41")));
  ledgers_.there->purged_before = at(10);
  EXPECT_THAT(problems(), ElementsAre(HasSubstr("1 row of monitoring_skipped"))) << "41 is too young to have been";
  ledgers_.there->purged_before = at(30);
  EXPECT_THAT(problems(), IsEmpty());
  ledgers_.here->skipped_numbers.last = 92;
  ledgers_.here->exported_skipped = ledgers_.there->head.skipped = ledgers_.there->later_skipped = 92;
  ledgers_.there->purged_before = at(40);
  EXPECT_THAT(problems(), ElementsAre(HasSubstr("2 rows of monitoring_skipped"))) << "the last two";
  ledgers_.there->purged_before = at(80);
  EXPECT_THAT(problems(), IsEmpty()) << "all of it is about as old as what was";
  there({{10, 40}, {42, 92}});
  ledgers_.there->purged_before = at(10);
  ledgers_.there->skipped[0].last_end = at(9000);
  EXPECT_THAT(problems(), IsEmpty()) << "the clock was ahead: what came behind may be older than it looks";
}

TEST_F(CompareSkipped, WhereNoneCanBeExpectedItIsSaid) {
  there({{3, 18}});
  ledgers_.there->results = SeqSet{{5, 90}};
  ledgers_.there->removed = SeqSet{{1, 4}};
  EXPECT_THAT(problems(), IsEmpty());
  EXPECT_THAT(compare(ledgers_).notes, ElementsAre(HasSubstr("2 ranges are not in PostgreSQL (id 1-2)")));
  there({{1, 18}});
  EXPECT_THAT(compare(ledgers_).notes, IsEmpty());
  there({{3, 18}});
  ledgers_.here->unsent = SeqSet{{1, 4}};
  ledgers_.here->unsent_skipped = SeqSet{{1, 1}};
  EXPECT_THAT(problems(), ElementsAre(HasSubstr("1 row of monitoring_skipped had arrived in PostgreSQL and is there no "
                                                "more: id 2")));
}

TEST_F(CompareSkipped, RangesThatThisFileNeverGaveAreThoseOfACopy) {
  there({{1, 25}});
  EXPECT_THAT(problems(), ElementsAre(HasSubstr("5 skipped ranges under this id that this file never gave")));
  ledgers_.here->current = false;
  EXPECT_THAT(problems(), IsEmpty());
}

}  // namespace
}  // namespace monitor::report
