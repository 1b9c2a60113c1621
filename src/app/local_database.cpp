#include "app/local_database.h"

#include <exception>
#include <memory>
#include <optional>

#include <boost/asio/co_spawn.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/json/array.hpp>
#include <boost/json/value.hpp>
#include <fmt/format.h>

#include "app/control_client.h"
#include "app/store_commands.h"
#include "app/store_json.h"
#include "async/clock.h"
#include "common/error.h"
#include "storage/reader.h"

namespace monitor::app {

namespace asio = boost::asio;
namespace fs = std::filesystem;
namespace json = boost::json;

namespace {

using Handler = control::Server::Handler;

/// The store is closed whatever came of it.
asio::awaitable<json::object> carry_out(storage::Store& store, const Handler& handler, json::object request) {
  std::exception_ptr failure;
  json::object answer;
  try {
    answer = co_await handler(std::move(request));
  } catch (...) {
    failure = std::current_exception();
  }
  co_await store.close();
  if (failure) std::rethrow_exception(failure);
  co_return answer;
}

json::object perform_alone(const fs::path& database, const std::string& command, json::object request) {
  asio::io_context io{1};
  const async::SystemClock clock;
  storage::Options options;
  options.path = database;
  options.polls = false;
  const auto store = storage::Store::open(io.get_executor(), options, clock);
  const auto commands = store_commands(*store);
  std::exception_ptr failure;
  json::object answer;
  asio::co_spawn(io, carry_out(*store, commands.at(command), std::move(request)),
                 [&](const std::exception_ptr& thrown, json::object given) {
                   failure = thrown;
                   answer = std::move(given);
                 });
  io.run();
  if (failure) std::rethrow_exception(failure);
  return answer;
}

}  // namespace

json::object perform(const fs::path& database, const json::object& request, std::chrono::milliseconds limit) {
  if (!fs::exists(database)) {
    throw common::Error(fmt::format("there is no local database at {}: `monitor start` makes it", database.string()));
  }
  if (auto answer = control::ask(database, request, limit)) return std::move(*answer);
  const std::string command(request.at("command").as_string());
  if (command == "db-stats") return to_json(storage::Reader(database).stats());
  if (command == "quarantine-list") {
    storage::Reader reader(database);
    return quarantine_page(reader, request);
  }
  return perform_alone(database, command, request);
}

}  // namespace monitor::app
