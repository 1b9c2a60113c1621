// The predecessor's tutorial, command for command; only the ports are free ones.
#include <gmock/gmock.h>

#include "e2e/world.h"
#include "support/postgres.h"

namespace monitor::test {
namespace {

using testing::HasSubstr;

class Tutorial : public testing::Test {
 protected:
  void add_services() {
    const auto plain = world_.monitor({"config", "services", "add", example_.url() + "/", "GET"});
    ASSERT_EQ(plain.status, 0) << plain.err;
    const auto regex = world_.monitor({"config", "services", "add", example_.url() + "/openapi.json", "GET", "--regex",
                                       R"(\{"openapi":"3\.1\.0")", "--check-regex"});
    ASSERT_EQ(regex.status, 0) << regex.err;
  }
  World world_;
  Example example_;
};

TEST_F(Tutorial, WorksAgainstARealPostgres) {
  Postgres postgres;
  const auto created = world_.monitor({"config", "create", postgres.uri()});
  ASSERT_EQ(created.status, 0) << created.err;
  add_services();

  const auto shown = world_.monitor({"config", "show"});
  EXPECT_EQ(shown.status, 0);
  EXPECT_THAT(shown.out, HasSubstr("|   Name   |"));
  EXPECT_THAT(shown.out, HasSubstr("local-database.sqlite3"));
  EXPECT_THAT(shown.out, testing::Not(HasSubstr(Postgres::kPassword)));
  EXPECT_THAT(world_.monitor({"config", "show", "--reveal"}).out, HasSubstr(Postgres::kPassword));

  auto monitor = world_.start();
  ASSERT_TRUE(monitor->wait_for("Exported ")) << monitor->err();
  ASSERT_TRUE(eventually([&] { return postgres.value("SELECT count(DISTINCT url) FROM monitoring WHERE up") == "2"; }))
      << monitor->err();
  const auto err = monitor->err();
  EXPECT_THAT(err, HasSubstr("Systemd notification is disabled."));
  EXPECT_THAT(err, HasSubstr("Starting Agent worker."));
  EXPECT_THAT(err, HasSubstr("Starting Collector worker."));
  EXPECT_THAT(err, HasSubstr("Starting Exporter worker."));
  EXPECT_THAT(err, HasSubstr("Average requests per minute (RPM) across all services: 12.00"));
  EXPECT_THAT(err, HasSubstr("Total requests per minute (RPM) across all services: 24.00"));
  EXPECT_THAT(err, testing::Not(HasSubstr(Postgres::kPassword)));

  const auto rows = postgres.query(
      "SELECT method, regex_check_required, contains_regex, contains_exception, status_code FROM monitoring "
      "WHERE url LIKE '%openapi.json' LIMIT 1");
  ASSERT_EQ(rows.size(), 1U);
  EXPECT_EQ(rows[0][0], "GET");
  EXPECT_EQ(rows[0][1], "t");
  EXPECT_EQ(rows[0][2], "t");
  EXPECT_EQ(rows[0][3], "f");
  EXPECT_EQ(rows[0][4], "200");
  monitor->signal(SIGTERM);
  EXPECT_EQ(monitor->wait(), 0) << monitor->err();
}

TEST_F(Tutorial, ServicesAreShownUpdatedAndRemovedByNumber) {
  ASSERT_EQ(world_.monitor({"config", "create"}).status, 0);
  add_services();
  const auto numbered = world_.monitor({"config", "services", "show", "--numbered"});
  EXPECT_THAT(numbered.out, HasSubstr("| № |"));
  EXPECT_THAT(numbered.out, HasSubstr("| 1 |"));

  const auto refused = world_.monitor({"config", "services", "update", "1", "--timeout", "20"}, "n\n");
  EXPECT_EQ(refused.status, 1);
  const auto updated = world_.monitor({"config", "services", "update", "1", "--timeout", "20"}, "y\n");
  EXPECT_EQ(updated.status, 0) << updated.err;
  EXPECT_THAT(world_.monitor({"config", "services", "show"}).out, HasSubstr("|    20   |"));
  EXPECT_EQ(world_.monitor({"config", "services", "remove", "0"}, "y\n").status, 0);
  EXPECT_THAT(world_.monitor({"config", "services", "show"}).out, testing::Not(HasSubstr(example_.url() + "/ ")));
  EXPECT_EQ(world_.monitor({"config", "services", "remove", "7"}, "y\n").status, 2);
}

TEST_F(Tutorial, StartAsksFirstAndAnythingButYesChangesNothing) {
  ASSERT_EQ(world_.monitor({"config", "create"}).status, 0);
  add_services();
  const auto no = world_.monitor({"start"}, "\n");
  EXPECT_EQ(no.status, 1);
  EXPECT_THAT(no.out, HasSubstr("Are you sure want to start monitoring? Config path:"));
  EXPECT_FALSE(std::filesystem::exists(world_.database()));
}

TEST_F(Tutorial, TheReportSaysWhatHappenedAlsoWhileTheDaemonRuns) {
  ASSERT_EQ(world_.monitor({"config", "create"}).status, 0);
  add_services();
  ASSERT_EQ(world_.monitor({"config", "services", "add", example_.url() + "/error", "GET", "--name", "broken"}).status,
            0);
  auto monitor = world_.start();
  ASSERT_TRUE(eventually([&] {
    const auto report = world_.monitor({"report", "--service", "broken"});
    return report.status == 0 && report.out.find("status 500") != std::string::npos;
  })) << monitor->err();
  ASSERT_TRUE(eventually([&] { return world_.local_number("SELECT count(DISTINCT definition) FROM results") == 3; }));
  monitor->signal(SIGINT);
  EXPECT_EQ(monitor->wait(), 0) << monitor->err();
  const auto report = world_.monitor({"report", "--json"});
  EXPECT_EQ(report.status, 0) << report.err;
  EXPECT_THAT(report.out, HasSubstr("openapi.json"));
  EXPECT_THAT(monitor->err(), HasSubstr("broken is down: "));
}

}  // namespace
}  // namespace monitor::test
