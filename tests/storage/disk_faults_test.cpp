// What others and the system do to the file's disk and locks while it is used. (Full disks have a file of their own.)
#include <array>
#include <cerrno>
#include <csignal>
#include <cstddef>
#include <fcntl.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <string>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/syscall.h>

#include <boost/asio/co_spawn.hpp>
#include <boost/asio/use_future.hpp>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sqlite3.h>

#include "common/error.h"
#include "common/log.h"
#include "storage/small_disk.h"
#include "storage/sql.h"
#include "storage/store.h"
#include "support/stored.h"

namespace monitor::storage {
namespace {

namespace fs = std::filesystem;

using test::in_child;
using test::Sql;
using test::Stored;
using testing::HasSubstr;
using testing::Not;

int count(const std::string& text, const std::string& word) {
  int found = 0;
  for (auto at = text.find(word); at != std::string::npos; at = text.find(word, at + 1)) ++found;
  return found;
}

template <typename Work>
std::string logged(Work work) {
  common::log::start(common::log::Level::kWarning);
  common::log::stop();  // from here on lines are written at once
  testing::internal::CaptureStderr();
  work();
  return testing::internal::GetCapturedStderr();
}

/// Every commit fails, and each is told to the watchdog as what it is.
void expect_degraded(Stored& stored, std::size_t waiting) {
  for (int i = 0; i < 3; ++i) {
    const auto commits = stored.store().health().commits;
    stored.wait(stored.store().commit());
    const Health health = stored.store().health();
    EXPECT_GT(health.commits, commits);
    EXPECT_TRUE(health.degraded);
    EXPECT_NE(health.problem, "");
    EXPECT_EQ(health.waiting, waiting);
    EXPECT_EQ(health.dropped, 0U);
  }
}

void expect_recovered(Stored& stored, std::size_t results) {
  stored.wait(stored.store().commit());
  EXPECT_FALSE(stored.store().health().degraded) << stored.store().health().problem;
  EXPECT_EQ(stored.store().health().waiting, 0U);
  EXPECT_EQ(stored.next_seqs().size(), results);
  EXPECT_EQ(Sql(stored.file())("PRAGMA integrity_check"), "ok");
}

/// Nothing can be written any more, as after an error of the disk: what is open fails, and what is opened is read-only.
class WriteProtection {
 public:
  explicit WriteProtection(const fs::path& folder) : folder_(folder) {
    EXPECT_NE(std::signal(SIGXFSZ, SIG_IGN), SIG_ERR);
    limit_file_size(0);
    // A disk that has files open for writing cannot be mounted anew; a mount above it can.
    EXPECT_EQ(::mount(folder.c_str(), folder.c_str(), nullptr, MS_BIND, nullptr), 0);
    EXPECT_EQ(::mount(nullptr, folder.c_str(), nullptr, MS_REMOUNT | MS_BIND | MS_RDONLY, nullptr), 0);
  }
  void end() {
    EXPECT_EQ(::umount2(folder_.c_str(), MNT_DETACH), 0);
    limit_file_size(RLIM_INFINITY);
  }

 private:
  static void limit_file_size(rlim_t bytes) {
    rlimit limit{};
    EXPECT_EQ(::getrlimit(RLIMIT_FSIZE, &limit), 0);
    limit.rlim_cur = std::min(bytes, limit.rlim_max);
    EXPECT_EQ(::setrlimit(RLIMIT_FSIZE, &limit), 0);
  }

  fs::path folder_;
};

TEST(ReadOnlyDisk, ThatBecomesSoWhileRunningIsDeclaredAndOutlived) {
  const test::TempDir disk;
  in_child([&] {
    test::mount_disk(disk.path(), "16m");
    Stored stored(disk / "local.sqlite3");
    const auto agent = stored.wait(stored.store().identity()).agent_id;
    stored.add(10);
    WriteProtection protection(disk.path());
    stored.append(5);
    expect_degraded(stored, 5);
    stored.append(5);
    expect_degraded(stored, 10);
    EXPECT_THAT(stored.store().health().problem, HasSubstr("readonly")) << "it was opened anew meanwhile";
    protection.end();
    expect_recovered(stored, 20);
    EXPECT_EQ(stored.wait(stored.store().identity()).agent_id, agent);
    EXPECT_EQ(stored.close(), 0U);
  });
}

TEST(LockedFile, WaitsInMemoryAndIsSaidAndLosesNothing) {
  Stored stored;
  stored.add(10);
  Sql other(stored.file());
  other("BEGIN EXCLUSIVE");
  stored.append(5);
  const auto begin = std::chrono::steady_clock::now();
  const auto log = logged([&] { stored.wait(stored.store().commit()); });
  EXPECT_LT(std::chrono::steady_clock::now() - begin, std::chrono::seconds{10});
  EXPECT_EQ(count(log, "another process holds a lock on it"), 1) << log;
  EXPECT_TRUE(stored.store().health().degraded);
  EXPECT_THAT(stored.store().health().problem, HasSubstr("another process holds a lock on it"));
  stored.append(100);  // the agent goes on
  EXPECT_EQ(stored.store().health().waiting, 105U);
  other("COMMIT");
  const auto end = logged([&] { expect_recovered(stored, 115); });
  EXPECT_THAT(end, HasSubstr("again; 0 were dropped meanwhile"));
}

TEST(LockedFile, IsNoTroubleForAMomentThatIsShort) {
  Stored stored;
  stored.add(10);
  Sql other(stored.file());
  other("BEGIN EXCLUSIVE");
  stored.append(5);
  const auto committed = boost::asio::co_spawn(stored.io(), stored.store().commit(), boost::asio::use_future);
  while (stored.store().health().place.empty()) stored.io().poll_one();
  other("COMMIT");
  expect_recovered(stored, 15);
}

/// fcntl as on a share whose server grants no locks.
class NoLocks {
 public:
  NoLocks() { vfs()->xSetSystemCall(vfs(), "fcntl", reinterpret_cast<sqlite3_syscall_ptr>(&refuse)); }
  ~NoLocks() { vfs()->xSetSystemCall(vfs(), "fcntl", nullptr); }
  NoLocks(const NoLocks&) = delete;
  NoLocks& operator=(const NoLocks&) = delete;

 private:
  static sqlite3_vfs* vfs() { return sqlite3_vfs_find("unix"); }
  static int refuse(int, int command, ...) {
    if (command != F_SETLK) return 0;
    errno = ENOLCK;
    return -1;
  }
};

TEST(DiskWithoutLocks, IsRefusedAtTheStartWithWhatToDo) {
  const test::TempDir folder;
  const auto file = folder / "local.sqlite3";
  Stored(file).add(1);
  const NoLocks no_locks;
  try {
    const Stored again(file);
    ADD_FAILURE() << "it was opened";
  } catch (const common::Error& error) {
    EXPECT_THAT(error.what(), testing::AllOf(HasSubstr("local.sqlite3"), HasSubstr("network share"),
                                             HasSubstr("put local_database_path on a local disk")));
  }
}

/// flock() as on a share whose server grants no locks, for what is left of this process.
void refuse_flock() {
  std::array filter{sock_filter BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(seccomp_data, nr)),
                    sock_filter BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_flock, 0, 1),
                    sock_filter BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | ENOLCK),
                    sock_filter BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW)};
  const sock_fprog program{static_cast<unsigned short>(filter.size()), filter.data()};
  ASSERT_EQ(::prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0), 0);
  ASSERT_EQ(::prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program), 0);
}

TEST(DiskWithoutLocks, IsRefusedForTheLockFileToo) {
  const test::TempDir folder;
  in_child([&] {
    refuse_flock();
    try {
      const Stored stored(folder / "local.sqlite3");
      ADD_FAILURE() << "it was opened";
    } catch (const common::Error& error) {
      EXPECT_THAT(error.what(), testing::AllOf(HasSubstr("cannot lock"), HasSubstr("local.sqlite3.lock"),
                                               HasSubstr("needs a local disk")));
    }
  });
}

TEST(DiskWithoutLocks, IsRefusedForANewFileToo) {
  const test::TempDir folder;
  const NoLocks no_locks;
  EXPECT_THROW(Stored(folder / "local.sqlite3"), common::Error);
}

TEST(LargeLog, IsToldOnceAndWhenItIsSmallAgain) {
  Stored stored;
  stored.add(1);
  Sql reader(stored.file());
  reader("BEGIN; SELECT count(*) FROM results");
  auto wal = stored.file();
  wal += "-wal";
  const auto grow = [&] {
    constexpr std::uintmax_t kLarge = std::uintmax_t{66} << 20;
    while (fs::file_size(wal) < kLarge) {
      for (int i = 0; i < 1000; ++i) {
        auto result = test::failed_check(stored.service(), stored.clock().wall(), "refused");
        result.evidence = std::string(4000, 'x');
        stored.wait(stored.store().append(std::move(result)));
      }
      stored.wait(stored.store().commit());
    }
    for (int i = 0; i < 3; ++i) stored.wait(stored.store().tidy());
  };
  const auto large = logged(grow);
  EXPECT_EQ(count(large, "because another process reads it without an end"), 1) << large;
  EXPECT_FALSE(stored.store().health().degraded);
  reader("COMMIT");
  const auto small = logged([&] {
    for (int i = 0; i < 3; ++i) stored.wait(stored.store().tidy());
  });
  EXPECT_EQ(count(small, "is small again"), 1) << small;
  EXPECT_THAT(small, Not(HasSubstr("without an end")));
}

}  // namespace
}  // namespace monitor::storage
