#include "async/task_group.h"
#include "copies.h"
#include "fixture.h"

namespace monitor::exporter {
namespace {

TEST_F(ExporterTest, ACrashBetweenTheCommitsLeavesNeitherGapNorDuplicate) {
  add_results(500);
  exporter();
  ASSERT_EQ(step(), Progress::kExported);
  ASSERT_EQ(count_results(), "500");
  copy_database(file(), folder_ / "crashed");  // PostgreSQL has committed, the cursor is in memory alone
  exporter_.reset();
  close_store();
  copy_database(folder_ / "crashed", file());
  EXPECT_EQ(store().backlog(), 500);
  add_results(100);
  EXPECT_EQ(drain(), Progress::kIdle);
  EXPECT_EQ(server().value("SELECT count(*) || ' ' || count(DISTINCT (agent, seq)) || ' ' || count(DISTINCT agent) "
                           "FROM monitoring_results"),
            "600 600 1");
}

TEST_F(ExporterTest, ARestoredPostgresGetsWhatItLost) {
  use_own_server();
  add_results(100);
  ASSERT_EQ(drain(), Progress::kIdle);
  server().backup();
  add_results(100);
  EXPECT_EQ(step(), Progress::kUnavailable);
  ASSERT_EQ(drain(), Progress::kIdle);
  commit();
  ASSERT_EQ(count_results(), "200");
  server().restore();
  ASSERT_EQ(count_results(), "100");
  add_results(10);
  const auto log = logged([&] {
    EXPECT_EQ(step(), Progress::kUnavailable);
    EXPECT_EQ(drain(), Progress::kIdle);
  });
  EXPECT_EQ(server().value("SELECT count(*) || ' ' || max(seq) FROM monitoring_results"), "210 210");
  EXPECT_EQ(count(log, "is sent again"), 1) << log;
}

TEST_F(ExporterTest, ACopiedFileGoesOnUnderANewId) {
  add_results(100);
  ASSERT_EQ(drain(), Progress::kIdle);
  exporter_.reset();
  close_store();
  std::filesystem::create_directory(folder_ / "kept");
  copy_database(file(), folder_ / "kept" / "copy");
  add_results(50);
  ASSERT_EQ(drain(), Progress::kIdle);
  const auto original = test::run(io_, store().identity()).agent_id;
  exporter_.reset();
  close_store();

  copy_database(folder_ / "kept" / "copy", file());
  add_results(20);
  EXPECT_EQ(drain(), Progress::kIdle);
  EXPECT_NE(test::run(io_, store().identity()).agent_id, original);
  add_results(10);
  EXPECT_EQ(drain(), Progress::kIdle);
  EXPECT_EQ(server().value("SELECT count(DISTINCT request_timestamp) FROM monitoring WHERE agent_id = '" + original +
                           "' AND seq > 100"),
            server().value("SELECT count(*) FROM monitoring WHERE agent_id = '" + original + "' AND seq > 100"));
  EXPECT_EQ(count_results(), "180");
}

// Nothing was restored: these starts have to keep their id.
TEST_F(ExporterTest, StartsWithoutPostgresKeepTheId) {
  add_results(10);
  const auto id = test::run(io_, store().identity()).agent_id;
  ASSERT_EQ(drain(), Progress::kIdle);
  for (int i = 0; i < 3; ++i) {
    exporter_.reset();
    close_store();
    add_results(10);
  }
  ASSERT_EQ(drain(), Progress::kIdle);
  add_results(10);
  ASSERT_EQ(drain(), Progress::kIdle);
  EXPECT_EQ(test::run(io_, store().identity()).agent_id, id);
  EXPECT_EQ(server().value(kTwice), "0 50");
}

// What went to a standby that was left again is there no more, and is there again when the first one is back.
TEST_F(ExporterTest, ANumberThatWasSentStaysOursThoughTheCursorWentBack) {
  add_results(10);
  const auto id = test::run(io_, store().identity()).agent_id;
  ASSERT_EQ(drain(), Progress::kIdle);
  test::run(io_, store().rewind({.results = 3}));
  restart_exporter();
  add_results(1);
  ASSERT_EQ(drain(), Progress::kIdle);
  EXPECT_EQ(test::run(io_, store().identity()).agent_id, id);
  EXPECT_EQ(count_results(), "11");
}

TEST_F(ExporterTest, AnotherWriterUnderOurIdIsNoticed) {
  add_results(10);
  ASSERT_EQ(drain(), Progress::kIdle);
  const auto before = test::run(io_, store().identity()).agent_id;
  server().exec("UPDATE monitoring_agents SET results_head = 13");
  add_results(10);
  EXPECT_EQ(step(), Progress::kUnavailable);
  EXPECT_EQ(drain(), Progress::kIdle);
  EXPECT_NE(test::run(io_, store().identity()).agent_id, before);
  EXPECT_EQ(count_results(), "20");
}

// It is started elsewhere, and sends what it had from the first file under that one's id.
TEST_F(ExporterTest, WhatALivingCopySentOfOursIsNotSentAgain) {
  add_results(10);
  ASSERT_EQ(drain(), Progress::kIdle);
  const auto id = test::run(io_, store().identity()).agent_id;
  add_results(10);  // PostgreSQL is away
  const auto file_of_copy = folder_ / "elsewhere" / "local.sqlite3";
  std::filesystem::create_directory(folder_ / "elsewhere");
  copy_database(file(), file_of_copy);
  std::filesystem::remove(folder_ / "elsewhere" / "local.sqlite3.lock");
  auto copy = storage::Store::open(io_.get_executor(), {file_of_copy, {}}, clock_);
  {
    const auto exporter_of_copy = Exporter::create(io_.get_executor(), options_, *copy, clock_, limits_);
    while (test::run(io_, exporter_of_copy->step()) != Progress::kIdle) continue;
    ASSERT_EQ(server().value(kDistinct), "20 20 1");
  }
  test::run(io_, copy->close());
  restart_exporter();
  add_results(10);
  ASSERT_EQ(drain(), Progress::kIdle);
  EXPECT_EQ(server().value(kDistinct), "30 30 1");
  EXPECT_EQ(test::run(io_, store().identity()).agent_id, id) << "it is the copy that has another";
}

// The same, noticed by an exporter that is connected.
TEST_F(ExporterTest, RowsOfOursThatAnotherProcessSendsMakeNoNewId) {
  add_results(10);
  ASSERT_EQ(drain(), Progress::kIdle);
  const auto id = test::run(io_, store().identity()).agent_id;
  add_results(10);
  {
    const auto other = Exporter::create(io_.get_executor(), options_, store(), clock_, limits_);
    ASSERT_EQ(test::run(io_, other->step()), Progress::kExported);
    test::run(io_, store().rewind({.results = 10}));
  }
  add_results(10);
  EXPECT_EQ(step(), Progress::kUnavailable);
  EXPECT_EQ(drain(), Progress::kIdle);
  EXPECT_EQ(server().value(kDistinct), "30 30 1");
  EXPECT_EQ(test::run(io_, store().identity()).agent_id, id);
}

TEST_F(ExporterTest, ARestoredPostgresGetsWhatItLostOfEarlierIdsToo) {
  use_own_server();
  add_results(100);
  ASSERT_EQ(drain(), Progress::kIdle);
  server().backup();
  add_results(50);
  EXPECT_EQ(step(), Progress::kUnavailable);
  ASSERT_EQ(drain(), Progress::kIdle);
  new_epoch();
  server().restore();
  add_results(10);
  const auto log = logged([&] {
    EXPECT_EQ(step(), Progress::kUnavailable);
    EXPECT_EQ(drain(), Progress::kIdle);
  });
  EXPECT_EQ(count(log, "is sent again"), 1) << log;
  add_results(1);
  restart_exporter();
  EXPECT_EQ(drain(), Progress::kIdle);
  EXPECT_EQ(server().value(kDistinct), "161 161 2");
  EXPECT_EQ(server().value("SELECT count(*) FROM monitoring_gaps"), "0");
}

TEST_F(ExporterTest, TwoAgentsShareADatabase) {
  add_results(10);
  ASSERT_EQ(drain(), Progress::kIdle);
  exporter_.reset();
  close_store();
  std::filesystem::rename(file(), folder_ / "first");
  std::filesystem::remove(folder_ / "local.sqlite3-wal");
  std::filesystem::remove(folder_ / "local.sqlite3-shm");
  add_results(10);
  ASSERT_EQ(drain(), Progress::kIdle);
  EXPECT_EQ(server().value("SELECT count(*) || ' ' || count(DISTINCT agent_id) || ' ' || count(DISTINCT local_id) "
                           "FROM monitoring"),
            "20 2 20");
  EXPECT_EQ(server().value("SELECT count(*) FROM monitoring_definitions"), "1");
}

TEST_F(ExporterTest, TheLoopShipsWhatACommitAnnouncesAndEndsWhenItIsCancelled) {
  store().on_commit([this] { exporter().wake(); });
  exporter();
  async::TaskGroup group(io_.get_executor(), [](const std::string& name, std::exception_ptr) { FAIL() << name; });
  group.spawn("exporter", exporter().run());
  group.spawn("store", store().run());
  const auto until = [&](auto condition) -> boost::asio::awaitable<void> {
    while (!condition()) co_await async::sleep_for(std::chrono::milliseconds{5});
  };
  test::run(io_, until([&] { return exporter().health().connected; }));
  const auto id = define(definition());
  for (int i = 0; i < 42; ++i) append(result(id));
  test::run(io_, until([&] { return exporter().health().exported == 42; }));
  EXPECT_EQ(count_results(), "42");
  EXPECT_GT(exporter().health().steps, 0U);
  test::run(io_, [](async::TaskGroup& tasks) -> boost::asio::awaitable<void> {
    tasks.cancel();
    co_await tasks.join();
  }(group));
}

}  // namespace
}  // namespace monitor::exporter
