#include "cli/session.h"

namespace monitor::cli {
namespace {

using testing::HasSubstr;
using testing::Not;

class DatabasesCommand : public Session {
 protected:
  void SetUp() override { follow_tutorial(); }
};

TEST_F(DatabasesCommand, UpdatesWithoutAQuestionAsThePredecessor) {
  const auto updated = must({"config", "databases", "update", "--local-path", "/tmp/other.sqlite3"});
  EXPECT_THAT(updated.out, Not(HasSubstr("[y/N]")));
  EXPECT_THAT(updated.out, HasSubstr("counts from the next start"));
  const auto shown = must({"config", "databases", "show"});
  EXPECT_THAT(shown.out, HasSubstr("/tmp/other.sqlite3"));
  EXPECT_THAT(shown.out, HasSubstr("postgresql://test:***@127.0.0.1:5432/test"));
  EXPECT_THAT(shown.out, Not(HasSubstr("url")));
  EXPECT_EQ(run({"config", "databases", "update", "--no-external", "--yes"}).status, kWrongUsage);
}

TEST_F(DatabasesCommand, SaysThatCommentsWillBeLost) {
  write_config("services: []  # none yet\n");
  EXPECT_THAT(must({"config", "databases", "update", "--no-external"}).err, HasSubstr("comments"));
}

TEST_F(DatabasesCommand, WritesARelativePathAsAnAbsoluteOne) {
  must({"config", "databases", "update", "--local-path", "x.sqlite3"});
  EXPECT_THAT(bytes(), HasSubstr((std::filesystem::current_path() / "x.sqlite3").string()));
  EXPECT_EQ(run({"config", "databases", "update", "--local-path="}).status, kWrongUsage);
}

TEST_F(DatabasesCommand, ReadsTheUriFromTheInput) {
  const auto updated = must({"config", "databases", "update", "--external-uri", "-"}, "postgresql://me:hunter2@db/x\n");
  EXPECT_THAT(updated.out + updated.err, Not(HasSubstr("hunter2")));
  EXPECT_THAT(bytes(), HasSubstr("postgresql://me:hunter2@db/x"));
}

TEST_F(DatabasesCommand, UnsetsTheExternalDatabase) {
  must({"config", "databases", "update", "--no-external"});
  EXPECT_THAT(must({"config", "databases", "show"}).out, HasSubstr(" None "));
  EXPECT_THAT(bytes(), Not(HasSubstr("1234567890")));
}

TEST_F(DatabasesCommand, AUriTakesThePlaceOfASecretFile) {
  write_config("local_database_path: /tmp/x\nexternal_database_uri_file: /run/secret\nservices: []\n");
  EXPECT_THAT(must({"config", "databases", "show"}).out, HasSubstr("in the file /run/secret"));
  must({"config", "databases", "update", "--external-uri", "postgresql://db/x"});
  EXPECT_THAT(bytes(), Not(HasSubstr("/run/secret")));
}

TEST_F(DatabasesCommand, RefusesNothingAndContradictions) {
  const auto before = bytes();
  EXPECT_EQ(run({"config", "databases", "update"}).status, kWrongUsage);
  EXPECT_EQ(run({"config", "databases", "update", "--no-external", "--external-uri", "postgresql://db/x"}).status,
            kWrongUsage);
  EXPECT_EQ(run({"config", "databases", "update", "--external-uri", "mysql://db/x"}).status, kWrongUsage);
  EXPECT_EQ(bytes(), before);
}

}  // namespace
}  // namespace monitor::cli
