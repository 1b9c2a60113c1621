// One session with PostgreSQL, without an exporter around it.
#include "exporter/postgres.h"
#include "fixture.h"

namespace monitor::exporter {
namespace {

TEST(Breaker, WatchesNothingButWhatItCanInterrupt) {
  Breaker breaker;
  EXPECT_THROW(breaker.watch(-1), Unavailable) << "as where no descriptor is left";
}

TEST_F(ExporterTest, ARefusedBeginLeavesNoTransactionOpen) {
  limits_.lock = std::chrono::milliseconds{-1};  // no value of lock_timeout
  Breaker breaker;
  const auto session = Session::open(server().uri(), limits_, breaker);
  EXPECT_THROW(session->begin(), Refused);
  EXPECT_EQ(server().value("SELECT state FROM pg_stat_activity WHERE application_name = 'monitor'"), "idle");
}

}  // namespace
}  // namespace monitor::exporter
