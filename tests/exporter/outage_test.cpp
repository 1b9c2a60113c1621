// PostgreSQL is away, hangs, or breaks off: what the exporter does meanwhile, and that everything arrives once.
#include <csignal>

#include "fault_fixture.h"

namespace monitor::exporter {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;
using test::Postgres;
using test::PostgresProxy;

class Outage : public FaultTest {
 protected:
  /// 1600 results, which are too much at once, arrive in batches that are not.
  void expect_smaller_batches() {
    add_results(1600);
    int failed = 0;
    for (Progress progress = step(); progress != Progress::kIdle; progress = step()) {
      if (progress == Progress::kUnavailable) ASSERT_LT(++failed, 12) << exporter().health().problem;
    }
    EXPECT_GE(failed, 2);
    expect_flow(1600);
  }
};

class Stopped : public FaultTest, public testing::WithParamInterface<Postgres::Stop> {};

TEST_P(Stopped, ServerIsSaidOnceAndGetsEverythingWhenItIsBack) {
  use_own_server();
  add_results(100);
  ASSERT_EQ(drain(), Progress::kIdle);
  const auto log = logged([&] {
    server().stop(GetParam());
    for (int i = 0; i < 4; ++i) {
      add_results(100);
      EXPECT_EQ(step(), Progress::kUnavailable);
    }
    server().start();
    expect_flow(500);
  });
  expect_said_once(log);
}
INSTANTIATE_TEST_SUITE_P(A, Stopped, testing::Values(Postgres::Stop::kFast, Postgres::Stop::kImmediate),
                         [](const auto& info) { return info.param == Postgres::Stop::kFast ? "Fast" : "Immediate"; });

TEST_F(Outage, AKilledBackendTakesTheWholeServerDownForAMoment) {
  use_own_server();
  add_results(100);
  ASSERT_EQ(drain(), Progress::kIdle);
  const auto log = logged([&] {
    for (int round = 0; round < 2; ++round) {
      const auto backends = server().backends();
      ASSERT_FALSE(backends.empty());
      server().crash_backend(backends.front());
      add_results(100);
      EXPECT_EQ(step(), Progress::kUnavailable);
      expect_flow(200 + round * 200);
      add_results(100);
      expect_flow(300 + round * 200);
    }
  });
  EXPECT_EQ(count(log, "nothing is exported for now"), 2) << log;
}

// A commit that waits for a standby which does not exist is one that is under way for as long as the test likes.
class DuringCommit : public FaultTest, public testing::WithParamInterface<Postgres::Stop> {
 protected:
  void hold_commits(bool on) {
    server().exec(std::string("ALTER SYSTEM SET synchronous_standby_names = '") + (on ? "nobody" : "") + "'");
    server().exec("SELECT pg_reload_conf()");
  }
};

TEST_P(DuringCommit, ARestartLosesAndDoublesNothing) {
  use_own_server();
  add_results(100);
  ASSERT_EQ(drain(), Progress::kIdle);
  hold_commits(true);
  add_results(100);
  // The step can only end with the server; this ends the server when the commit is under way.
  in_background([this] { return server().value(kWaitsForStandby) != "0"; }, [this] { server().stop(GetParam()); });
  EXPECT_EQ(step(), Progress::kUnavailable);
  end_background();
  add_results(100);
  EXPECT_EQ(step(), Progress::kUnavailable);
  server().start();
  hold_commits(false);
  expect_flow(300);
}
INSTANTIATE_TEST_SUITE_P(A, DuringCommit, testing::Values(Postgres::Stop::kFast, Postgres::Stop::kImmediate),
                         [](const auto& info) { return info.param == Postgres::Stop::kFast ? "Fast" : "Immediate"; });

TEST_F(Outage, ABlackHoleHoldsUpNothingButTheExport) {
  limits_.call = milliseconds{1000};
  limits_.connect = seconds{2};
  use_proxy();
  add_results(100);
  ASSERT_EQ(drain(), Progress::kIdle);
  const auto log = logged([&] {
    proxy().set(PostgresProxy::Fault::kSwallow);
    const auto before = proxy().accepted();
    add_results(100);
    const auto start = std::chrono::steady_clock::now();
    for (int i = 0; i < 3; ++i) EXPECT_EQ(step_watched(), Progress::kUnavailable);
    // One call that was under way, and two connections.
    EXPECT_LT(std::chrono::steady_clock::now() - start, seconds{20});
    EXPECT_EQ(proxy().accepted() - before, 2);
    proxy().set(PostgresProxy::Fault::kNone);
    expect_flow(200);
  });
  expect_said_once(log);
}

TEST_F(Outage, AStoppedServerHoldsUpNothingButTheExport) {
  use_own_server();
  limits_.call = milliseconds{1000};
  limits_.connect = seconds{2};
  add_results(100);
  ASSERT_EQ(drain(), Progress::kIdle);
  const auto backends = server().backends();
  const auto log = logged([&] {
    server().pause();
    for (const auto pid : backends) ::kill(pid, SIGSTOP);
    add_results(100);
    for (int i = 0; i < 2; ++i) EXPECT_EQ(step_watched(), Progress::kUnavailable);
    server().resume();
    for (const auto pid : backends) ::kill(pid, SIGCONT);
    expect_flow(200);
  });
  expect_said_once(log);
}

class CutConnection : public FaultTest, public testing::WithParamInterface<PostgresProxy::Fault> {};

TEST_P(CutConnection, LosesAndDoublesNothing) {
  use_proxy();
  add_results(100);
  ASSERT_EQ(drain(), Progress::kIdle);
  for (int round = 0; round < 3; ++round) {
    proxy().set(GetParam());
    add_results(100);
    EXPECT_EQ(step(), Progress::kUnavailable);
    ASSERT_EQ(proxy().fault(), PostgresProxy::Fault::kNone) << "the fault did not happen";
    EXPECT_EQ(count_results(),
              std::to_string(100 + 100 * round + (GetParam() == PostgresProxy::Fault::kLoseAnswer ? 100 : 0)));
    expect_flow(200 + 100 * round);
  }
}
INSTANTIATE_TEST_SUITE_P(At, CutConnection,
                         testing::Values(PostgresProxy::Fault::kLoseCommit, PostgresProxy::Fault::kLoseAnswer,
                                         PostgresProxy::Fault::kCutCopy),
                         [](const auto& info) {
                           switch (info.param) {
                             case PostgresProxy::Fault::kLoseCommit:
                               return "TheCommit";
                             case PostgresProxy::Fault::kLoseAnswer:
                               return "TheAnswerToTheCommit";
                             default:
                               return "TheMiddleOfACopy";
                           }
                         });

// After a failure the next batch is smaller, so that it ends before the one whose answer was lost.
class LostAnswer : public FaultTest {
 protected:
  void lose_the_answer_to(int rows) {
    use_proxy();
    limits_.batch_rows = 400;
    add_results(10);
    ASSERT_EQ(drain(), Progress::kIdle);
    add_results(rows);
    proxy().set(PostgresProxy::Fault::kLoseAnswer);
    ASSERT_EQ(step(), Progress::kUnavailable);
    ASSERT_EQ(count_results(), "410");
  }
};

TEST_F(LostAnswer, AndThenASmallerBatchThatFailsMakeNoCopyOfTheFile) {
  lose_the_answer_to(800);
  proxy().set(PostgresProxy::Fault::kLoseCommit);
  ASSERT_EQ(step(), Progress::kUnavailable);
  ASSERT_EQ(proxy().fault(), PostgresProxy::Fault::kNone) << "the fault did not happen";
  expect_flow(810);
}

TEST_F(LostAnswer, IsRememberedWithoutTheExporter) {
  lose_the_answer_to(800);
  restart_exporter();
  expect_flow(810);
}

TEST_F(LostAnswer, OfRowsThatAreGoneThereMakesNoCopyOfTheFileEither) {
  lose_the_answer_to(800);
  server().exec("DELETE FROM monitoring_results");
  restart_exporter();
  ASSERT_EQ(drain(), Progress::kIdle);
  EXPECT_EQ(arrived(), "800 800 810 1");
}

TEST_F(Outage, AServerThatEndsALongStatementGetsSmallerBatches) {
  limits_.batch_rows = 1600;
  ASSERT_EQ(drain(), Progress::kIdle);
  // As Limits::statement does with what is too much.
  server().exec(
      "CREATE FUNCTION too_many() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN "
      "IF (SELECT count(*) FROM added) > 500 THEN RAISE EXCEPTION 'too slow' USING ERRCODE = '57014'; END IF; "
      "RETURN NULL; END $$; "
      "CREATE TRIGGER too_many AFTER INSERT ON monitoring_results REFERENCING NEW TABLE AS added "
      "FOR EACH STATEMENT EXECUTE FUNCTION too_many()");
  expect_smaller_batches();
}

TEST_F(Outage, ALinkThatCannotCarryABatchInTimeCarriesSmallerOnes) {
  limits_.call = milliseconds{400};
  limits_.batch_rows = 1600;
  use_proxy();
  ASSERT_EQ(drain(), Progress::kIdle);
  proxy().set(PostgresProxy::Fault::kSlow);  // 40 kB in the time of a call, of 1600 rows of 100 bytes
  expect_smaller_batches();
}

TEST_F(Outage, ASecondKindOfProblemIsSaidAndNoneTwice) {
  use_own_server();
  add_results(10);
  ASSERT_EQ(drain(), Progress::kIdle);
  const auto log = logged([&] {
    for (int round = 0; round < 3; ++round) {
      server().stop();
      add_results(1);
      EXPECT_EQ(step(), Progress::kUnavailable);
      server().start();
      server().exec("ALTER DATABASE monitor SET default_transaction_read_only = on", "postgres");
      EXPECT_EQ(step(), Progress::kUnavailable);
      EXPECT_NE(exporter().health().problem.find("25006"), std::string::npos) << exporter().health().problem;
    }
    server().exec("ALTER DATABASE monitor RESET default_transaction_read_only", "postgres");
    expect_flow(13);
  });
  EXPECT_EQ(count(log, "nothing is exported for now"), 2) << log;
  EXPECT_EQ(count(log, "are exported to PostgreSQL"), 1) << log;
}

TEST_F(Outage, FailedAttemptsComeSlowerAndSlower) {
  use_proxy();
  store().on_commit([this] { exporter().wake(); });
  exporter();
  proxy().set(PostgresProxy::Fault::kNone);
  server().exec("ALTER DATABASE monitor ALLOW_CONNECTIONS false", "postgres");
  server().kill_backends("postgres");
  const auto before = proxy().accepted();
  add_results(10);
  run_loops_for(milliseconds{1500});
  server().exec("ALTER DATABASE monitor ALLOW_CONNECTIONS true", "postgres");
  const auto attempts = proxy().accepted() - before;
  EXPECT_GE(attempts, 1);
  EXPECT_LE(attempts, 20) << "a tight loop";
  expect_flow(10);
}

// What a pooler that lends a connection for one transaction needs: that nothing is left in a session.
TEST_F(Outage, NothingIsLeftInASessionBetweenTransactions) {
  use_proxy();
  add_results(100);
  ASSERT_EQ(drain(), Progress::kIdle);
  test::run(io_, exporter().maintain());
  bool inside = false;
  int transactions = 0;
  for (const auto& statement : proxy().statements()) {
    if (statement.starts_with("BEGIN ")) {
      EXPECT_FALSE(inside) << statement;
      inside = true;
      ++transactions;
    } else if (statement == "COMMIT" || statement == "ROLLBACK") {
      inside = false;
    } else {
      EXPECT_TRUE(inside) << statement;
    }
    for (const char* word :
         {"pg_advisory_lock", "pg_try_advisory_lock", "LISTEN", "PREPARE", "TEMP TABLE", "DECLARE"}) {
      EXPECT_EQ(statement.find(word), std::string::npos) << statement;
    }
    for (auto at = statement.find("SET "); at != std::string::npos; at = statement.find("SET ", at + 1)) {
      const bool of_a_row =
          statement.find("UPDATE") != std::string::npos || statement.find("ALTER") != std::string::npos;
      EXPECT_TRUE(of_a_row || statement.substr(at, 10) == "SET LOCAL ") << statement;
    }
    const auto colon = statement.find(':');
    EXPECT_TRUE(colon == std::string::npos || colon == 0 || statement.find(' ') < colon)
        << "a named statement: " << statement;
  }
  EXPECT_GT(transactions, 5);
}

}  // namespace
}  // namespace monitor::exporter
