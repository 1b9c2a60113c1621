#include <csignal>
#include <sys/wait.h>
#include <unistd.h>

#include <gtest/gtest.h>

#include "storage/sql.h"
#include "storage/store.h"
#include "support/stored.h"

namespace monitor::storage {
namespace {

constexpr int kRounds = 8;
constexpr int kRowsPerCommit = 37;

/// Appends and commits for ever, and writes each number that is committed to `acknowledged`. Never returns.
[[noreturn]] void write_until_killed(const std::filesystem::path& file, int acknowledged) {
  test::Stored stored(file);
  for (;;) {
    stored.add(kRowsPerCommit);
    const Seq head = stored.wait(stored.store().identity()).head.results;
    if (::write(acknowledged, &head, sizeof head) != sizeof head) ::_exit(1);
  }
}

TEST(Crash, LosesNothingThatWasAcknowledgedAndDamagesNothing) {
  const test::TempDir folder;
  const auto file = folder / "local.sqlite3";
  Seq last = 0;
  for (int round = 0; round < kRounds; ++round) {
    std::array<int, 2> pipe{};
    ASSERT_EQ(::pipe(pipe.data()), 0);
    const pid_t child = ::fork();
    ASSERT_GE(child, 0);
    if (child == 0) {
      ::close(pipe[0]);
      write_until_killed(file, pipe[1]);
    }
    ::close(pipe[1]);
    // Killed after a different number of commits each time, wherever it then is.
    Seq head = 0;
    for (int acks = 0; ::read(pipe[0], &head, sizeof head) == sizeof head; ++acks) {
      last = head;
      if (acks == 3 + 5 * round) ::kill(child, SIGKILL);
    }
    ::close(pipe[0]);
    int status = 0;
    ASSERT_EQ(::waitpid(child, &status, 0), child);
    ASSERT_TRUE(WIFSIGNALED(status)) << status;

    const test::Stored reopened(file);
    test::Sql sql(file);
    EXPECT_EQ(sql("PRAGMA integrity_check"), "ok");
    EXPECT_EQ(sql("SELECT count(*) FROM results WHERE seq <= " + std::to_string(last)), std::to_string(last));
    EXPECT_EQ(sql("SELECT max(seq) - count(*) FROM results"), "0");
    EXPECT_EQ(sql("SELECT count(*) FROM epochs"), "1");
  }
  EXPECT_GT(last, kRounds * 4 * kRowsPerCommit);
}

}  // namespace
}  // namespace monitor::storage
