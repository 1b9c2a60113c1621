#include <boost/system/system_error.hpp>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "async/task_group.h"
#include "storage/failing_sync.h"
#include "storage/pending.h"
#include "storage/sql.h"
#include "storage/store.h"
#include "support/stored.h"

namespace monitor::storage {
namespace {

using std::chrono::milliseconds;
using test::Sql;
using test::Stored;
using testing::ElementsAre;

class Running : public testing::Test {
 protected:
  ~Running() override {
    tasks_.cancel();
    stored_.wait(tasks_.join());
    EXPECT_EQ(failures_, 0);
  }
  /// Runs the loop until `done`; false after ten seconds.
  template <typename Done>
  bool until(Done done) {
    const auto end = std::chrono::steady_clock::now() + std::chrono::seconds{10};
    stored_.io().restart();
    while (!done() && std::chrono::steady_clock::now() < end) stored_.io().run_one_until(end);
    return done();
  }
  /// Everything that can happen now has happened.
  void settle() {
    stored_.io().restart();
    while (stored_.io().poll() > 0) {
    }
  }
  std::uint64_t committed() { return stored_.store().health().committed; }

  Stored stored_;
  int failures_ = 0;
  async::TaskGroup tasks_{stored_.io().get_executor(), [this](const std::string&, std::exception_ptr) { ++failures_; }};
};

TEST_F(Running, CommitsAFullBatchAtOnce) {
  tasks_.spawn("commit", stored_.store().run());
  stored_.append(kCommitRows);
  EXPECT_TRUE(until([&] { return committed() == kCommitRows; }));
}

TEST_F(Running, CommitsWhenTheOldestRowHasWaitedLongEnough) {
  tasks_.spawn("commit", stored_.store().run());
  stored_.append(1);
  stored_.clock().advance(kCommitAge);
  EXPECT_TRUE(until([&] { return committed() == 1; }));
}

TEST(RunningOnABadDisk, TriesAgainByItself) {
  test::FailingSync disk;
  Stored stored;
  async::TaskGroup tasks(stored.io().get_executor(),
                         [](const std::string& name, std::exception_ptr) { FAIL() << name; });
  const auto until = [&](auto done) {
    const auto end = std::chrono::steady_clock::now() + std::chrono::seconds{10};
    stored.io().restart();
    while (!done() && std::chrono::steady_clock::now() < end) stored.io().run_one_until(end);
    return done();
  };
  tasks.spawn("commit", stored.store().run());
  disk.fail(1);
  stored.append(1);
  stored.clock().advance(kCommitAge);
  EXPECT_TRUE(until([&] { return stored.store().health().degraded; }));
  stored.clock().advance(std::chrono::minutes{1});
  EXPECT_TRUE(until([&] { return !stored.store().health().degraded; }));
  EXPECT_EQ(stored.store().health().committed, 1U);
  tasks.cancel();
  stored.wait(tasks.join());
}

TEST_F(Running, CommitsACursorThatComesAlone) {
  stored_.add(3);
  tasks_.spawn("commit", stored_.store().run());
  const auto commits = stored_.store().health().commits;
  stored_.store().mark_exported({.results = 3});
  stored_.clock().advance(kCommitAge);
  EXPECT_TRUE(until([&] { return stored_.store().health().commits > commits; }));
  EXPECT_EQ(Sql(stored_.file())("SELECT value FROM meta WHERE key = 'exported_results'"), "3");
}

TEST_F(Running, ShowsThatItLivesThoughNothingHappens) {
  tasks_.spawn("commit", stored_.store().run());
  settle();
  stored_.clock().advance(std::chrono::seconds{5});
  stored_.store().mark_exported({});  // wakes the loop, which looks at the clock
  EXPECT_TRUE(until([&] { return stored_.store().health().commits > 0; }));
  EXPECT_EQ(Sql(stored_.file())("SELECT value FROM meta WHERE key = 'alive_at'"),
            std::to_string(common::unix_micros(stored_.clock().wall())));
}

TEST_F(Running, TellsOfACommitThatStoredSomething) {
  int told = 0;
  stored_.store().on_commit([&] { ++told; });
  stored_.add(2);
  EXPECT_EQ(told, 1);
  stored_.export_all();
  EXPECT_EQ(told, 1);
}

TEST_F(Running, HoldsAppendsBackWhileTheQueueIsFull) {
  stored_.append(kMaxWaiting);
  int appended = 0;
  for (int i = 0; i < 3; ++i) {
    tasks_.spawn("append", [](Store& store, Result result, int& count) -> boost::asio::awaitable<void> {
      co_await store.append(std::move(result));
      ++count;
    }(stored_.store(), test::passed_check(stored_.service(), stored_.clock().wall()), appended));
  }
  settle();
  EXPECT_EQ(appended, 0);
  EXPECT_TRUE(stored_.store().health().held_back);
  stored_.wait(stored_.store().commit());
  EXPECT_TRUE(until([&] { return appended == 3; }));
  EXPECT_FALSE(stored_.store().health().held_back);
  stored_.wait(stored_.store().commit());
  EXPECT_EQ(committed(), kMaxWaiting + 3);
  EXPECT_EQ(stored_.store().health().dropped, 0U);
}

TEST_F(Running, LetsGoOfAnAppendThatIsCancelled) {
  stored_.append(kMaxWaiting);
  bool aborted = false;
  tasks_.spawn("append", [](Store& store, Result result, bool& seen) -> boost::asio::awaitable<void> {
    try {
      co_await store.append(std::move(result));
    } catch (const boost::system::system_error& error) {
      seen = error.code() == boost::asio::error::operation_aborted;
    }
  }(stored_.store(), test::passed_check(stored_.service(), stored_.clock().wall()), aborted));
  settle();
  tasks_.cancel();
  settle();
  EXPECT_TRUE(aborted);
  stored_.wait(stored_.store().commit());
  EXPECT_EQ(committed(), kMaxWaiting);
}

TEST_F(Running, LosesNothingWhenItsLoopIsCancelled) {
  tasks_.spawn("commit", stored_.store().run());
  stored_.append(kCommitRows);
  tasks_.cancel();
  stored_.wait(tasks_.join());
  stored_.close();
  EXPECT_EQ(Sql(stored_.file())("SELECT count(*) FROM results"), std::to_string(kCommitRows));
  stored_.open();
}

Result result_of(DefinitionId definition) {
  return test::passed_check(definition, {});
}

TEST(Pending, IsDueByAgeOfTheOldestOrByRows) {
  const common::SteadyTime start{std::chrono::hours{1}};
  Pending pending;
  EXPECT_EQ(pending.due(), std::nullopt);
  pending.add(Result{}, start);
  pending.add(Result{}, start + milliseconds{50});
  EXPECT_EQ(pending.due(), start + kCommitAge);
  for (std::size_t i = 2; i < kCommitRows; ++i) pending.add(Result{}, start);
  EXPECT_LT(*pending.due(), start);
}

TEST(Pending, GivesWhatFailedFirstAndThenWhatCameMeanwhile) {
  Pending pending;
  pending.add(result_of(1), {});
  pending.take();
  pending.add(result_of(2), {});
  EXPECT_EQ(pending.take().results.front().definition, 1);
  pending.committed();
  EXPECT_EQ(pending.take().results.front().definition, 2);
  pending.committed();
  EXPECT_TRUE(pending.empty());
}

TEST(Pending, MakesOneGapOfWhatIsDropped) {
  Pending pending;
  for (int i = 1; i <= 3; ++i) pending.drop(test::passed_check(1, common::from_unix_micros(i)), {});
  const Work& work = pending.take();
  ASSERT_EQ(work.gaps.size(), 1U);
  EXPECT_EQ(work.gaps[0].reason, GapReason::kDiskFull);
  EXPECT_EQ(work.gaps[0].from, common::from_unix_micros(1));
  EXPECT_EQ(work.gaps[0].to, common::from_unix_micros(3));
  EXPECT_EQ(work.gaps[0].count, 3);
  pending.committed();
  EXPECT_TRUE(pending.take().gaps.empty());
}

TEST(Pending, KeepsSkippedSlotsBoundedAndCounted) {
  Pending pending;
  constexpr std::int64_t kSlots = 100'000;
  for (std::int64_t i = 0; i < kSlots; ++i) {
    const auto at = common::from_unix_micros(i);
    pending.add(Skipped{.definition = i % 7, .from = at, .to = at, .count = 1}, {});
  }
  const Work& work = pending.take();
  EXPECT_LE(work.skipped.size(), kMaxRanges);
  std::int64_t count = 0;
  for (const auto& skipped : work.skipped) count += skipped.count;
  EXPECT_EQ(count, kSlots);
}

}  // namespace
}  // namespace monitor::storage
