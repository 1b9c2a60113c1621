#include "async/task_group.h"
#include "fixture.h"

namespace monitor::exporter {
namespace {

/// The files of a database as a crash of the machine would leave them. The target keeps its inode, and the lock file
/// comes too: the store itself sees that a file is another one, and what is tested here is what PostgreSQL tells the
/// exporter.
void copy_database(const std::filesystem::path& from, const std::filesystem::path& to) {
  for (const char* suffix : {"", "-wal", ".lock"}) {
    auto source = from;
    auto target = to;
    source += suffix;
    target += suffix;
    if (std::filesystem::exists(source)) {
      std::filesystem::copy_file(source, target, std::filesystem::copy_options::overwrite_existing);
    } else {
      std::filesystem::remove(target);
    }
  }
}

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

/// How often one number of one agent stands for two results, or was lost between here and there.
constexpr const char* kTwice =
    "SELECT (count(*) - count(DISTINCT (agent, seq))) || ' ' || count(*) FROM monitoring_results";

class Restored : public ExporterTest {
 protected:
  /// 10 results arrive, a copy is made, 10 more arrive of every kind.
  void run_on_after_a_copy(bool with_lock) {
    std::filesystem::create_directory(folder_ / "kept");
    add_results(10);
    append_others();
    ASSERT_EQ(drain(), Progress::kIdle);
    restart();
    copy_database(file(), kept_);
    if (!with_lock) std::filesystem::remove(lock_of(kept_));
    add_results(10);
    append_others();
    ASSERT_EQ(drain(), Progress::kIdle);
    original_ = test::run(io_, store().identity()).agent_id;
    exporter_.reset();
    close_store();
    ASSERT_EQ(server().value(kTwice), "0 20");
  }
  void append_others() {
    const auto now = clock_.wall();
    store().append(storage::Skipped{.definition = define(definition()), .from = now, .to = now, .count = 1});
    store().append(storage::Gap{.reason = storage::GapReason::kNotRunning, .from = now, .to = now, .count = 1});
    commit();
  }
  static std::filesystem::path lock_of(std::filesystem::path path) { return path += ".lock"; }
  void restore() {
    for (const char* suffix : {"", ".lock"}) {
      auto from = kept_;
      auto to = file();
      from += suffix;
      to += suffix;
      if (!std::filesystem::exists(from)) continue;
      std::filesystem::copy_file(from, to, std::filesystem::copy_options::overwrite_existing);
    }
  }
  void restart() {
    exporter_.reset();
    close_store();
    open_store();
  }
  std::string agent() { return test::run(io_, store().identity()).agent_id; }
  std::string others() {
    return server().value(
        "SELECT (SELECT count(*) FROM monitoring_skipped) || ' ' || (SELECT count(*) FROM monitoring_gaps)");
  }

  const std::filesystem::path kept_ = folder_ / "kept" / "copy";
  std::string original_;
};

TEST_F(Restored, AnOlderCopyInPlaceIsNoticedBeforeTheFirstRow) {
  run_on_after_a_copy(false);
  restore();
  const auto log = logged([&] { open_store(); });
  EXPECT_EQ(count(log, "an older copy was put in its place"), 1) << log;
  EXPECT_NE(agent(), original_);
  add_results(20);  // PostgreSQL is away, and then there
  ASSERT_EQ(drain(), Progress::kIdle);
  EXPECT_EQ(server().value(kTwice), "0 40");
}

// The folder came back as a whole, so that the file alone cannot tell.
TEST_F(Restored, RowsThatWereTakenBeforePostgresCouldTellGoUnderTheNewId) {
  run_on_after_a_copy(true);
  restore();
  add_results(5);
  append_others();
  EXPECT_EQ(agent(), original_);
  const auto log = logged([&] { ASSERT_EQ(drain(), Progress::kIdle); });
  EXPECT_EQ(count(log, "goes on under a new agent id"), 1) << log;
  EXPECT_NE(agent(), original_);
  EXPECT_EQ(server().value(kTwice), "0 25");
  EXPECT_EQ(others(), "3 3");
  EXPECT_EQ(server().value("SELECT min(seq) || ' ' || max(seq) FROM monitoring WHERE agent_id = '" + agent() + "'"),
            "11 15");
}

// By then there are more rows here than PostgreSQL has: its head looks like a commit whose answer was lost.
TEST_F(Restored, MoreRowsThanPostgresHasAreNoticedToo) {
  run_on_after_a_copy(true);
  restore();
  add_results(50);
  append_others();
  append_others();
  ASSERT_EQ(drain(), Progress::kIdle);
  EXPECT_NE(agent(), original_);
  EXPECT_EQ(server().value(kTwice), "0 70");
  EXPECT_EQ(others(), "4 4");
}

TEST_F(Restored, StartsBeforePostgresIsBackChangeNothing) {
  run_on_after_a_copy(true);
  restore();
  for (int i = 0; i < 3; ++i) {
    add_results(10);
    restart();
  }
  ASSERT_EQ(drain(), Progress::kIdle);
  EXPECT_NE(agent(), original_);
  EXPECT_EQ(server().value(kTwice), "0 50");
}

TEST_F(Restored, RowsOfTheQuarantineGoUnderTheNewIdToo) {
  run_on_after_a_copy(true);
  restore();
  add_results(5);
  test::run(io_, store().quarantine({{.seq = 12, .sqlstate = "22021", .reason = "bad"}}));
  ASSERT_EQ(drain(), Progress::kIdle);
  EXPECT_EQ(server().value(kTwice), "0 24");
  EXPECT_EQ(test::run(io_, store().retry_quarantined({})).count, 1);
  ASSERT_EQ(drain(), Progress::kIdle);
  EXPECT_EQ(server().value(kTwice), "0 25");
  EXPECT_EQ(server().value("SELECT count(*) FROM monitoring WHERE seq = 12 AND agent_id = '" + agent() + "'"), "1");
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

/// Results, distinct ones by the moment they were requested, agents.
constexpr const char* kDistinct =
    "SELECT count(*) || ' ' || count(DISTINCT (definition, request_timestamp)) || ' ' || count(DISTINCT agent) FROM "
    "monitoring_results";

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

TEST_F(Restored, RowsThatPostgresNeverAgreedToGoUnderTheNewIdOfAMovedFile) {
  run_on_after_a_copy(true);
  restore();
  add_results(10);  // 11 to 20, which PostgreSQL has with other times; it is away
  close_store();
  std::filesystem::copy_file(file(), folder_ / "moved");
  std::filesystem::rename(folder_ / "moved", file());
  add_results(11);
  ASSERT_EQ(drain(), Progress::kIdle);
  EXPECT_NE(agent(), original_);
  EXPECT_EQ(server().value(kTwice), "0 41");
  EXPECT_EQ(server().value(kDistinct), "41 41 2");
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
