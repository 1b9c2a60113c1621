#include <csignal>
#include <functional>
#include <random>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "config/config_files.h"
#include "config/document.h"
#include "config/file.h"
#include "support/temp_dir.h"

namespace monitor::config {
namespace {

using namespace std::chrono_literals;
using test::error_of;
using test::listing;
using test::mode_of;
using testing::AllOf;
using testing::HasSubstr;
using testing::Not;

constexpr const char* kText = "local_database_path: ~/x\nservices:\n  - url: http://a.example/\n";

probe::Service service_of(std::string url) {
  probe::Service service;
  service.url = std::move(url);
  service.method = "GET";
  return service;
}

void add_service(Document& document, const std::string& url) {
  document.services.push_back(service_of(url));
}

/// Runs `body` in a process of its own and returns its exit status, or minus the signal that ended it.
int status_of_child(const std::function<int()>& body) {
  const pid_t child = ::fork();
  if (child == 0) ::_exit(body());
  int status = 0;
  EXPECT_EQ(::waitpid(child, &status, 0), child);
  return WIFSIGNALED(status) ? -WTERMSIG(status) : WEXITSTATUS(status);
}

class Save : public testing::Test {
 protected:
  std::filesystem::path write(const std::string& text = kText, mode_t mode = 0600) {
    return test::write_file(file_, text, mode);
  }

  monitor::test::TempDir folder_;
  const std::filesystem::path file_ = folder_ / "config";
};

TEST_F(Save, MakesAPrivateFileInAPrivateFolder) {
  Document document;
  document.file = folder_ / "one/two/config";
  document.local_database_path = "~/x";
  const mode_t before = ::umask(0);
  create(document, false);
  ::umask(before);
  EXPECT_EQ(mode_of(document.file), 0600U);
  EXPECT_EQ(mode_of(folder_ / "one/two"), 0700U);
  EXPECT_EQ(mode_of(folder_ / "one"), 0700U);
  EXPECT_EQ(listing(folder_ / "one/two"), "config");
  EXPECT_EQ(test::text_of(document.file), "local_database_path: ~/x\n");
}

TEST_F(Save, DoesNotOverwriteUnlessForced) {
  write();
  Document document;
  document.file = file_;
  document.local_database_path = "/tmp/y";
  EXPECT_THAT(error_of([&] { create(document, false); }), HasSubstr("--force overwrites it"));
  EXPECT_EQ(test::text_of(file_), kText);
  create(document, true);
  EXPECT_EQ(test::text_of(file_), "local_database_path: /tmp/y\n");
}

TEST_F(Save, ForcedCreationOverwritesAFileItCouldNotRead) {
  write("{not a configuration", 0666);
  Document document;
  document.file = file_;
  document.external_database_uri = "postgresql://u:p@h/db";
  create(document, true);
  EXPECT_EQ(mode_of(file_), 0640U);
  EXPECT_EQ(read(file_).external_database_uri, "postgresql://u:p@h/db");
}

TEST_F(Save, CreatesWhatCanBeReadEvenWhenThereIsNothingToSay) {
  Document document;
  document.file = file_;
  create(document, false);
  EXPECT_EQ(read(file_).format, Format::kYaml);
}

TEST_F(Save, WritesYamlThatReadsWell) {
  write();
  update(file_, [](Document& document) {
    document.keep_exported = "0";
    document.local_max_size = "10 GiB";
    auto& service = document.services.emplace_back(service_of("http://b.example/x?y=1"));
    service.name = "shop front";
    service.check_regex = true;
    service.regex = R"(\{"openapi":"3\.1\.0")";
    service.body_limit = 65536;
  });
  EXPECT_EQ(test::text_of(file_), R"(local_database_path: ~/x
keep_exported: 0
local_max_size: 10 GiB
services:
  - url: http://a.example/
    method: GET
    interval_sec: 5
    timeout: 15
  - name: 'shop front'
    url: http://b.example/x?y=1
    method: GET
    check_regex: true
    regex: '\{"openapi":"3\.1\.0"'
    interval_sec: 5
    timeout: 15
    body_limit: 64 KiB
)");
}

TEST_F(Save, KeepsJsonAsJsonWithThePredecessorsKeys) {
  write(R"({"services":[],"external_database_uri":"postgresql://h/db","local_database_path":"~/x"})");
  update(file_, [](Document& document) { add_service(document, "http://a.example/żółć"); });
  EXPECT_EQ(test::text_of(file_), R"({
  "local_database_path": "~/x",
  "external_database_uri": "postgresql://h/db",
  "services": [
    {
      "url": "http://a.example/żółć",
      "method": "GET",
      "check_regex": false,
      "regex": null,
      "interval_sec": 5,
      "timeout": 15
    }
  ]
}
)");
}

TEST_F(Save, KeepsTheOpeningComment) {
  write("# Ours.\n\nservices: []\n");
  update(file_, [](Document& document) { document.dns_cache = "off"; });
  EXPECT_EQ(test::text_of(file_), "# Ours.\ndns_cache: 'off'\nservices: []\n");
}

TEST_F(Save, KeepsTheTypedTextOfVariables) {
  const test::ScopedVariable token("MONITOR_TEST_TOKEN", "s3cr3t");
  write("external_database_uri: 'postgresql://u:${MONITOR_TEST_TOKEN}@h/$${x}'\n");
  update(file_, [](Document& document) { add_service(document, "http://a.example/${MONITOR_TEST_TOKEN}"); });
  EXPECT_THAT(test::text_of(file_),
              AllOf(HasSubstr("'postgresql://u:${MONITOR_TEST_TOKEN}@h/$${x}'"),
                    HasSubstr("'http://a.example/${MONITOR_TEST_TOKEN}'"), Not(HasSubstr("s3cr3t"))));
}

TEST_F(Save, RefusesAChangeThatBreaksARuleAndNamesTheService) {
  write();
  const auto refused = [&](const std::function<void(Document&)>& change) {
    const auto message = error_of([&] { update(file_, change); });
    EXPECT_EQ(test::text_of(file_), kText);
    EXPECT_EQ(listing(folder_.path()), "config");
    return message;
  };
  EXPECT_THAT(refused([](Document& document) { add_service(document, "nowhere"); }),
              AllOf(HasSubstr("GET nowhere: "), HasSubstr("http://"), Not(HasSubstr(":3:"))));
  EXPECT_THAT(
      refused([](Document& document) { add_service(document, "http://a.example/"); }),
      AllOf(HasSubstr("GET http://a.example/: this is the same service as another one"), Not(HasSubstr("line"))));
  EXPECT_THAT(refused([](Document& document) { document.services[0].interval = 301s; }),
              HasSubstr("interval_sec is 301; it must be from 5 to 300 seconds"));
  EXPECT_THAT(refused([](Document& document) { document.services[0].timeout = 0s; }), HasSubstr("from 1 to 300"));
  EXPECT_THAT(refused([](Document& document) { document.services[0].check_regex = true; }), HasSubstr("no regex"));
  EXPECT_THAT(refused([](Document& document) { document.services[0].name = "12"; }), HasSubstr("all digits"));
  EXPECT_THAT(refused([](Document& document) { document.keep_exported = "soon"; }), HasSubstr("keep_exported"));
}

TEST_F(Save, LeavesTheFileAsItIsWhenTheChangeThrows) {
  write();
  EXPECT_THAT(error_of([&] {
                update(file_, [](Document& document) {
                  document.services.clear();
                  throw common::Error("changed my mind");
                });
              }),
              "changed my mind");
  EXPECT_EQ(test::text_of(file_), kText);
  EXPECT_EQ(listing(folder_.path()), "config");
}

TEST_F(Save, KeepsWhatTheGroupMayDoAndTakesAwayWhatOthersMay) {
  for (const auto& [before, after] :
       {std::pair<mode_t, mode_t>{0640, 0640}, {0644, 0640}, {0600, 0600}, {0604, 0600}, {0440, 0440}, {0444, 0440}}) {
    write(kText, before);
    update(file_, [](Document& document) { document.dns_cache = "off"; });
    EXPECT_EQ(mode_of(file_), after);
  }
}

TEST_F(Save, KeepsTheGroup) {
  if (::geteuid() != 0) GTEST_SKIP() << "only root can give a file to a group it is not in";
  write(kText, 0640);
  ASSERT_EQ(::chown(file_.c_str(), 0, 12345), 0);
  update(file_, [](Document& document) { document.dns_cache = "off"; });
  struct stat status{};
  ASSERT_EQ(::stat(file_.c_str(), &status), 0);
  EXPECT_EQ(status.st_gid, 12345U);
  EXPECT_EQ(mode_of(file_), 0640U);
}

TEST_F(Save, WritesThroughLinksToTheFileItself) {
  std::filesystem::create_directory(folder_ / "real");
  const auto real = test::write_file(folder_ / "real/target", kText);
  std::filesystem::create_symlink("real/target", file_);
  update(file_, [](Document& document) { document.dns_cache = "off"; });
  EXPECT_TRUE(std::filesystem::is_symlink(file_));
  EXPECT_THAT(test::text_of(real), HasSubstr("dns_cache: 'off'"));
  EXPECT_EQ(listing(folder_ / "real"), "target");
}

TEST_F(Save, CleansUpWhatACrashLeft) {
  write();
  test::write_file(folder_ / ".config.new", "half a fi");
  test::write_file(folder_ / ".config.lock", "");
  update(file_, [](Document& document) { document.dns_cache = "off"; });
  EXPECT_EQ(listing(folder_.path()), "config");
  EXPECT_EQ(read(file_).dns_cache, "off");
}

TEST_F(Save, DoesNotWriteThroughALinkLaidInItsWay) {
  write();
  const auto victim = test::write_file(folder_ / "victim", "precious");
  std::filesystem::create_symlink(victim, folder_ / ".config.new");
  update(file_, [](Document& document) { document.dns_cache = "off"; });
  EXPECT_EQ(test::text_of(victim), "precious");
  std::filesystem::create_symlink(victim, folder_ / ".config.lock");
  EXPECT_THAT(error_of([&] { update(file_, [](Document&) {}); }), HasSubstr(".config.lock"));
  EXPECT_EQ(test::text_of(victim), "precious");
}

TEST_F(Save, LeavesTheOldFileAndNothingElseWhenTheDiskTakesNoMore) {
  write();
  const int status = status_of_child([&] {
    ::signal(SIGXFSZ, SIG_IGN);
    const rlimit limit{8, 8};
    ::setrlimit(RLIMIT_FSIZE, &limit);
    const auto message = error_of([&] { update(file_, [](Document& document) { document.dns_cache = "off"; }); });
    return message.find("File too large; the configuration is unchanged") == std::string::npos ? 1 : 0;
  });
  EXPECT_EQ(status, 0);
  EXPECT_EQ(test::text_of(file_), kText);
  EXPECT_EQ(listing(folder_.path()), "config");
}

TEST_F(Save, SaysWhatToDoWhereTheFolderMayNotBeWritten) {
  write(kText, 0644);
  ASSERT_EQ(::chmod(folder_.path().c_str(), 0555), 0);
  const int status = status_of_child([&] {
    if (::geteuid() == 0 && ::seteuid(65534) != 0) return 2;
    const auto message = error_of([&] { update(file_, [](Document&) {}); });
    return message.find("must be able to write to its folder") == std::string::npos ? 1 : 0;
  });
  ASSERT_EQ(::chmod(folder_.path().c_str(), 0700), 0);
  EXPECT_EQ(status, 0);
  EXPECT_EQ(listing(folder_.path()), "config");
}

TEST_F(Save, RefusesToOverwriteWhatAnEditorSavedMeanwhile) {
  write();
  EXPECT_THAT(error_of([&] {
                update(file_, [&](Document& document) {
                  document.dns_cache = "off";
                  test::write_file(file_, "dns_cache: ttl # by hand\n");
                });
              }),
              HasSubstr("nothing is saved"));
  EXPECT_EQ(test::text_of(file_), "dns_cache: ttl # by hand\n");
}

TEST_F(Save, WaitsForTheLockOnlySoLong) {
  write();
  const FileLock held(file_);
  EXPECT_THAT(error_of([&] { const FileLock second(file_, 20ms); }), HasSubstr("another process has been changing"));
  EXPECT_EQ(listing(folder_.path()), ".config.lock config");
}

TEST_F(Save, LosesNoneOfTheChangesOfManyProcesses) {
  write("services: []\n");
  constexpr int kProcesses = 6;
  constexpr int kChanges = 8;
  std::vector<pid_t> children;
  for (int process = 0; process < kProcesses; ++process) {
    const pid_t child = ::fork();
    if (child == 0) {
      const auto message = error_of([&] {
        for (int i = 0; i < kChanges; ++i) {
          update(file_,
                 [&](Document& document) { add_service(document, fmt::format("http://a.example/{}/{}", process, i)); });
        }
      });
      ::_exit(message == "nothing was thrown" ? 0 : 1);
    }
    children.push_back(child);
  }
  for (const pid_t child : children) {
    int status = 0;
    ASSERT_EQ(::waitpid(child, &status, 0), child);
    EXPECT_EQ(status, 0);
  }
  EXPECT_EQ(read(file_).services.size(), static_cast<std::size_t>(kProcesses * kChanges));
  EXPECT_EQ(listing(folder_.path()), "config");
}

TEST_F(Save, IsOldOrNewButNeverMixedWhereverTheProcessIsKilled) {
  write();
  std::mt19937 random(20240422);
  int killed = 0;
  for (int round = 0; round < 40; ++round) {
    const pid_t child = ::fork();
    if (child == 0) {
      for (int i = 0;; ++i) {
        update(file_, [&](Document& document) {
          document.services.clear();
          for (int n = 0; n <= i % 50; ++n) add_service(document, fmt::format("http://a.example/{}", n));
          document.keep_exported = fmt::format("{}s", document.services.size());
        });
      }
    }
    ::usleep(static_cast<useconds_t>(random() % 10'000));
    ::kill(child, SIGKILL);
    int status = 0;
    ASSERT_EQ(::waitpid(child, &status, 0), child);
    killed += WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL ? 1 : 0;
    const auto document = read(file_);
    if (document.keep_exported) EXPECT_EQ(*document.keep_exported, fmt::format("{}s", document.services.size()));
  }
  EXPECT_EQ(killed, 40);
  update(file_, [](Document& document) { document.dns_cache = "off"; });
  EXPECT_EQ(listing(folder_.path()), "config");
}

TEST_F(Save, DeletesTheFileAndLeavesNothing) {
  write();
  config::remove(file_);
  EXPECT_EQ(listing(folder_.path()), "");
  EXPECT_THAT(error_of([&] { config::remove(file_); }), HasSubstr("no configuration to delete"));
  EXPECT_THAT(error_of([&] { config::remove(folder_.path()); }), HasSubstr("not a regular file"));
}

TEST_F(Save, DeletesWhatALinkLeadsToAndTheLink) {
  std::filesystem::create_directory(folder_ / "real");
  test::write_file(folder_ / "real/target", kText);
  std::filesystem::create_symlink("real/target", file_);
  config::remove(file_);
  EXPECT_EQ(listing(folder_.path()), "real");
  EXPECT_EQ(listing(folder_ / "real"), "");
}

TEST_F(Save, LeavesALinkToNothingAlone) {
  std::filesystem::create_symlink("missing", file_);
  std::filesystem::create_symlink("missing", folder_ / "folder");
  for (const bool force : {false, true}) {
    Document document;
    document.file = file_;
    EXPECT_THAT(error_of([&] { create(document, force); }), HasSubstr("a link to a file that is not there"));
    document.file = folder_ / "folder/config";
    EXPECT_THAT(error_of([&] { create(document, force); }), HasSubstr("cannot make the folder"));
  }
  EXPECT_THAT(error_of([&] { config::remove(file_); }), HasSubstr("no configuration to delete"));
  EXPECT_TRUE(std::filesystem::is_symlink(file_));
  EXPECT_EQ(listing(folder_.path()), "config folder");
}

TEST_F(Save, CreatesNothingWhereAFolderIsNamed) {
  for (const auto& path : {folder_ / "new/", folder_ / "new/.", folder_ / "new/..", folder_.path(), folder_ / "."}) {
    for (const bool force : {false, true}) {
      Document document;
      document.file = path;
      EXPECT_THAT(error_of([&] { create(document, force); }), HasSubstr("this names a folder")) << path;
    }
  }
  EXPECT_EQ(listing(folder_.path()), "");
}

TEST_F(Save, OverwritesNoFileOfAnotherUser) {
  if (::geteuid() != 0) GTEST_SKIP() << "only root can give a file away";
  write();
  ASSERT_EQ(::chown(file_.c_str(), 12345, 0), 0);
  Document document;
  document.file = file_;
  EXPECT_THAT(error_of([&] { create(document, true); }), HasSubstr("belongs to user 12345"));
  EXPECT_EQ(test::text_of(file_), kText);
}

TEST_F(Save, KeepsDollarsInJsonAsTheyAre) {
  write(R"({"services": []})");
  update(file_, [](Document& document) {
    document.local_database_path = "/tmp/${x";
    add_service(document, "http://a.example/${?$${b}");
  });
  EXPECT_THAT(test::text_of(file_), AllOf(HasSubstr("\"/tmp/${x\""), HasSubstr("\"http://a.example/${?$${b}\"")));
}

TEST_F(Save, SaysThatThereIsNothingToChange) {
  EXPECT_THAT(error_of([&] { update(folder_ / "no/config", [](Document&) {}); }), HasSubstr("monitor config create"));
  EXPECT_EQ(listing(folder_.path()), "");
}

}  // namespace
}  // namespace monitor::config
