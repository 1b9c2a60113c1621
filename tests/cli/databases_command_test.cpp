#include "cli/session.h"

namespace monitor::cli {
namespace {

using testing::HasSubstr;
using testing::Not;

class DatabasesCommand : public Session {
 protected:
  void SetUp() override { follow_tutorial(); }
};

TEST_F(DatabasesCommand, UpdatesAfterAYes) {
  const auto updated = must({"config", "databases", "update", "--local-path", "/tmp/other.sqlite3"}, "y\n");
  EXPECT_THAT(
      updated.out,
      HasSubstr("Are you sure want to update the databases? Config path: ~/.monitoring/monitoring-config [y/N]: "));
  EXPECT_THAT(updated.out, HasSubstr("Restart the application"));
  const auto shown = must({"config", "databases", "show"});
  EXPECT_THAT(shown.out, HasSubstr("/tmp/other.sqlite3"));
  EXPECT_THAT(shown.out, HasSubstr("postgresql://test:***@127.0.0.1:5432/test"));
  EXPECT_THAT(shown.out, Not(HasSubstr("url")));
}

TEST_F(DatabasesCommand, ChangesNothingWithoutAYes) {
  const auto before = bytes();
  for (const auto* answer : {"n\n", "\n", ""}) {
    EXPECT_EQ(run({"config", "databases", "update", "--no-external"}, answer).status, kFailed);
    EXPECT_EQ(bytes(), before);
  }
}

TEST_F(DatabasesCommand, ReadsTheUriAndThenTheAnswerFromTheInput) {
  const auto updated =
      must({"config", "databases", "update", "--external-uri", "-"}, "postgresql://me:hunter2@db/x\ny\n");
  EXPECT_THAT(updated.out + updated.err, Not(HasSubstr("hunter2")));
  EXPECT_THAT(bytes(), HasSubstr("postgresql://me:hunter2@db/x"));
}

TEST_F(DatabasesCommand, UnsetsTheExternalDatabase) {
  must({"config", "databases", "update", "--no-external", "--yes"});
  EXPECT_THAT(must({"config", "databases", "show"}).out, HasSubstr(" None "));
  EXPECT_THAT(bytes(), Not(HasSubstr("1234567890")));
}

TEST_F(DatabasesCommand, AUriTakesThePlaceOfASecretFile) {
  write_config("local_database_path: /tmp/x\nexternal_database_uri_file: /run/secret\nservices: []\n");
  EXPECT_THAT(must({"config", "databases", "show"}).out, HasSubstr("in the file /run/secret"));
  must({"config", "databases", "update", "--external-uri", "postgresql://db/x", "-y"});
  EXPECT_THAT(bytes(), Not(HasSubstr("/run/secret")));
}

TEST_F(DatabasesCommand, RefusesNothingAndContradictions) {
  const auto before = bytes();
  EXPECT_EQ(run({"config", "databases", "update", "--yes"}).status, kWrongUsage);
  EXPECT_EQ(
      run({"config", "databases", "update", "--yes", "--no-external", "--external-uri", "postgresql://db/x"}).status,
      kWrongUsage);
  EXPECT_EQ(run({"config", "databases", "update", "--yes", "--external-uri", "mysql://db/x"}).status, kWrongUsage);
  EXPECT_EQ(bytes(), before);
}

}  // namespace
}  // namespace monitor::cli
