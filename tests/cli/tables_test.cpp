#include "cli/tables.h"

#include <gtest/gtest.h>

#include "cli/views.h"

namespace monitor::cli {
namespace {

config::Document tutorial() {
  config::Document document;
  document.local_database_path = "/home/abcdefghi/.monitoring/local-database.sqlite3";
  document.external_database_uri = "postgresql://test:1234567890@127.0.0.1:5432/test";
  probe::Service plain;
  plain.url = "http://localhost:8000/";
  plain.method = "GET";
  probe::Service regex = plain;
  regex.url = "http://localhost:8000/openapi.json";
  regex.check_regex = true;
  regex.regex = R"(\{"openapi":"3\.1\.0")";
  document.services = {plain, regex};
  return document;
}

TEST(Tables, ShowTheDatabasesOfTheTutorial) {
  EXPECT_EQ(render(databases_table(tutorial(), Secrets::kShown)),
            "+----------+----------------------------------------------------+\n"
            "|   Name   |                       Value                        |\n"
            "+----------+----------------------------------------------------+\n"
            "|  Local   | /home/abcdefghi/.monitoring/local-database.sqlite3 |\n"
            "| External |  postgresql://test:1234567890@127.0.0.1:5432/test  |\n"
            "+----------+----------------------------------------------------+\n");
}

TEST(Tables, ShowTheServicesOfTheTutorial) {
  EXPECT_EQ(
      render(services_table(tutorial(), Numbers::kNone, Secrets::kMasked)),
      "+------------------------------------+--------+-------------+-----------------------+--------------+---------+\n"
      "|                url                 | method | check_regex |         regex         | interval_sec | timeout |\n"
      "+------------------------------------+--------+-------------+-----------------------+--------------+---------+\n"
      "|       http://localhost:8000/       |  GET   |    False    |          None         |      5       |    15   |\n"
      "| http://localhost:8000/openapi.json |  GET   |     True    | \\{\"openapi\":\"3\\.1\\.0\" |      5       |    "
      "15   "
      "|\n"
      "+------------------------------------+--------+-------------+-----------------------+--------------+---------+"
      "\n");
}

TEST(Tables, ShowTheNumberedServicesOfTheTutorial) {
  EXPECT_EQ(render(services_table(tutorial(), Numbers::kShown, Secrets::kMasked)),
            "+---+------------------------------------+--------+-------------+-----------------------+--------------+--"
            "-------"
            "+\n"
            "| № |                url                 | method | check_regex |         regex         | interval_sec | "
            "timeout "
            "|\n"
            "+---+------------------------------------+--------+-------------+-----------------------+--------------+--"
            "-------"
            "+\n"
            "| 0 |       http://localhost:8000/       |  GET   |    False    |          None         |      5       |  "
            "  15   "
            "|\n"
            "| 1 | http://localhost:8000/openapi.json |  GET   |     True    | \\{\"openapi\":\"3\\.1\\.0\" |      5   "
            "    |   "
            " 15   |\n"
            "+---+------------------------------------+--------+-------------+-----------------------+--------------+--"
            "-------"
            "+\n");
}

TEST(Tables, NameServicesOnlyWhereThereIsAName) {
  auto document = tutorial();
  document.services[1].name = "api";
  const auto table = services_table(document, Numbers::kNone, Secrets::kMasked);
  EXPECT_EQ(table.header.back(), "name");
  EXPECT_EQ(table.rows[0].back(), "None");
  EXPECT_EQ(table.rows[1].back(), "api");
}

TEST(Tables, ShowNoneForAnEmbeddedDatabase) {
  auto document = tutorial();
  document.external_database_uri.reset();
  EXPECT_EQ(databases_table(document, Secrets::kMasked).rows[1].back(), "None");
}

TEST(Tables, MaskPasswordsUnlessTheyAreAskedFor) {
  auto document = tutorial();
  document.services[0].url = "http://user:hunter2@localhost:8000/";
  EXPECT_EQ(databases_table(document, Secrets::kMasked).rows[1].back(), "postgresql://test:***@127.0.0.1:5432/test");
  EXPECT_EQ(services_table(document, Numbers::kNone, Secrets::kMasked).rows[0].front(), "http://localhost:8000/");
  EXPECT_EQ(services_table(document, Numbers::kNone, Secrets::kShown).rows[0].front(),
            "http://user:hunter2@localhost:8000/");
}

TEST(Tables, AlignWideCombiningAndEmojiCharacters) {
  EXPECT_EQ(render({{"№", "name"}, {{"1", "日本"}, {"2", "e\xCC\x81t\xC3\xA9"}, {"3", "🚀"}}}),
            "+---+------+\n"
            "| № | name |\n"
            "+---+------+\n"
            "| 1 | 日本 |\n"
            "| 2 | e\xCC\x81t\xC3\xA9  |\n"
            "| 3 |  🚀  |\n"
            "+---+------+\n");
}

TEST(Tables, EscapeWhatWouldDriveATerminal) {
  EXPECT_EQ(render({{"a"}, {{"\x1b[2J\n\xff"}}}),
            "+---------------+\n"
            "|       a       |\n"
            "+---------------+\n"
            "| \\x1b[2J\\n\\xff |\n"
            "+---------------+\n");
}

TEST(Tables, WithoutRowsAreAHeader) {
  EXPECT_EQ(render({{"url", "method"}, {}}), "+-----+--------+\n| url | method |\n+-----+--------+\n");
}

TEST(DisplayWidth, CountsColumns) {
  EXPECT_EQ(display_width(""), 0U);
  EXPECT_EQ(display_width("abc"), 3U);
  EXPECT_EQ(display_width("№"), 1U);
  EXPECT_EQ(display_width("ｆｕｌｌ"), 8U);
  EXPECT_EQ(display_width("한국어"), 6U);
  EXPECT_EQ(display_width("a\xE2\x80\x8B"), 1U);  // zero width space
}

}  // namespace
}  // namespace monitor::cli
