#include <thread>

#include <boost/asio/io_context.hpp>
#include <boost/asio/post.hpp>
#include <boost/json/parse.hpp>

#include "app/control_server.h"
#include "async/task_group.h"
#include "cli/session.h"

namespace monitor::cli {
namespace {

namespace asio = boost::asio;
namespace json = boost::json;
using testing::AllOf;
using testing::HasSubstr;

/// Stands in for a daemon that says `health` of itself, while it lives.
class Daemon {
 public:
  Daemon(const std::filesystem::path& database, json::object health) : server_(io_.get_executor(), database) {
    server_.handle("health", [health](json::object) -> asio::awaitable<json::object> { co_return health; });
    server_.open();
    tasks_.spawn("control", server_.run());
    thread_ = std::thread([this] { io_.run(); });
  }
  ~Daemon() {
    asio::post(io_, [this] { tasks_.cancel(); });
    thread_.join();
  }
  Daemon(const Daemon&) = delete;
  Daemon& operator=(const Daemon&) = delete;

 private:
  asio::io_context io_{1};
  app::control::Server server_;
  async::TaskGroup tasks_{io_.get_executor(), [](const std::string& name, std::exception_ptr) { FAIL() << name; }};
  std::thread thread_;
};

class HealthCommand : public Session {
 protected:
  HealthCommand() { write_config("local_database_path: " + database().string() + "\nservices: []\n"); }
  std::filesystem::path database() const { return file().parent_path() / "local.sqlite3"; }
};

TEST_F(HealthCommand, FailsWhileAWorkerIsStalledAndSaysWhichOneAndWhere) {
  const Daemon daemon(database(), {{"healthy", false},
                                   {"workers", json::array{{{"name", "agent"},
                                                            {"condition", "stalled"},
                                                            {"still_s", 75},
                                                            {"place", "3 checks running"},
                                                            {"problem", ""}}}}});
  const auto told = run({"health"});
  EXPECT_EQ(told.status, kFailed);
  EXPECT_THAT(told.out, AllOf(HasSubstr("Not healthy"), HasSubstr("stalled for 75s"), HasSubstr("3 checks running")));
  const auto machine = run({"health", "--json"});
  EXPECT_EQ(machine.status, kFailed);
  EXPECT_EQ(json::parse(machine.out).at("healthy"), json::value(false));
}

TEST_F(HealthCommand, SucceedsWhileEveryWorkerMoves) {
  const Daemon daemon(database(), {{"healthy", true}});
  EXPECT_EQ(run({"health"}).status, kDone);
}

}  // namespace
}  // namespace monitor::cli
