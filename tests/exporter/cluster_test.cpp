#include <gtest/gtest.h>

#include "support/postgres.h"

namespace monitor::test {
namespace {

TEST(PostgresSupport, StartsStopsCrashesAndComesBackOnItsPort) {
  Postgres server;
  server.exec("CREATE TABLE t (x integer); INSERT INTO t VALUES (1)");
  const int port = server.port();
  server.stop(Postgres::Stop::kImmediate);
  EXPECT_THROW(server.exec("SELECT 1"), std::runtime_error);
  server.start();
  EXPECT_EQ(server.port(), port);
  EXPECT_EQ(server.value("SELECT x FROM t"), "1");
  server.backup();
  server.exec("INSERT INTO t VALUES (2)");
  server.restore();
  EXPECT_EQ(server.value("SELECT count(*) FROM t"), "1");
  server.kill_backends();
  EXPECT_TRUE(server.backends().empty());
}

}  // namespace
}  // namespace monitor::test
