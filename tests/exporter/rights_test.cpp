// What docs/security.md says that the role in external_database_uri needs.
#include "fixture.h"

namespace monitor::exporter {
namespace {

class Rights : public ExporterTest {
 protected:
  void SetUp() override {
    server().exec(
        "REVOKE ALL ON DATABASE monitor FROM PUBLIC; REVOKE ALL ON SCHEMA public FROM PUBLIC; "
        "DROP ROLE IF EXISTS exact; CREATE ROLE exact LOGIN PASSWORD 'exact'; "
        "GRANT CONNECT ON DATABASE monitor TO exact; GRANT USAGE, CREATE ON SCHEMA public TO exact");
    options_.uri = server().uri_of("exact", "exact");
  }
  void TearDown() override {
    exporter_.reset();
    server().exec("DROP OWNED BY exact CASCADE; DROP ROLE exact");
  }
};

TEST_F(Rights, OneSchemaToMakeTablesInIsEnough) {
  options_.remote_retention = std::chrono::hours{48};
  append(result(define(definition()), std::chrono::hours{96}));
  add_results(3);
  const auto said = logged([&] {
    ASSERT_EQ(drain(), Progress::kIdle) << exporter().health().problem;
    settle();
    test::run(io_, exporter().maintain());
    restart_exporter();
    add_results(1);
    ASSERT_EQ(drain(), Progress::kIdle) << exporter().health().problem;
  });
  EXPECT_EQ(said, "");
  EXPECT_EQ(count_results(), "4") << "the partition of four days ago is rolled up and dropped";
  EXPECT_EQ(server().value("SELECT count(*) FROM monitoring_hours"), "1");
}

TEST_F(Rights, AnotherOwnersTablesWillNotDo) {
  const auto uri = std::exchange(options_.uri, server().uri());
  add_results(1);
  ASSERT_EQ(drain(), Progress::kIdle);
  server().exec("GRANT ALL ON ALL TABLES IN SCHEMA public TO exact");
  options_.uri = uri;
  restart_exporter();
  append(result(define(definition()), std::chrono::hours{96}));
  commit();
  EXPECT_EQ(drain(), Progress::kUnavailable);
  for (const auto* words : {"must be owner", "let the role of external_database_uri own the monitoring_ tables"}) {
    EXPECT_NE(exporter().health().problem.find(words), std::string::npos) << exporter().health().problem;
  }
}

}  // namespace
}  // namespace monitor::exporter
