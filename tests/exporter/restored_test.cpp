// An older copy of the local database in place of a newer one.
#include "copies.h"
#include "fixture.h"

namespace monitor::exporter {
namespace {

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

}  // namespace
}  // namespace monitor::exporter
