#include "app/store_commands.h"

#include <chrono>
#include <vector>

#include <boost/json/array.hpp>
#include <boost/json/value.hpp>
#include <fmt/format.h>

#include "app/store_json.h"
#include "async/event.h"
#include "common/error.h"

namespace monitor::app {

namespace json = boost::json;
using boost::asio::awaitable;

namespace {

constexpr std::chrono::seconds kCompactFor{1};

std::int64_t number(const json::value& value, std::string_view name) {
  if (!value.is_int64() || value.get_int64() < 0) {
    throw common::Error(fmt::format("`{}` must be a number from 0 on", name));
  }
  return value.get_int64();
}

/// Empty for all of them, which has to be asked for by name.
std::vector<storage::Seq> chosen(const json::object& request) {
  const auto* all = request.if_contains("all");
  const auto* seqs = request.if_contains("seqs");
  const bool everything = all != nullptr && *all == json::value(true);
  if (everything == (seqs != nullptr)) throw common::Error("name the rows in `seqs`, or ask for `all` of them");
  if (everything) return {};
  if (!seqs->is_array() || seqs->get_array().empty()) throw common::Error("`seqs` must be a list of numbers");
  std::vector<storage::Seq> chosen;
  for (const auto& seq : seqs->get_array()) chosen.push_back(number(seq, "seqs"));
  return chosen;
}

storage::Seq after(const json::object& request) {
  const auto* after = request.if_contains("after");
  return after == nullptr ? 0 : number(*after, "after");
}

json::object page(const std::vector<storage::QuarantinedRow>& rows) {
  json::array shown;
  for (const auto& row : rows) shown.emplace_back(to_json(row));
  return {{"rows", std::move(shown)}, {"more", rows.size() == kQuarantinePage}};
}

awaitable<json::object> stats(storage::Store& store) {
  const auto stats = co_await store.stats();
  co_return to_json(stats);
}

/// Between steps the store is free for commits, for as long as the step took.
awaitable<json::object> compact(storage::Store& store) {
  using Clock = std::chrono::steady_clock;
  const auto before = co_await store.stats();
  const auto end = Clock::now() + kCompactFor;
  std::uint64_t freed = 0;
  bool more = true;
  while (more && Clock::now() < end) {
    const auto began = Clock::now();
    const auto step = co_await store.compact();
    freed += step.freed_bytes;
    more = step.more;
    if (more) co_await async::sleep_for(Clock::now() - began);
  }
  const auto after = co_await store.stats();
  co_return json::object{{"before_bytes", before.file_bytes + before.wal_bytes},
                         {"after_bytes", after.file_bytes + after.wal_bytes},
                         {"freed_bytes", freed},
                         {"more", more}};
}

awaitable<json::object> list(storage::Store& store, json::object request) {
  const auto rows = co_await store.quarantined(after(request), kQuarantinePage);
  co_return page(rows);
}

awaitable<json::object> retry(storage::Store& store, json::object request) {
  const auto released = co_await store.retry_quarantined(chosen(request));
  co_return json::object{{"count", released.count}, {"gone", released.gone}};
}

awaitable<json::object> drop(storage::Store& store, json::object request) {
  const auto count = co_await store.drop_quarantined(chosen(request));
  co_return json::object{{"count", count}};
}

}  // namespace

json::object quarantine_page(storage::Reader& reader, const json::object& request) {
  return page(reader.quarantined(after(request), kQuarantinePage));
}

std::map<std::string, control::Server::Handler> store_commands(storage::Store& store) {
  return {
      {"db-stats", [&store](const json::object&) { return stats(store); }},
      {"db-compact", [&store](const json::object&) { return compact(store); }},
      {"quarantine-list", [&store](json::object request) { return list(store, std::move(request)); }},
      {"quarantine-retry", [&store](json::object request) { return retry(store, std::move(request)); }},
      {"quarantine-drop", [&store](json::object request) { return drop(store, std::move(request)); }},
  };
}

}  // namespace monitor::app
