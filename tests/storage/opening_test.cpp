#include <fstream>
#include <sys/stat.h>
#include <unistd.h>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "common/error.h"
#include "storage/sql.h"
#include "storage/store.h"
#include "support/stored.h"

namespace monitor::storage {
namespace {

namespace fs = std::filesystem;

using test::Sql;
using test::Stored;
using test::TempDir;
using testing::AllOf;
using testing::HasSubstr;

/// Why a store cannot be opened at `file`; empty if it can.
std::string refusal(const fs::path& file) {
  boost::asio::io_context io;
  const test::ManualClock clock;
  try {
    Store::open(io.get_executor(), {.path = file, .max_size = {}}, clock);
    return {};
  } catch (const common::Error& error) {
    return error.what();
  }
}

std::string content(const fs::path& file) {
  std::ifstream in(file, std::ios::binary);
  return {std::istreambuf_iterator<char>(in), {}};
}

/// The local file as the tool before us made it, with one row that was exported and three that were not.
void make_predecessor(const fs::path& file, const std::string& journal_mode) {
  Sql sql(file);
  sql("PRAGMA journal_mode = " + journal_mode);
  sql("CREATE TABLE monitoring (id VARCHAR PRIMARY KEY, url VARCHAR NOT NULL, method VARCHAR NOT NULL, "
      "request_timestamp DATETIME NOT NULL, regex_check_required BOOLEAN NOT NULL, contains_regex BOOLEAN NOT NULL, "
      "contains_exception BOOLEAN NOT NULL, status_code INTEGER, response_timestamp DATETIME, regex VARCHAR, "
      "exception TEXT, processed BOOLEAN NOT NULL, created_at DATETIME NOT NULL)");
  sql("INSERT INTO monitoring VALUES ('a', 'https://a.example/', 'GET', '2024-04-22 12:35:30.970123', 0, 0, 0, 200, "
      "'2024-04-22 12:35:31.100000', NULL, NULL, 1, '2024-04-22 12:35:31.200000')");
  sql("INSERT INTO monitoring VALUES ('c', 'https://u:secret@b.example/x@y', 'POST', '2024-04-22 12:35:40.000007', 1, "
      "0, 0, 200, '2024-04-22 12:35:40.5', 'ok$', NULL, 0, '2024-04-22 12:35:41')");
  sql("INSERT INTO monitoring VALUES ('b', 'https://a.example/', 'GET', '2024-04-22 12:35:35.000000', 0, 0, 0, 204, "
      "'2024-04-22 12:35:35.250000', NULL, NULL, 0, '2024-04-22 12:35:35.300000')");
  sql("INSERT INTO monitoring VALUES ('d', 'https://a.example/', 'GET', '2024-04-22 12:35:45', 0, 0, 1, NULL, "
      "NULL, NULL, 'Connection refused', 0, '2024-04-22 12:35:46')");
}

const std::string kImported =
    "1|https://a.example/|GET|2024-04-22 12:35:35.000000|0|0|0|204|2024-04-22 12:35:35.250000|||1|up|"
    "2024-04-22 12:35:35.300000\n"
    "2|https://b.example/x@y|POST|2024-04-22 12:35:40.000007|1|0|0|200|2024-04-22 12:35:40.500000|ok$||0|"
    "body_mismatch|2024-04-22 12:35:41.000000\n"
    "3|https://a.example/|GET|2024-04-22 12:35:45.000000|0|0|1||||Connection refused|0|connect_refused|"
    "2024-04-22 12:35:46.000000";

std::string imported(const fs::path& file) {
  return Sql(file)(
      "SELECT id, url, method, request_timestamp, regex_check_required, contains_regex, contains_exception, "
      "status_code, response_timestamp, regex, exception, up, outcome, local_created_at FROM monitoring_view");
}

TEST(Opening, RefusesASecondInstanceAndNamesTheFirst) {
  const Stored stored;
  EXPECT_THAT(refusal(stored.file()),
              AllOf(HasSubstr(stored.file().string()), HasSubstr("process " + std::to_string(::getpid()))));
}

TEST(Opening, RefusesASecondInstanceByAnotherName) {
  const Stored stored;
  fs::create_symlink(stored.file(), stored.folder() / "other.sqlite3");
  EXPECT_THAT(refusal(stored.folder() / "other.sqlite3"), HasSubstr("in use by process"));
}

TEST(Opening, IsFreeAgainAfterClose) {
  Stored stored;
  stored.close();
  EXPECT_EQ(refusal(stored.file()), "");
}

TEST(Opening, RefusesAForeignFileAndLeavesItAlone) {
  const TempDir folder;
  const auto text = folder / "notes.txt";
  std::ofstream(text) << std::string(5000, 'x');
  const auto other = folder / "other.sqlite3";
  Sql{other}(
      "PRAGMA application_id = 7; CREATE TABLE monitoring (url, request_timestamp, contains_exception, processed)");
  const auto plain = folder / "plain.sqlite3";
  Sql{plain}("CREATE TABLE songs (title)");
  for (const auto& file : {text, other, plain}) {
    const std::string before = content(file);
    EXPECT_THAT(refusal(file), AllOf(HasSubstr(file.string()), HasSubstr("not a database of monitor")));
    EXPECT_EQ(content(file), before);
  }
}

TEST(Opening, RefusesAFolder) {
  const TempDir folder;
  EXPECT_THAT(refusal(folder.path()), HasSubstr("is a folder"));
}

TEST(Opening, RefusesADatabaseOfANewerVersion) {
  Stored stored;
  stored.close();
  Sql(stored.file())("PRAGMA user_version = 1000");
  EXPECT_THAT(refusal(stored.file()), HasSubstr("newer version"));
}

TEST(Opening, TakesAnEmptyFileAsNone) {
  const TempDir folder;
  std::ofstream(folder / "empty.sqlite3").flush();
  EXPECT_EQ(refusal(folder / "empty.sqlite3"), "");
}

TEST(Opening, DoesNotReplayTheLogOfADeletedDatabase) {
  const TempDir folder;
  const auto file = folder / "local.sqlite3";
  std::ofstream(file.string() + "-wal") << std::string(100'000, '\x37');
  EXPECT_EQ(refusal(file), "");
  EXPECT_EQ(Sql(file)("PRAGMA integrity_check"), "ok");
}

TEST(Opening, TakesOverWhatThePredecessorHadNotExported) {
  for (const std::string journal_mode : {"DELETE", "WAL"}) {
    const TempDir folder;
    const auto file = folder / "local.sqlite3";
    make_predecessor(file, journal_mode);
    EXPECT_EQ(refusal(file), "");
    EXPECT_EQ(imported(file), kImported);
    EXPECT_EQ(Sql(file)("SELECT group_concat(DISTINCT interval_s) FROM definitions"), "0");
    EXPECT_EQ(content(file).find("secret"), std::string::npos);
    EXPECT_EQ(Sql(folder / "local.sqlite3.original")("SELECT count(*) FROM monitoring"), "4");
    EXPECT_FALSE(fs::exists(folder / "local.sqlite3.new"));
    struct stat info{};
    ASSERT_EQ(::stat(file.c_str(), &info), 0);
    EXPECT_EQ(info.st_mode & 0777U, 0600U);
  }
}

TEST(Opening, TakesOverAPredecessorThatWasKilledInItsLog) {
  const TempDir folder;
  const auto file = folder / "local.sqlite3";
  make_predecessor(folder / "living.sqlite3", "WAL");
  {
    Sql living(folder / "living.sqlite3");
    living("SELECT count(*) FROM monitoring; PRAGMA wal_autocheckpoint = 0; UPDATE monitoring SET method = 'HEAD'");
    fs::copy(folder / "living.sqlite3", file);
    fs::copy(folder / "living.sqlite3-wal", file.string() + "-wal");
  }
  EXPECT_EQ(refusal(file), "");
  EXPECT_EQ(Sql(file)("SELECT group_concat(DISTINCT method) FROM monitoring_view"), "HEAD");
}

TEST(Opening, KeepsAnEarlierOriginal) {
  const TempDir folder;
  std::ofstream(folder / "local.sqlite3.original") << "mine";
  make_predecessor(folder / "local.sqlite3", "DELETE");
  EXPECT_EQ(refusal(folder / "local.sqlite3"), "");
  EXPECT_EQ(content(folder / "local.sqlite3.original"), "mine");
  EXPECT_EQ(Sql(folder / "local.sqlite3.original.2")("SELECT count(*) FROM monitoring"), "4");
}

TEST(Opening, FinishesAnImportThatWasCutBetweenTheRenames) {
  const TempDir folder;
  const auto file = folder / "local.sqlite3";
  make_predecessor(file, "DELETE");
  ASSERT_EQ(refusal(file), "");
  fs::rename(file, file.string() + ".new");
  EXPECT_EQ(refusal(file), "");
  EXPECT_EQ(imported(file), kImported);
}

TEST(Opening, BeginsAgainAfterAnImportThatWasCutWhileItWasBuilt) {
  const TempDir folder;
  const auto file = folder / "local.sqlite3";
  make_predecessor(file, "DELETE");
  Sql(file.string() + ".new")("CREATE TABLE half (done)");
  EXPECT_EQ(refusal(file), "");
  EXPECT_EQ(imported(file), kImported);
}

/// `copy` as a kill in the midst of a transaction would leave `file`.
void copy_half_written(const fs::path& file, const fs::path& copy) {
  Sql sql(file);
  sql("PRAGMA cache_size = 1; CREATE TABLE more (text); BEGIN; "
      "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 100) "
      "INSERT INTO more SELECT hex(randomblob(2000)) FROM n");
  fs::copy_file(file, copy);
  fs::copy_file(file.string() + "-journal", copy.string() + "-journal");
}

TEST(Opening, BeginsAgainAfterAKillWhileItWasBuilt) {
  const TempDir folder;
  const auto file = folder / "local.sqlite3";
  copy_half_written(folder / "whole.sqlite3", file.string() + ".new");
  EXPECT_EQ(refusal(file), "");
}

TEST(Opening, TakesOverAPredecessorThatWasKilledInATransaction) {
  const TempDir folder;
  const auto file = folder / "local.sqlite3";
  make_predecessor(folder / "whole.sqlite3", "DELETE");
  copy_half_written(folder / "whole.sqlite3", file);
  EXPECT_EQ(refusal(file), "");
  EXPECT_EQ(imported(file), kImported);
}

}  // namespace
}  // namespace monitor::storage
