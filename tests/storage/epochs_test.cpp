#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "storage/sql.h"
#include "storage/store.h"
#include "support/stored.h"

namespace monitor::storage {
namespace {

namespace fs = std::filesystem;

using test::Sql;
using test::Stored;
using testing::ElementsAre;
using testing::IsEmpty;
using testing::MatchesRegex;

std::string agent_of(Stored& stored) {
  return stored.wait(stored.store().identity()).agent_id;
}

TEST(Epochs, AnAgentKeepsItsIdAcrossStarts) {
  Stored stored;
  const auto agent = agent_of(stored);
  EXPECT_THAT(agent, MatchesRegex("[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}"));
  stored.add(2);
  stored.close();
  stored.open();
  EXPECT_EQ(agent_of(stored), agent);
  EXPECT_EQ(stored.wait(stored.store().identity()).first, (Cursor{.results = 1, .skipped = 1, .gaps = 1}));
}

TEST(Epochs, ACopiedFileGoesOnAsAnotherAgent) {
  Stored original;
  const auto agent = agent_of(original);
  original.add(3);
  original.wait(original.store().agree());
  original.store().mark_exported({.results = 2});
  original.wait(original.store().commit());
  original.close();
  const auto copy = original.folder() / "copy.sqlite3";
  fs::copy(original.file(), copy);

  Stored copied(copy);
  const Identity identity = copied.wait(copied.store().identity());
  EXPECT_NE(identity.agent_id, agent);
  EXPECT_EQ(identity.first.results, 4);
  EXPECT_EQ(identity.exported.results, 2);
  copied.add(2);

  Batch batch = copied.wait(copied.store().next_batch(100));
  EXPECT_EQ(batch.agent_id, agent);
  ASSERT_EQ(batch.results.size(), 1U);
  EXPECT_EQ(batch.results[0].seq, 3);
  copied.store().mark_exported({.results = 3});
  batch = copied.wait(copied.store().next_batch(100));
  EXPECT_EQ(batch.agent_id, identity.agent_id);
  ASSERT_EQ(batch.results.size(), 2U);
  EXPECT_EQ(batch.results[0].seq, 4);
  EXPECT_EQ(Sql(copy)("SELECT group_concat(agent_id = '" + agent + "') FROM monitoring_view"), "1,1,1,0,0");

  original.open();
  EXPECT_EQ(agent_of(original), agent);
}

// What it took while PostgreSQL was away may have the numbers of rows that another copy has sent.
TEST(Epochs, ACopyTakesWhatPostgresNeverAgreedToAlong) {
  Stored stored;
  stored.add(3);
  stored.wait(stored.store().agree());
  stored.export_all();
  stored.close();
  stored.open();
  stored.add(2);
  stored.close();
  const auto moved = stored.folder() / "moved";
  fs::copy(stored.file(), moved);
  fs::rename(moved, stored.file());
  stored.open();
  EXPECT_EQ(stored.wait(stored.store().identity()).first.results, 4);
}

TEST(Epochs, ARestoredFileGoesOnAsAnotherAgent) {
  Stored stored;
  stored.add(3);
  stored.close();
  const auto agent = Sql(stored.file())("SELECT agent_id FROM epochs");
  const auto backup = stored.folder() / "backup";
  fs::copy(stored.file(), backup);
  fs::rename(backup, stored.file());
  stored.open();
  EXPECT_NE(agent_of(stored), agent);
}

/// Written over it, so that the file itself is the same one.
void put_in_place(const fs::path& copy, const fs::path& file) {
  fs::copy_file(copy, file, fs::copy_options::overwrite_existing);
}

struct CopiedInPlace : testing::Test {
  CopiedInPlace() {
    stored.add(3);
    agent = agent_of(stored);
    stored.wait(stored.store().agree());
    stored.close();
    fs::copy(stored.file(), backup);
    lock += ".lock";
  }
  Stored stored;
  std::string agent;
  fs::path backup = stored.folder() / "backup";
  fs::path lock = stored.file();
};

TEST_F(CopiedInPlace, AnOlderFileGoesOnAsAnotherAgent) {
  stored.open();
  stored.add(2);
  stored.close();
  put_in_place(backup, stored.file());
  stored.open();
  const auto identity = stored.wait(stored.store().identity());
  EXPECT_NE(identity.agent_id, agent);
  EXPECT_EQ(identity.first.results, 4);
  stored.close();
  stored.open();
  EXPECT_EQ(agent_of(stored), identity.agent_id) << "it is noticed once";
}

TEST_F(CopiedInPlace, AFileFromBeforeTheCurrentAgentIsOlderToo) {
  stored.open();
  const auto second = stored.new_epoch().agent_id;
  stored.close();
  put_in_place(backup, stored.file());
  stored.open();
  EXPECT_NE(agent_of(stored), agent);
  EXPECT_NE(agent_of(stored), second);
}

TEST_F(CopiedInPlace, TheSameFileIsNotOlder) {
  put_in_place(backup, stored.file());
  stored.open();
  EXPECT_EQ(agent_of(stored), agent);
}

// As after a power cut: it is not synced.
TEST_F(CopiedInPlace, ALockFileThatKnowsLessMeansNothing) {
  const auto older = stored.folder() / "lock";
  fs::copy(lock, older);
  stored.open();
  stored.add(2);
  const auto second = stored.new_epoch().agent_id;
  stored.close();
  for (const bool some : {true, false}) {
    if (some) put_in_place(older, lock);
    if (!some) fs::resize_file(lock, 0);
    stored.open();
    EXPECT_EQ(agent_of(stored), second);
    stored.close();
  }
}

TEST_F(CopiedInPlace, ANewFileInThePlaceOfALostOneHasOneAgent) {
  fs::remove(stored.file());
  stored.open();
  EXPECT_NE(agent_of(stored), agent);
  EXPECT_EQ(Sql(stored.file())("SELECT count(*) FROM epochs"), "1");
}

TEST(Epochs, BeginBehindWhatIsOursThoughThereAreRowsBehindIt) {
  Stored stored;
  stored.add(3);
  const auto first = agent_of(stored);
  stored.wait(stored.store().agree());
  stored.close();
  stored.open();
  stored.add(4);
  const Identity before = stored.wait(stored.store().identity());
  EXPECT_EQ(before.ours.results, 3);
  stored.wait(stored.store().new_epoch(before.ours));
  Batch batch = stored.wait(stored.store().next_batch(100));
  EXPECT_EQ(batch.agent_id, first);
  EXPECT_EQ(batch.results.size(), 3U);
  stored.store().mark_exported({.results = 3});
  batch = stored.wait(stored.store().next_batch(100));
  EXPECT_NE(batch.agent_id, first);
  EXPECT_EQ(batch.results.size(), 4U);
  EXPECT_EQ(Sql(stored.file())("SELECT group_concat(agent_id = '" + first + "') FROM monitoring_view"),
            "1,1,1,0,0,0,0");
}

TEST(Epochs, WhatIsOursGrowsOnlyAfterPostgresAgreed) {
  Stored stored;
  const auto ours_after_a_run = [&](bool agreed) {
    stored.add(2);
    if (agreed) stored.wait(stored.store().agree());
    stored.close();
    stored.open();
    return stored.wait(stored.store().identity()).ours.results;
  };
  EXPECT_EQ(ours_after_a_run(false), 0);
  EXPECT_EQ(ours_after_a_run(false), 0);
  EXPECT_EQ(ours_after_a_run(true), 6);
  EXPECT_EQ(ours_after_a_run(false), 6);
  EXPECT_EQ(ours_after_a_run(true), 10);
}

TEST(Epochs, NeverMixInABatchOfAnyKind) {
  Stored stored;
  const Skipped skipped{.definition = stored.service(), .count = 1};
  stored.store().append(skipped);
  stored.store().append(Gap{.count = 1});
  stored.add(2);
  const auto first = agent_of(stored);
  const auto second = stored.new_epoch();
  EXPECT_EQ(second.first, (Cursor{.results = 3, .skipped = 2, .gaps = 2}));
  stored.store().append(skipped);
  stored.store().append(Gap{.count = 1});
  stored.add(1);

  Batch batch = stored.wait(stored.store().next_batch(100));
  EXPECT_EQ(batch.agent_id, first);
  EXPECT_EQ(batch.results.size(), 2U);
  EXPECT_EQ(batch.skipped.size(), 1U);
  EXPECT_EQ(batch.gaps.size(), 1U);
  stored.store().mark_exported({.results = 2, .skipped = 0, .gaps = 1});
  batch = stored.wait(stored.store().next_batch(100));
  EXPECT_EQ(batch.agent_id, first);
  EXPECT_THAT(batch.results, IsEmpty());
  EXPECT_EQ(batch.skipped.size(), 1U);
  stored.store().mark_exported({.results = 2, .skipped = 1, .gaps = 1});
  batch = stored.wait(stored.store().next_batch(100));
  EXPECT_EQ(batch.agent_id, second.agent_id);
  EXPECT_EQ(batch.results.size(), 1U);
  EXPECT_EQ(batch.skipped.size(), 1U);
  EXPECT_EQ(batch.gaps.size(), 1U);
}

TEST(Rewind, SendsAgainWhatIsStillHere) {
  Stored stored;
  stored.add(5);
  stored.export_all();
  stored.wait(stored.store().rewind({.results = 2}));
  EXPECT_THAT(stored.next_seqs(), ElementsAre(3, 4, 5));
  EXPECT_THAT(stored.wait(stored.store().next_batch(10)).gaps, IsEmpty());
  stored.close();
  stored.open();
  EXPECT_THAT(stored.next_seqs(), ElementsAre(3, 4, 5));
}

TEST(Rewind, IsNotUndoneByACursorThatStillWaits) {
  Stored stored;
  stored.add(5);
  stored.store().mark_exported({.results = 5});
  stored.wait(stored.store().rewind({.results = 2}));
  stored.wait(stored.store().commit());
  stored.close();
  stored.open();
  EXPECT_THAT(stored.next_seqs(), ElementsAre(3, 4, 5));
}

TEST(Rewind, NeverGoesForwardAndIntoAnEarlierEpoch) {
  Stored stored;
  stored.add(5);
  stored.store().mark_exported({.results = 2});
  stored.wait(stored.store().rewind({.results = 4}));
  EXPECT_THAT(stored.next_seqs(), ElementsAre(3, 4, 5));
  stored.new_epoch();
  stored.add(2);
  stored.export_all();
  stored.wait(stored.store().rewind({.results = 3}));
  EXPECT_THAT(stored.next_seqs(), ElementsAre(4, 5));
  stored.store().mark_exported({.results = 5});
  EXPECT_THAT(stored.next_seqs(), ElementsAre(6, 7));
}

TEST(Rewind, RecordsPurgedRangesOfSkippedSlotsOnce) {
  Stored stored;
  const auto add_ranges = [&](int count) {
    for (int i = 0; i < count; ++i) {
      const auto now = stored.clock().wall();
      stored.store().append(Skipped{.definition = stored.service(), .from = now, .to = now, .count = 7});
    }
    stored.add(1);
  };
  add_ranges(5);
  stored.store().mark_exported({.results = 1, .skipped = 5});
  stored.wait(stored.store().commit());
  stored.clock().advance(std::chrono::hours{2});
  add_ranges(1);
  stored.wait(stored.store().purge(stored.clock().wall() - std::chrono::hours{1}, true, 100));
  stored.store().mark_exported({.results = 2, .skipped = 6});
  for (int i = 0; i < 2; ++i) {
    stored.wait(stored.store().rewind({.results = 2, .skipped = 2}));
    const auto batch = stored.wait(stored.store().next_batch(10));
    EXPECT_EQ(batch.skipped.size(), 1U);
    ASSERT_EQ(batch.gaps.size(), 1U);
    EXPECT_EQ(batch.gaps[0].reason, GapReason::kRemoteLost);
    EXPECT_EQ(batch.gaps[0].count, 3);
    stored.store().mark_exported({.results = 2, .skipped = 6});
  }
}

TEST(Rewind, RecordsWhatWasPurgedOnceAndLessWhatIsAccountedFor) {
  Stored stored;
  stored.add(10);
  stored.wait(stored.store().quarantine({{.seq = 5, .sqlstate = "22021", .reason = "bad"}}));
  stored.export_all();
  stored.clock().advance(Quarantine::kHold + std::chrono::hours{2});
  stored.add(2);
  stored.wait(stored.store().purge(stored.clock().wall() - std::chrono::hours{1}, true, 8));
  stored.export_all();

  for (int i = 0; i < 2; ++i) {
    stored.wait(stored.store().rewind({.results = 3}));
    EXPECT_THAT(stored.next_seqs(), ElementsAre(9, 10, 11, 12));
    const auto gaps = stored.wait(stored.store().next_batch(10)).gaps;
    ASSERT_EQ(gaps.size(), 1U);
    EXPECT_EQ(gaps[0].reason, GapReason::kRemoteLost);
    EXPECT_EQ(gaps[0].first_seq, 4);
    EXPECT_EQ(gaps[0].last_seq, 8);
    EXPECT_EQ(gaps[0].count, 4);
    stored.store().mark_exported({.results = 12});
  }
  stored.wait(stored.store().rewind({.results = 1}));
  const auto gaps = stored.wait(stored.store().next_batch(10)).gaps;
  ASSERT_EQ(gaps.size(), 2U);
  EXPECT_EQ(gaps[1].first_seq, 2);
  EXPECT_EQ(gaps[1].last_seq, 3);
  EXPECT_EQ(gaps[1].id, 2);
  EXPECT_EQ(stored.wait(stored.store().identity()).head.gaps, 2);
}

}  // namespace
}  // namespace monitor::storage
