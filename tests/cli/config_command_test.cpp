#include <sys/stat.h>

#include "cli/session.h"

namespace monitor::cli {
namespace {

using testing::HasSubstr;
using testing::Not;

class ConfigCommand : public Session {};

TEST_F(ConfigCommand, ShowsTheTutorialsTables) {
  must({"config", "create", "postgresql://test:1234567890@127.0.0.1:5432/test", "--local-path",
        "/home/abcdefghi/.monitoring/local-database.sqlite3"});
  must({"config", "services", "add", "http://localhost:8000/", "GET"});
  must({"config", "services", "add", "http://localhost:8000/openapi.json", "GET", "--regex", R"(\{"openapi":"3\.1\.0")",
        "--check-regex"});
  const auto shown = must({"config", "show", "--reveal"});
  EXPECT_EQ(shown.out,
            R"(+----------+----------------------------------------------------+
|   Name   |                       Value                        |
+----------+----------------------------------------------------+
|  Local   | /home/abcdefghi/.monitoring/local-database.sqlite3 |
| External |  postgresql://test:1234567890@127.0.0.1:5432/test  |
+----------+----------------------------------------------------+
+------------------------------------+--------+-------------+-----------------------+--------------+---------+
|                url                 | method | check_regex |         regex         | interval_sec | timeout |
+------------------------------------+--------+-------------+-----------------------+--------------+---------+
|       http://localhost:8000/       |  GET   |    False    |          None         |      5       |    15   |
| http://localhost:8000/openapi.json |  GET   |     True    | \{"openapi":"3\.1\.0" |      5       |    15   |
+------------------------------------+--------+-------------+-----------------------+--------------+---------+
)");
  EXPECT_EQ(shown.err, "");
}

TEST_F(ConfigCommand, NeverShowsAPasswordUnlessAskedTo) {
  follow_tutorial();
  must({"config", "services", "add", "http://me:hunter2@localhost:8000/x", "GET"});
  for (const auto& arguments : std::vector<std::vector<std::string>>{{"config", "show"},
                                                                     {"config", "databases", "show"},
                                                                     {"config", "services", "show"},
                                                                     {"config", "validate"}}) {
    const auto shown = must(arguments);
    EXPECT_THAT(shown.out + shown.err, Not(HasSubstr("1234567890")));
    EXPECT_THAT(shown.out + shown.err, Not(HasSubstr("hunter2")));
  }
  EXPECT_THAT(must({"config", "show"}).out, HasSubstr("postgresql://test:***@127.0.0.1:5432/test"));
  const auto revealed = must({"config", "show", "--reveal"});
  EXPECT_THAT(revealed.out, HasSubstr("1234567890"));
  EXPECT_THAT(revealed.out, HasSubstr("hunter2"));
}

TEST_F(ConfigCommand, CreatesTheEmbeddedDefaultForItsOwnerAlone) {
  const auto created = must({"config", "create"});
  EXPECT_THAT(created.out, HasSubstr("~/.monitoring/monitoring-config"));
  struct stat status{};
  ASSERT_EQ(::stat(file().c_str(), &status), 0);
  EXPECT_EQ(status.st_mode & 07777, 0600U);
  ASSERT_EQ(::stat(file().parent_path().c_str(), &status), 0);
  EXPECT_EQ(status.st_mode & 07777, 0700U);
  const auto shown = must({"config", "databases", "show"});
  EXPECT_THAT(shown.out, HasSubstr("| ~/.monitoring/local-database.sqlite3 |"));
  EXPECT_THAT(shown.out, HasSubstr("| External |                 None                 |"));
}

TEST_F(ConfigCommand, ReadsTheUriFromTheInput) {
  const auto created = must({"config", "create", "-"}, "postgresql://me:hunter2@db/x\n");
  EXPECT_THAT(created.out + created.err, Not(HasSubstr("hunter2")));
  EXPECT_THAT(must({"config", "show", "--reveal"}).out, HasSubstr("postgresql://me:hunter2@db/x"));
}

TEST_F(ConfigCommand, RefusesAnEmptyInputForTheUri) {
  EXPECT_EQ(run({"config", "create", "-"}, "").status, kWrongUsage);
  EXPECT_FALSE(std::filesystem::exists(file()));
}

TEST_F(ConfigCommand, RefusesAUriOfAnotherDatabase) {
  const auto ended = run({"config", "create", "mysql://me:hunter2@db/x"});
  EXPECT_EQ(ended.status, kWrongUsage);
  EXPECT_FALSE(std::filesystem::exists(file()));
}

TEST_F(ConfigCommand, OverwritesOnlyWhenForced) {
  follow_tutorial();
  const auto before = bytes();
  const auto refused = run({"config", "create"});
  EXPECT_EQ(refused.status, kWrongUsage);
  EXPECT_EQ(bytes(), before);
  must({"config", "create", "--force"});
  EXPECT_THAT(bytes(), Not(HasSubstr("1234567890")));
}

TEST_F(ConfigCommand, DeletesAfterAYes) {
  must({"config", "create"});
  const auto no = run({"config", "delete"}, "n\n");
  EXPECT_EQ(no.status, kFailed);
  EXPECT_EQ(no.out,
            "Are you sure want to delete the configuration? Config path: ~/.monitoring/monitoring-config [y/N]: ");
  EXPECT_EQ(no.err, "Aborted!\n");
  EXPECT_TRUE(std::filesystem::exists(file()));
  EXPECT_EQ(run({"config", "delete"}, "").status, kFailed);
  EXPECT_TRUE(std::filesystem::exists(file()));
  must({"config", "delete"}, "y\n");
  EXPECT_FALSE(std::filesystem::exists(file()));
}

TEST_F(ConfigCommand, DeletesWithoutAskingAlsoWhatCannotBeRead) {
  write_config("nonsense: [");
  const auto deleted = must({"config", "delete", "--yes"});
  EXPECT_THAT(deleted.out, Not(HasSubstr("[y/N]")));
  EXPECT_FALSE(std::filesystem::exists(file()));
}

TEST_F(ConfigCommand, SaysWhichFileALinkWasThatItDeletes) {
  const auto real = (home_ / "real").string();
  must({"config", "create", "--config-path", real});
  std::filesystem::create_directory(file().parent_path());
  std::filesystem::create_symlink(real, file());
  const auto deleted = must({"config", "delete"}, "y\n");
  EXPECT_THAT(deleted.out, HasSubstr("Config path: ~/.monitoring/monitoring-config, a link to ~/real [y/N]: "));
  EXPECT_THAT(deleted.out, HasSubstr("a link to ~/real has been deleted, file and link."));
  EXPECT_FALSE(std::filesystem::exists(real));
  EXPECT_FALSE(std::filesystem::is_symlink(file()));
}

TEST_F(ConfigCommand, RefusesAFolderAndMakesNone) {
  const auto folder = (home_ / "new/").string();
  const auto refused = run({"config", "create", "--config-path", folder});
  EXPECT_EQ(refused.status, kWrongUsage);
  EXPECT_THAT(refused.err, HasSubstr("this names a folder"));
  EXPECT_FALSE(std::filesystem::exists(folder));
}

TEST_F(ConfigCommand, RefusesALocalPathThatNoFileCanHave) {
  for (const auto* path : {"", "/tmp/a\nb", "/tmp/\x1b[31m", "/tmp/\x7f"}) {
    const auto refused = run({"config", "create", "--local-path", path});
    EXPECT_EQ(refused.status, kWrongUsage);
    EXPECT_THAT(refused.err, testing::StartsWith("monitor: --local-path "));
    EXPECT_FALSE(std::filesystem::exists(file()));
  }
}

TEST_F(ConfigCommand, WritesARelativeLocalPathAsAnAbsoluteOneAndSaysSo) {
  const auto whole = (std::filesystem::current_path() / "data/x.sqlite3").string();
  const auto created = must({"config", "create", "--local-path", "./data/x.sqlite3"});
  EXPECT_THAT(created.out, HasSubstr("\nThe local database is " + whole + ", "));
  EXPECT_THAT(bytes(), HasSubstr(whole));
  EXPECT_EQ(must({"config", "validate"}).err, "");
  for (const auto* kept : {"~/x.sqlite3", "${DATA}/x.sqlite3", "/tmp/./x.sqlite3"}) {
    EXPECT_THAT(must({"config", "create", "--force", "--local-path", kept}).out,
                Not(HasSubstr("The local database is")));
    EXPECT_THAT(bytes(), HasSubstr(kept));
  }
}

TEST_F(ConfigCommand, ShowsTheDefaultPathWhereNoneIsGiven) {
  write_config("services: []\n");
  EXPECT_THAT(must({"config", "show"}).out, HasSubstr("|  Local   | ~/.monitoring/local-database.sqlite3 |"));
}

TEST_F(ConfigCommand, NeverShowsAUriThatStandsWhereAFilesNameBelongs) {
  write_config("external_database_uri_file: postgresql://me:hunter2@db/x\nservices: []\n");
  for (const auto& arguments : std::vector<std::vector<std::string>>{
           {"config", "show"}, {"config", "databases", "show"}, {"config", "validate"}, {"start", "--yes"}}) {
    const auto refused = run(arguments);
    EXPECT_EQ(refused.status, kWrongUsage);
    EXPECT_THAT(refused.err, HasSubstr("that is a URI: use external_database_uri"));
    EXPECT_THAT(refused.out + refused.err, Not(HasSubstr("hunter2")));
  }
}

TEST_F(ConfigCommand, ValidatesAndCounts) {
  follow_tutorial();
  const auto valid = must({"config", "validate"});
  EXPECT_THAT(valid.out, testing::StartsWith("OK: ~/.monitoring/monitoring-config: 2 services, "));
}

TEST_F(ConfigCommand, ValidationSaysWarningsToo) {
  write_config(
      "local_database_path: ~/x.sqlite3\nservices:\n  - url: http://localhost/\n    method: GET\n    interval_sec: 5\n"
      "    timeout: 60\n");
  const auto valid = must({"config", "validate"});
  EXPECT_EQ(valid.out, "OK: ~/.monitoring/monitoring-config: 1 service, 1 warning.\n");
  EXPECT_THAT(valid.err, testing::StartsWith("monitor: warning: "));
}

TEST_F(ConfigCommand, ValidatesWhatTheEnvironmentGives) {
  write_config("local_database_path: ${MONITOR_TEST_UNSET_VARIABLE}/x\nservices: []\n");
  const auto invalid = run({"config", "validate"});
  EXPECT_EQ(invalid.status, kWrongUsage);
  EXPECT_THAT(invalid.err, HasSubstr("MONITOR_TEST_UNSET_VARIABLE"));
}

}  // namespace
}  // namespace monitor::cli
