#include "report/verify.h"

#include <gmock/gmock.h>

#include "common/error.h"
#include "exporter/fixture.h"
#include "exporter/remote_schema.h"
#include "exporter/rollup_pass.h"
#include "storage/row_sums.h"
#include "storage/sqlite.h"

namespace monitor::report {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::SizeIs;

class VerifyTest : public exporter::ExporterTest {
 protected:
  /// With what has been handed to the store committed.
  Verification verified(const VerifyOptions& wanted = {}) {
    auto options = wanted;
    options.now = clock_.wall();
    if (options.rollup_days.count() == 0) options.rollup_days = std::chrono::days{3650};
    commit();
    return verify(file(), server().uri(), options);
  }
  AgentVerification only(const VerifyOptions& options = {}) {
    const auto found = verified(options);
    EXPECT_EQ(found.agents.size(), 1U);
    return found.agents.at(0);
  }
  void exported(int count) {
    add_results(count);
    drain_again();
  }
  /// The connection may have broken meanwhile.
  void drain_again() {
    if (drain() == exporter::Progress::kUnavailable) ASSERT_EQ(drain(), exporter::Progress::kIdle);
  }
  void purge() {
    commit();  // what has arrived is marked with it
    test::run(io_, store().purge(clock_.wall() + std::chrono::hours{1}, true, 100'000));
  }

  /// One range of a service of its own.
  void skip(const std::string& service, std::int64_t count, common::Micros ago = {}) {
    const auto at = clock_.wall() - ago;
    store().append(storage::Skipped{.definition = define(definition(service)), .from = at, .to = at, .count = count});
    commit();
  }

  static std::string reasons_of(const AgentVerification& found) {
    std::string out;
    for (const auto& missing : found.missing) out += fmt::format("{}:{} ", missing.reason, missing.count);
    return out;
  }
};

TEST_F(VerifyTest, AHealthyPairIsExplained) {
  exported(30);
  add_results(5);
  const auto found = verified();
  EXPECT_TRUE(found.explained());
  ASSERT_THAT(found.agents, SizeIs(1));
  EXPECT_EQ(found.agents[0].in_both, 30);
  EXPECT_EQ(reasons_of(found.agents[0]), "waiting:5 ");
  EXPECT_EQ(found.agents[0].ledgers.there->newest.has_value(), true);
}

TEST_F(VerifyTest, WhatArrivedAndWasPurgedHereIsThere) {
  exported(30);
  purge();
  const auto found = only();
  EXPECT_EQ(found.only_there, 30);
  EXPECT_EQ(reasons_of(found), "");
  EXPECT_THAT(found.problems, IsEmpty());
}

TEST_F(VerifyTest, AHandDeletedResultIsFoundUnexplained) {
  exported(30);
  server().exec("DELETE FROM monitoring_results WHERE seq IN (7, 9)");
  EXPECT_THAT(only().problems, ElementsAre(HasSubstr("though still here: seq 7, 9")));
  purge();
  EXPECT_THAT(only().problems,
              ElementsAre(HasSubstr("neither here nor in PostgreSQL, and nothing says why: seq 7, 9")));
}

TEST_F(VerifyTest, ADeletedLastResultIsFoundToo) {
  exported(30);
  server().exec("DELETE FROM monitoring_results WHERE seq > 28");
  EXPECT_THAT(only().problems, ElementsAre(HasSubstr("seq 29-30")));
}

TEST_F(VerifyTest, AChangedResultIsFoundByItsNumber) {
  exported(30);
  server().exec("UPDATE monitoring_results SET status = 500 WHERE seq = 12");
  server().exec(
      "UPDATE monitoring_results SET total_us = total_us + CASE seq WHEN 20 THEN 1 ELSE -1 END "
      "WHERE seq IN (20, 21)");
  EXPECT_THAT(only().problems, ElementsAre(HasSubstr("3 results differ")));
  EXPECT_EQ(only().ledgers.different, (SeqSet{{12, 12}, {20, 21}}));
}

TEST_F(VerifyTest, FiguresBeyondPostgreSqlsIntegersAreNoDifference) {
  auto row = result(define(definition()));
  row.total = std::chrono::hours{2};
  row.body_bytes = std::int64_t{5} << 30;
  row.lateness = std::chrono::hours{-1};
  row.status.reset();
  row.dns.reset();
  append(row);
  exported(3);
  EXPECT_THAT(only().problems, IsEmpty());
}

TEST_F(VerifyTest, ADuplicateThatSomebodyInsertedIsFound) {
  exported(30);
  purge();
  server().exec(
      "CREATE TEMP TABLE r AS SELECT * FROM monitoring_results WHERE seq = 4; "
      "UPDATE r SET request_timestamp = request_timestamp - interval '1 microsecond'; "
      "INSERT INTO monitoring_results SELECT * FROM r");
  const auto found = only();
  EXPECT_THAT(found.problems, ElementsAre(HasSubstr("PostgreSQL has 1 result more than once: seq 4")));
  EXPECT_EQ(found.ledgers.there->repeated_rows, 1);
}

TEST_F(VerifyTest, ADuplicateInAnotherPartitionIsFound) {
  exported(30);
  test::run(io_, exporter().maintain());  // makes the days ahead
  server().exec(
      "CREATE TEMP TABLE r AS SELECT * FROM monitoring_results WHERE seq = 4; "
      "UPDATE r SET request_timestamp = request_timestamp + interval '1 day'; "
      "INSERT INTO monitoring_results SELECT * FROM r");
  EXPECT_THAT(only().problems, ElementsAre(HasSubstr("more than once: seq 4")));
}

TEST_F(VerifyTest, ASlotUnderTwoNumbersIsFound) {
  exported(30);
  server().exec(
      "UPDATE monitoring_results SET request_timestamp = (SELECT request_timestamp FROM monitoring_results "
      "WHERE seq = 3) WHERE seq = 4");
  purge();
  const auto found = only();
  EXPECT_THAT(found.problems, ElementsAre(HasSubstr("1 slot under more than one number; the first is that of home")));
  EXPECT_THAT(found.ledgers.there->twice.at(0).seqs, ElementsAre(3, 4));
}

TEST_F(VerifyTest, QuarantinedResultsAreExplainedByThemselves) {
  exported(3);
  server().exec("ALTER TABLE monitoring_results ADD CONSTRAINT no_teapot CHECK (status <> 418)");
  const auto id = define(definition());
  auto row = result(id);
  row.status = 418;
  append(row);
  exported(3);
  const auto found = only();
  EXPECT_EQ(reasons_of(found), "quarantined:1 ");
  EXPECT_THAT(found.problems, IsEmpty());
  ASSERT_THAT(found.ledgers.here->refused, SizeIs(1));
  EXPECT_EQ(found.ledgers.here->refused[0].sqlstate, "23514");
}

TEST_F(VerifyTest, WhatIsGivenUpOfAnEarlierIdIsExplained) {
  exported(3);
  server().exec("ALTER TABLE monitoring_results ADD CONSTRAINT no_teapot CHECK (status <> 418)");
  auto row = result(define(definition()));
  row.status = 418;
  append(row);
  exported(3);
  new_epoch();
  exported(2);
  EXPECT_EQ(test::run(io_, store().drop_quarantined({})), 1);
  exported(1);
  const auto found = verified();
  ASSERT_THAT(found.agents, SizeIs(2));
  EXPECT_TRUE(found.explained());
  EXPECT_EQ(reasons_of(found.agents[1]), "refused:1 ");
  EXPECT_EQ(reasons_of(found.agents[0]), "");
}

TEST_F(VerifyTest, AGapThatIsForgottenHereStillExplainsAnEarlierId) {
  exported(3);
  server().exec("ALTER TABLE monitoring_results ADD CONSTRAINT no_teapot CHECK (status <> 418)");
  auto row = result(define(definition()));
  row.status = 418;
  append(row);
  exported(3);
  new_epoch();
  exported(2);
  EXPECT_EQ(test::run(io_, store().drop_quarantined({})), 1);
  exported(1);
  commit();
  const auto later = clock_.wall() + std::chrono::hours{1};
  test::run(io_, store().forget(later, later, true, 1000));
  const auto found = verified();
  ASSERT_THAT(found.agents.at(0).ledgers.here->gaps, IsEmpty());
  EXPECT_EQ(reasons_of(found.agents.at(1)), "refused:1 ");
  EXPECT_TRUE(found.explained());
}

TEST_F(VerifyTest, AResultUnderTwoIdsOfOneFileIsFound) {
  exported(10);
  new_epoch();
  exported(5);
  purge();
  EXPECT_TRUE(verified().explained());
  server().exec(
      "UPDATE monitoring_results r SET request_timestamp = o.request_timestamp, stored_ms = o.stored_ms "
      "FROM monitoring_results o WHERE o.seq = 3 AND r.seq = 12");
  const auto found = verified();
  ASSERT_THAT(found.agents, SizeIs(2));
  EXPECT_THAT(found.agents[0].problems,
              ElementsAre(HasSubstr("1 result under more than one agent id of this file; the first is that of home")));
  EXPECT_THAT(found.agents[0].ledgers.copies.at(0).seqs, ElementsAre(3, 12));
  EXPECT_THAT(found.agents[1].problems, IsEmpty());
  server().exec("UPDATE monitoring_results SET total_us = total_us + 1 WHERE seq = 12");
  EXPECT_TRUE(verified().explained()) << "two hosts may ask in the same microsecond";
}

TEST_F(VerifyTest, WhatIsTooMuchToCompareIsSaid) {
  exported(30);
  EXPECT_TRUE(verified({.most_stretches = 0}).explained()) << "sums are the same";
  server().exec("UPDATE monitoring_results SET status = 500 WHERE seq = 12");
  const auto found = only({.most_stretches = 0});
  EXPECT_THAT(found.problems, ElementsAre(HasSubstr("30 results in both were not compared")));
  EXPECT_THAT(only({.most_stretches = 1}).problems, ElementsAre(HasSubstr("1 result differs")));
}

TEST_F(VerifyTest, NumbersFarApartAreComparedToo) {
  exported(5);
  exporter_.reset();
  close_store();
  storage::Database(file(), storage::Database::Mode::kReadWrite)
      .execute("UPDATE sqlite_sequence SET seq = 4194300 WHERE name = 'results'");
  exported(10);
  ASSERT_EQ(server().value("SELECT max(seq) FROM monitoring_results"), "4194310");
  EXPECT_THAT(only({.most_stretches = 0}).problems, ElementsAre(HasSubstr("nothing says why: seq 6-4194300")));
  server().exec("UPDATE monitoring_results SET status = 500 WHERE seq IN (2, 4194302, 4194303, 4194304, 4194310)");
  EXPECT_EQ(only().ledgers.different, (SeqSet{{2, 2}, {4194302, 4194304}, {4194310, 4194310}}));
}

TEST_F(VerifyTest, WhatIsMissingOrRefusedIsNotTooMuchToCompare) {
  exported(3);
  server().exec("ALTER TABLE monitoring_results ADD CONSTRAINT no_teapot CHECK (status <> 418)");
  auto row = result(define(definition()));
  row.status = 418;
  append(row);
  exported(storage::kNumbersPerSum);
  EXPECT_TRUE(verified({.most_stretches = 0}).explained()) << "what was refused is in none of the sums";
  server().exec(
      "DELETE FROM monitoring_results WHERE seq = 7; "
      "UPDATE monitoring_results SET status = 500 WHERE seq = 4098");
  EXPECT_THAT(only({.most_stretches = 1}).problems,
              ElementsAre(HasSubstr("1 result differs between here and PostgreSQL"), HasSubstr("seq 7")));
}

TEST_F(VerifyTest, ADeletedSkippedRangeIsFoundWhetherItIsStillHereOrNot) {
  exported(3);
  for (int i = 0; i < 5; ++i) skip("s", 1, std::chrono::minutes{10 - i});
  EXPECT_TRUE(verified().explained()) << "they wait";
  exported(3);
  EXPECT_TRUE(verified().explained());
  server().exec("DELETE FROM monitoring_skipped WHERE id IN (2, 5)");
  EXPECT_THAT(only().problems, ElementsAre(HasSubstr("2 rows of monitoring_skipped had arrived in PostgreSQL and are "
                                                     "there no more: id 2, 5")));
  purge();
  EXPECT_THAT(only().problems, ElementsAre(HasSubstr("id 2, 5")));
}

TEST_F(VerifyTest, RefusedRangesAndGapsAreExplainedByTheGapsInTheirPlace) {
  exported(3);
  server().exec(
      "ALTER TABLE monitoring_skipped ADD CONSTRAINT few CHECK (count <> 77); "
      "ALTER TABLE monitoring_gaps ADD CONSTRAINT no_absence CHECK (reason <> 'not_running')");
  skip("a", 1);
  skip("b", 77);
  skip("c", 1);
  for (const auto reason : {storage::GapReason::kNotRunning, storage::GapReason::kDiskFull}) {
    store().append(storage::Gap{.reason = reason, .from = clock_.wall(), .to = clock_.wall(), .count = 60});
  }
  commit();
  new_epoch();  // what stands for them comes later, and so under another id
  exported(3);
  exported(3);
  ASSERT_EQ(server().value("SELECT string_agg(id::text, ',' ORDER BY id) FROM monitoring_skipped"), "1,3");
  ASSERT_EQ(server().value("SELECT count(*) FROM monitoring_gaps WHERE reason = 'refused'"), "2");
  EXPECT_TRUE(verified().explained());
  purge();
  EXPECT_TRUE(verified().explained());
  server().exec("DELETE FROM monitoring_skipped WHERE id IN (1, 3)");
  EXPECT_THAT(verified().agents.at(1).problems,
              ElementsAre(HasSubstr("2 rows of monitoring_skipped had arrived in PostgreSQL and are there "
                                    "no more: among id 1-3")));
}

TEST_F(VerifyTest, GapsAreExplainedHereAndThere) {
  exported(5);
  store().append(storage::Gap{.reason = storage::GapReason::kNotRunning,
                              .from = clock_.wall() - std::chrono::minutes{5},
                              .to = clock_.wall(),
                              .count = 60});
  commit();
  EXPECT_THAT(only().recorded, SizeIs(1)) << "it waits";
  ASSERT_EQ(drain(), exporter::Progress::kIdle);
  const auto found = only();
  ASSERT_THAT(found.recorded, SizeIs(1));
  EXPECT_EQ(found.recorded[0].count, 60);
  EXPECT_THAT(found.problems, IsEmpty());
  server().exec("DELETE FROM monitoring_gaps");
  EXPECT_THAT(only().problems, ElementsAre(HasSubstr("monitoring_gaps")));
}

TEST_F(VerifyTest, WhatRemoteRetentionRemovedIsExplained) {
  const auto id = define(definition());
  for (const auto ago : {std::chrono::hours{75}, std::chrono::hours{74}, std::chrono::hours{0}})
    append(result(id, ago));
  skip("old", 1, std::chrono::hours{75});
  for (int i = 0; i < 3; ++i) skip("new", 1, std::chrono::minutes{3 - i});
  exported(3);
  purge();
  server().exec("UPDATE monitoring_touched SET at = at - interval '1 hour'");
  exporter::Breaker breaker;
  const auto session = exporter::Session::open(server().uri(), limits_, breaker);
  exporter::RollupPass pass(options_);
  while (pass.step(*session)) {
  }
  while (exporter::drop_expired(*session, std::chrono::hours{48}).state == exporter::Dropping::kDropped) {
  }
  ASSERT_EQ(count_results(), "4");
  ASSERT_EQ(server().value("SELECT min(id) || ' ' || max(id) FROM monitoring_skipped"), "2 4");
  const auto found = only();
  EXPECT_EQ(reasons_of(found), "remote_retention:2 ");
  EXPECT_THAT(found.problems, IsEmpty());
  server().exec("DELETE FROM monitoring_skipped WHERE id = 3");
  EXPECT_THAT(only().problems, ElementsAre(HasSubstr("1 row of monitoring_skipped")));
}

TEST_F(VerifyTest, WhatWasPurgedWhileThereWasNoPostgreSqlIsExplained) {
  const auto purge_unsent = [this] {
    test::run(io_, store().purge(clock_.wall() + std::chrono::hours{1}, false, 100'000));
  };
  add_results(5);
  purge_unsent();
  add_results(2);
  purge_unsent();
  exported(10);
  EXPECT_EQ(reasons_of(only()), "local_retention:7 ");
  commit();
  add_results(3);
  purge_unsent();
  exported(10);
  const auto found = only();
  EXPECT_EQ(reasons_of(found), "local_retention:10 ");
  EXPECT_THAT(found.problems, IsEmpty());
  server().exec("DELETE FROM monitoring_results WHERE seq = 9");
  EXPECT_THAT(only().problems, ElementsAre(HasSubstr("neither here nor in PostgreSQL, and nothing says why: seq 9")));
}

TEST_F(VerifyTest, SkippedRangesThatWerePurgedWhileThereWasNoPostgreSqlAreExplained) {
  skip("old", 1, std::chrono::hours{75});
  skip("new", 1);
  add_results(5);
  test::run(io_, store().purge(clock_.wall() - std::chrono::hours{1}, false, 100'000));
  exported(3);
  ASSERT_EQ(server().value("SELECT min(id) FROM monitoring_skipped"), "2");
  EXPECT_THAT(only().problems, IsEmpty());
}

TEST_F(VerifyTest, ACopiedFileGoesOnUnderANewIdAndTheOldOneIsExplained) {
  exported(10);
  const auto copy = folder_ / "copy.sqlite3";
  exporter_.reset();
  close_store();
  std::filesystem::copy_file(file(), copy);
  exported(10);
  exporter_.reset();
  close_store();
  std::filesystem::remove(file());
  std::filesystem::copy_file(copy, file());
  const auto before = verify(file(), server().uri(), {.now = clock_.wall()});
  ASSERT_THAT(before.agents, SizeIs(1));
  EXPECT_THAT(before.agents[0].problems, ElementsAre(HasSubstr("10 results under this id that this file never gave")));
  exported(4);
  const auto found = verified();
  ASSERT_THAT(found.agents, SizeIs(2));
  EXPECT_TRUE(found.explained());
  EXPECT_EQ(found.agents[0].in_both, 4);
  EXPECT_EQ(found.agents[1].in_both, 10);
  EXPECT_THAT(found.agents[1].notes, ElementsAre(HasSubstr("went on under a new id")));
}

TEST_F(VerifyTest, AnOlderCopyThatWasPutBackIsExplainedByTheEpochThatItOpened) {
  const auto older = folder_ / "older.sqlite3";
  skip("a", 1);
  exported(10);
  add_results(5);  // the copy has them, too
  exporter_.reset();
  close_store();
  std::filesystem::copy_file(file(), older);
  skip("a", 1);
  exported(10);
  exporter_.reset();
  close_store();
  std::filesystem::copy_file(older, file(), std::filesystem::copy_options::overwrite_existing);
  open_store();
  ASSERT_THAT(test::run(io_, store().earlier_epochs()), SizeIs(1)) << "it was noticed without PostgreSQL";
  add_results(2);
  EXPECT_TRUE(verified().explained());
  exported(4);
  const auto found = verified();
  ASSERT_THAT(found.agents, SizeIs(2));
  EXPECT_TRUE(found.explained());
  EXPECT_THAT(found.agents[1].notes,
              ElementsAre(HasSubstr("went on under a new id"), HasSubstr("1 skipped range under this id")));
  EXPECT_EQ(count_results(), "31");
}

TEST_F(VerifyTest, ARestoredServerIsTold) {
  use_own_server();
  skip("a", 1);
  exported(10);
  server().backup();
  skip("a", 30);
  skip("b", 30);
  exported(10);
  exporter_.reset();
  server().restore();
  auto found = only();
  EXPECT_EQ(reasons_of(found), "waiting:10 ");
  EXPECT_THAT(found.notes, ElementsAre(HasSubstr("it was restored or failed over")));
  EXPECT_THAT(found.problems, IsEmpty());
  purge();
  found = only();
  EXPECT_EQ(reasons_of(found), "unexplained:10 ") << "the agent has not recorded it yet";
  add_results(1);
  ASSERT_EQ(drain(), exporter::Progress::kIdle);
  found = only();
  EXPECT_EQ(reasons_of(found), "remote_lost:10 ");
  EXPECT_THAT(found.problems, IsEmpty());
}

TEST_F(VerifyTest, OtherAgentsAreLookedAtOnRequest) {
  exported(10);
  server().exec(
      "INSERT INTO monitoring_agents (agent_id, results_head) "
      "VALUES ('aaaaaaaa-bbbb-cccc-dddd-eeeeeeeeeeee', 5); "
      "CREATE TEMP TABLE r AS SELECT * FROM monitoring_results WHERE seq BETWEEN 1 AND 4; "
      "UPDATE r SET agent = (SELECT max(id) FROM monitoring_agents); "
      "INSERT INTO monitoring_results SELECT * FROM r");
  const auto own = verified();
  EXPECT_EQ(own.other_agents, 1U);
  EXPECT_TRUE(own.explained());
  const auto all = verified({.all_agents = true});
  ASSERT_THAT(all.agents, SizeIs(2));
  EXPECT_THAT(all.agents[1].problems, ElementsAre(HasSubstr("1 result")));
  EXPECT_THAT(only({.agent = "aaaaaaaa-bbbb-cccc-dddd-eeeeeeeeeeee"}).problems, SizeIs(1));
  EXPECT_THROW(verified({.agent = "00000000-bbbb-cccc-dddd-eeeeeeeeeeee"}), common::UsageError);
}

TEST_F(VerifyTest, AWindowLeavesOlderDaysOut) {
  const auto id = define(definition());
  for (int i = 0; i < 10; ++i) append(result(id, std::chrono::hours{24 * 10}));
  exported(10);
  server().exec("DELETE FROM monitoring_results WHERE seq = 5");
  purge();
  EXPECT_THAT(only().problems, SizeIs(1));
  EXPECT_THAT(only({.last = std::chrono::days{2}}).problems, IsEmpty());
  EXPECT_EQ(only({.last = std::chrono::days{2}}).only_there, 10);
  server().exec("DELETE FROM monitoring_results WHERE seq = 15");
  EXPECT_THAT(only({.last = std::chrono::days{2}}).problems, ElementsAre(HasSubstr("seq 15")));
}

TEST_F(VerifyTest, WhatCannotBeReadIsSaidWithoutThePassword) {
  add_results(1);
  try {
    verified();
    FAIL() << "an empty database is none of ours";
  } catch (const common::Error& error) {
    EXPECT_THAT(error.what(), HasSubstr("holds no results of a monitor"));
  }
  try {
    verify(file(), "postgresql://monitor:hunter22@127.0.0.1:1/monitor", {});
    FAIL();
  } catch (const common::Error& error) {
    EXPECT_THAT(error.what(), HasSubstr("cannot be reached"));
    EXPECT_THAT(error.what(), testing::Not(HasSubstr("hunter22")));
  }
  EXPECT_THROW(verify(folder_ / "none", server().uri(), {}), common::Error);
}

}  // namespace
}  // namespace monitor::report
